"""A set-up tried out: board and meter answer, and the meter sees the board's load."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from powerlab.acquire import Acquisition
from powerlab.analysis.electrics import boundary_power, nominal_circuit
from powerlab.analysis.judge_setup import setup_findings
from powerlab.analysis.meter_check import Expected, MeterCheck, meter_checks, without_start
from powerlab.bench_readings import rest_findings
from powerlab.catalog.bench_profile import Bench, BenchSupply
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.workload_profile import COMMAND, WorkloadProfile
from powerlab.circumstances import meter_request, wiring
from powerlab.devices.link import BoardLink
from powerlab.devices.open import open_board
from powerlab.errors import ConfigError
from powerlab.findings import Finding
from powerlab.instruments.contract import Meter, VoltageReader, open_meter
from powerlab.recipes import build_workload, cache_dir, main_file
from powerlab.records import MeterIdentity, MeterSetup, SampleBlock, SampleFlag
from powerlab.units import now_ns

LEAD_S = 2.0
"""At the beginning of a stream, in which a polled meter finds its pace."""

SETTLE_S = 1.0
"""A board's power is steady this long after its load began."""

BAD = SampleFlag.LOST | SampleFlag.NOT_AVAILABLE | SampleFlag.OVERRANGE


@dataclass(frozen=True, slots=True)
class Parts:
    """What is tried out, and for how long each of idle and load."""

    bench: Bench
    device: DeviceProfile
    instrument: InstrumentProfile
    workload: WorkloadProfile
    runtime: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Probe:
    """What a set-up answered: board, meter, mean power [W] at idle and under load.

    The power is at the bench's boundary, corrected as in a result but without its uncertainty.
    ``samples`` and ``bad`` count readings; ``remarks`` say what looks wrong, ``findings`` what a
    measurement on this set-up would have to live with, ``checks`` what the stream says of the
    meter.
    """

    board: dict[str, Any]
    identity: MeterIdentity
    setup: MeterSetup
    idle_w: float
    load_w: float
    samples: int
    bad: int
    remarks: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    checks: tuple[MeterCheck, ...] = ()


@dataclass
class _Levels:
    """Keeps the blocks that a meter delivers, as an acquisition's sink."""

    blocks: list[SampleBlock] = field(default_factory=list)

    def block(self, block: SampleBlock) -> None:
        """Keep one block."""
        self.blocks.append(block)

    def voltmeter_block(self, block: SampleBlock) -> None:
        """Pass over a second meter: one is tried at a time."""

    def event(self, kind: str, payload: object) -> None:
        """Pass over events."""

    def mean(self, first_ns: int, last_ns: int) -> np.ndarray:
        """Get the mean of the good readings that came between two instants, by channel."""
        chosen = [block for block in self.blocks if first_ns <= block.sent_ns <= last_ns]
        values = np.concatenate([block.values for block in chosen])
        good = np.concatenate([block.flags for block in chosen]) & int(BAD) == 0
        return np.asarray(values[good].mean(axis=0)) if good.any() else values[:0].sum(axis=0) / 0.0


def probe(parts: Parts, note: Callable[[str], None], findings: Sequence[Finding] = ()) -> Probe:
    """Try a set-up: reach board and meter, read idle, then load.

    ``findings`` are those known beforehand. Raises what opening and reading them raises.
    """
    with ExitStack() as stack:
        note(f"reaching the board at {parts.bench.host}")
        board = stack.enter_context(open_board(parts.bench))
        hello = board.hello()
        note(f"reaching the meter at {parts.bench.meter[0].resource}")
        meter = stack.enter_context(_meter(parts))
        request = meter_request(parts.device)
        setup = meter.configure(request)
        note("loading the model")
        load_model(board, parts)
        levels = _Levels()
        with Acquisition(meter, setup, levels) as acquisition:
            note(f"reading {parts.seconds:g} s of idle")
            begin_ns = now_ns()
            board.idle(parts.seconds, 0)
            acquisition.wait_until(now_ns())
            idle_ns = now_ns()
            note(f"reading {parts.seconds:g} s of load")
            board.warm_up(parts.seconds)
            load_ns = now_ns()
            acquisition.wait_until(load_ns)
            trace = acquisition.finish()
    load = levels.mean(idle_ns + _settling_ns(parts), load_ns)
    idle = levels.mean(begin_ns, idle_ns)
    idle_w = power_w(idle, load, setup, parts)
    load_w = power_w(load, load, setup, parts)
    flags = np.concatenate([block.flags for block in levels.blocks])
    done = Probe(
        board=hello,
        identity=meter.identity,
        setup=setup,
        idle_w=idle_w,
        load_w=load_w,
        samples=len(flags),
        bad=int(np.count_nonzero(flags & int(BAD))),
        remarks=(),
        findings=(
            *findings,
            *setup_findings(setup, request.line_frequency_hz),
            *_at_rest(idle, setup, parts),
        ),
        checks=meter_checks(without_start(trace, LEAD_S), Expected()),
    )
    return replace(done, remarks=tuple(_remarks(done, parts)))


