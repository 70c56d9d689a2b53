"""Running command lines in this process, with a session that takes no time where one is due."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from powerlab import session
from powerlab.cli import main
from tests.cli.short_session import BENCH, Conductor


@dataclass(frozen=True)
class Ran:
    """What a command line gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Get the document on stdout."""
        return json.loads(self.out)


Run = Callable[..., Ran]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Get a function that runs one command line in an empty directory."""
    here = tmp_path / "here"
    here.mkdir(exist_ok=True)
    monkeypatch.chdir(here)

    def run_words(*words: object) -> Ran:
        capfd.readouterr()
        code = main([str(word) for word in words])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return Ran(code, out, err)

    return run_words


@pytest.fixture
def conductor(monkeypatch: pytest.MonkeyPatch) -> Conductor:
    """Put the short session in the place of the real one."""
    stand_in = Conductor()
    monkeypatch.setattr(session, "measure", stand_in.measure)
    monkeypatch.setattr(session, "finish", stand_in.finish)
    return stand_in


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """Get a lab with one bench."""
    place = tmp_path / "lab"
    place.mkdir()
    (place / "powerlab.toml").write_text(BENCH)
    return place


@pytest.fixture
def measure(run, conductor, lab):
    """Get a function that measures on that bench."""
    return lambda *words: run("measure", "--device", "edgeboard", "--lab", lab, *words)
