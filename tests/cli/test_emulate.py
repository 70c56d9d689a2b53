"""``powerlab emulate``: its servers are real, only the waiting for Ctrl-C is left out."""

from __future__ import annotations

import json
import tomllib
from functools import partial

import pytest

from powerlab.catalog.bench_profile import LabFile
from powerlab.cli import _entry
from powerlab.emulation.serve import serve_bench
from powerlab.errors import SetupError


def test_it_prints_a_bench_that_can_be_saved_as_it_is(run, monkeypatch):
    """Stdout is a powerlab.toml; the note on how to end it is on stderr."""
    serve = partial(serve_bench, wait=lambda: None)
    monkeypatch.setattr(_entry, "load_entry", lambda *_: serve)
    ran = run("emulate", "--device", "edgeboard", "--name", "desk", "--seed", "5")
    assert ran.code == 0
    bench = LabFile.model_validate_json(_json(ran.out)).bench["desk"]
    assert bench.device == "edgeboard"
    assert bench.meter[0].serial.startswith("EMULATED")
    assert "Ctrl-C" in ran.err


def test_an_unknown_device_is_refused(run, monkeypatch):
    """Did-you-mean, before anything is started."""
    monkeypatch.setattr(_entry, "load_entry", lambda *_: serve_bench)
    ran = run("emulate", "--device", "edgebord")
    assert ran.code == 2
    assert "'edgeboard'" in ran.err


def test_an_entry_point_that_is_not_installed_is_a_set_up_error():
    """An incomplete installation says so."""
    with pytest.raises(SetupError, match="not installed"):
        _entry.load_entry("powerlab.emulation", "nobody")


def _json(toml: str) -> str:
    """Get the same content as JSON, which the model reads strictly."""
    return json.dumps(tomllib.loads(toml))


def test_ctrl_c_is_how_it_ends(run, monkeypatch):
    """No error: it says that it stopped, and exits with 0."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_entry, "load_entry", lambda *_: partial(serve_bench, wait=interrupted))
    ran = run("emulate", "--device", "edgeboard")
    assert ran.code == 0
    assert ran.err.splitlines()[-1] == "stopped"


def test_ctrl_c_before_it_serves_is_an_interruption(run, monkeypatch):
    """Nothing was printed that could be used."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_entry, "load_entry", lambda *_: interrupted)
    assert run("emulate", "--device", "edgeboard").code == 130
