"""The PDF report of a procurement: its runs concluded anew, its plan decided anew."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from powerlab import __version__
from powerlab.analysis.cost.decide import decide
from powerlab.catalog.procurement import read_plan
from powerlab.catalog.procurement_measured import measured
from powerlab.catalog.procurement_reading import read_procurement
from powerlab.catalog.procurement_tables import Option
from powerlab.errors import ConfigError
from powerlab.records import Result
from powerlab.records.decision import Decision
from powerlab.records.procurement import Plan
from powerlab.store.archive import StoredRun
from powerlab.store.document import result_from_document
from powerlab.store.run_folder import RESULT
from powerlab.store.serial import from_plain, to_plain
from powerlab.store.verifiable import VERIFIABLE, unpack
from powerlab.verify.compare import RELATIVE, Check, Difference, Verification, compare
from powerlab.verify.pdf_file import PdfFile
from powerlab.verify.report import with_pages
from powerlab.verify.run import UNUSABLE, verify_run
from powerlab.verify.versions import of_method, versions_told

DECISION, PLAN_AS_READ = "decision.json", "plan.json"


@dataclass(frozen=True, slots=True)
class Redecided:
    """A plan decided anew, with what its report is written from.

    ``content`` are the bytes of the plan's file, empty where only the plan as it was read
    travels; ``runs`` the stored runs by option; ``versions`` those that the report names.
    """

    plan_name: str
    content: bytes
    plan: Plan
    decision: Decision
    runs: Mapping[str, StoredRun]
    versions: Mapping[str, str] | None


Render = Callable[[Redecided, Path, str], None]
"""Writes the report of a decision to a path in a language."""


def verify_procurement(pdf: PdfFile, render: Render) -> Verification:
    """Conclude the attached runs anew, decide the attached plan anew, and compare everything.

    Raises SetupError where this computer cannot write reports.
    """
    with tempfile.TemporaryDirectory(prefix="powerlab-verify-") as place:
        found, redecided = _redecide(pdf.attachments, Path(place))
        if redecided is None:
            return found
        measured_ = {name for option in redecided.plan.options for name in option.runs}
        kept = {run.manifest["run"] for run in redecided.runs.values()}
        if measured_ - kept:
            told = "the pages: they also rest on runs that are not attached whole"
            return replace(found, unchecked=(*found.unchecked, told), recomputed=False)
        return with_pages(
            found,
            pdf,
            Path(place) / "made.pdf",
            lambda path: render(redecided, path, pdf.lang),
            wrote=(redecided.versions or {}).get("powerlab", __version__),
        )


def _redecide(
    attachments: Mapping[str, bytes], place: Path
) -> tuple[Verification, Redecided | None]:
    try:
        document = json.loads(attachments[DECISION])
        stored, versions = document["decision"], document.get("versions")
        name = _plan_name(attachments)
        results, runs, verified = _runs(attachments, place)
        plan = _plan(name, attachments[name], results, runs, place)
        decision = decide(plan)
    except UNUSABLE as error:
        told = Difference("decision", "a decision", f"none can be made: {error}")
        return _verification("unknown", [], [told], [], recomputed=False), None
    compared = compare(stored, json.loads(json.dumps(to_plain(decision))), "decision")
    differences = [*(item for each in verified.values() for item in each.differences)]
    wrote = str((versions or {}).get("powerlab", __version__))
    differences += of_method(compared.differences, wrote)
    told_of_runs = [
        f"{option}: {text}" for option, each in verified.items() for text in each.unchecked
    ]
    if wrote != __version__:
        told_of_runs.append(versions_told(wrote, len(compared.differences), None))
    told_of_runs += [
        f"{option}: its run is not attached whole, so its figures are taken from its {RESULT}"
        for option in results
        if option not in runs
    ]
    checks = [
        Check(f"{option} {check.name}", check.told)
        for option, each in verified.items()
        for check in each.checks
    ]
    checks.append(Check("plan", f"SHA-256 {plan.sha256}"))
    checks.append(
        Check(
            "decision",
            f"{compared.values} values of {DECISION} against the plan decided anew "
            f"(within {RELATIVE:g} of each)",
        )
    )
    content = b"" if name == PLAN_AS_READ else attachments[name]
    redecided = Redecided(name, content, plan, decision, runs, versions)
    whole = all(each.recomputed for each in verified.values())
    found = _verification(plan.title, checks, differences, told_of_runs, recomputed=whole)
    return found, redecided


def _verification(
    subject: str,
    checks: Iterable[Check],
    differences: Iterable[Difference],
    unchecked: Iterable[str],
    *,
    recomputed: bool,
) -> Verification:
    return Verification(
        "procurement",
        subject,
        tuple(checks),
        tuple(differences),
        tuple(unchecked),
        recomputed=recomputed,
    )


def _plan_name(attachments: Mapping[str, bytes]) -> str:
    """Get the name of the attached plan. Raises ConfigError where there is not one."""
    names = [name for name in attachments if name.endswith(".toml") or name == PLAN_AS_READ]
    if len(names) != 1 or Path(names[0]).name != names[0]:
        raise ConfigError(
            f"the report attaches {len(names)} plans", hint="a report is of exactly one"
        )
    return names[0]


def _runs(
    attachments: Mapping[str, bytes], place: Path
) -> tuple[dict[str, Result], dict[str, StoredRun], dict[str, Verification]]:
    """Get by option the attached results, and the runs that are attached whole, verified."""
    results: dict[str, Result] = {}
    runs: dict[str, StoredRun] = {}
    verified: dict[str, Verification] = {}
    for number, name in enumerate(attachments):
        if not name.endswith(f"-{RESULT}"):
            continue
        option = name.removesuffix(f"-{RESULT}")
        files = {
            each: attachments[f"{option}-{each}"]
            for each in VERIFIABLE
            if f"{option}-{each}" in attachments
        }
        results[option] = result_from_document(json.loads(files[RESULT]))
        folder = place / "runs" / str(number)
        if unpack(files, folder):
            continue
        found = verify_run(folder)
        verified[option] = _named(found.verification, option)
        if found.run is not None:
            runs[option] = replace(found.run, changed=())
    return results, runs, verified


def _named(found: Verification, option: str) -> Verification:
    """Put the option before the key of every difference."""
    named = tuple(replace(item, key=f"{option} {item.key}") for item in found.differences)
    return replace(found, differences=named)


def _plan(
    name: str,
    content: bytes,
    results: Mapping[str, Result],
    runs: Mapping[str, StoredRun],
    place: Path,
) -> Plan:
    """Read the attached plan with the attached results in the places of its runs."""
    if name == PLAN_AS_READ:
        plan: Plan = from_plain(Plan, json.loads(content))
        return plan
    path = place / name
    path.write_bytes(content)
    reading = read_procurement(path).content
    options = reading.option if reading else ()
    by_key = _by_key(options, results)
    known = {
        key: measured(results[option], _device_name(runs.get(option)))
        for key, option in by_key.items()
    }
    return read_plan(path, known)


def _by_key(options: Iterable[Option], results: Mapping[str, Result]) -> dict[str, str]:
    """Get the option of each run by what the plan's file calls the run.

    An option without a name of its own has that of its run's device.
    """
    found: dict[str, str] = {}
    left = list(results)
    unnamed = []
    for option in options:
        name = option.id or option.device
        key = option.run or option.device or option.id or ""
        if name in left:
            left.remove(name)
            found[key] = name
        elif option.run and not name:
            unnamed.append(key)
    return found | dict(zip(unnamed, left, strict=False))


def _device_name(run: StoredRun | None) -> str:
    """Get the name of a run's device in words, "" where its profile does not travel."""
    if run is None:
        return ""
    return str(run.manifest.get("configuration", {}).get("device", {}).get("name", ""))
