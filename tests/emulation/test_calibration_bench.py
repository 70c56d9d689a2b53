"""The emulated calibration bench as a whole: what starts, what is refused, that nothing stays."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

from powerlab.catalog.layers import load_catalog
from powerlab.emulation.calibration_bench import SOURCE_V, emulated_calibration_bench
from powerlab.emulation.site import LOOP_FILE, Loop
from powerlab.errors import ConfigError, SetupError, UnknownId
from powerlab.records.correction import CommonError
from powerlab.units import now_ns

ROOT = Path(__file__).resolve().parents[2]
MODELS = ("rdtech-um25c", ["keithley-dmm6500"], "rigol-dl3021")
LIMIT_S = 30


@pytest.fixture(scope="module")
def catalog():
    """Get the built-in catalogue."""
    return load_catalog()


def tell(resource: str, line: str) -> str:
    """Send a line to an instrument on a socket and get the line that answers."""
    _, host, port, _ = resource.split("::")
    with socket.create_connection((host, int(port)), timeout=LIMIT_S) as raw:
        raw.sendall(line.encode() + b"\n")
        return raw.makefile("rb").readline().decode().rstrip("\n")


def alive(pid: int) -> bool:
    """Tell whether a process runs (a zombie does not)."""
    with contextlib.suppress(OSError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def wait_for(condition) -> None:
    """Wait for a state within the limit; fail where it does not come."""
    deadline = now_ns() + LIMIT_S * 1_000_000_000
    while not condition():
        assert now_ns() < deadline, "the awaited state never came"
        time.sleep(0.005)


def test_it_is_found_by_its_entry_point() -> None:
    """As ``calibrate --emulate`` finds it, without importing the emulation."""
    (entry,) = entry_points(group="powerlab.emulation", name="calibration")
    assert entry.load() is emulated_calibration_bench


def test_a_load_sets_the_current_of_all(catalog) -> None:
    """Commands to the load show in the truth at every place of the loop, and all is removed."""
    with emulated_calibration_bench(catalog, *MODELS, seed=7) as running:
        assert Path(running.meter.resource.removeprefix("serial:")).is_char_device()
        assert tell(running.references[0].resource, "*IDN?").startswith("KEITHLEY INSTRUMENTS")
        before = running.truth("load", np.array([now_ns()]))
        assert (before.current_a[0], before.voltage_v[0]) == (0.0, SOURCE_V)
        answer = tell(
            running.load.resource,
            ":SOUR:FUNC CURR;:SOUR:CURR:VON 0;:SOUR:CURR 2;:SOUR:INP 1;:SYST:ERR?",
        )
        assert answer.startswith("0,")
        soon = np.array([now_ns() + 1_000_000_000])
        at = {name: running.truth(name, soon) for name in ("meter", "reference-1", "load")}
        currents = {float(values.current_a[0]) for values in at.values()}
        assert len(currents) == 1
        assert currents.pop() == pytest.approx(2.0, abs=0.09)
        volts = [float(at[name].voltage_v[0]) for name in ("meter", "load")]
        assert SOURCE_V > volts[0] == at["reference-1"].voltage_v[0] > volts[1]
        running.take_out_reference()
        later = np.array([now_ns() + 1_000_000_000])
        gone = running.loop.circuit.reference_ohm * float(running.truth("load", later).current_a[0])
        assert running.truth("load", later).voltage_v[0] == pytest.approx(volts[1] + gone, abs=1e-3)
        with pytest.raises(KeyError):
            running.truth("supply", soon)
        pids = [process.pid for process in running.processes]
        kept = running.directory
    assert not kept.exists()
    assert not any(alive(pid) for pid in pids)


def test_the_loop_is_told_to_every_emulator(catalog) -> None:
    """Certificates, temperature and resistances are the same in the file that each one reads."""
    certificate = (CommonError("current", 1e-4, 1e-5, "K-1"),)
    with emulated_calibration_bench(
        catalog, *MODELS, seed=3, certificates=(certificate,), temperature_c=28.0, source_v=5.0
    ) as running:
        assert running.truth("load", np.array([now_ns()])).voltage_v[0] == 5.0
        for name in ("meter", "reference-1", "load"):
            assert Loop.read(running.directory / name / LOOP_FILE) == running.loop
        units = running.loop.units
        assert units["reference-1"].certificates == certificate
        assert units["meter"].certificates == ()
        assert {unit.temperature_c for unit in units.values()} == {28.0}


def test_what_cannot_be_emulated_is_told_before_anything_starts(
    catalog, monkeypatch, tmp_path
) -> None:
    """Unknown names, wrong kinds and faults are configuration errors and leave no directory."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    meter, references, load = MODELS
    for arguments, error in (
        (("no-meter", references, load), UnknownId),
        ((load, references, load), ConfigError),
        ((meter, [load], load), ConfigError),
        ((meter, references, meter), ConfigError),
    ):
        with pytest.raises(error), emulated_calibration_bench(catalog, *arguments):
            pass
    for faults in ({"faults": ("fire@1s",)}, {"load_faults": ("fire@1s",)}, {"supply_id": meter}):
        with pytest.raises(ConfigError), emulated_calibration_bench(catalog, *MODELS, **faults):
            pass
    monkeypatch.setitem(
        catalog.instruments, load, catalog.instrument(load).model_copy(update={"emulator": "no"})
    )
    with (
        pytest.raises(SetupError, match="no emulator 'no'"),
        emulated_calibration_bench(catalog, *MODELS),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_error_inside_leaves_nothing(catalog) -> None:
    """An exception in the block removes directory and processes as a normal end does."""
    with (
        contextlib.suppress(ZeroDivisionError),
        emulated_calibration_bench(catalog, *MODELS) as running,
    ):
        kept = running
        raise ZeroDivisionError
    assert not kept.directory.exists()
    assert not any(process.running for process in kept.processes)


PARENT = """
import sys, time
from powerlab.catalog.layers import load_catalog
from powerlab.emulation.calibration_bench import emulated_calibration_bench
with emulated_calibration_bench(
    load_catalog(), "rdtech-um25c", ["keithley-dmm6500"], "rigol-dl3021"
) as running:
    print(running.directory, *(process.pid for process in running.processes), flush=True)
    time.sleep(1000)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_everything_ends_with_its_parent(number) -> None:
    """However the parent ends, its emulators end; where it can, it removes the directory."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    directory, *pids = parent.stdout.readline().split()
    assert len(pids) == 3
    parent.send_signal(number)
    parent.wait(LIMIT_S)
    parent.stdout.close()
    wait_for(lambda: not any(alive(int(pid)) for pid in pids))
    wait_for(lambda: not Path(directory.decode()).exists())
