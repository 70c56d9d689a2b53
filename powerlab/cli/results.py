"""``powerlab results``: stored runs listed, shown, compared, exported, recovered."""

from __future__ import annotations

from pathlib import Path

import click

from powerlab.cli._options import json_option, lab_option

plan_option = click.option(
    "--plan",
    type=click.Path(path_type=Path),
    metavar="FILE.toml",
    help="The procurement whose options are meant; RUNS are those of options that name none.",
)


@click.group(short_help="List, show, compare, export and recover stored runs.")
def command() -> None:
    """List, show, compare, export and recover the runs of a lab.

    RUN is a run folder, an identifier, the start or end of one, or "last": the newest
    complete run.
    """


@command.command("list")
@lab_option
@json_option
def list_(lab: Path | None, as_json: bool) -> None:  # noqa: FBT001 - click passes flags by name
    """List all runs, the newest last."""
    from powerlab.cli._output import print_json  # noqa: PLC0415
    from powerlab.cli._runs import entry_document, list_text  # noqa: PLC0415
    from powerlab.store.archive import list_runs, run_root  # noqa: PLC0415

    root = run_root(lab)
    entries = list_runs(root)
    if as_json:
        print_json(
            {"schema": "powerlab.runs/1", "runs": [entry_document(each) for each in entries]}
        )
    elif entries:
        click.echo(list_text(entries))
    else:
        click.echo(f"No runs in {root}.")


@command.command()
@click.argument("run")
@lab_option
@json_option
def show(run: str, lab: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Show the result of RUN, or what is there of one that was cut short.

    RUN is a run folder, an identifier, its start or end, or "last": the newest complete run.
    """
    from powerlab.cli._output import print_json  # noqa: PLC0415
    from powerlab.cli._runs import partial_text  # noqa: PLC0415
    from powerlab.cli._summary import summary  # noqa: PLC0415
    from powerlab.errors import ConfigError  # noqa: PLC0415
    from powerlab.store.archive import find_run, open_run, run_root  # noqa: PLC0415
    from powerlab.store.document import public_document  # noqa: PLC0415

    stored = open_run(find_run(run, run_root(lab)))
    for name in stored.changed:
        click.echo(f"warning: {name} is not as it was written", err=True)
    if stored.result is not None and stored.document is not None:
        if as_json:
            print_json(public_document(stored.document))
        else:
            click.echo(summary(stored.result, folder=stored.folder))
        return
    if as_json:
        raise ConfigError(
            f"the run {stored.manifest['run']} is {stored.manifest['status']} and has no result",
            hint="without --json this command shows what was recorded",
        )
    click.echo(partial_text(stored))


@command.command()
@click.argument("runs", nargs=-1)
@plan_option
@lab_option
@json_option
def compare(
    runs: tuple[str, ...],
    plan: Path | None,
    lab: Path | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Compare RUNS with the first of them, quantity by quantity.

    A ratio whose 95 % interval holds 1 is a tie. Emulated runs of different devices, runs that
    are not valid, and those of different workloads or boundaries are set side by side and not
    ranked. With --plan the options of a procurement are compared by
    what they cost, as in its report.
    """
    from powerlab.cli._compare import comparison, comparison_text  # noqa: PLC0415
    from powerlab.cli._output import print_json  # noqa: PLC0415
    from powerlab.cli._runs import results_of  # noqa: PLC0415
    from powerlab.store.archive import run_root  # noqa: PLC0415

    if plan is not None:
        from powerlab.cli._decision import print_decision  # noqa: PLC0415

        print_decision(plan, runs, run_root(lab), as_json=as_json)
        return
    if not runs:
        raise click.UsageError("Give the RUNS to compare, or a plan with --plan.")
    results = results_of(runs, run_root(lab))
    if as_json:
        print_json(comparison(results))
    else:
        click.echo(comparison_text(results))


@command.command()
@click.argument("runs", nargs=-1)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="Where the table goes: .csv, .parquet, .md or .xlsx; samples also .jls.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["jls", "parquet", "csv"]),
    help="Write the samples of one RUN in this format, in place of the quantities.",
)
@plan_option
@lab_option
def export(
    runs: tuple[str, ...], output: Path, form: str | None, plan: Path | None, lab: Path | None
) -> None:
    """Write the quantities of RUNS as a table, or with --plan the options of a procurement.

    With --format the readings of one RUN are written instead, for other programs to compute
    from: their instants on the host's clock and in UTC, units in the names of the columns. JLS
    is the format of Joulescope's viewer.
    """
    from powerlab.cli._export import (  # noqa: PLC0415
        check_table,
        export_options,
        export_results,
    )
    from powerlab.cli._runs import results_of  # noqa: PLC0415
    from powerlab.store.archive import run_root  # noqa: PLC0415

    if form is not None or output.suffix.lower() == ".jls":
        if plan is not None or len(runs) != 1:
            raise click.UsageError("The samples are those of one RUN; give one, without --plan.")
        from powerlab.cli._export_samples import export_samples  # noqa: PLC0415

        export_samples(runs[0], output, form, run_root(lab))
        click.echo(output)
        return
    check_table(output)
    if plan is not None:
        from powerlab.cli._decision_json import option_rows  # noqa: PLC0415
        from powerlab.cli._procuring import procure  # noqa: PLC0415

        export_options(output, option_rows(procure(plan, runs, run_root(lab))))
    elif runs:
        export_results(output, results_of(runs, run_root(lab)))
    else:
        raise click.UsageError("Give the RUNS to export, or a plan with --plan.")
    click.echo(output)


@command.command()
@click.argument("runs", nargs=-1)
@lab_option
def recover(runs: tuple[str, ...], lab: Path | None) -> None:
    """Finish what a killed process left behind of RUNS (all left-overs by default).

    With an idle phase and two runs in it, a run that was cut short gets a result, which says
    that it was; the run itself stays partial.
    """
    from powerlab.cli._recovering import recover_run  # noqa: PLC0415
    from powerlab.cli._runs import partial_text  # noqa: PLC0415
    from powerlab.cli._summary import summary  # noqa: PLC0415
    from powerlab.store.archive import find_run, list_runs, run_root  # noqa: PLC0415

    root = run_root(lab)
    folders = [find_run(run, root) for run in runs]
    if not runs:
        folders = [entry.folder for entry in list_runs(root) if entry.status == "left over"]
    if not folders:
        click.echo(f"No left-over recording in {root}.")
    for folder in folders:
        stored = recover_run(folder)
        if stored.result is None:
            click.echo(partial_text(stored))
        else:
            click.echo(summary(stored.result, folder=folder))
