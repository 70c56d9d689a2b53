"""A procurement from its file to its decision: runs found, plan checked, cost model asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from powerlab.catalog.procurement import read_plan
from powerlab.catalog.procurement_measured import measured
from powerlab.catalog.procurement_reading import read_procurement
from powerlab.catalog.procurement_tables import Option
from powerlab.errors import ConfigError, UnknownId
from powerlab.findings import Finding, Severity
from powerlab.records.decision import Decision
from powerlab.records.procurement import Plan
from powerlab.store.archive import StoredRun, find_run, open_run

KEYS = {
    "workloads-differ": "workload",
    "boundaries-differ": "boundary",
    "accuracy-differs": "accuracy",
    "accuracy-missing": "accuracy",
    "load-not-carried": "price.most_units",
}
"""The key of an option's table that a finding of the cost model is about."""


@dataclass(frozen=True, slots=True)
class Procured:
    """A plan, the bytes of its file, its decision, and the runs of its options by option."""

    path: Path
    content: bytes
    plan: Plan
    decision: Decision
    runs: Mapping[str, StoredRun]


def procure(path: Path, references: Sequence[str], root: Path) -> Procured:
    """Decide the plan of a file with the runs that it names, and with further ones.

    A run of ``references`` is that of the option of its device that names none itself. Raises
    ProfileError with every problem of the file, ConfigError for a run that is of no option or
    whose files changed.
    """
    content = read_procurement(path).content
    options = content.option if content else ()
    stored = {each.run: run for each in options if (run := _named(each.run, root))}
    stored |= _further(references, options, stored, root)
    known = {
        name: measured(run.result, _device_name(run))
        for name, run in stored.items()
        if run.result is not None
    }
    plan = read_plan(path, known)
    from powerlab.analysis.cost.decide import decide  # noqa: PLC0415  scipy takes its time

    by_id = {run.manifest["run"]: run for run in stored.values()}
    return Procured(
        path=path,
        content=path.read_bytes(),
        plan=plan,
        decision=decide(plan),
        runs={each.id: by_id[each.runs[0]] for each in plan.options if each.runs},
    )


def check_answerable(done: Procured) -> None:
    """Raise ConfigError where a blocking finding keeps the plan from being answered."""
    blocking = [each for each in done.decision.findings if each.severity is Severity.BLOCKING]
    if blocking:
        raise ConfigError(
            f"{done.path}: no answer: {'; '.join(each.message for each in blocking)}"
            f" ({', '.join(key for each in blocking for key in keys_of(done.plan, each))})",
            hint=blocking[0].hint,
        )


def keys_of(plan: Plan, finding: Finding) -> tuple[str, ...]:
    """Get the keys of the plan's file that a finding is about."""
    numbers = {option.id: number for number, option in enumerate(plan.options, 1)}
    named = [finding.evidence.get("option"), *finding.evidence]
    key = KEYS.get(finding.code)
    places = [f"option[{numbers[each]}]" for each in named if each in numbers]
    return tuple(f"{place}.{key}" if key else place for place in places)


def _named(reference: str, root: Path) -> StoredRun | None:
    """Get the run that an option names, None where there is none."""
    if not reference:
        return None
    try:
        return _opened(reference, root)
    except UnknownId:
        return None


def _further(
    references: Sequence[str],
    options: Sequence[Option],
    stored: Mapping[str, StoredRun],
    root: Path,
) -> dict[str, StoredRun]:
    """Get the runs of the command line that no option names, by the device of theirs."""
    known = {run.manifest["run"] for run in stored.values()}
    open_ = [each.device or each.id for each in options if not each.run]
    found: dict[str, StoredRun] = {}
    for reference in references:
        run = _opened(reference, root)
        device = run.manifest["request"]["device"]
        if run.manifest["run"] in known:
            continue
        if open_.count(device) != 1 or device in found:
            raise ConfigError(
                f"the run {run.manifest['run']} of {device} is of no one option of the plan",
                hint=f'write run = "{run.manifest["run"]}" into the [[option]] it belongs to',
            )
        found[device] = run
    return found


def _opened(reference: str, root: Path) -> StoredRun:
    """Open a run with a result; raises ConfigError for one that is no evidence."""
    run = open_run(find_run(reference, root))
    name = run.manifest["run"]
    if run.result is None:
        raise ConfigError(
            f"the run {name} is {run.manifest['status']} and has no result",
            hint="name a complete run; `powerlab results list` shows them",
        )
    if run.changed:
        raise ConfigError(
            f"the run {name} is not as it was written: {', '.join(run.changed)} changed",
            hint="restore it from a copy; no decision may rest on changed data",
        )
    return run


def _device_name(run: StoredRun) -> str:
    """Get the name of a run's device in words, "" where its profile was not kept."""
    return str(run.manifest.get("configuration", {}).get("device", {}).get("name", ""))
