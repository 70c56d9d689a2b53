"""What is recorded: the meter's samples, the board's phases, the clocks between them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from powerlab.terms import Averaging, Boundary, VoltageSense

Int64Array = NDArray[np.int64]
FloatArray = NDArray[np.float64]
FlagArray = NDArray[np.uint8]


def _no_instants() -> Int64Array:
    return np.empty(0, dtype=np.int64)


def freeze_arrays(record: object) -> None:
    """Make every numpy array of a dataclass instance read-only."""
    for item in fields(record):  # type: ignore[arg-type]
        value = getattr(record, item.name)
        if isinstance(value, np.ndarray):
            value.flags.writeable = False


# --- the meter -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MeterIdentity:
    """Who the meter is, as it says itself (``serial`` and ``firmware`` empty if it cannot)."""

    model: str
    manufacturer: str
    name: str
    serial: str
    firmware: str
    resource: str
    emulated: bool = False


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A specified limit: ±(gain_limit * reading + offset_limit), from a dated source.

    ``gain_limit`` is a fraction of reading, ``offset_limit`` in the channel's unit (a
    percentage of range already multiplied out). Rectangular unless the sheet gives k.
    ``estimated`` marks a widened figure that no source gives.
    """

    quantity: str
    full_scale: float
    gain_limit: float
    offset_limit: float
    source: str
    retrieved: str
    estimated: bool


