"""The adapters on the real packages, each in an environment of its own that a variable names.

``POWERLAB_TARGET_PYTHON_NCNN`` and so on name a Python that has the runtime and numpy.
"""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from pathlib import Path

import pytest

from powerlab.catalog.workload_profile import WorkloadProfile
from powerlab.recipes import build_workload, main_file

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("runtimes") / "run_adapter.py"

pytestmark = pytest.mark.slow


def _python(runtime: str) -> str:
    variable = f"POWERLAB_TARGET_PYTHON_{runtime.upper()}"
    python = os.environ.get(variable)
    if not python:
        pytest.skip(f"{variable} names no Python that has the runtime {runtime}")
    return python


def _run(runtime: str, folder: Path, *model: Path) -> dict[str, str]:
    run = subprocess.run(
        [_python(runtime), str(SCRIPT), runtime, str(folder), *map(str, model)],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("runtime", ["keras", "mxnet", "paddlepaddle", "pytorch", "tensorflow"])
def test_a_model_of_the_runtimes_own(runtime: str, tmp_path: Path) -> None:
    """What the package itself wrote is loaded at a batch of two and gives the known answer."""
    facts = _run(runtime, tmp_path)
    assert facts["output_argmax"] == "2"
    assert facts["input"] == "2x16x16x1 float32"
    assert facts["runtime_version"]


@pytest.mark.parametrize(("runtime", "kind"), [("ncnn", "ncnn"), ("onnxruntime", "onnx")])
@pytest.mark.parametrize(("workload", "told"), [("seed-cnn", "554"), ("mobilenet-v2", "620")])
def test_a_model_of_ours(runtime: str, kind: str, workload: str, told: str, tmp_path: Path) -> None:
    """What the recipes write is loaded, and answers the same picture alike everywhere."""
    text = (ROOT / "workloads" / f"{workload}.toml").read_text(encoding="utf-8")
    files = build_workload(WorkloadProfile.model_validate(tomllib.loads(text)), kind, tmp_path)
    facts = _run(runtime, tmp_path, files[main_file(files)])
    # ncnn reads channels first, so only a picture of one channel is the same to it.
    if workload == "seed-cnn" or runtime == "onnxruntime":
        assert facts["output_argmax"] == told


@pytest.mark.parametrize("batch", ["1", "8"])
def test_tensorrt_builds_an_engine_of_our_file(batch: str, tmp_path: Path) -> None:
    """TensorRT for RTX parses the ONNX file and builds it at a batch, on any computer."""
    python = _python("tensorrt")
    text = (ROOT / "workloads" / "seed-cnn.toml").read_text(encoding="utf-8")
    files = build_workload(WorkloadProfile.model_validate(tomllib.loads(text)), "onnx", tmp_path)
    script = SCRIPT.with_name("build_engine.py")
    run = subprocess.run(
        [python, str(script), str(files[main_file(files)]), batch],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 1_000_000
