"""A result as text for a terminal: figures with ±, the budget's head, findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from powerlab.cli._style import columns, count_text, folded
from powerlab.errors import InvalidMeasurement
from powerlab.findings import Severity
from powerlab.records import CalibrationUsed, Evidence, Quantity, Result
from powerlab.units import with_uncertainty

BUDGET_LINES = 5

EMULATED = (
    "EMULATED: not a measurement. Speed is this computer's and power is a model's; "
    "neither describes the device."
)

NOT_VALID = "NOT VALID: a blocking finding forbids the use of these figures."

NAMES = {
    "energy_per_inference": "energy per inference",
    "energy_of_these_runs": "energy of these runs, per inference",
    "energy_per_inference_net": "energy per inference above idle",
    "power_active": "power under load",
    "power_idle": "power at idle",
    "throughput": "throughput",
    "latency_p50": "latency, median",
    "latency_p90": "latency, 90 %",
    "latency_p99": "latency, 99 %",
    "performance_per_watt": "performance per watt",
    "performance_per_cost": "performance per cost",
}
"""Quantities in the order of the document, in words."""


ONE_IN_TWENTY = "An honest 95 % interval leaves one truth in twenty outside."

LEAST_FOR_FACTOR = 80
"""Columns below which the coverage factors are left out."""


def counted(count: int, thing: str) -> str:
    """Get "1 run", "3 runs"."""
    return f"{count} {thing}{'' if count == 1 else 's'}"


def quantity_text(quantity: Quantity) -> str:
    """Get ``value ± U unit`` with the 95 % half-width; large counts in millions."""
    unit, scale = quantity.unit, 1.0
    if unit.startswith("1/"):
        unit = f"inferences/{unit[2:]}"
        if abs(quantity.value) >= 1e6:
            unit, scale = f"million {unit}", 1e-6
    return with_uncertainty(quantity.value * scale, quantity.expanded * scale, unit)


def ordered(result: Result) -> list[Quantity]:
    """Get the quantities in the order of the document."""
    known = [result.quantities[name] for name in NAMES if name in result.quantities]
    return known + [item for name, item in result.quantities.items() if name not in NAMES]


def summary(result: Result, *, folder: Path) -> str:
    """Get the whole text, folded to the terminal's width."""
    width = columns()
    blocks = [
        "\n".join(_head(result)),
        "\n".join(_quantities(result, factors=width >= LEAST_FOR_FACTOR)),
        "\n".join(_budget(result)),
        "\n".join(_findings(result)),
        "\n".join(_truth(result)),
    ]
    text = folded("\n\n".join(block for block in blocks if block), width)
    return f"{text}\n\nrun     {folder}"  # on one line, to be copied


def check_valid(results: Sequence[Result]) -> None:
    """Raise InvalidMeasurement for the first result that a blocking finding forbids to use."""
    for result in results:
        if not result.valid:
            blocking = [item for item in result.findings if item.severity is Severity.BLOCKING]
            raise InvalidMeasurement(
                f"the measurement is not valid: {'; '.join(item.message for item in blocking)}",
                hint=blocking[0].hint if blocking else "mend what the findings name",
                context={"run": result.run},
            )


def _head(result: Result) -> Iterator[str]:
    request = result.request
    if result.evidence is Evidence.EMULATED:
        yield EMULATED
    if not result.valid:
        yield NOT_VALID
    # evidence of other tools tells neither a runtime nor the threads in every format
    by = f" by {request.runtime}" if request.runtime != "unknown" else ""
    threads = f"{counted(request.threads, 'thread')}, " if request.threads else ""
    yield (
        f"{request.device}, {request.workload}{by}, batch {request.batch}, "
        f"{threads}protocol {request.protocol}, {counted(len(result.runs), 'run')}"
    )
    yield (
        f"{request.instrument} on bench {request.bench}, energy at the boundary "
        f"{result.boundary.value}; ± is the half-width of the 95 % interval"
    )
    yield from _scenario(result)
    for certificate, used in _by_certificate(result).items():
        yield (
            f"calibrated by {certificate} of {used[0].performed}, due {used[0].due}: "
            + " and ".join(item.channel for item in used)
        )


def _scenario(result: Result) -> Iterator[str]:
    """Yield what the rule of the scenario reports, where there is one."""
    figures = result.scenario
    if figures is None:
        return
    asked = figures.scenario
    rate = f" at {asked.target_per_s:g}/s" if asked.target_per_s else ""
    line = f"scenario {asked.name}{rate}, {asked.timed}: {figures.queries} queries, "
    line += f"{count_text(figures.queries_per_s)}/s"
    if figures.latency_s is not None:
        line += f"; {figures.percent:g} % within {figures.latency_s * 1e3:.4g} ms"
    if figures.bound_s is not None:
        line += f", by early stopping {figures.bound_s * 1e3:.4g} ms"
    yield line


def _by_certificate(result: Result) -> dict[str, list[CalibrationUsed]]:
    grouped: dict[str, list[CalibrationUsed]] = {}
    for item in result.meter.calibrations:
        grouped.setdefault(item.certificate, []).append(item)
    return grouped


def _quantities(result: Result, *, factors: bool) -> Iterator[str]:
    rows = [(NAMES.get(item.name, item.name), quantity_text(item)) for item in ordered(result)]
    wide, long = (max((len(row[i]) for row in rows), default=0) for i in (0, 1))
    for item, (name, text) in zip(ordered(result), rows, strict=True):
        factor = f"  k = {item.k:.2f}" if factors else ""
        yield f"{name.ljust(wide)}  {text.ljust(long)}{factor}".rstrip()


def _budget(result: Result) -> Iterator[str]:
    quantity = result.quantities.get("energy_per_inference")
    if quantity is None or not quantity.budget:
        return
    lines = quantity.budget[:BUDGET_LINES]
    wide = max(len(line.name) for line in lines)
    yield f"Where the uncertainty of {NAMES[quantity.name]} comes from:"
    for line in lines:
        yield f"  {line.share:5.1%}  {line.name.ljust(wide)}  type {line.kind}"
    rest = sum(line.share for line in quantity.budget[BUDGET_LINES:])
    if len(quantity.budget) > BUDGET_LINES:
        yield f"  {rest:5.1%}  {len(quantity.budget) - BUDGET_LINES} more"


def _findings(result: Result) -> Iterator[str]:
    if result.findings:
        yield "Findings:"
    for finding in result.findings:
        yield f"  {finding.severity.value}: {finding.message}"
        if finding.hint:
            yield f"    {finding.hint}"


def _truth(result: Result) -> Iterator[str]:
    if result.truth is None:
        return
    yield "Truth of the emulated world:"
    told = {
        "energy_per_inference": result.truth.energy_per_inference_j,
        "energy_of_these_runs": result.truth.energy_of_these_runs_j,
    }
    outside = False
    for name, truth in told.items():
        quantity = result.quantities.get(name)
        if quantity is None:
            continue
        low, high = quantity.low, quantity.high
        inside = (low is None or low <= truth) and (high is None or truth <= high)
        where = "inside" if inside else "OUTSIDE"
        outside = outside or not inside
        text = with_uncertainty(truth, quantity.u / 10, quantity.unit).partition(" ±")
        unit = text[2].rpartition(" ")[2]
        yield f"  {NAMES[name]}: {text[0]} {unit}, {where} the interval"
    if outside:
        yield f"  {ONE_IN_TWENTY}"
