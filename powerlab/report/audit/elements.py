"""What the report of an audit is made of: every text decided, arrays ready to draw."""

from __future__ import annotations

from dataclasses import dataclass

from powerlab.records import FloatArray, freeze_arrays
from powerlab.report.elements import Band, Chart, Fact, FindingLine, Table
from powerlab.report.numbers import Shown
from powerlab.report.texts import Texts


@dataclass(frozen=True, slots=True)
class TraceLine:
    """One trace of a chart: float64 ``(points,)`` each; low and high differ when decimated."""

    name: str
    time_s: FloatArray
    low_w: FloatArray
    high_w: FloatArray

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class TraceChart:
    """Power over time of all traces of a run, one below the other, the windows as bands."""

    chart: Chart
    lines: tuple[TraceLine, ...]
    bands: tuple[Band, ...]
    x_label: str
    y_label: str


@dataclass(frozen=True, slots=True)
class RunSection:
    """One audited run, decided; ``shown`` and ``chart`` are None where there is none."""

    title: str
    subtitle: str
    valid: bool
    summary: str
    figures: Table
    figures_more: str
    rules: tuple[Fact, ...]
    shown: Shown | None
    shown_label: str
    shown_notes: tuple[str, ...]
    facts: tuple[Fact, ...]
    assumptions: tuple[str, ...]
    chart: TraceChart | None
    windows: Table | None
    windows_more: str
    budget: Table | None
    findings: tuple[FindingLine, ...]
    originals: Table


@dataclass(frozen=True, slots=True)
class AuditModel:
    """The whole report, decided; ``overview`` is None where it is of one run."""

    texts: Texts
    created: str
    valid: bool
    title: str
    subtitle: str
    document_title: str
    summary: str
    overview: Table | None
    failed: tuple[str, ...]
    runs: tuple[RunSection, ...]
    versions: tuple[Fact, ...]
    evidence: tuple[str, ...]
