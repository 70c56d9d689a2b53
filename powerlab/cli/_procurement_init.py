"""``powerlab report --init``: a commented plan from the runs at hand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from powerlab.cli._output import check_output_file
from powerlab.errors import ConfigError
from powerlab.records import Evidence, Price, Result
from powerlab.store.archive import find_run, list_runs, open_run, run_root
from powerlab.units import with_uncertainty

HEAD = """\
# A procurement, declared before its answer is known. Edit it, then
#   powerlab report --plan {name}                    prints the decision
#   powerlab report --plan {name} -o report.pdf      writes the report
# Lines with a key behind the # are options with their defaults or an example. A figure is a
# number, or {{ value = 13.0, u = 0.1 }} with its standard uncertainty, or {{ low = 3, high = 15 }}.
# An amount of money is "150", or {{ amount = "150", basis = "quote", currency = "USD" }}.
schema = 1
title = "What to buy"
# purpose = "what it is for"
# requester = "who asks"
# report_number = "2026-001"
date = {day}                # of the question: no price or rate may be later
# valid_until = {day}
# needed_by = {day}
currency = {currency}                 # of the answer
horizon_years = 3                # EDIT
# discount_rate = 0.05           # per year; real = true for one without inflation
# tax_counts = false             # true where the tax on a price cannot be reclaimed
# pue = 1.0                      # power of the room over that of the computers
# labour_per_h = "60"
# carbon_g_per_kwh = 400
# boundary = "wall"              # of options that name no run: board, dc or wall
# workload = "mobilenet-v2"      # of options that name no run
{equivalent}
# assumptions = ["..."]
# exclusions = ["..."]
# risks = ["..."]

[load]                           # inferences per second, mean of each hour
per_s = 10                       # EDIT: also {{ "07-22" = 20, other = 2 }}, or 24 or 168 values
# peak_per_s = 30                # the most to be carried; without it the highest hour
# u_relative = 0.2               # standard uncertainty of the whole profile, a fraction
# source = "where it comes from"

[tariff]                         # price of a kilowatt hour
per_kwh = "0.20"                 # EDIT: also {{ "07-22" = "0.25", other = "0.15" }}
# u_relative = 0.1

# [fleet]                        # units = peak load * headroom / (throughput * utilisation)
# headroom = 1.0
# utilisation = 1.0
# spare_units = 0
# availability = 0.99            # with repair_days: as many spares as keep the fleet whole
# repair_days = 14
# most_units = 100               # what there is room for

# [rule]
# guard_band = "expanded"        # none, expanded (U at 95 %), or probability
# confidence = 0.95

# [[requirement]]                # throughput, power_active, energy_per_inference, fleet_power,
# quantity = "latency_p99"       # unit_price, capital, total_cost, carbon_per_inference, or a
# at_most = 0.1                  # figure of the options
# unit = "s"
"""

RATE = """
[[rate]]                         # EDIT: units of `to` for one of `from`
from = {base}
to = {target}
# rate = "0.14"
date = {day}
# source = "who published it"
"""

TERMS = """\
# supplier = ""
# sku = ""
# quote = ""                     # its number; prices of one quote err together
# tax_rate = 0.13                # with tax_included = true where unit holds it
# freight_per_unit = "0"
# freight_per_order = "0"
# breaks = [{ from_units = 10, unit = "0" }]
# most_units = 10                # what can be had
# available_from = 2026-12-01
# end_of_life = 2030-12-31
# warranty_years = 1
"""

MORE = """\
# accuracy = 0.75                # a fraction
# supply_efficiency = 0.9        # from the mains to the boundary; 1 at the wall
# residual = 0.0                 # of the price, at the end of its life
# failure_rate_per_year = 0.02
# labour_h_per_failure = 2
# labour_h_per_unit_year = 0.5
# maintenance_per_unit_year = "0"
# fee_per_million = "0"
# engineering = "0"              # once, for the whole fleet
# embodied_kg = 50               # carbon dioxide equivalent of making one
# figures = { width_mm = 100 }
"""

DECLARED = """
[[option]]                       # EDIT: one for each thing that can be bought
id = "board-a"
boundary = "wall"
workload = ""
energy_per_inference_j = { value = 1.0, u = 0.2, source = "declared: who says so" }
idle_power_w = { value = 3.0, u = 1.0, source = "declared: who says so" }
throughput_per_s = { value = 10.0, u = 1.0, source = "declared: who says so" }
"""


def write_plan(path: Path, references: Sequence[str], lab: Path | None) -> None:
    """Write a plan of the given runs, without any of the newest of each kind in the lab.

    Raises ConfigError where the file is there already; it is never replaced.
    """
    check_output_file(path, "--output")
    results = _results(references, run_root(lab))
    text = plan_text(path.name, results, datetime.now(UTC).date().isoformat())
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConfigError(
            f"{path} is there already, and is kept as it is",
            hint="name another file with -o, or move that one away",
        ) from error


def plan_text(name: str, results: Sequence[Result], day: str) -> str:
    """Get the text of a plan; of other currencies than the first one's a rate is asked for."""
    prices = [result.price.money for result in results if result.price is not None]
    currency = prices[0].currency if prices else "EUR"
    others = sorted({price.currency for price in prices} - {currency})
    workloads = sorted({result.request.workload for result in results})
    groups = "[" + json.dumps(workloads or ["a", "b"], ensure_ascii=False) + "]"
    parts = [
        HEAD.format(
            name=name,
            day=day,
            currency=_quoted(currency),
            equivalent=f"# equivalent_workloads = {groups}   # that do the same job",
        )
    ]
    parts += [
        RATE.format(base=_quoted(other), target=_quoted(currency), day=day) for other in others
    ]
    names = _names(results)
    parts += ["\n".join(_option(*each)) + "\n" for each in zip(names, results, strict=True)]
    if not results:
        parts.append(DECLARED + "\n".join(_price(None)) + "\n")
    return "".join(parts)


