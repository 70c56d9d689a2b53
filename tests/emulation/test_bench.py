"""The whole emulated bench: processes, directory, truth, and that nothing stays."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import signal
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from powerlab.catalog.bench_profile import LabFile
from powerlab.catalog.layers import load_catalog
from powerlab.emulation import bench as bench_module
from powerlab.emulation.bench import board_python, emulated_bench
from powerlab.emulation.process import EmulatorContext, EmulatorProcess
from powerlab.emulation.serve import serve_bench
from powerlab.errors import ConfigError, SetupError, TargetError, UnknownId
from powerlab.units import now_ns

ROOT = Path(__file__).resolve().parents[2]
S = 1_000_000_000
LIMIT_S = 30

AGENT = f"""
import os, sys, time
sys.path.insert(0, {str(ROOT)!r})
from powerlab.agent.edges import EdgeFile, edge_path
now = lambda: time.clock_gettime_ns(4)
edges = EdgeFile(edge_path(os.getpid()))
for run in range(2):
    edges.publish(1, run, now())
    time.sleep(0.3)
    edges.publish(0, run, now())
    time.sleep(0.1)
edges.finish(now())
"""


@pytest.fixture(scope="module")
def catalog():
    """Get the built-in catalogue."""
    return load_catalog()


def work(bench) -> None:
    """Let a small agent do two runs on the board, through the system's ssh."""
    host, port = bench.host.rsplit(":", 1)
    argv = [
        *("ssh", "-F", bench.ssh_config, "-T", "-n", "-i", bench.identity_file),
        *("-o", f"UserKnownHostsFile={bench.known_hosts_file}"),
        *("-o", "StrictHostKeyChecking=yes", "-p", port, host),
        shlex.join([sys.executable, "-c", AGENT]),
    ]
    subprocess.run(argv, check=True, timeout=LIMIT_S)


class Socket:
    """A line at a time to the emulated multimeter."""

    def __init__(self, resource: str) -> None:
        _, host, port, _ = resource.split("::")
        self.raw = socket.create_connection((host, int(port)), timeout=LIMIT_S)
        self.file = self.raw.makefile("rb")

    def ask(self, line: str) -> str:
        """Send a line and get the line that answers."""
        self.raw.sendall(line.encode() + b"\n")
        return self.file.readline().decode().rstrip("\n")

    def close(self) -> None:
        """Close the connection."""
        self.file.close()
        self.raw.close()


def wait_for(condition):
    """Wait for a state within the limit; fail where it does not come."""
    deadline = now_ns() + LIMIT_S * S
    while not (found := condition()):
        assert now_ns() < deadline, "the awaited state never came"
        time.sleep(0.005)
    return found


