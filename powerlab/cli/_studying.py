"""A study carried out: session by session, each option's end kept at once and told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from powerlab.cli._measuring import measure_all
from powerlab.cli._plan import Outcome, Plan, Refused
from powerlab.cli._progress import View
from powerlab.cli._study_options import StudyOption, StudySession
from powerlab.errors import InstrumentError, PowerlabError, SetupError, TargetError
from powerlab.records import Result
from powerlab.store.archive import open_run
from powerlab.store.study_journal import (
    MEASURED,
    NOT_REACHED,
    REFUSED,
    SKIPPED,
    StudyJournal,
)

AGAIN = frozenset(
    {
        *("runtime-missing", "runtime-broken", "runtime-unknown", "adapter-broken"),
        *("device-missing", "command-not-started", "board-disk-full", "board-storage"),
    }
)
"""Refusals that are cured on the board and not by another option: ``--resume`` tries again."""


Options = dict[tuple[str, int], StudyOption]
"""The options of a session by runtime and batch."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How one option of a study ended; ``result`` is there for a measured one.

    ``code``, ``message`` and ``hint`` say what kept another one from it; ``before`` says that
    it is of an earlier call, which ``--resume`` goes on with.
    """

    option: StudyOption
    status: str
    result: Result | None = None
    folder: Path | None = None
    code: str = ""
    message: str = ""
    hint: str = ""
    before: bool = False
    error: PowerlabError | None = None


def conduct(
    sessions: Sequence[StudySession], journal: StudyJournal, root: Path, view: View
) -> Iterator[Ended]:
    """Measure a study's sessions in their order and yield how each option ended.

    A session that fails for a reason that is none of its options' own, as a board that is
    off, costs the others nothing. Raises Interrupted, and what is no fault of a set-up.
    """
    for number, session in enumerate(sessions, start=1):
        for option in session.options:
            if option.skipped:
                journal.keep(option.key, SKIPPED, message=option.skipped)
                yield Ended(option, SKIPPED, message=option.skipped)
        if session.plan is None:
            continue
        left: Options = {}
        for option in session.options:
            if option.skipped:
                continue
            done = _done_before(option, journal, root)
            if done is not None:
                yield done
            else:
                left[option.runtime, option.batch] = option
        if not left:
            continue
        view.note(f"session {number} of {len(sessions)}: {_named(session)}")
        yield from _session(replace(session.plan, options=tuple(left)), left, journal, view)


def _session(plan: Plan, options: Options, journal: StudyJournal, view: View) -> Iterator[Ended]:
    told: set[StudyOption] = set()
    try:
        for came in measure_all(plan, view, alone=True):
            if isinstance(came, Outcome):
                ended = _measured(came, options)
            else:
                ended = _refused(came, options)
            told.add(ended.option)
            _keep(journal, ended)
            yield ended
    except (TargetError, InstrumentError, SetupError) as error:
        for option in (each for each in options.values() if each not in told):
            ended = Ended(
                option,
                NOT_REACHED,
                code=type(error).__name__,
                message=error.message,
                hint=error.hint,
                error=error,
            )
            _keep(journal, ended)
            yield ended


def _measured(came: Outcome, options: Options) -> Ended:
    option = options[came.job.runtime, came.job.batch]
    return Ended(option, MEASURED, result=came.finished.result, folder=came.folder)


def _refused(came: Refused, options: Options) -> Ended:
    ended = refusal(came, options[came.option])
    return replace(ended, status=NOT_REACHED) if ended.code in AGAIN else ended


def refusal(came: Refused, option: StudyOption) -> Ended:
    """Get an option that the board could not run as what it is, with the agent's own code."""
    told = came.error.context
    return Ended(
        option,
        REFUSED,
        folder=came.folder,
        code=str(told.get("code") or f"signal-{told.get('signal')}"),
        message=came.error.message,
        hint=came.error.hint,
        error=came.error,
    )


def _keep(journal: StudyJournal, ended: Ended) -> None:
    facts: dict[str, Any] = {}
    if ended.folder is not None:
        facts["run"] = ended.folder.name
    for name in ("code", "message", "hint"):
        if getattr(ended, name):
            facts[name] = getattr(ended, name)
    journal.keep(ended.option.key, ended.status, **facts)


def _done_before(option: StudyOption, journal: StudyJournal, root: Path) -> Ended | None:
    """Get how an option ended in an earlier call; None where it is to be measured.

    A run that was removed, or is not as it was written, is measured again.
    """
    line = journal.of(option.key)
    if line is None:
        return None
    if line["status"] == REFUSED:
        code, message, hint = (str(line.get(key, "")) for key in ("code", "message", "hint"))
        return Ended(option, REFUSED, code=code, message=message, hint=hint, before=True)
    folder = root / str(line.get("run"))
    try:
        stored = open_run(folder)
    except PowerlabError:
        return None
    if stored.result is None or stored.changed:
        return None
    return Ended(option, MEASURED, result=stored.result, folder=folder, before=True)


def _named(session: StudySession) -> str:
    first = session.options[0]
    return f"{first.device}, {first.workload}, protocol {first.protocol}"
