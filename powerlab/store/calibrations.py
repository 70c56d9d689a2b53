"""The calibrations of a lab: kept by instrument and serial number, and which of them applies.

They lie in ``<lab>/calibrations/<instrument>/<serial>/<certificate>.json``, beside the journal
of one under way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from powerlab.analysis.calibration.inputs import span_of
from powerlab.analysis.calibration.validity import check_conditions, check_record
from powerlab.errors import ConfigError, SetupError
from powerlab.findings import Finding, Severity
from powerlab.records.calibration import CalibrationRecord
from powerlab.records.correction import Correction
from powerlab.store.calibration_file import (
    file_name,
    read_calibration,
    record_bytes,
    write_new,
)
from powerlab.store.calibration_journal import (
    CalibrationJournal,
    begin_journal,
    is_begun,
    resume_journal,
)

FOLDER = "calibrations"
JOURNAL = "under-way.jsonl"


@dataclass(frozen=True, slots=True)
class Applicable:
    """What applies to one range of one meter.

    ``correction`` and the ``record`` that it is from are None where nothing does. ``findings``
    say why others do not, and what is doubtful of the one that does.
    """

    record: CalibrationRecord | None
    correction: Correction | None
    findings: tuple[Finding, ...]


class CalibrationStore:
    """The calibrations below one lab's directory, which need not be there yet."""

    def __init__(self, lab: Path) -> None:
        self._root = lab / FOLDER

    def save(self, record: CalibrationRecord) -> Path:
        """Write a record for good and get its file.

        Raises ConfigError where it names no serial number or its certificate is taken,
        SetupError where the file cannot be written.
        """
        folder = self._folder(record.instrument, record.serial)
        path = folder / f"{file_name(record.certificate)}.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_new(path, record_bytes(record))
        except FileExistsError as error:
            raise ConfigError(
                f"there is a calibration {record.certificate} already: {path}",
                hint="calibrations are never overwritten: calibrate again for a new one",
            ) from error
        except OSError as error:
            raise SetupError(
                f"the calibration cannot be written to {path}: {error.strerror}",
                hint="make room there and resume the calibration: its points are kept",
            ) from error
        return path

    def load(self, path: Path) -> CalibrationRecord:
        """Read one record from its file: see ``read_calibration``."""
        return read_calibration(path)

    def of(self, instrument: str, serial: str) -> tuple[CalibrationRecord, ...]:
        """Get the calibrations of one meter, oldest first, without those that are ``damaged``."""
        return self._read(instrument, serial)[0]

    def damaged(self, instrument: str, serial: str) -> tuple[Finding, ...]:
        """Get a finding for each file of one meter that cannot be read or is not as written."""
        return self._read(instrument, serial)[1]

    def applicable(
        self, instrument: str, serial: str, quantity: str, full_scale: float, today: str
    ) -> Applicable:
        """Get what applies to a meter's range on an ISO date: see ``newest_valid``.

        Damaged files are findings, and so is a meter without a calibration where another of
        its model has one.
        """
        records, damaged = self._read(instrument, serial)
        found = newest_valid(records, quantity, full_scale, today)
        others = () if records or damaged else tuple(self._other_meters(instrument, serial))
        return Applicable(found.record, found.correction, (*damaged, *found.findings, *others))

    def journal(self, instrument: str, serial: str, plan: object = None) -> CalibrationJournal:
        """Begin the journal of a calibration with its plan, or go on with it where None is given.

        ``plan`` is a record or plain values. Raises ConfigError where one of this meter is
        under way although a plan is given, or none is although none is given; where the journal
        is damaged or another process writes it; SetupError where it cannot be made.
        """
        path = self._folder(instrument, serial) / JOURNAL
        return resume_journal(path) if plan is None else begin_journal(path, plan)

    def under_way(self, instrument: str, serial: str) -> bool:
        """Tell whether a calibration of this meter was begun and neither saved nor given up."""
        return is_begun(self._folder(instrument, serial) / JOURNAL)

    def _folder(self, instrument: str, serial: str) -> Path:
        if not serial.strip():
            raise ConfigError(
                f"a calibration belongs to one serial number, and this {instrument} tells none",
                hint="label the meter, and give what the label says as its serial number",
            )
        return self._root / file_name(instrument) / file_name(serial)

    def _read(
        self, instrument: str, serial: str
    ) -> tuple[tuple[CalibrationRecord, ...], tuple[Finding, ...]]:
        """Read every file of one meter: its records, and a finding for each other file."""
        records: list[CalibrationRecord] = []
        damaged: list[Finding] = []
        if not serial.strip():
            return (), ()
        for path in sorted(self._folder(instrument, serial).glob("*.json")):
            try:
                record = read_calibration(path)
                _check_meter(path, record, instrument, serial)
            except ConfigError as error:
                code = "calibration-damaged"
                damaged.append(Finding(code, Severity.WARNING, error.message, error.hint))
            else:
                records.append(record)
        return tuple(sorted(records, key=_age)), tuple(damaged)

    def _other_meters(self, instrument: str, serial: str) -> Iterable[Finding]:
        """Yield a finding where other meters of the model are calibrated, and this one is not."""
        files = (self._root / file_name(instrument)).glob("*/*.json")
        others = sorted({unquote(path.parent.name) for path in files})
        if others:
            yield Finding(
                code="calibration-other-serial",
                severity=Severity.WARNING,
                message=f"no calibration of serial number {serial or '(none)'}; "
                f"calibrated of this model: {', '.join(others)}",
                hint="attach the meter that was calibrated, or calibrate this one",
                evidence={"serial": serial},
            )