def alive(pid: int) -> bool:
    """Tell whether a process runs (a zombie does not)."""
    with contextlib.suppress(OSError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def test_meter_and_board_live_in_one_world(catalog):
    """Work on the board shows in the meter's readings and in the truth, and all is removed."""
    with emulated_bench(catalog, "edgeboard", seed=7) as running:
        bench = running.bench
        meter = Socket(bench.meter[0].resource)
        assert meter.ask("*IDN?").split(",")[2] == bench.meter[0].serial
        setup = ':SENS:FUNC "CURR:DC";:CURR:RANG 3;AZER 0;:TRIG:LOAD "SimpleLoop",100000'
        assert meter.ask(setup + ";:INIT;:SYST:ERR?").startswith("0,")
        work(bench)
        count = int(meter.ask(":TRAC:ACT?"))
        values = [float(x) for x in meter.ask(f":TRAC:DATA? 1,{count}").split(",")]
        meter.close()
        assert max(values) / min(values) == pytest.approx(8.4 / 3.0, rel=0.05)
        true = running.truth({0: 30, 1: 30})
        # 0.6 s at about 8.4 W over 60 inferences, scheduling aside
        assert 0.08 < true.energy_per_inference_j < 0.12
        assert true.energy_of_these_runs_j == pytest.approx(true.energy_per_inference_j, rel=0.02)
        supply = bench.supply
        # the leads and the supply drop 0.7 A over 0.05 ohm each, within what is stated of them
        assert supply.voltage_v == pytest.approx(12.0 - 0.7 * 0.10, abs=0.05)
        assert 0 < supply.u_voltage_v < 0.01
        pids = [process.pid for process in running.processes]
        directory = running.directory
    assert not directory.exists()
    assert not any(alive(pid) for pid in pids)


def test_truth_is_of_the_latest_agent(catalog, monkeypatch):
    """Runs are numbered anew by each agent; the truth asked for is of the last one."""
    with emulated_bench(catalog, "edgeboard", seed=7) as running:
        work(running.bench)
        first = running.truth({0: 10})
        work(running.bench)
        edges = running.edges()
        assert edges.tag.tolist() == [-1] * 4 + [0, 0, 1, 1]
        second = running.truth({0: 10})
        assert first.energy_of_these_runs_j != second.energy_of_these_runs_j
        monkeypatch.setattr(bench_module, "EDGES_LIMIT_S", 0.01)
        with pytest.raises(TargetError):
            running.truth({5: 10})


def test_one_client_at_a_time(catalog):
    """A second connection to the multimeter waits until the first one is closed."""
    with emulated_bench(catalog, "edgeboard") as running:
        first = Socket(running.bench.meter[0].resource)
        assert first.ask("*LANG?") == "SCPI"
        second = Socket(running.bench.meter[0].resource)
        second.raw.sendall(b"*LANG?\n")
        assert first.ask(":SYST:LFR?") == "50"
        assert not select.select([second.raw], [], [], 0.1)[0]
        first.close()
        assert second.file.readline() == b"SCPI\n"
        second.close()


def test_an_unplugged_multimeter_cuts_its_reply(catalog):
    """After the fault a reply stops half way and nobody listens any more."""
    with emulated_bench(catalog, "edgeboard", faults=("unplug@0s",)) as running:
        work(running.bench)
        meter = Socket(running.bench.meter[0].resource)
        meter.raw.sendall(b"*IDN?\n")
        half = meter.file.read()
        meter.close()
        assert 10 < len(half) < 40
        assert not half.endswith(b"\n")
        with pytest.raises(ConnectionError):
            Socket(running.bench.meter[0].resource)


def test_a_busy_multimeter_lets_a_client_go(catalog):
    """A client that leaves during a wait of the instrument frees it for the next one."""
    with emulated_bench(catalog, "edgeboard") as running:
        first = Socket(running.bench.meter[0].resource)
        first.raw.sendall(b'TRIG:LOAD "SimpleLoop",1000000;:INIT;*OPC?\n')
        first.close()
        second = Socket(running.bench.meter[0].resource)
        assert second.ask("*LANG?") == "SCPI"
        second.close()


def test_the_usb_meter_serves_on_a_terminal(catalog):
    """The other meter is a serial line, its serial number is a label; it reads its own volts."""
    with emulated_bench(catalog, "edgeboard", "rdtech-um25c") as running:
        meter = running.bench.meter[0]
        assert running.bench.supply is None
        assert meter.serial == running.context.serial
        assert meter.measures == ("voltage", "current")
        assert Path(meter.resource.removeprefix("serial:")).is_char_device()


def test_what_cannot_be_emulated_is_told_before_anything_starts(catalog, monkeypatch, tmp_path):
    """Unknown names and faults are configuration errors and leave no directory."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for arguments, error in (
        (("edgebord",), UnknownId),
        (("edgeboard", "no-meter"), UnknownId),
    ):
        with pytest.raises(error), emulated_bench(catalog, *arguments):
            pass
    with pytest.raises(ConfigError), emulated_bench(catalog, "edgeboard", faults=("fire@1s",)):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("meters", "told"),
    [
        (("rigol-dp832", None), "rigol-dp832 is a supply, not a meter"),
        (("keithley-dmm6500", "rigol-dp832"), "rigol-dp832 is a supply, not a meter"),
        (("rdtech-tc66c", "keithley-dmm6500"), "reads more than the current"),
        (("keithley-dmm6500", "nordic-ppk2"), "reads no volts"),
    ],
)
def test_what_is_no_meter_or_no_voltmeter_is_refused(catalog, monkeypatch, tmp_path, meters, told):
    """Before anything starts."""
    meter, voltmeter = meters
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with (
        pytest.raises(ConfigError, match=told),
        emulated_bench(catalog, "edgeboard", meter, voltmeter_id=voltmeter),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_emulator_that_fails_says_why(tmp_path, device):
    """A process that ends before it is ready is a set-up error with the end of its log."""
    process = EmulatorProcess(
        "meter", "powerlab.no_such:serve", EmulatorContext(tmp_path, 1, device)
    )
    with pytest.raises(SetupError, match="no_such"):
        process.wait_ready()


def test_an_error_inside_leaves_nothing(catalog):
    """An exception in the block removes directory and processes as a normal end does."""
    with contextlib.suppress(ZeroDivisionError), emulated_bench(catalog, "edgeboard") as running:
        kept = running
        raise ZeroDivisionError
    assert not kept.directory.exists()
    assert not any(process.running for process in kept.processes)


PARENT = """
import sys, time
from powerlab.catalog.layers import load_catalog
from powerlab.emulation.bench import emulated_bench
with emulated_bench(load_catalog(), "edgeboard") as running:
    print(running.directory, *(process.pid for process in running.processes), flush=True)
    time.sleep(1000)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_dead_parent_leaves_nothing(number):
    """However the parent ends, its emulators end and their directory goes."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    directory, *pids = parent.stdout.readline().split()
    parent.send_signal(number)
    parent.wait(LIMIT_S)
    parent.stdout.close()
    wait_for(lambda: not any(alive(int(pid)) for pid in pids))
    wait_for(lambda: not Path(directory.decode()).exists())


def test_the_board_s_python(monkeypatch, tmp_path):
    """The variable wins; without it TFLite takes the target's own interpreter if there is one."""
    monkeypatch.setenv("POWERLAB_TARGET_PYTHON", "/opt/python9")
    assert board_python(["tflite"]) == "/opt/python9"
    monkeypatch.delenv("POWERLAB_TARGET_PYTHON")
    assert board_python(["openvino"]) == sys.executable
    monkeypatch.setattr(bench_module, "__file__", str(tmp_path / "powerlab" / "emulation" / "x.py"))
    assert board_python(["tflite"]) == sys.executable
    own = tmp_path / ".venv-target" / "bin" / "python"
    own.parent.mkdir(parents=True)
    own.touch()
    assert board_python(["tflite"]) == str(own)


def test_several_runtimes_need_one_python_that_has_them_all(monkeypatch):
    """One agent serves them; where this Python lacks one, that is told before anything starts."""
    monkeypatch.delenv("POWERLAB_TARGET_PYTHON", raising=False)
    assert board_python(["tflite", "openvino"]) == sys.executable
    monkeypatch.setitem(bench_module.MODULES, "openvino", ("no_such_module",))
    with pytest.raises(ConfigError, match="openvino is missing") as caught:
        board_python(["tflite", "openvino"])
    assert "POWERLAB_TARGET_PYTHON" in caught.value.hint


def test_a_served_bench_announces_a_lab_file(catalog):
    """The text is a complete lab file that validates, of a bench that is up at that time."""
    seen = []

    def look() -> None:
        bench = LabFile.model_validate(tomllib.loads(seen[0])).bench["desk"]
        meter = Socket(bench.meter[0].resource)
        assert meter.ask("*IDN?").startswith("KEITHLEY INSTRUMENTS,MODEL DMM6500,EMULATED-")
        meter.close()
        seen.append(Path(bench.identity_file).parent)

    serve_bench(catalog, "edgeboard", name="desk", announce=seen.append, wait=look)
    assert seen[0].startswith("schema = 1\n")
    assert "[bench.desk]" in seen[0]
    assert not seen[1].exists()
