"""What a reader of other tools' evidence yields: claims, power over time, windows, clocks.

A reader is an object of the entry-point group ``powerlab.evidence`` that satisfies ``Reader``.
It recognises its format by content, applies the publisher's own rule, and hands over what
powerlab's method needs to go its own way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from powerlab.analysis.integrate import PowerTrace
from powerlab.findings import Finding
from powerlab.terms import Boundary

GROUP = "powerlab.evidence"


@dataclass(frozen=True, slots=True)
class Claim:
    """A figure by the publisher's own rule, and what was published of it.

    ``value`` is recomputed from the raw data, NaN where that cannot be; ``published`` is None
    where nothing was. They agree where they differ by no more than ``tolerance``, absolute in
    ``unit``, or by ``relative`` of what was published, whichever is wider. ``rule`` says in
    words how ``value`` was made; ``source`` names where the published figure stands.
    """

    quantity: str
    unit: str
    value: float
    rule: str
    published: float | None = None
    source: str = ""
    tolerance: float = 0.0
    relative: float = 1e-9

    @property
    def difference(self) -> float:
        """Get recomputed less published, NaN where nothing was published."""
        return math.nan if self.published is None else self.value - self.published

    @property
    def agrees(self) -> bool | None:
        """Tell whether the rule gives the published figure; None where there is none."""
        if self.published is None:
            return None
        limit = max(self.tolerance, self.relative * abs(self.published))
        return abs(self.difference) <= limit


@dataclass(frozen=True, slots=True)
class Trace:
    """What one meter, rail or analyser recorded, on the clock of the evidence.

    ``power`` holds the usable samples; ``interval_ns`` is the nominal sample interval.
    ``unusable_ns`` are the stamps of what the meter marked as an error, or what can be none of
    its readings. ``power_factor`` is the mean over the windows, NaN where it is not told.
    """

    name: str
    power: PowerTrace
    interval_ns: int
    unusable_ns: tuple[int, ...] = ()
    power_factor: float = math.nan


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of work: ``[start_ns, stop_ns]``, and the inferences made in it.

    ``energy_j`` is its energy by the publisher's rule, ``published_j`` what was published of
    it; NaN where there is none. ``edge_ns`` is how far off either end may be by the resolution
    of the stamps.
    """

    start_ns: int
    stop_ns: int
    inferences: float
    energy_j: float = math.nan
    published_j: float = math.nan
    edge_ns: int = 0


@dataclass(frozen=True, slots=True)
class ClockCheck:
    """A bracket of the offset between the clock of the work and that of the meter, in seconds."""

    low_s: float
    high_s: float
    source: str

    @property
    def middle_s(self) -> float:
        """Get the best estimate of the offset."""
        return (self.low_s + self.high_s) / 2


@dataclass(frozen=True, slots=True)
class MeterFacts:
    """What the evidence says of the meter, and the limits that hold for it.

    ``gain_limit`` is a fraction of the reading, ``offset_limit_w`` in watt per trace; both are
    half-widths. ``assumed`` marks limits that no source gives. ``calibration`` is empty where
    the evidence names none.
    """

    model: str
    serial: str = ""
    gain_limit: float = 0.05
    offset_limit_w: float = 0.0
    source: str = "no limits are known of this meter: 5 % of the reading is taken"
    assumed: bool = True
    calibration: str = ""
    expects_calibration: bool = True


@dataclass(frozen=True, slots=True)
class Evidence:
    """One run or recording of another tool, as read.

    ``claims`` has the figure that was or would be published first. ``files`` are all that were
    read. ``assumptions`` say what no file states: zone, unit, rate, boundary. ``idle_w`` is
    NaN where the evidence holds no idle phase; ``latencies_s`` are by percentile;
    ``throughput_per_s`` is NaN unless the publisher states one. ``created`` is the instant of
    the recording as the files tell it. ``second_j`` is the energy per inference of an earlier run
    of the same work in joule, NaN without one. ``triggered`` says that the work itself marked the
    windows at the meter: there is no other clock.
    """

    format: str
    path: Path
    title: str
    device: str
    workload: str
    scenario: str
    boundary: Boundary
    claims: tuple[Claim, ...]
    traces: tuple[Trace, ...]
    windows: tuple[Span, ...]
    meter: MeterFacts
    files: tuple[Path, ...]
    timebase: str
    runtime: str = ""
    assumptions: tuple[str, ...] = ()
    clocks: tuple[ClockCheck, ...] = ()
    findings: tuple[Finding, ...] = ()
    idle_w: float = math.nan
    latencies_s: Mapping[str, float] = field(default_factory=dict)
    throughput_per_s: float = math.nan
    second_j: float = math.nan
    created: str = ""
    triggered: bool = False


class Reader(Protocol):
    """One format. ``name`` is what ``--format`` takes, ``title`` says it in words."""

    name: str
    title: str

    def recognises(self, path: Path) -> bool:
        """Tell by content whether a file or a folder is of this format; never raises."""
        ...

    def read(self, path: Path) -> tuple[Evidence, ...]:
        """Read all runs of a file or folder.

        Raises ConfigError, naming file and line, for what is damaged or incomplete.
        """
        ...
