"""Benchmark programs of the runtimes' makers that a board can run in the place of an adapter."""

from __future__ import annotations

from collections.abc import Mapping

TOOL_FORMATS: Mapping[str, tuple[str, ...]] = {
    "trtexec": ("onnx",),
    "benchmark-app": ("openvino-ir", "onnx"),
    "benchmark-model": ("tflite",),
    "benchncnn": ("ncnn",),
    "paddle-lite-benchmark": ("paddle-lite",),
}
"""Which formats of model files each one loads, the best first, by the runtime's id."""


def format_for(runtime: str, formats: Mapping[str, str]) -> str | None:
    """Get the format that a runtime loads of a workload's ``formats``, None where it has none.

    A tool takes the files that are there for other runtimes.
    """
    if runtime in formats:
        return formats[runtime]
    there = set(formats.values())
    return next((kind for kind in TOOL_FORMATS.get(runtime, ()) if kind in there), None)
