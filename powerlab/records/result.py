"""What a measurement ends in: quantities with their budgets, and the result document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from powerlab.findings import Finding
from powerlab.records.analysis import WindowEnergy
from powerlab.records.scenario import ScenarioFigures
from powerlab.terms import Boundary, Distribution, Evidence
from powerlab.units import Money


@dataclass(frozen=True, slots=True)
class Component:
    """One line of an uncertainty budget, in the unit of its quantity.

    ``u`` is the standard uncertainty contributed; ``share`` its part of the combined
    variance; ``dof`` None where infinite. ``input`` names what in the world errs ("" for
    something of this quantity alone): lines of two quantities with the same input are fully
    correlated, with the ``sign`` (+1 or -1) of each.
    """

    name: str
    kind: str
    u: float
    distribution: Distribution
    dof: float | None
    share: float
    source: str = ""
    input: str = ""
    sign: int = 1


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
class CalibrationUsed:
    """The calibration that corrected a channel: its certificate, and its dates as ISO dates."""

    channel: str
    certificate: str
    performed: str
    due: str


@dataclass(frozen=True, slots=True)
class MeterSummary:
    """What the meter delivered, and what it was calibrated by, for the result document."""

    samples: int
    lost: int
    gap_s: float
    rate_hz: float
    calibrations: tuple[CalibrationUsed, ...] = ()


@dataclass(frozen=True, slots=True)
class Percentile:
    """A latency percentile over all passes of a measurement, in seconds.

    ``low`` and ``high`` are the order statistics that enclose it with 95 % (None where there
    are too few passes); ``bound`` is the early-stopping bound that exceeds it with 99 %
    (MLPerf), after discarding the ``discarded`` highest, None where there are too few.
    """

    percent: float
    value: float
    low: float | None
    high: float | None
    bound: float | None
    discarded: int


@dataclass(frozen=True, slots=True)
class Latency:
    """The distribution of the latency of a pass over all runs; outliers are counted in."""

    passes: int
    percentiles: tuple[Percentile, ...]
    outliers: int
    outlier_limit_s: float
    longest_s: float


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
    latency: Latency | None = None
    scenario: ScenarioFigures | None = None
