"""Build a TensorRT engine of an ONNX file, without a device: ``build_engine.py FILE BATCH``."""

import importlib
import sys

from powerlab.agent.adapters import tensorrt

trt = importlib.import_module("tensorrt_rtx")
log = []
with open(sys.argv[1], "rb") as stream:  # noqa: PTH123 -- a board's Python may be old
    content = stream.read()
engine = tensorrt._build(trt, tensorrt._logger(trt, log), log, content, int(sys.argv[2]))
sys.stdout.write(f"{len(engine)}\n")