def _results(references: Sequence[str], root: Path) -> list[Result]:
    """Get the results of runs; without any the newest of each device, workload and batch."""
    if references:
        found = [open_run(find_run(each, root)) for each in references]
        for run in found:
            if run.result is None:
                raise ConfigError(
                    f"the run {run.manifest['run']} is {run.manifest['status']}, without a result",
                    hint="name complete runs: `powerlab results list` shows them",
                )
        return [run.result for run in found if run.result is not None]
    newest: dict[tuple[object, ...], Path] = {}
    for entry in list_runs(root):
        if entry.document is not None:
            asked = entry.request
            newest[asked["device"], asked["workload"], asked["batch"]] = entry.folder
    runs = [open_run(folder) for folder in newest.values()]
    return [run.result for run in runs if run.result is not None]


def _names(results: Sequence[Result]) -> list[str]:
    """Get an identifier for each option: its device, and what tells it from another of it."""
    names: list[str] = []
    for result in results:
        device, batch = result.request.device, result.request.batch
        same = [each for each in results if each.request.device == device]
        name = f"{device}-batch-{batch}" if len(same) > 1 else device
        names.append(name if name not in names else f"{name}-{names.count(name) + 1}")
    return names


def _option(name: str, result: Result) -> Iterator[str]:
    emulated = result.evidence is Evidence.EMULATED
    told = "EMULATED, so it cannot be recommended" if emulated else str(result.evidence)
    yield ""
    yield "[[option]]"
    yield f"id = {_quoted(name)}"
    yield f"run = {_quoted(result.run)}"
    yield f"# {told}: {result.request.workload} at the boundary {result.boundary}"
    for key in ("energy_per_inference", "power_idle", "throughput"):
        quantity = result.quantities.get(key)
        if quantity is None:
            declared = {"energy_per_inference": f"{key}_j", "power_idle": "idle_power_w"}
            yield f"# {declared.get(key, f'{key}_per_s')} = 0.0   # EDIT: the run has none"
        else:
            text = with_uncertainty(quantity.value, quantity.expanded, quantity.unit)
            yield f"#   {key.replace('_', ' ')} {text}"
    if not result.valid:
        yield "# NOT VALID: a blocking finding stands against it, so it cannot be recommended"
    yield from _price(result.price)


def _price(price: Price | None) -> Iterator[str]:
    if price is None:
        yield "# life_years = 3"
        yield from MORE.splitlines()
        yield "[option.price]"
        yield '# unit = "150"                  # EDIT: nobody has told a price yet'
        yield '# basis = "list"                # quote, list, historical or estimate'
    else:
        yield f"life_years = {price.life_years:g}"
        yield from MORE.splitlines()
        yield "[option.price]"
        yield f"unit = {_quoted(str(price.money.amount))}"
        yield f"currency = {_quoted(price.money.currency)}"
        yield f"date = {price.money.date}"
        yield 'basis = "list"                  # quote, list, historical or estimate'
        yield f"u_relative = {price.u_relative:g}"
        yield f"source = {_quoted(price.source)}"
    yield from TERMS.splitlines()


def _quoted(text: str) -> str:
    """Get a text as a TOML string, which JSON's rules make too."""
    return json.dumps(text, ensure_ascii=False)
