"""``powerlab audit``: other tools' evidence recomputed, by their rule and by powerlab's."""

from __future__ import annotations

from pathlib import Path

import click

from powerlab.cli._language import language
from powerlab.cli._options import json_option


@click.command(short_help="Recompute other tools' evidence, and say what is wrong with it.")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    metavar="FORMAT",
    help="The format of PATH, where its content does not tell it.",
)
@click.option(
    "--mapping",
    type=click.Path(path_type=Path),
    metavar="FILE.toml",
    help="What the columns of a table are (format csv).",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="FILE.pdf",
    help="Write the audit as a PDF as well.",
)
@click.option(
    "--lang",
    type=click.Choice(["en", "zh"]),
    callback=language,
    help="Language of the report (default: the locale's, else en).",
)
@json_option
def command(  # noqa: PLR0917
    path: Path,
    form: str | None,
    mapping: Path | None,
    report: Path | None,
    lang: str,
    as_json: bool,  # noqa: FBT001 - click passes flags by name
) -> None:
    """Recompute the evidence at PATH: a file, a run, or a folder with all runs below it.

    Every figure is recomputed by the publisher's own rule, which must give the published one,
    and by powerlab's method with its uncertainty. Exit code 6 says that a blocking finding
    forbids the use of the evidence.
    """
    from powerlab.cli._audit_text import (  # noqa: PLC0415
        audit_text,
        check_audits,
        check_read,
        table_text,
    )
    from powerlab.cli._output import print_json  # noqa: PLC0415
    from powerlab.evidence.audit import audit  # noqa: PLC0415
    from powerlab.evidence.document import document  # noqa: PLC0415

    if report is not None:
        from powerlab.cli._reporting import check_report  # noqa: PLC0415

        check_report(report, lang)
    read = audit(path, form, mapping)
    if report is not None:
        from powerlab.cli._audit_report import write_report  # noqa: PLC0415

        write_report(read, path, report, lang)
        click.echo(report, err=True)
    if as_json:
        documents = [document(each) for each in read.audits]
        print_json(documents[0] if len(documents) == 1 else documents)
    elif len(read.audits) == 1:
        click.echo(audit_text(read.audits[0]))
    else:
        click.echo(table_text(read.audits))
    check_read(read.failed)
    check_audits(read.audits)
