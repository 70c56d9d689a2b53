"""What a report is made of: frozen records between the measurement and the page.

Everything here is already decided: texts are in the report's language, numbers are
rounded, arrays are what the charts draw. Templates and charts only place them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from powerlab.records import FloatArray, freeze_arrays
from powerlab.report.numbers import Shown
from powerlab.report.texts import Texts


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a list of facts."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a tile; ``name`` is set only where a tile has several ("p50")."""

    name: str
    shown: Shown


@dataclass(frozen=True, slots=True)
class Tile:
    """A small key figure; ``figures`` empty where the quantity is missing."""

    label: str
    figures: tuple[Figure, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Table:
    """A plain table: ``align`` holds one of "left", "right" for each column."""

    columns: tuple[str, ...]
    align: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """One line of the uncertainty budget; ``width`` is its bar's length in per cent."""

    name: str
    kind: str
    u: str
    u_relative: str
    share: str
    width: float
    dof: str
    distribution: str
    source: str


@dataclass(frozen=True, slots=True)
class Budget:
    """The uncertainty budget of one quantity with its combination."""

    quantity: str
    u_unit: str
    rows: tuple[BudgetRow, ...]
    combined: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class FindingLine:
    """A finding in the report's language; ``severity`` is the code used for its style."""

    severity: str
    label: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What every chart carries: its name, its text for those who cannot see it, its caption."""

    name: str
    alt: str
    caption: str


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of the time axis in seconds: ``kind`` is that of the phase it shows."""

    kind: str
    start_s: float
    stop_s: float
    label: str


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal or vertical reference with its text."""

    value: float
    label: str


@dataclass(frozen=True, slots=True)
class PowerChart:
    """Power over time: float64 ``(points,)`` each; low and high differ only when decimated."""

    chart: Chart
    time_s: FloatArray
    low_w: FloatArray
    high_w: FloatArray
    bands: tuple[Band, ...]
    levels: tuple[Level, ...]
    x_label: str
    y_label: str

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class LatencyChart:
    """A histogram of latencies: ``edges`` has one more element than ``counts``."""

    chart: Chart
    edges: FloatArray
    counts: FloatArray
    percentiles: tuple[Level, ...]
    x_label: str
    y_label: str

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class RunsChart:
    """Energy per inference of each run around the mean, in one scaled unit.

    ``half_width`` is the part of U that all runs share; ``band`` the interval of the mean.
    """

    chart: Chart
    used: FloatArray
    interior: FloatArray
    half_width: float
    mean: float
    band: tuple[float, float]
    x_label: str
    y_label: str
    legend: Mapping[str, str]

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class TruthRow:
    """A stated interval and its truth, as deviations from the truth in per cent."""

    label: str
    value: float
    low: float
    high: float
    verdict: str


@dataclass(frozen=True, slots=True)
class TruthChart:
    """Stated intervals against the emulated world's own energies."""

    chart: Chart
    rows: tuple[TruthRow, ...]
    x_label: str
    zero_label: str


@dataclass(frozen=True, slots=True)
class PriceSection:
    """The money section: facts of the price, and the sentence that draws on them."""

    facts: tuple[Fact, ...]
    result: Shown | None
    result_note: str
    per_million: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TruthSection:
    """Under emulation: the comparison with the world's own figures."""

    chart: TruthChart
    table: Table
    sentence: str


@dataclass(frozen=True, slots=True)
class Headline:
    """The words of the first page; ``banner`` is empty unless emulated."""

    title: str
    subtitle: str
    document_title: str
    summary: str
    banner: str
    verdict: str
    key: Shown | None
    key_notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReportModel:
    """The whole report, decided; ``None`` marks a part that this measurement cannot fill.

    ``texts`` gives the template its headings; ``created`` is the instant of the result document;
    ``pressing`` are the few findings that the first page names;
    ``evidence`` says what is attached, and the digests of the run's files.
    """

    texts: Texts
    run: str
    created: str
    emulated: bool
    valid: bool
    head: Headline
    tiles: tuple[Tile, ...]
    facts: tuple[Fact, ...]
    power: PowerChart | None
    latency: LatencyChart | None
    energy_runs: RunsChart | None
    results: Table
    results_note: str
    runs: Table
    passes: Table | None
    budget: Budget | None
    price: PriceSection | None
    method: tuple[Fact, ...]
    wiring: tuple[Fact, ...]
    accuracy: Table
    accuracy_note: str
    findings: tuple[FindingLine, ...]
    pressing: tuple[FindingLine, ...]
    truth: TruthSection | None
    versions: tuple[Fact, ...]
    evidence: tuple[str, ...]
