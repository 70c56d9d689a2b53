"""Quantise the trained seed CNN, write it as a TFLite file, and count what it recognises.

    python benchmarks/quantise_seed_cnn.py weights.npz workloads/seed-cnn-trained-int8.tflite

The weights are those that ``train_seed_cnn.py`` writes. Ranges come from 64 pictures, the
counts from 10,000 others, neither of which training saw; the float32 file of the same weights
is counted on the same pictures.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from powerlab.analysis.accuracy import accuracy, ranks
from powerlab.recipes.gabor import gabor_set
from powerlab.recipes.layers import trace
from powerlab.recipes.networks import SEED_CNN
from powerlab.recipes.quantised import quantise
from powerlab.recipes.tflite_file import tflite_bytes, tflite_int8_bytes
from powerlab.recipes.weights import Weights

RANGES_SEED = 2 * 10**6
COUNTED_SEED = 3 * 10**6
COUNTED = 10_000


def outputs(content: bytes, pictures: np.ndarray) -> np.ndarray:
    """Get what a TFLite file tells of pictures (n, h, w, c) of 0 to 255: (n, classes)."""
    interpreter = Interpreter(model_content=content, num_threads=2)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    told = []
    for picture in pictures[:, np.newaxis]:
        if source["dtype"] == np.int8:
            value = (picture.astype(np.int16) - 128).astype(np.int8)
        else:
            value = picture.astype(np.float32) / 255
        interpreter.set_tensor(source["index"], value)
        interpreter.invoke()
        told.append(interpreter.get_tensor(target["index"])[0].copy())
    return np.array(told)


def main(source: str, target: str) -> None:
    """Write the file and print the counts."""
    arrays = np.load(source)
    names = [step.layer.name for step in trace(SEED_CNN) if step.kernel_shape is not None]
    weights = {name: Weights(arrays[f"{name}/kernel"], arrays[f"{name}/bias"]) for name in names}
    pictures, _ = gabor_set(RANGES_SEED, 64)
    quantised = quantise(SEED_CNN, weights, pictures.astype(np.float32) / 255)
    content = tflite_int8_bytes(SEED_CNN, quantised, "seed-cnn trained on Gabor patches, int8")
    Path(target).write_bytes(content)
    pictures, labels = gabor_set(COUNTED_SEED, COUNTED)
    floats = tflite_bytes(SEED_CNN, weights, "seed-cnn trained on Gabor patches")
    for name, one in (("int8", content), ("float32", floats)):
        told = accuracy(ranks(outputs(one, pictures), labels))
        print(f"{name}: {told.top1.hits} at the top, {told.top5.hits} in the top five of {COUNTED}")


if __name__ == "__main__":
    main(*sys.argv[1:])