def _check_meter(path: Path, record: CalibrationRecord, instrument: str, serial: str) -> None:
    """Refuse a file that was put into the folder of another meter."""
    if (record.instrument, record.serial) != (instrument, serial):
        raise ConfigError(
            f"{path} is the calibration of another meter: {record.instrument} {record.serial}",
            hint="move the file to the folder of that meter",
        )


def newest_valid(
    records: Sequence[CalibrationRecord], quantity: str, full_scale: float, today: str
) -> Applicable:
    """Choose among one meter's calibrations, oldest first, for a range on an ISO date.

    The newest that covers the range, is not dated after ``today`` and has no blocking finding;
    one that is past due only where no other is left, with a finding that says so.
    """
    sound = [record for record in records if record.performed <= today and not _blocked(record)]
    covering = [
        (record, correction)
        for record in sound
        if (correction := _covering(record, quantity, full_scale)) is not None
    ]
    in_time = [item for item in covering if item[0].due >= today]
    if covering:
        record, correction = (in_time or covering)[-1]
        about = check_record(record, serial=record.serial, on=today)
        return Applicable(record, correction, (*_passed_over(records, record), *about))
    told: list[Finding] = [*_passed_over(records, None)]
    for record in sound[-1:]:
        told += check_conditions(
            record,
            None,
            full_scale=full_scale,
            cable_set=record.cable_set,
            temperature_c=record.environment.temperature_c,
        )
    for record in records:
        if record.performed > today:
            told += check_record(record, serial=record.serial, on=today)
    return Applicable(None, None, tuple(told))


def _passed_over(
    records: Sequence[CalibrationRecord], chosen: CalibrationRecord | None
) -> Iterable[Finding]:
    """Yield a finding for each calibration, newer than the chosen one, that must not be used."""
    for record in records:
        codes = _blocked(record)
        if codes and (chosen is None or _age(record) > _age(chosen)):
            yield Finding(
                code="calibration-refused",
                severity=Severity.WARNING,
                message=f"the calibration {record.certificate} is not used: {', '.join(codes)}",
                hint="look at its findings, and calibrate again",
                evidence={"certificate": record.certificate},
            )


def _blocked(record: CalibrationRecord) -> list[str]:
    return [item.code for item in record.findings if item.severity is Severity.BLOCKING]


def _covering(record: CalibrationRecord, quantity: str, full_scale: float) -> Correction | None:
    for correction in record.corrections:
        if correction.quantity == quantity and span_of(correction, full_scale) is not None:
            return correction
    return None


def _age(record: CalibrationRecord) -> tuple[str, int, str]:
    """Get what calibrations are ordered by: date, then the instant of the last point."""
    last = max((point.at_utc_ns for point in record.points), default=0)
    return record.performed, last, record.certificate
