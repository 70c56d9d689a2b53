"""A whole emulated bench: board and meter as processes of their own, and the truth about them.

Everything lies in one temporary directory that is removed at the end, whatever the end is.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path

from powerlab.catalog.bench_profile import Bench, BenchMeter, BenchSupply
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.layers import Catalog
from powerlab.emulation.edges_tail import EdgesTail, edges_of
from powerlab.emulation.faults import parse_faults
from powerlab.emulation.metering import VirtualMeter, build_meter
from powerlab.emulation.process import KNOWN_HOSTS, USER, USER_KEY, EmulatorContext, EmulatorProcess
from powerlab.emulation.truth import run_window, truth
from powerlab.emulation.wiring import build_path
from powerlab.emulation.world import WARM_UP_TAG, Edges, build_world, emulation_of
from powerlab.errors import ConfigError, SetupError, TargetError
from powerlab.records import Boundary, Truth
from powerlab.units import nanoseconds, now_ns

PREFIX = "powerlab-emulated-"
EMULATORS = "powerlab.emulators"
BOARD = "powerlab.emulation.board:serve"
TARGET_PYTHON = "POWERLAB_TARGET_PYTHON"
EDGES_LIMIT_S = 5.0
MODULES = {
    "tflite": ("ai_edge_litert", "tflite_runtime"),
    "openvino": ("openvino",),
    "command": ("subprocess",),
    "keras": ("keras",),
    "mxnet": ("mxnet",),
    "ncnn": ("ncnn",),
    "onnxruntime": ("onnxruntime",),
    "paddlepaddle": ("paddle",),
    "pytorch": ("torch",),
    "tensorflow": ("tensorflow",),
}
"""What the agent's adapters import, by runtime."""


@dataclass(frozen=True, slots=True)
class EmulatedBench:
    """A running emulated bench: ``bench`` is what a lab's ``powerlab.toml`` would say of it."""

    bench: Bench
    directory: Path
    context: EmulatorContext
    meter: VirtualMeter
    processes: tuple[EmulatorProcess, ...]

    def edges(self) -> Edges:
        """Get the edges of all agents so far, the tags of all but the latest set to warm-up.

        Run numbers start anew with each agent; how an earlier one's runs differed from each
        other has faded long before the next agent works.
        """
        tail = EdgesTail(self.context.edges)
        tail.poll(scan=True)
        parts = [item.records() for item in tail.files]
        for earlier in parts[:-1]:
            earlier["tag"] = WARM_UP_TAG
        return edges_of(parts)

    def truth(self, inferences_per_run: Mapping[int, int]) -> Truth:
        """Get the true energy per inference of the runs of the latest agent, by run index.

        Waits a little for their last edges. Raises TargetError for a run that did not end.
        """
        deadline_ns = now_ns() + nanoseconds(EDGES_LIMIT_S)
        while not _complete(self.edges(), inferences_per_run) and now_ns() < deadline_ns:
            time.sleep(0.01)
        return truth(
            self.meter.world,
            self.edges(),
            inferences_per_run,
            Boundary(self.bench.boundary),
            self.meter.path,
        )


@contextmanager
def emulated_bench(
    catalog: Catalog,
    device_id: str,
    meter_id: str | None = None,
    *,
    voltmeter_id: str | None = None,
    seed: int = 0,
    faults: tuple[str, ...] = (),
    runtimes: Sequence[str] = ("tflite",),
    python: str | None = None,
) -> Iterator[EmulatedBench]:
    """Run an emulated bench of a board model and a meter model (the board's own by default).

    ``voltmeter_id`` is a second model, which reads the volts behind an ammeter of the first.
    ``seed`` fixes every draw, ``faults`` are words such as ``unplug@12s``, ``python`` is the
    board's interpreter (by default the ``board_python`` of the ``runtimes``). Raises
    ConfigError for what cannot be emulated and SetupError where a process does not start.
    """
    python = python or board_python(runtimes)
    device = catalog.device(device_id)
    instrument = catalog.instrument(meter_id or emulation_of(device).meter)
    beside_it = None if voltmeter_id is None else catalog.instrument(voltmeter_id)
    _check_meters(instrument, beside_it)
    wanted = parse_faults(faults)
    serve_meter = _emulator(instrument)
    directory = Path(tempfile.mkdtemp(prefix=PREFIX))
    started: list[EmulatorProcess] = []
    cores = tuple(sorted(os.sched_getaffinity(0)))
    try:
        # A board is a box of its own: host and emulators leave it the agent's core.
        os.sched_setaffinity(0, cores[:-1] or cores)
        context = EmulatorContext(directory, seed, device, instrument, wanted, cores)
        for place in (context.box, context.edges):
            place.mkdir()
        for name, serve in (("board", BOARD), ("meter", serve_meter)):
            started.append(EmulatorProcess(name, serve, context))
        meter = _virtual_meter(context, instrument)
        if beside_it is not None:
            beside = _behind(context, meter, beside_it)
            started.append(EmulatorProcess("voltmeter", _emulator(beside.model), beside))
        for process in started:
            process.wait_ready()
        addresses = (started[0].address, started[1].address)
        bench = _describe(context, meter, *addresses, python)
        if beside_it is not None:
            bench = _with_voltmeter(bench, beside, started[2].address)
        yield EmulatedBench(bench, directory, context, meter, tuple(started))
    finally:
        for process in started:
            process.stop()
        shutil.rmtree(directory, ignore_errors=True)
        os.sched_setaffinity(0, cores)


