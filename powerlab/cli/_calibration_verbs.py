"""What ``powerlab calibrate`` does with its options: calibrate, check, list, show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from powerlab.calibration.worth import worths
from powerlab.cli._calibrating import calibrate
from powerlab.cli._calibration_json import check_document, record_document
from powerlab.cli._calibration_options import Wanted, today
from powerlab.cli._calibration_view import check_text, record_row, record_text
from powerlab.cli._known_load import check_agrees, check_known_load
from powerlab.cli._options import is_quiet
from powerlab.cli._output import check_output_file, print_json, print_table
from powerlab.cli._progress import View, open_view
from powerlab.cli._reporting import check_report
from powerlab.errors import ConfigError, PowerlabError, UnknownId
from powerlab.records.calibration import CalibrationRecord
from powerlab.store.archive import lab_root
from powerlab.store.calibration_file import read_calibration
from powerlab.store.calibrations import FOLDER
from powerlab.store.dcc_write import dcc_bytes
from powerlab.store.manifest import discard, write_atomically


@dataclass(frozen=True, slots=True)
class Papers:
    """What is to be written of a calibration, and in which language."""

    certificate: Path | None
    dcc: Path | None
    lang: str

    def check(self) -> None:
        """Make sure, before anything is measured, that all of it can be written.

        Raises ConfigError, SetupError or ReportError.
        """
        if self.certificate is not None:
            check_report(self.certificate, self.lang, "--certificate")
        if self.dcc is not None:
            check_output_file(self.dcc, "--dcc")

    def write(self, record: CalibrationRecord, view: View) -> list[str]:
        """Write what is wanted and get a line for each file. Raises ReportError, OSError."""
        lines = []
        if self.dcc is not None:
            content = dcc_bytes(record)
            write_atomically(self.dcc, lambda path: discard(path.write_bytes(content)))
            lines.append(f"DCC     {self.dcc}")
        if self.certificate is not None:
            from powerlab.report.certificate import write_certificate  # noqa: PLC0415  seconds

            view.note("writing the certificate")
            write_certificate(self.certificate, record=record, lang=self.lang)
            lines.append(f"certificate  {self.certificate}")
        return lines


def act(
    instrument: str,
    lab: Path | None,
    papers: Papers,
    options: Mapping[str, Any],
    *,
    as_json: bool,
    check: bool,
    quiet: bool,
) -> None:
    """Calibrate a meter, or check it against its last calibration."""
    wanted = Wanted(instrument=instrument, **options)
    view = open_view(quiet=quiet)
    if check:
        if papers.certificate or papers.dcc or wanted.resume or wanted.restart:
            raise ConfigError(
                "--check compares one known load: it writes no certificate and is never resumed",
                hint="leave out --certificate, --dcc, --resume and --restart; --show writes a "
                "certificate again",
            )
        _check(wanted, lab, view, as_json=as_json)
        return
    papers.check()
    done = calibrate(wanted, lab, view)
    for finding in done.damaged:
        view.note(f"{finding.severity.value}: {finding.message}")
    if as_json:
        print_json(record_document(done.record, done.worths, done.path))
    else:
        click.echo(record_text(done.record, done.worths, done.path))
    try:
        lines = papers.write(done.record, view)
    except PowerlabError as error:
        error.add_note(
            f"the calibration is kept in {done.path}; `powerlab calibrate --show "
            f"{done.record.certificate} --certificate FILE.pdf` tries again"
        )
        raise
    if not as_json:
        click.echo("\n".join(lines), nl=bool(lines))


def _check(wanted: Wanted, lab: Path | None, view: View, *, as_json: bool) -> None:
    outcomes = check_known_load(wanted, lab, view)
    if as_json:
        print_json([check_document(outcome) for outcome in outcomes])
    else:
        click.echo("\n\n".join(check_text(outcome) for outcome in outcomes))
    check_agrees(outcomes)


def look(lab: Path | None, show: str | None, papers: Papers, *, as_json: bool) -> None:
    """List the lab's calibrations, or show one and write its papers again."""
    place = lab_root(lab)
    if show is None:
        _list(place, as_json=as_json)
        return
    path, record = _found(place, show)
    papers.check()
    worth = worths(record)
    if as_json:
        print_json(record_document(record, worth, path))
    else:
        click.echo(record_text(record, worth, path))
    for line in papers.write(record, open_view(quiet=is_quiet())):
        if not as_json:
            click.echo(line)


def _files(place: Path) -> list[Path]:
    return sorted((place / FOLDER).glob("*/*/*.json"))


def _list(place: Path, *, as_json: bool) -> None:
    """List every record that can be read, oldest first, and say which cannot."""
    records = []
    for path in _files(place):
        try:
            records.append(read_calibration(path))
        except ConfigError as error:
            click.echo(f"warning: {error.message}", err=True)
    rows = [
        record_row(record, today())
        for record in sorted(records, key=lambda item: (item.performed, item.certificate))
    ]
    if as_json:
        print_json({"schema": "powerlab.calibrations/1", "calibrations": rows})
    else:
        empty = f"No calibration in {place / FOLDER} yet: `powerlab calibrate` makes one."
        print_table(rows, empty=empty)


def _found(place: Path, reference: str) -> tuple[Path, CalibrationRecord]:
    """Get the record of a path, an identifier, or the start or end of one.

    Raises UnknownId where none or several fit, ConfigError where it cannot be read.
    """
    if Path(reference).is_file():
        return Path(reference), read_calibration(Path(reference))
    files = [
        path
        for path in _files(place)
        if path.stem.startswith(reference) or path.stem.endswith(reference)
    ]
    if len(files) == 1:
        return files[0], read_calibration(files[0])
    what = f"{len(files)} calibrations fit" if files else "there is no calibration"
    raise UnknownId(
        f"{what} {reference!r} in {place / FOLDER}",
        hint="`powerlab calibrate --list` shows them; give more of the identifier",
    )
