"""``powerlab report``: the PDF of a stored run."""

from __future__ import annotations

from pathlib import Path

import click

from powerlab.cli._options import lab_option, lang_option


@click.command(short_help="Write the PDF report of a stored run.")
@click.argument("run")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.pdf",
    help="Where the report goes.",
)
@lang_option
@lab_option
def command(run: str, output: Path, lang: str, lab: Path | None) -> None:
    """Write the report of RUN: a run folder, an identifier, its start or end, or "last".

    "last" is the newest complete run. The report is made from what the run folder holds, its
    profiles included.
    """
    from powerlab.cli._reporting import check_report, write_stored_report  # noqa: PLC0415
    from powerlab.store.archive import find_run, open_run, run_root  # noqa: PLC0415

    stored = open_run(find_run(run, run_root(lab)))
    check_report(output, lang, "--output")
    write_stored_report(stored, output, lang)
    click.echo(output)
