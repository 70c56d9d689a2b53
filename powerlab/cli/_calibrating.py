"""One calibration from options to a saved record; its points kept, whatever comes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import click

from powerlab.analysis.calibration.plan import CalibrationPlan
from powerlab.calibration.bench import OpenBench
from powerlab.calibration.conduct import (
    Occasion,
    conduct,
    journal_plan,
    remaining_s,
    resumed_plan,
    steps_taken,
)
from powerlab.calibration.record import build_record, weak_references
from powerlab.calibration.subject import Subject
from powerlab.calibration.worth import Worth, useless, worths
from powerlab.cli._calibration_bench import Planned, opened, prepare
from powerlab.cli._calibration_options import (
    Wanted,
    defaults,
    due_date,
    environment,
    stated_cable,
    today,
)
from powerlab.cli._calibration_view import point_text, time_text
from powerlab.cli._progress import View
from powerlab.errors import ConfigError, Interrupted, InvalidMeasurement, PowerlabError
from powerlab.findings import Finding, Severity
from powerlab.records.calibration import CalibrationRecord, Laboratory
from powerlab.store.archive import lab_root
from powerlab.store.calibration_file import file_name
from powerlab.store.calibration_journal import CalibrationJournal
from powerlab.store.calibrations import FOLDER, JOURNAL, CalibrationStore


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibration brought to its end: the record, its file, and what it is worth.

    ``damaged`` tells of earlier calibrations that could not be read for the history.
    """

    record: CalibrationRecord
    path: Path
    worths: tuple[Worth, ...]
    damaged: tuple[Finding, ...]


def calibrate(wanted: Wanted, lab: Path | None, view: View) -> Calibrated:
    """Calibrate a meter and save the record.

    Raises what is wrong with options and instruments, InvalidMeasurement where a blocking
    finding forbids the use of it: nothing is saved then, and the points stay in the journal.
    """
    stated = stated_cable(wanted)
    due_date(wanted, today())
    planned = prepare(wanted, lab)
    profile = planned.named.meter.profile
    place = lab_root(lab)
    store = CalibrationStore(place)
    with opened(planned, view) as bench:
        journal = _journal(planned, bench, place)
        with _kept(journal):
            plan = resumed_plan(journal, bench)
            references = planned.believed(plan, bench.reference_serials)
            _check_references(weak_references(profile, plan, references), view)
            _tell_plan(plan, steps_taken(journal), view)
            occasion = Occasion(
                temperature_c=planned.temperature_c,
                steps=wanted.steps,
                cable=not stated,
                show=lambda progress: view.note(point_text(progress)),
                say=view.note,
            )
            found = conduct(bench, plan, journal, occasion)
            found = replace(found, terms=(*stated, *found.terms))
            past = store.of(profile.id, bench.serial)
            record = build_record(_subject(planned, bench), found, references, past)
            worth = worths(record)
            _check_valid([*record.findings, *useless(worth)])
            path = store.save(record)
            journal.discard()
    damaged = store.damaged(profile.id, record.serial)
    return Calibrated(record, path, worth, damaged)


def _journal(planned: Planned, bench: OpenBench, place: Path) -> CalibrationJournal:
    """Begin the journal of a calibration, or go on with the one under way.

    Raises ConfigError where the meter has no serial number, where one is under way and nobody
    said what to do with it, or where none is.
    """
    wanted, instrument, serial = planned.wanted, planned.named.meter.profile.id, bench.serial
    store = CalibrationStore(place)
    if not serial:
        raise ConfigError(
            f"{instrument} tells no serial number, and a calibration belongs to one unit",
            hint="label the meter, and give what the label says with --serial",
        )
    under_way = store.under_way(instrument, serial)
    if wanted.resume:
        if not under_way:
            raise _nothing_to_resume(place, instrument, serial)
        return store.journal(instrument, serial)
    if under_way and not wanted.restart:
        raise ConfigError(
            f"a calibration of {instrument} {serial} was begun and not finished",
            hint="go on with it with --resume, or give it up with --restart",
        )
    if under_way:
        path = place / FOLDER / file_name(instrument) / file_name(serial) / JOURNAL
        path.rename(path.with_name(f"given-up-{datetime.now(UTC):%Y%m%dT%H%M%S}.jsonl"))
    return store.journal(instrument, serial, journal_plan(planned.plan, bench))