@dataclass(frozen=True, slots=True)
class MeterSetup:
    """What the driver asked for and read back: the facts that integration needs.

    ``channels`` names the columns of the samples ("current", "voltage", "power", and "line":
    the part of a sample in which a trigger line was high); ``accuracy`` has one entry per
    channel; ``timestamp`` says what a device time refers to ("start",
    "middle", "end" of the aperture); ``latency_s`` is the time from the end of the
    aperture to the reading being available, known to ± ``latency_limit_s``;
    ``burden_ohm`` the meter's own series resistance, known to ± ``burden_limit_ohm``.
    """

    channels: tuple[str, ...]
    accuracy: tuple[Accuracy, ...]
    averaging: Averaging
    aperture_s: float
    interval_s: float
    timestamp: str
    latency_s: float
    latency_limit_s: float
    clock_limit_ppm: float
    burden_ohm: float
    burden_limit_ohm: float
    settings: Mapping[str, str | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SampleBlock:
    """What one poll of a meter brought: samples, and when the poll happened.

    ``values`` is float64 ``(n, channels)``; ``device_ns`` int64 ``(n,)`` on the meter's own
    clock, or None where it has none; ``flags`` uint8 ``(n,)`` of ``SampleFlag``.
    ``completed`` counts the readings that the meter had finished since its start when it
    answered (equal to the readings delivered so far for a meter that keeps no count);
    the answer was formed between ``sent_ns`` and ``received_ns``.
    """

    values: FloatArray
    device_ns: Int64Array | None
    flags: FlagArray
    sent_ns: int
    received_ns: int
    completed: int

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class MeterTrace:
    """Everything one meter delivered in a measurement, blocks joined.

    ``poll_*`` are int64 ``(polls,)``: send and receive instants, and the count of
    completed readings each reply attested.
    """

    identity: MeterIdentity
    setup: MeterSetup
    values: FloatArray
    device_ns: Int64Array | None
    flags: FlagArray
    poll_sent_ns: Int64Array
    poll_received_ns: Int64Array
    poll_completed: Int64Array

    def __post_init__(self) -> None:
        freeze_arrays(self)


# --- the board -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClockExchanges:
    """Four-timestamp exchanges: host sends t1, board receives t2 and answers t3, host gets t4.

    t1 and t4 are host nanoseconds, t2 and t3 board nanoseconds, int64 ``(n,)`` each.
    """

    t1_ns: Int64Array
    t2_board_ns: Int64Array
    t3_board_ns: Int64Array
    t4_ns: Int64Array

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class Phase:
    """One stretch of the protocol on the board, by its ``kind``.

    "idle", "warm-up" (one or more in a row), "run"; "guard", undisturbed idle next to a run;
    "marker", a known pattern of load, whose ``done_board_ns`` are its edges, to busy and to
    idle by turns; "other", a run of another option that was measured in the same session.

    ``index`` tells the phases of one kind apart; ``passes`` counts forward passes, each
    of which infers a whole batch; ``done_board_ns`` is int64 ``(passes,)``, the instant at
    which each pass was complete. ``begun_board_ns``, int64 ``(passes,)``, says when each began
    where pauses were put between them, and is empty where they follow back to back.
    ``cpu_s`` is the processor time that the agent's process had, NaN where it is not told.
    """

    kind: str
    index: int
    start_board_ns: int
    stop_board_ns: int
    passes: int
    done_board_ns: Int64Array
    begun_board_ns: Int64Array = field(default_factory=_no_instants)
    cpu_s: float = math.nan

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What the board told of itself outside the timed windows; NaN and "" where it cannot.

    ``temperature_c`` is the hottest sensor, ``frequency_hz`` the mean clock of the processors
    online, ``load`` the processes that ran or wanted to (1 min), ``memory_free_bytes`` what is
    left; ``governor`` the frequency policy; ``throttled`` names the reasons for which the board
    holds its clock down now.
    """

    at_board_ns: int
    temperature_c: float
    frequency_hz: float
    load: float
    memory_free_bytes: float
    governor: str
    throttled: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """What the agent reports of its board and of the runtime that answered."""

    hostname: str
    machine: str
    system: str
    python: str
    cpu: str
    runtime: str
    runtime_module: str
    runtime_version: str
    numpy_version: str
    threads: int
    emulated: bool
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Timebase:
    """Which clock a capture's host instants are on, and one anchor of it to UTC."""

    clock: str
    boot_id: str
    anchor_ns: int
    anchor_utc: str


@dataclass(frozen=True, slots=True)
class Wiring:
    """Where the meter sits and what lies between it, the supply and the board.

    ``supply_voltage_v`` (± ``u_supply_voltage_v``, standard uncertainty) is used only where
    no meter reads volts; ``supply_voltage_origin`` is "bench" (read once at the board under
    load, without the ammeter), "circuit" (the same with the ammeter in the circuit) or
    "nominal" (the adapter's label, at the supply). ``cable_ohm`` is the loop
    resistance of the leads between the voltage tap, or the supply, and the board.
    ``source_ohm`` ± ``u_source_ohm`` (standard uncertainty, rectangular) is the supply's own
    output resistance: by how much its volts sag from idle to load. It matters only where
    no meter reads volts all along.
    ``supply_lag_limit_s``: the board's input filter delays its load's edges by 0 to this.
    """

    boundary: Boundary
    voltage_sense: VoltageSense
    cable_ohm: float
    u_cable_ohm: float
    supply_voltage_v: float | None
    u_supply_voltage_v: float
    supply_voltage_origin: str
    supply_lag_limit_s: float
    source_ohm: float = 0.0
    u_source_ohm: float = 0.0


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its standard uncertainty."""

    value: float
    u: float = 0.0

    @property
    def u_relative(self) -> float:
        """Get the relative standard uncertainty, 0 for a value of 0."""
        return self.u / abs(self.value) if self.value else 0.0


@dataclass(frozen=True, slots=True)
class Work:
    """What one inference takes: multiply-accumulates, and bytes that must cross memory.

    ``memory_bytes`` counts weights once per pass shared by its batch; 0 where not known.
    """

    macs: float
    memory_bytes: float = 0.0


@dataclass(frozen=True, slots=True)
class Roofs:
    """A device's physical limits, None where no source gives one.

    ``operations_per_s`` is the peak at the precision used (1 MAC = 2 operations),
    ``supply_w`` the most its supply delivers.
    """

    operations_per_s: Figure | None = None
    memory_bytes_per_s: Figure | None = None
    idle_w: Figure | None = None
    supply_w: Figure | None = None


@dataclass(frozen=True, slots=True)
class Capture:
    """One measurement as recorded: nothing computed yet.

    Where a ``precision`` (relative U) was asked for, the first ``first_stage`` runs fixed the
    number of runs; both are 0 where that number was given beforehand. ``telemetry`` is in
    rising order of time. ``work`` and ``roofs`` say what could be possible at all; None where
    speed is not the device's own (under emulation) or nothing is known.
    """

    timebase: Timebase
    trace: MeterTrace
    exchanges: ClockExchanges
    phases: tuple[Phase, ...]
    wiring: Wiring
    target: TargetFacts
    batch: int
    first_stage: int = 0
    precision: float = 0.0
    telemetry: tuple[Telemetry, ...] = ()
    work: Work | None = None
    roofs: Roofs | None = None
