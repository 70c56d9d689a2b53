"""What a certificate is made of: frozen records between the calibration and the page.

Everything here is decided: texts are in the certificate's language, numbers are rounded, arrays
are what the charts draw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from powerlab.records import FloatArray, freeze_arrays
from powerlab.report.elements import Chart, Fact, FindingLine, Table
from powerlab.report.texts import Texts


@dataclass(frozen=True, slots=True)
class Marks:
    """Points of one chart, approached from one side; float64 ``(n,)`` each, ready to draw."""

    label: str
    rising: bool
    x: FloatArray
    y: FloatArray
    half_width: FloatArray

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class CurveChart:
    """A line over readings with its band of uncertainty, points and specified limits.

    ``x``, ``y``, ``band`` are float64 ``(k,)``; ``limit`` too, NaN where none is drawn.
    """

    chart: Chart
    x: FloatArray
    y: FloatArray
    band: FloatArray
    limit: FloatArray
    marks: tuple[Marks, ...]
    x_label: str
    y_label: str
    legend: Mapping[str, str]

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class RangeSection:
    """The results of one range: as found, corrected, and the charts of both."""

    title: str
    found: Table
    found_note: str
    verdict: str
    corrected: Table
    corrected_note: str
    curve: CurveChart
    residuals: CurveChart


@dataclass(frozen=True, slots=True)
class FitSection:
    """One fitted correction: what was chosen, why, and its parameters."""

    title: str
    equation: str
    sentences: tuple[str, ...]
    parameters: Table
    candidates: Table
    refused: str


@dataclass(frozen=True, slots=True)
class CertificateModel:
    """The whole certificate, decided; None marks what the record does not have."""

    texts: Texts
    certificate: str
    created: str
    emulated: bool
    valid: bool
    title: str
    subtitle: str
    document_title: str
    summary: str
    item: tuple[Fact, ...]
    calibration: tuple[Fact, ...]
    results: Table
    results_note: str
    environment: tuple[Fact, ...]
    method: tuple[Fact, ...]
    references: Table
    statements: tuple[Fact, ...]
    ranges: tuple[RangeSection, ...]
    fits: tuple[FitSection, ...]
    terms: Table | None
    step: tuple[Fact, ...]
    history: Table | None
    findings: tuple[FindingLine, ...]
    signed: tuple[Fact, ...]
    evidence: tuple[str, str]