def _nothing_to_resume(place: Path, instrument: str, serial: str) -> ConfigError:
    """Get what to say where no calibration of this meter is under way: of others, perhaps."""
    found = (place / FOLDER / file_name(instrument)).glob(f"*/{JOURNAL}")
    others = " and ".join(sorted(unquote(path.parent.name) for path in found))
    if others:
        return ConfigError(
            f"no calibration of {instrument} {serial} is under way; one of {others} is",
            hint=f"attach {others} to go on with it, or begin with this one without --resume",
        )
    return ConfigError(
        f"no calibration of {instrument} {serial} is under way",
        hint="begin one without --resume",
    )


@contextlib.contextmanager
def _kept(journal: CalibrationJournal) -> Iterator[None]:
    """Say what is kept, whatever ends the block early; a journal without a point is removed."""
    try:
        yield
    except (KeyboardInterrupt, click.Abort) as error:
        raise Interrupted("interrupted", hint=_told(journal)) from error
    except InvalidMeasurement as error:
        error.add_note(f"its {len(journal.points)} points are kept: --resume judges them again")
        raise
    except PowerlabError as error:
        if journal.points:
            error.add_note(_told(journal))
        raise
    finally:
        if journal.points:
            journal.close()
        else:
            journal.discard()


def _told(journal: CalibrationJournal) -> str:
    taken = len(journal.points)
    if not taken:
        return "no point was taken yet"
    points = "1 point is" if taken == 1 else f"{taken} points are"
    return f"{points} kept: the same command with --resume goes on"


def _tell_plan(plan: CalibrationPlan, taken: int, view: View) -> None:
    if taken:
        view.note("going on with the plan that it was begun with")
    for reason in plan.left_out:
        view.note(f"left out: {reason}")
    done = f", {taken} of them taken already" if taken else ""
    left = time_text(remaining_s(plan, taken))
    view.note(f"{plan.points} points{done}, about {left}, then the set-up")


def _check_references(findings: Sequence[Finding], view: View) -> None:
    """Raise ConfigError where a reference would make the meter worse; tell weak ones."""
    for finding in findings:
        if finding.severity is Severity.BLOCKING:
            raise ConfigError(finding.message, hint=finding.hint)
        view.note(f"{finding.severity.value}: {finding.message}")


def _subject(planned: Planned, bench: OpenBench) -> Subject:
    wanted, section = planned.wanted, defaults(planned.catalog, planned.wanted)
    performed = today()
    return Subject(
        profile=planned.named.meter.profile,
        serial=bench.serial,
        firmware=bench.meter.identity.firmware,
        resource=bench.meter.identity.resource,
        condition=wanted.condition,
        emulated=bench.emulated,
        performed=performed,
        due=due_date(wanted, performed),
        operator=section.operator if wanted.operator is None else wanted.operator,
        laboratory=Laboratory(
            wanted.laboratory or section.laboratory,
            wanted.place or section.place,
            wanted.country or section.country,
        ),
        customer=wanted.customer,
        environment=environment(wanted),
        cable_set=section.cable_set if wanted.cable_set is None else wanted.cable_set,
    )


def _check_valid(findings: Sequence[Finding]) -> None:
    """Raise InvalidMeasurement where a blocking finding forbids the use of a calibration."""
    blocking = [item for item in findings if item.severity is Severity.BLOCKING]
    if blocking:
        raise InvalidMeasurement(
            "the calibration is not valid and was not saved: "
            + "; ".join(item.message for item in blocking),
            hint=f"{blocking[0].hint}; then calibrate anew with --restart",
        )
