"""Make a tiny model with a runtime's own package, then load and invoke it by the adapter.

Run by the Python that has the runtime: ``run_adapter.py RUNTIME FOLDER [FILE]``, with the
checkout on its path. A FILE is taken instead of making one. Prints the facts as JSON.
"""

import importlib
import json
import os
import sys
import zipfile
from pathlib import Path

import numpy as np

SHAPE = [1, 16, 16, 1]
BATCH = 1 if sys.argv[1] == "ncnn" else 2


def weights(units=5):
    """Get a dense layer's kernel (256, units) and biases that favour the third output."""
    kernel = np.random.RandomState(3).random_sample((256, units)).astype(np.float32)
    return kernel, np.array([0, 0, 900, 0, 0], np.float32)


def describe(name, shape):
    """Say what goes into the model."""
    inputs = [{"name": name, "shape": shape, "dtype": "float32"}]
    Path("model.inputs.json").write_text(json.dumps({"inputs": inputs}), encoding="utf-8")


def make_keras():
    """Write a .keras file."""
    keras = importlib.import_module("keras")
    layers = [keras.layers.Input(SHAPE[1:]), keras.layers.Flatten(), keras.layers.Dense(5)]
    model = keras.Sequential(layers)
    model.layers[-1].set_weights(list(weights()))
    model.save("model.keras")
    return "model.keras"


def make_tensorflow():
    """Write a SavedModel and pack its folder."""
    tf = importlib.import_module("tensorflow")
    kernel, bias = (tf.constant(one) for one in weights())
    module = tf.Module()
    module.kernel = tf.Variable(kernel)
    spec = tf.TensorSpec([None, *SHAPE[1:]], tf.float32, name="x")
    function = tf.function(
        lambda x: {"y": tf.reshape(x, [-1, 256]) @ module.kernel + bias}, input_signature=[spec]
    )
    tf.saved_model.save(module, "saved", signatures={"serving_default": function})
    with zipfile.ZipFile("model.zip", "w") as archive:
        for path in Path("saved").rglob("*"):
            archive.write(path)
    return "model.zip"


def make_paddlepaddle():
    """Write a program and its parameters."""
    paddle = importlib.import_module("paddle")
    dense = paddle.nn.Linear(256, 5)
    for own, value in zip((dense.weight, dense.bias), weights(), strict=True):
        own.set_value(value)
    net = paddle.nn.Sequential(paddle.nn.Flatten(), dense)
    net.eval()
    spec = paddle.static.InputSpec([None, *SHAPE[1:]], "float32", "x")
    paddle.jit.save(net, "model", input_spec=[spec])
    describe("x", SHAPE)
    return "model.json" if Path("model.json").exists() else "model.pdmodel"


def make_mxnet():
    """Write a symbol and its parameters."""
    mx = importlib.import_module("mxnet")
    dense = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=5, name="dense")
    dense.save("model-symbol.json")
    kernel, bias = weights()
    saved = {"arg:dense_weight": mx.nd.array(kernel.T), "arg:dense_bias": mx.nd.array(bias)}
    mx.nd.save("model.params", saved)
    describe("data", SHAPE)
    return "model-symbol.json"


def make_pytorch():
    """Write a TorchScript file."""
    torch = importlib.import_module("torch")
    kernel, bias = (torch.from_numpy(one) for one in weights())
    dense = torch.nn.Linear(256, 5)
    dense.weight.data, dense.bias.data = kernel.T.contiguous(), bias
    traced = torch.jit.trace(torch.nn.Sequential(torch.nn.Flatten(), dense), torch.zeros(SHAPE))
    text = json.dumps({"inputs": [{"shape": SHAPE, "dtype": "float32"}]})
    torch.jit.save(traced, "model.pt", _extra_files={"powerlab.json": text})
    return "model.pt"


def main():
    """Make or take the model, load it, invoke it twice, print what is known of it."""
    runtime, folder = sys.argv[1:3]
    os.chdir(folder)
    path = sys.argv[3] if len(sys.argv) > 3 else globals()[f"make_{runtime}"]()
    adapter = importlib.import_module(f"powerlab.agent.adapters.{runtime}")
    state = adapter.load(path, {"threads": 1, "batch": BATCH, "seed": 0})
    adapter.invoke(state)
    adapter.invoke(state)
    sys.stdout.write("\n" + json.dumps(state.facts) + "\n")


if __name__ == "__main__":
    main()