def _at_rest(idle: np.ndarray, setup: MeterSetup, parts: Parts) -> tuple[Finding, ...]:
    if "current" not in setup.channels:
        return ()
    idle_a = float(idle[setup.channels.index("current")])
    return rest_findings(idle_a, setup, parts.bench, parts.device)


def read_supply(parts: Parts, note: Callable[[str], None]) -> BenchSupply:
    """Read the volts at the board under load, once, with the bench's own meter.

    The meter's voltage inputs must lie across the board's supply input. Raises ConfigError
    for a meter that reads no volts, and what board and meter raise.
    """
    with ExitStack() as stack:
        meter = stack.enter_context(_meter(parts))
        if not isinstance(meter, VoltageReader):
            raise ConfigError(
                f"{parts.instrument.name} cannot read volts for the bench",
                hint="read them with another meter and give --supply 5.1V±0.05V",
            )
        board = stack.enter_context(open_board(parts.bench))
        note("loading the model")
        load_model(board, parts)
        note("reading the volts at the board under load")
        with ThreadPoolExecutor(1) as worker:
            busy = worker.submit(board.warm_up, parts.seconds)
            time.sleep(min(SETTLE_S, parts.seconds / 2))
            voltage_v, u_voltage_v = meter.read_voltage()
            busy.result()
    return BenchSupply(voltage_v=round(voltage_v, 6), u_voltage_v=round(u_voltage_v, 6))


def load_model(board: BoardLink, parts: Parts) -> None:
    """Send the workload to the board and build it there."""
    kind = parts.workload.formats[parts.runtime]
    files = build_workload(parts.workload, kind, cache_dir())
    command = parts.workload.command if parts.runtime == COMMAND else ()
    board.load(files, main=main_file(files), runtime=parts.runtime, command=command)


def _meter(parts: Parts) -> closing[Meter]:
    return closing(open_meter(parts.instrument, parts.bench.meter[0], parts.bench))


def _settling_ns(parts: Parts) -> int:
    return int(min(SETTLE_S, parts.seconds / 4) * 1e9)


def power_w(means: np.ndarray, load: np.ndarray, setup: MeterSetup, parts: Parts) -> float:
    """Get watts at the bench's boundary from the mean of each channel, as a result does.

    ``load`` has the means under load: a voltage that was read once was read at that current.
    What lies between the product of means and the mean of products is left out.
    """
    wired = wiring(parts.bench, parts.device)
    names = list(setup.channels)
    active_a = float(load[names.index("current")]) if "current" in names else 0.0
    circuit = nominal_circuit(setup, wired)
    return float(boundary_power(means[np.newaxis, :], setup, wired, circuit, active_a)[0])


def _remarks(done: Probe, parts: Parts) -> list[str]:
    """Say what looks wrong."""
    remarks = []
    if not done.load_w > 1.02 * done.idle_w:
        remarks.append("power does not rise under load: is the meter in this board's supply line?")
    typical = parts.device.power.active_w.value
    if not typical / 3 < done.load_w < typical * 3:
        remarks.append(
            f"{done.load_w:.3g} W under load is far from the {typical:g} W of {parts.device.name}"
        )
    if done.bad > done.samples / 100:
        remarks.append(f"{done.bad} of {done.samples} readings are lost or out of range")
    if parts.bench.supply is None and not {"voltage", "power"} & set(done.setup.channels):
        remarks.append("no voltage was read at the board: the adapter's label will be used")
    return remarks
