"""The built-in workloads, and one cache of built models for all tests of a process."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from powerlab.catalog.workload_profile import WorkloadProfile
from powerlab.recipes import build_workload, main_file

NEEDS = {"tflite": "ai_edge_litert", "openvino-ir": "openvino"}
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def workload() -> Callable[[str], WorkloadProfile]:
    """Get a built-in workload profile by id."""

    def load(workload_id: str) -> WorkloadProfile:
        text = (ROOT / "workloads" / f"{workload_id}.toml").read_text(encoding="utf-8")
        return WorkloadProfile.model_validate(tomllib.loads(text))

    return load


@pytest.fixture(scope="session")
def built(
    workload: Callable[[str], WorkloadProfile], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], Path]:
    """Get the file that a runtime opens, by workload and format; skips without the packages."""
    cache = tmp_path_factory.mktemp("models")

    def build(workload_id: str, format: str) -> Path:  # noqa: A002
        pytest.importorskip(NEEDS.get(format, "numpy"))
        files = build_workload(workload(workload_id), format, cache)
        return files[main_file(files)]

    return build
