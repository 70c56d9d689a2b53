"""What a procurement report is made of: frozen records between the decision and the page.

Everything here is decided: texts are in the report's language, numbers are rounded, arrays are
what the charts draw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from powerlab.records import FloatArray, freeze_arrays
from powerlab.report.elements import Chart, Fact, FindingLine, Level, Table
from powerlab.report.texts import Texts


@dataclass(frozen=True, slots=True)
class DecisionBox:
    """The answer in plain words; ``given`` tells whether there is a recommendation.

    ``reasons`` say how sure it is and what it rests on, ``changes`` what would turn it.
    """

    given: bool
    headline: str
    reasons: tuple[str, ...]
    changes_label: str
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OptionCard:
    """The facts of one option's offer and evidence; ``mark`` is "" or a short word."""

    title: str
    mark: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class ShareRow:
    """One input of a variance; ``width`` is its bar's length in per cent."""

    name: str
    share: str
    width: float


@dataclass(frozen=True, slots=True)
class ShareTable:
    """The budget of a money figure: which inputs its variance comes from."""

    title: str
    rows: tuple[ShareRow, ...]


@dataclass(frozen=True, slots=True)
class BarChart:
    """One figure of every option with its interval: ``values``, ``low``, ``high`` are ``(n,)``.

    ``marked`` is the place of the option to set apart, None without one. On a logarithmic axis
    points are drawn, since a bar would start nowhere.
    """

    chart: Chart
    labels: tuple[str, ...]
    values: FloatArray
    low: FloatArray
    high: FloatArray
    marked: int | None
    logarithmic: bool
    x_label: str

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class FrontChart:
    """Two figures of every option, both to be low, with intervals and the Pareto front.

    ``x``, ``y`` and their ``low`` and ``high`` ends are ``(n,)``; ``front`` holds the places of
    the options that no other betters in both, rising in x.
    """

    chart: Chart
    labels: tuple[str, ...]
    x: FloatArray
    x_low: FloatArray
    x_high: FloatArray
    y: FloatArray
    y_low: FloatArray
    y_high: FloatArray
    front: tuple[int, ...]
    front_label: str
    x_label: str
    y_label: str

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class LineChart:
    """One line for each option over a common axis: ``x (n,)``, ``y (options, n)``.

    ``turns`` are places on the axis where the cheapest changes, ``here`` today's place.
    ``logarithmic`` holds for both axes.
    """

    chart: Chart
    labels: tuple[str, ...]
    x: FloatArray
    y: FloatArray
    marked: int | None
    turns: tuple[Level, ...]
    here: Level | None
    logarithmic: bool
    x_label: str
    y_label: str

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class StackChart:
    """The parts of every option's cost: ``parts`` maps a part's name to values ``(options,)``."""

    chart: Chart
    labels: tuple[str, ...]
    parts: Mapping[str, FloatArray]
    x_label: str


@dataclass(frozen=True, slots=True)
class TornadoRow:
    """A figure with one input at its 5 % and at its 95 % point."""

    label: str
    at_low: float
    at_high: float


@dataclass(frozen=True, slots=True)
class TornadoChart:
    """What moves one option's cost, the widest first; ``base`` is the best estimate."""

    chart: Chart
    rows: tuple[TornadoRow, ...]
    base: float
    low_label: str
    high_label: str
    x_label: str


@dataclass(frozen=True, slots=True)
class HoursChart:
    """Load and tariff by hour, ``(24,)`` or ``(168,)`` each; the tariff None where it is even."""

    chart: Chart
    load: FloatArray
    tariff: FloatArray | None
    x_label: str
    load_label: str
    tariff_label: str

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class RoofRow:
    """A device's roof and the point that it reached, in operations per second and byte."""

    label: str
    operations_per_s: float
    bytes_per_s: float
    intensity: float
    reached_per_s: float


@dataclass(frozen=True, slots=True)
class RoofChart:
    """Rooflines of all options that have one."""

    chart: Chart
    rows: tuple[RoofRow, ...]
    x_label: str
    y_label: str


@dataclass(frozen=True, slots=True)
class TraceChart:
    """Power over time of one run: ``(n,)`` each; low and high differ only when decimated."""

    chart: Chart
    time_s: FloatArray
    low_w: FloatArray
    high_w: FloatArray
    x_label: str
    y_label: str

    def __post_init__(self) -> None:
        freeze_arrays(self)


AnyChart = (
    BarChart
    | FrontChart
    | LineChart
    | StackChart
    | TornadoChart
    | HoursChart
    | RoofChart
    | TraceChart
)


@dataclass(frozen=True, slots=True)
class BudgetTable:
    """The uncertainty budget of one measured figure of one option."""

    title: str
    table: Table


@dataclass(frozen=True, slots=True)
class ProcurementModel:
    """The whole report, decided; None or empty marks what this procurement does not have."""

    texts: Texts
    number: str
    created: str
    emulated: bool
    given: bool
    title: str
    subtitle: str
    document_title: str
    summary: str
    banner: str
    meta: tuple[Fact, ...]
    box: DecisionBox
    glance: Table
    glance_note: str
    pressing: tuple[FindingLine, ...]
    question: tuple[Fact, ...]
    hours: HoursChart
    cards: tuple[OptionCard, ...]
    performance: Table
    performance_note: str
    costs: Table
    costs_note: str
    ranking: Table
    ranking_note: str
    bars: tuple[BarChart, ...]
    front: FrontChart | None
    over_load: LineChart
    winners: Table | None
    stack: StackChart
    by_year: LineChart
    years: Table
    years_note: str
    pairs: Table | None
    pairs_note: str
    turns: Table | None
    tornados: tuple[TornadoChart, ...]
    requirements: Table | None
    requirements_note: str
    assumptions: tuple[str, ...]
    exclusions: tuple[str, ...]
    shares: tuple[ShareTable, ...]
    shares_note: str
    budgets: tuple[BudgetTable, ...]
    roofs: RoofChart | None
    traces: tuple[TraceChart, ...]
    method: tuple[Fact, ...]
    risks: tuple[str, ...]
    findings: tuple[FindingLine, ...]
    figures: Table
    runs: Table | None
    runs_note: str
    hashes: Table | None
    versions: tuple[Fact, ...]
    evidence: tuple[str, ...]
    signatures: tuple[str, ...]

    @property
    def charts(self) -> tuple[AnyChart, ...]:
        """Get every chart of the report."""
        return (
            self.hours,
            *self.bars,
            *(chart for chart in (self.front, self.roofs) if chart is not None),
            self.over_load,
            self.stack,
            self.by_year,
            *self.tornados,
            *self.traces,
        )
