"""Run a TFLite file in a process of its own: module, model, inputs .npy, outputs .npy."""

import importlib
import sys

import numpy as np

module, model, inputs, outputs = sys.argv[1:]
interpreter = importlib.import_module(module).Interpreter(model_path=model, num_threads=1)
batches = np.load(inputs)
source = interpreter.get_input_details()[0]["index"]
target = interpreter.get_output_details()[0]["index"]
interpreter.resize_tensor_input(source, batches.shape[1:])
interpreter.allocate_tensors()
answers = []
for batch in batches:
    interpreter.set_tensor(source, batch)
    interpreter.invoke()
    answers.append(interpreter.get_tensor(target).copy())
np.save(outputs, np.stack(answers))
