"""One run and its report, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.verify.evidence import copy_of, keep_run


@pytest.fixture(scope="session")
def kept(tmp_path_factory) -> Path:
    """Get a finished run, not to be changed."""
    return keep_run(tmp_path_factory.mktemp("verify") / "runs")


@pytest.fixture
def folder(kept, tmp_path) -> Path:
    """Get a run that may be changed."""
    return copy_of(kept, tmp_path)
