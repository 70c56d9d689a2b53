"""``powerlab measure --plan``: a study read, carried out, and told."""

from __future__ import annotations

from pathlib import Path

import click

from powerlab.catalog.layers import load_catalog
from powerlab.catalog.study_plan import read_study
from powerlab.cli._output import check_run_root, print_json, print_table
from powerlab.cli._progress import View
from powerlab.cli._study_options import StudySession, study_sessions
from powerlab.cli._study_text import option_document, option_line, study_rows
from powerlab.cli._studying import Ended, conduct
from powerlab.cli._style import columns, folded
from powerlab.cli._summary import EMULATED, check_valid
from powerlab.errors import ConfigError, Interrupted
from powerlab.store.archive import run_root
from powerlab.store.study_journal import MEASURED, NOT_REACHED, SKIPPED, StudyJournal


def run_study(
    path: Path,
    *,
    lab: Path | None,
    emulate: bool,
    seed: int,
    resume: bool,
    as_json: bool,
    view: View,
) -> None:
    """Carry a plan out; print its table, or an array with a document for each option.

    Raises ConfigError for a plan that cannot be used or of which nothing can be measured, the
    first error of what was not reached, and InvalidMeasurement for a result not to be used.
    """
    catalog = load_catalog(lab)
    study = read_study(path, catalog)
    root = run_root(lab)
    check_run_root(root)
    sessions = study_sessions(study, catalog, root, emulate=emulate, seed=seed)
    _check_any(sessions, emulate=emulate)
    name = f"{path.stem}-emulated" if emulate else path.stem
    journal = StudyJournal(root.parent, name, sha256=study.sha256, resume=resume)
    ended: list[Ended] = []
    try:
        for each in conduct(sessions, journal, root, view):
            ended.append(each)
            view.note(option_line(each))
    except (Interrupted, KeyboardInterrupt) as error:
        stopped = Interrupted(
            "interrupted", hint=f"`{_again(path, emulate=emulate)}` goes on with what is left"
        )
        if isinstance(error, Interrupted) and error.context.get("runs"):
            stopped.add_note(error.hint)
        raise stopped from error
    finally:
        order = [option.key for session in sessions for option in session.options]
        ended.sort(key=lambda each: order.index(each.option.key))
        _print(study.content.title, sessions, ended, emulate=emulate, as_json=as_json)
    _check(ended, _again(path, emulate=emulate))


def _again(path: Path, *, emulate: bool) -> str:
    """Get the command line that goes on with a study."""
    return f"powerlab measure --plan {path}{' --emulate' if emulate else ''} --resume"


def _print(
    title: str,
    sessions: tuple[StudySession, ...],
    ended: list[Ended],
    *,
    emulate: bool,
    as_json: bool,
) -> None:
    if as_json:
        print_json([option_document(each) for each in ended])
        return
    click.echo(title)
    if emulate:
        click.echo(EMULATED)
        pairs = dict.fromkeys(pair for session in sessions for pair in session.stand_ins)
        if pairs:
            told = ", ".join(f"{here} for {asked}" for asked, here in pairs)
            click.echo(folded(f"On this computer a runtime stands in: {told}.", columns()))
    click.echo()
    print_table(study_rows(ended), empty="nothing was measured")


def _check_any(sessions: tuple[StudySession, ...], *, emulate: bool) -> None:
    """Raise ConfigError where no option can be measured, with every reason once."""
    if any(session.plan is not None for session in sessions):
        return
    reasons = [option.skipped for session in sessions for option in session.options]
    told = "\n".join(f"  {reason}" for reason in dict.fromkeys(reasons))
    ways = "write `powerlab bench init` for one of its boards"
    raise ConfigError(
        f"no option of this plan can be measured:\n{told}",
        hint="name a device that can be emulated" if emulate else f"{ways}, or add --emulate",
    )


def _check(ended: list[Ended], again: str) -> None:
    """Raise the first failure that was no result, else for the first invalid result."""
    missed = [each for each in ended if each.status == NOT_REACHED and each.error is not None]
    if missed and missed[0].error is not None:
        error = missed[0].error
        count = f"{len(missed)} of {len(ended)} options were not reached"
        error.add_note(f"{count}; `{again}` tries them again")
        raise error
    measured = [each.result for each in ended if each.result is not None]
    tried = [each for each in ended if each.status != SKIPPED]
    if not any(each.status == MEASURED for each in ended) and tried and tried[0].error is not None:
        raise tried[0].error
    check_valid(measured)
