"""``powerlab measure --device``: one session, its documents, summaries and reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from powerlab.cli._measuring import measure_all, prepare
from powerlab.cli._output import print_json
from powerlab.cli._plan import Outcome, Plan, Refused
from powerlab.cli._progress import View
from powerlab.cli._reporting import write_reports
from powerlab.cli._study_options import StudyOption
from powerlab.cli._study_text import option_document, option_line
from powerlab.cli._studying import Ended, refusal
from powerlab.cli._summary import check_valid, summary
from powerlab.cli._wanted import Wanted
from powerlab.store.document import result_document


def measure_one(
    wanted: Wanted, *, report: Path | None, lang: str, lab: Path | None, as_json: bool, view: View
) -> None:
    """Measure the options of one device and print what came of each.

    An option that the board cannot run costs the others nothing. Its error is raised at the
    end, unless the protocol calls that a result. Raises InvalidMeasurement for a result that
    may not be used.
    """
    plan = prepare(wanted, lab=lab, report=report, lang=lang, view=view)
    alone = plan.chosen.protocol.keep_refused
    outcomes: list[Outcome] = []
    refused: list[Ended] = []
    try:
        for came in measure_all(plan, view, alone=alone):
            if isinstance(came, Refused):
                refused.append(refusal(came, _option(plan, came.option)))
                view.note(option_line(refused[-1]))
                continue
            outcomes.append(came)
            if not as_json:
                click.echo(summary(came.finished.result, folder=came.folder))
    finally:  # an option that cannot be concluded does not take back those that are
        documents = _documents(plan, outcomes, refused)
        if as_json and documents:
            print_json(documents if len(plan.parts) > 1 else documents[0])
    for path in write_reports(_with_reports_of(plan, outcomes), outcomes, view):
        if not as_json:
            click.echo(f"report  {path}")
    if refused and refused[0].error is not None and not (alone and outcomes):
        raise refused[0].error
    check_valid([outcome.finished.result for outcome in outcomes])


def _documents(
    plan: Plan, outcomes: Sequence[Outcome], refused: Sequence[Ended]
) -> list[dict[str, Any]]:
    """Get the documents in the order of the options and, of each, of the measuring points."""
    found = {_key(outcome): result_document(outcome.finished.result) for outcome in outcomes}
    found |= {
        (each.option.runtime, each.option.batch, 0): option_document(each) for each in refused
    }
    return [found[part] for part in plan.parts if part in found]


def _with_reports_of(plan: Plan, outcomes: Sequence[Outcome]) -> Plan:
    """Get a plan with the reports of those parts alone that have a result."""
    if not plan.reports:
        return plan
    paths = dict(zip(plan.parts, plan.reports, strict=True))
    return replace(plan, reports=tuple(paths[_key(outcome)] for outcome in outcomes))


def _key(outcome: Outcome) -> tuple[str, int, int]:
    return outcome.job.runtime, outcome.job.batch, outcome.job.place


def _option(plan: Plan, option: tuple[str, int]) -> StudyOption:
    runtime, batch = option
    return StudyOption(
        device=plan.chosen.device.id,
        bench=plan.wanted.bench,
        workload=plan.chosen.workload.id,
        runtime=runtime,
        batch=batch,
        protocol=plan.chosen.protocol.id,
    )
