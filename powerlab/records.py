"""The vocabulary: what flows from the meter's first byte to the report.

``Capture -> Aligned -> WindowEnergy -> Quantity + Component -> Result``. Every record
is frozen, its arrays read-only. Instants are int64 nanoseconds; unless a name says
otherwise they are on the host's CLOCK_MONOTONIC_RAW. Board instants (``*_board_ns``) are
on the board's CLOCK_MONOTONIC_RAW until ``analysis`` maps them. All else is SI floats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import IntFlag, StrEnum

import numpy as np
from numpy.typing import NDArray

from powerlab.findings import Finding
from powerlab.units import Money

Int64Array = NDArray[np.int64]
FloatArray = NDArray[np.float64]
FlagArray = NDArray[np.uint8]


class SampleFlag(IntFlag):
    """What a meter says of one sample; 0 is a good one."""

    GOOD = 0
    LOST = 1
    REPEATED = 2
    SATURATED = 4
    OVERRANGE = 8
    NOT_AVAILABLE = 16
    QUESTIONABLE = 32


class Averaging(StrEnum):
    """What one reading stands for, which decides the quadrature (method section 2.1).

    ``boxcar``: the mean over an aperture that fills the sample interval; ``gated``: the
    mean over a part of it; ``point``: an instantaneous value; ``counter``: accumulated.
    """

    BOXCAR = "boxcar"
    GATED = "gated"
    POINT = "point"
    COUNTER = "counter"


class Evidence(StrEnum):
    """Where a figure comes from. Emulated is never called measured."""

    MEASURED = "measured"
    EMULATED = "emulated"
    IMPORTED = "imported"
    DECLARED = "declared"


class Boundary(StrEnum):
    """Where energy is counted: the board's input, the DC supply's output, the mains."""

    BOARD = "board"
    DC = "dc"
    WALL = "wall"


class VoltageSense(StrEnum):
    """Where volts are taken: at the meter, or at the board's own input terminals."""

    METER = "meter"
    BOARD = "board"


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

    ``channels`` names the columns of the samples ("current", "voltage"); ``accuracy`` has
    one entry per channel; ``timestamp`` says what a device time refers to ("start",
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
    """One stretch of the protocol on the board: "idle", "warm-up", "guard" or "run".

    A guard is undisturbed idle next to a run.

    ``index`` counts the phases of one kind from 0; ``passes`` counts forward passes, each
    of which infers a whole batch; ``done_board_ns`` is int64 ``(passes,)``, the instant at
    which each pass was complete.
    """

    kind: str
    index: int
    start_board_ns: int
    stop_board_ns: int
    passes: int
    done_board_ns: Int64Array

    def __post_init__(self) -> None:
        freeze_arrays(self)


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
    load) or "nominal" (the adapter's label, at the supply). ``cable_ohm`` is the loop
    resistance of the leads between the voltage tap, or the supply, and the board.
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


@dataclass(frozen=True, slots=True)
class Capture:
    """One measurement as recorded: nothing computed yet."""

    timebase: Timebase
    trace: MeterTrace
    exchanges: ClockExchanges
    phases: tuple[Phase, ...]
    wiring: Wiring
    target: TargetFacts
    batch: int


# --- analysis ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClockFit:
    """Board clock to host clock: ``host = board - offset(board)``, a line around a reference.

    ``offset_ns`` is board minus host at ``reference_ns`` (host); ``skew_ppm`` the board's
    rate error; ``u_offset_ns`` the standard uncertainty of a mapped instant, from the
    shortest round trip (rectangular) and the residual of the line.
    """

    reference_ns: int
    offset_ns: int
    skew_ppm: float
    u_offset_ns: float
    u_skew_ppm: float
    round_trip_min_ns: int
    residual_ns: float
    exchanges: int


@dataclass(frozen=True, slots=True)
class SampleClock:
    """When each meter sample was taken, in host nanoseconds.

    ``stop_ns`` is the end of the stretch a sample stands for; ``u_ns`` the standard
    uncertainty common to all of them, ``rate_ppm`` the meter's clock against the host's.
    """

    start_ns: Int64Array
    stop_ns: Int64Array
    u_ns: float
    rate_ppm: float
    u_rate_ppm: float

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class Window:
    """A phase mapped to the host's clock.

    ``inferences`` counts inputs inferred (passes times batch), ``latency_s`` is float64
    ``(passes,)``.
    """

    kind: str
    index: int
    start_ns: int
    stop_ns: int
    inferences: int
    latency_s: FloatArray

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class Aligned:
    """Meter samples and board windows on one clock; values are still as the meter gave them."""

    clock: SampleClock
    values: FloatArray
    flags: FlagArray
    windows: tuple[Window, ...]
    board_clock: ClockFit
    findings: tuple[Finding, ...]

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class WindowEnergy:
    """The energy of one run at the boundary, estimated in two ways (method section 1.7).

    ``energy_j`` is the figure used; ``interior_j`` scales the mean power of the samples
    wholly inside; ``wide_j`` integrates from idle to idle less the idle part. ``tail_j`` is
    wide less interior: start-up and tail energy. ``samples`` counts those inside.
    """

    index: int
    start_ns: int
    stop_ns: int
    inferences: int
    energy_j: float
    interior_j: float
    wide_j: float
    tail_j: float
    samples: int
    gap_s: float


class Distribution(StrEnum):
    """The probability density assigned to an input (JCGM 101 section 6.4)."""

    NORMAL = "normal"
    T = "t"
    RECTANGULAR = "rectangular"
    TRIANGULAR = "triangular"
    ARCSINE = "arcsine"


@dataclass(frozen=True, slots=True)
class Component:
    """One line of an uncertainty budget, in the unit of its quantity.

    ``u`` is the standard uncertainty contributed; ``share`` its part of the combined
    variance; ``dof`` None where infinite.
    """

    name: str
    kind: str
    u: float
    distribution: Distribution
    dof: float | None
    share: float
    source: str = ""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A result with its uncertainty: ``U`` is the half-width of the ``p`` interval.

    ``k = U / u`` is reported, never assumed; ``dof`` is Welch-Satterthwaite's effective
    number, None where infinite. ``low`` and ``high`` bound the interval, None where
    unbounded. ``budget`` is sorted by falling share.
    """

    name: str
    unit: str
    value: float
    u: float
    expanded: float
    k: float
    dof: float | None
    p: float
    low: float | None
    high: float | None
    budget: tuple[Component, ...]


@dataclass(frozen=True, slots=True)
class Price:
    """What the device costs and for how long it serves; ``u_relative`` is a fraction."""

    money: Money
    u_relative: float
    life_years: float
    basis: str
    source: str


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for: identifiers of the catalogue and the options of one measurement."""

    device: str
    bench: str
    instrument: str
    workload: str
    runtime: str
    batch: int
    threads: int
    protocol: str


@dataclass(frozen=True, slots=True)
class Sync:
    """How well the clocks were joined, for the result document."""

    offset_ns: int
    u_offset_ns: float
    skew_ppm: float
    marker_residual_ns: float | None


@dataclass(frozen=True, slots=True)
class MeterSummary:
    """What the meter delivered, for the result document."""

    samples: int
    lost: int
    gap_s: float
    rate_hz: float


@dataclass(frozen=True, slots=True)
class Truth:
    """Under emulation only: the world's own energies, joined after the result is frozen."""

    energy_per_inference_j: float
    energy_of_these_runs_j: float


@dataclass(frozen=True, slots=True)
class Result:
    """One measurement, finished: what ``result.json`` and the report are made from."""

    run: str
    request: Request
    evidence: Evidence
    boundary: Boundary
    valid: bool
    quantities: Mapping[str, Quantity]
    runs: tuple[WindowEnergy, ...]
    sync: Sync
    meter: MeterSummary
    findings: tuple[Finding, ...]
    truth: Truth | None
    price: Price | None
