"""``powerlab devices check``."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from powerlab.catalog.layers import load_catalog
from powerlab.cli import _device_check
from powerlab.devices.checked import Checked, State

LAB = """
schema = 1
[bench.desk]
device = "edgeboard"
host = "desk"
[[bench.desk.meter]]
model = "rdtech-um25c"
resource = "serial:/dev/rfcomm0"
"""


def test_an_emulated_board_is_fit(run) -> None:
    """A real ssh server and a real agent; its runtime builds and runs a model."""
    ran = run("devices", "check", "edgeboard", "--emulate", "--json")
    assert ran.code == 0
    told = ran.json
    assert (told["schema"], told["device"], told["emulated"]) == (
        "powerlab.check/1",
        "edgeboard",
        True,
    )
    states = {item["name"]: item["state"] for item in told["checks"]}
    assert {"connection", "python", "clock exchange", "governor", "clock source"} <= set(states)
    assert states["runtime tflite"] == "ok"
    assert states["runtime paddle-lite"] == "advice"
    assert "blocking" not in states.values()
    for item in told["checks"]:
        assert bool(item["advice"]) == (item["state"] != "ok")


def test_an_emulated_board_says_so_above_its_table(monkeypatch, capsys) -> None:
    """As every other answer does."""
    subject = _device_check.Subject(None, "", None, emulated=True)
    monkeypatch.setattr(_device_check, "_subject", lambda *_: contextlib.nullcontext(subject))
    monkeypatch.setattr(_device_check, "_trials", lambda *_: ())
    good = (Checked("connection", State.OK, "there"),)
    monkeypatch.setattr(_device_check, "check_board", lambda *_: good)
    catalog = load_catalog()
    options = _device_check.CheckOptions("edgeboard", None, None, None, "seed-cnn", emulate=True)
    assert _device_check.check_device(catalog, options, as_json=False, note=print) == 0
    assert capsys.readouterr().out.startswith("EMULATED")


@pytest.fixture
def found(monkeypatch) -> list:
    """Put a fixed answer in the place of the look at a board; get the benches it was asked for."""
    asked = []

    def check_board(bench, trials, _note):
        asked.append((bench, tuple(trial.runtime for trial in trials if trial.wanted)))
        return (
            Checked("connection", State.OK, "there"),
            Checked("host key", State.BLOCKING, "not known", "accept it once"),
        )

    monkeypatch.setattr(_device_check, "check_board", check_board)
    return asked


def test_what_blocks_is_exit_code_5(run, found, tmp_path: Path) -> None:
    """The table has each thing, then what to do; a bench's device lists its runtimes."""
    (tmp_path / "powerlab.toml").write_text(LAB)
    ran = run("devices", "check", "edgeboard", "--lab", tmp_path)
    assert ran.code == 5
    assert "blocking  host key    not known" in ran.out
    assert "host key: accept it once" in ran.out
    assert run("devices", "check", "--bench", "desk", "--lab", tmp_path).code == 5
    (by_device, by_name) = found
    assert by_device == by_name
    assert by_device[0].host == "desk"
    assert "tflite" in by_device[1]


def test_a_host_needs_no_bench(run, found) -> None:
    """A board is looked at before it has a meter; its interpreter may be named."""
    ran = run("devices", "check", "--host", "me@there", "--python", "/opt/python3", "--json")
    assert ran.code == 5
    assert (ran.json["device"], ran.json["bench"], ran.json["host"]) == (None, None, "me@there")
    ((bench, wanted),) = found
    assert (bench.python, wanted) == ("/opt/python3", ())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "no board is named"),
        (("--bench", "a", "--host", "b"), "exclude each other"),
        (("--emulate",), "--emulate takes a DEVICE"),
        (("edgeboard", "--emulate", "--host", "b"), "--emulate takes a DEVICE"),
        (("jetson-nano",), "no bench has the device"),
    ],
)
def test_a_board_must_be_named_once(run, words, message) -> None:
    """Nothing is started for what cannot be meant."""
    ran = run("devices", "check", *words)
    assert ran.code == 2
    assert message in ran.err


def test_a_bench_of_another_device_is_refused(run, found, tmp_path: Path) -> None:
    """A name that does not fit is told, not guessed."""
    (tmp_path / "powerlab.toml").write_text(LAB)
    ran = run("devices", "check", "local", "--bench", "desk", "--lab", tmp_path)
    assert ran.code == 2
    assert "has the device 'edgeboard', not 'local'" in ran.err
    assert not found