def board_python(runtimes: Sequence[str]) -> str:
    """Get the interpreter of the emulated board: a board's Python is never the host's.

    ``POWERLAB_TARGET_PYTHON`` where it is set; else, for TFLite alone, ``.venv-target`` beside
    the checkout where it exists; else this interpreter, whose environment may have the other
    runtimes. Raises ConfigError for several runtimes that it does not have together.
    """
    named = os.environ.get(TARGET_PYTHON)
    if named:
        return named
    own = Path(__file__).resolve().parents[2] / ".venv-target" / "bin" / "python"
    if set(runtimes) == {"tflite"} and own.exists():
        return str(own)
    lacking = [runtime for runtime in runtimes if not _has(runtime)]
    if lacking and len(runtimes) > 1:
        raise ConfigError(
            f"the emulated board has no Python with {' and '.join(runtimes)} together: "
            f"{' and '.join(lacking)} is missing from this one",
            hint="measure one runtime at a time, install powerlab[local], or name a Python that "
            f"has them in {TARGET_PYTHON}",
        )
    return sys.executable


def _has(runtime: str) -> bool:
    """Tell whether this interpreter has one of the modules that serve a runtime."""
    return any(importlib.util.find_spec(name) for name in MODULES.get(runtime, ()))


def _describe(
    context: EmulatorContext,
    meter: VirtualMeter,
    board: Mapping[str, str | int],
    wire: Mapping[str, str | int],
    python: str,
) -> Bench:
    instrument = context.model
    section = emulation_of(context.device)
    return Bench(
        device=context.device.id,
        host=f"{USER}@{board['host']}:{board['port']}",
        python=python,
        ssh_config="none",
        identity_file=str(context.directory / USER_KEY),
        known_hosts_file=str(context.directory / KNOWN_HOSTS),
        boundary="board",
        meter=(
            BenchMeter(
                model=instrument.id,
                resource=str(wire["resource"]),
                serial=context.serial,  # where an instrument tells none, the label on it does
                measures=instrument.quantities,
                voltage_sense="board" if "agent" in instrument.link.kinds else "meter",
                cable_ohm=section.cable_ohm,
                u_cable_ohm=section.u_cable_ohm,
            ),
        ),
        supply=None
        if meter.voltmeter is None or {"voltage", "power"} & set(instrument.channels)
        else _supply(context, meter),
    )


def _check_meters(meter: InstrumentProfile, voltmeter: InstrumentProfile | None) -> None:
    """Refuse what is no meter, and a voltmeter that reads no volts or has no place."""
    for model in (meter, voltmeter):
        if model is not None and model.kind != "meter":
            raise ConfigError(
                f"{model.id} is a {model.kind}, not a meter",
                hint="`powerlab instruments list` shows which models are a meter",
            )
    if voltmeter is None:
        return
    if set(meter.quantities) != {"current"}:
        raise ConfigError(
            f"{meter.id} reads more than the current: a voltmeter has no place beside it",
            hint="emulate an ammeter with a voltmeter, such as keithley-dmm6500, or leave it out",
        )
    if not voltmeter.ranges("voltage"):
        raise ConfigError(
            f"{voltmeter.id} reads no volts: it has no voltage range",
            hint="emulate another voltmeter, such as keithley-dmm6500, or leave it out",
        )


def _behind(
    context: EmulatorContext, ammeter: VirtualMeter, voltmeter: InstrumentProfile
) -> EmulatorContext:
    """Get what a voltmeter behind an ammeter is told: that one's burden lies before its volts."""
    section = emulation_of(context.device)
    source_ohm = section.source_ohm + ammeter.path.burden_ohm
    device = context.device.model_copy(
        update={"emulation": section.model_copy(update={"source_ohm": source_ohm})}
    )
    return replace(context, device=device, instrument=voltmeter, faults=(), number=1)


def _with_voltmeter(bench: Bench, context: EmulatorContext, wire: Mapping[str, str | int]) -> Bench:
    """Add a voltmeter to a bench whose meter reads only the current."""
    ammeter = bench.meter[0]
    # A multimeter's own leads reach to the board; a meter that also carries current does not.
    at_board = "current" not in context.model.channels or len(context.model.channels) == 1
    voltmeter = BenchMeter(
        model=context.model.id,
        resource=str(wire["resource"]),
        serial=context.serial,
        measures=("voltage",),
        voltage_sense="board" if at_board else "meter",
        cable_ohm=ammeter.cable_ohm,
        u_cable_ohm=ammeter.u_cable_ohm,
    )
    return bench.model_copy(update={"meter": (ammeter, voltmeter), "supply": None})


def _supply(context: EmulatorContext, meter: VirtualMeter) -> BenchSupply:
    """Read the volts at the board under load once, with the meter's own error; state the sag."""
    voltage_v, u_voltage_v = meter.read_voltage()
    section = emulation_of(context.device)
    return BenchSupply(
        voltage_v=voltage_v,
        u_voltage_v=u_voltage_v,
        source_ohm=section.source_ohm,
        u_source_ohm=section.u_source_ohm,
    )


def _virtual_meter(context: EmulatorContext, instrument: InstrumentProfile) -> VirtualMeter:
    """Build the meter that the emulator process has, for its draws and its circuit."""
    return build_meter(
        instrument,
        build_world(context.device, context.seed),
        build_path(context.device, context.seed),
        origin_ns=0,
        serial=context.serial,
    )


def _emulator(instrument: InstrumentProfile) -> str:
    found = entry_points(group=EMULATORS, name=instrument.emulator)
    if not found:
        raise SetupError(
            f"no emulator '{instrument.emulator}' of {instrument.id} is installed",
            hint="install the package that brings it, or emulate another meter with --meter",
        )
    return next(iter(found)).value


def _complete(edges: Edges, runs: Mapping[int, int]) -> bool:
    try:
        return all(run_window(edges, tag) for tag in runs)
    except TargetError:
        return False
