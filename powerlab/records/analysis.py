"""What analysis makes of a capture on its way to a result."""

from __future__ import annotations

import math
from dataclasses import dataclass

from powerlab.findings import Finding
from powerlab.records.arrays import FlagArray, FloatArray, Int64Array, freeze_arrays


@dataclass(frozen=True, slots=True)
class ClockFit:
    """Board clock to host clock: a line around a reference and, if it is not one, its bend.

    ``offset_ns`` is board minus host at ``reference_ns`` (host); ``skew_ppm`` the board's
    rate error; ``u_offset_ns`` the standard uncertainty of a mapped instant, from the
    shortest round trip (rectangular) and what the line, or the interpolation, leaves.
    ``bend`` holds ``(host_ns - reference_ns, deviation_ns)`` of each burst of exchanges
    where the rate moved during the measurement; between them the offset is interpolated.
    """

    reference_ns: int
    offset_ns: int
    skew_ppm: float
    u_offset_ns: float
    u_skew_ppm: float
    round_trip_min_ns: int
    residual_ns: float
    exchanges: int
    bend: tuple[tuple[float, float], ...] = ()


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
    ``(passes,)``, ``done_ns`` int64 ``(passes,)`` the end of each pass; ``pause_s`` is the time
    of the window without a pass (dithering, waiting for queries), ``cpu_s`` the processor time
    used. Of queries that came at their own instants the latency is from there to the answer,
    and ``open_loop`` says so.
    """

    kind: str
    index: int
    start_ns: int
    stop_ns: int
    inferences: int
    latency_s: FloatArray
    done_ns: Int64Array
    pause_s: float = 0.0
    cpu_s: float = math.nan
    open_loop: bool = False

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class MarkerReading:
    """What one marker in the trace tells of the clocks; NaN where it tells nothing.

    ``delay_ns`` is how much later the trace shows the load than the clocks say, supply lag
    included (the group delay), ``lag_s`` that lag; ``reason`` says why it is not believed.
    """

    delay_ns: float
    u_delay_ns: float
    lag_s: float
    u_lag_s: float
    peak_to_sidelobe_db: float
    believed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class LineReading:
    """What a trigger line recorded with the samples tells of their clock.

    ``delay_ns`` is how much later the samples show the line's edges than the board stamped
    them, ``u_delay_ns`` its standard uncertainty; the samples are shifted by it where it is
    ``believed``, and ``reason`` says why where it is not.
    """

    delay_ns: float
    u_delay_ns: float
    edges: int
    believed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Aligned:
    """Meter samples and board windows on one clock; values are still as the meter gave them."""

    clock: SampleClock
    values: FloatArray
    flags: FlagArray
    windows: tuple[Window, ...]
    board_clock: ClockFit
    findings: tuple[Finding, ...]
    markers: tuple[MarkerReading, ...] = ()
    line: LineReading | None = None

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class PassEnergies:
    """The energies of single passes of a run, where the meter is fast enough to tell them.

    Median, 5th and 95th percentile in joule per inference; ``samples`` is how many samples an
    average pass holds.
    """

    median_j: float
    p05_j: float
    p95_j: float
    samples: float


@dataclass(frozen=True, slots=True)
class RunClock:
    """How the board's clock stood to the host's in one run.

    ``offset_ns`` is board minus host in the middle of the run, ± ``u_offset_ns``; ``skew_ppm``
    the rate there, ± ``u_skew_ppm``; ``residual_ns`` what the nearest exchanges leave.
    """

    offset_ns: int
    u_offset_ns: float
    skew_ppm: float
    u_skew_ppm: float
    residual_ns: float


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
    clock: RunClock | None = None
    passes: PassEnergies | None = None
