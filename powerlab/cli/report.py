"""``powerlab report``: the PDF of a stored run, and the decision of a procurement."""

from __future__ import annotations

from pathlib import Path

import click

from powerlab.cli._language import language
from powerlab.cli._options import json_option, lab_option

PLAN = "procurement.toml"


@click.command(short_help="Write the PDF report of a run, or of a procurement.")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    metavar="FILE.pdf",
    help="Where the report goes; with --init the plan.",
)
@click.option(
    "--plan",
    type=click.Path(path_type=Path),
    metavar="FILE.toml",
    help="Decide the procurement that this file declares.",
)
@click.option("--init", is_flag=True, help=f"Write a commented {PLAN} from the runs at hand.")
@click.option(
    "--lang",
    type=click.Choice(["en", "zh"]),
    callback=language,
    help="Language of the report (default: the locale's, else en).",
)
@lab_option
@json_option
def command(  # noqa: PLR0917
    runs: tuple[str, ...],
    output: Path | None,
    plan: Path | None,
    init: bool,  # noqa: FBT001 - click passes flags by name
    lang: str,
    lab: Path | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Write the report of RUN: a run folder, an identifier, its start or end, or "last".

    "last" is the newest complete run. The report is made from what the run folder holds, its
    profiles included.

    With --plan the report is that of a procurement; RUN is then a run of an option of the plan
    that names none. Without -o the decision is printed.
    """
    if as_json and plan is None:
        raise click.UsageError("--json goes with --plan; `results show RUN --json` prints a run.")
    if init and plan is not None:
        raise click.UsageError("--init writes a plan and --plan reads one; give one of them.")
    if init:
        _init(runs, output or Path(PLAN), lab)
    elif plan is not None:
        _procurement(runs, plan, output, lang, lab, as_json=as_json)
    else:
        _run(runs, output, lang, lab)


def _run(runs: tuple[str, ...], output: Path | None, lang: str, lab: Path | None) -> None:
    from powerlab.cli._reporting import check_report, write_stored_report  # noqa: PLC0415
    from powerlab.store.archive import find_run, open_run, run_root  # noqa: PLC0415

    if output is None:
        raise click.UsageError("Missing option '--output' / '-o'.")
    if len(runs) != 1:
        raise click.UsageError(
            "Give one RUN; several are compared by `results compare`, or by a plan with --plan."
        )
    stored = open_run(find_run(runs[0], run_root(lab)))
    check_report(output, lang, "--output")
    write_stored_report(stored, output, lang)
    click.echo(output)


def _procurement(
    runs: tuple[str, ...],
    plan: Path,
    output: Path | None,
    lang: str,
    lab: Path | None,
    *,
    as_json: bool,
) -> None:
    from powerlab.store.archive import run_root  # noqa: PLC0415

    if output is None:
        from powerlab.cli._decision import print_decision  # noqa: PLC0415

        print_decision(plan, runs, run_root(lab), as_json=as_json)
        return
    from powerlab.cli._procurement_report import write_report  # noqa: PLC0415
    from powerlab.cli._procuring import check_answerable, procure  # noqa: PLC0415
    from powerlab.cli._reporting import check_report  # noqa: PLC0415

    check_report(output, lang, "--output")
    done = procure(plan, runs, run_root(lab))
    write_report(done, output, lang, lab)
    if as_json:
        from powerlab.cli._decision import print_document  # noqa: PLC0415

        print_document(done)
    else:
        click.echo(output)
    check_answerable(done)


def _init(runs: tuple[str, ...], output: Path, lab: Path | None) -> None:
    from powerlab.cli._procurement_init import write_plan  # noqa: PLC0415

    write_plan(output, runs, lab)
    click.echo(output)
    click.echo(f"Edit it, then: powerlab report --plan {output}", err=True)
