"""What an audit found, as its report takes it: plain records, nothing decided yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from powerlab.analysis.integrate import PowerTrace
from powerlab.findings import Finding
from powerlab.records import Quantity
from powerlab.terms import Boundary


@dataclass(frozen=True, slots=True)
class Stated:
    """A published figure and the same by its own rule; ``published`` None where there is none.

    ``agrees`` is None without a published figure; ``value`` NaN where the rule gives nothing.
    """

    quantity: str
    unit: str
    value: float
    rule: str
    published: float | None
    agrees: bool | None
    source: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """One window: seconds since the first sample of the run, inferences, and its energies in J.

    ``rule_j`` is by the publisher's rule, ``published_j`` what was published; NaN without one.
    """

    start_s: float
    stop_s: float
    inferences: float
    integral_j: float
    rule_j: float
    published_j: float


@dataclass(frozen=True, slots=True)
class Recorded:
    """One trace: its name, samples, interval in seconds, and power on the run's own clock."""

    name: str
    samples: int
    unusable: int
    interval_s: float
    power: PowerTrace


@dataclass(frozen=True, slots=True)
class Original:
    """One file that was read: its path as text, its length and its SHA-256."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class AuditedRun:
    """One audited run or recording; ``origin_ns`` is the instant of second 0 of its charts.

    ``recomputed`` is the first figure by powerlab's method, in that figure's unit.
    """

    title: str
    format: str
    format_title: str
    path: str
    valid: bool
    meter: str
    serial: str
    meter_source: str
    calibration: str
    boundary: Boundary
    timebase: str
    assumptions: tuple[str, ...]
    stated: tuple[Stated, ...]
    recomputed: Quantity | None
    windows: tuple[Stretch, ...]
    traces: tuple[Recorded, ...]
    origin_ns: int
    findings: tuple[Finding, ...]
    originals: tuple[Original, ...]


@dataclass(frozen=True, slots=True)
class AuditEvidence:
    """All that one report is of; ``document`` is attached, ``failed`` says what was unreadable.

    ``created`` is an ISO 8601 instant in UTC, ``versions`` maps names of software to versions.
    """

    path: str
    runs: tuple[AuditedRun, ...]
    failed: tuple[str, ...]
    document: bytes
    created: str
    versions: Mapping[str, str]
