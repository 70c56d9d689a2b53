"""``powerlab measure``: one measurement, or one per option in a session that they share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from powerlab.cli._options import (
    fraction,
    is_quiet,
    json_option,
    lab_option,
    lang_option,
    whole_numbers,
)

RUNS_PER_OPTION = 4096
"""Runs that the board can tell apart in its edge file."""


def _names(_ctx: click.Context, _option: click.Parameter, text: str | None) -> tuple[str, ...]:
    """Read ``tflite`` or ``tflite,openvino``: names, each once; none where nothing was given."""
    if text is None:
        return ()
    found = tuple(part.strip() for part in text.split(","))
    if not all(found) or len(set(found)) < len(found):
        raise click.BadParameter("write names, each once, such as tflite or tflite,openvino")
    return found


@click.command(short_help="Measure one workload on one device.")
@click.option("--device", required=True, metavar="ID", help="What is measured.")
@click.option("--bench", metavar="NAME", help="The set-up; by default the device's own.")
@click.option("--host", metavar="H", help="Without a bench: ssh alias or user@host[:port].")
@click.option("--meter", metavar="MODEL@RESOURCE", help="Without a bench: meter and place.")
@click.option("--supply", metavar="5.1V±0.05V", help="Volts at the board, if no meter reads them.")
@click.option("--cable-ohm", metavar="R±U", help="Loop resistance of the leads to the board.")
@click.option("--emulate", is_flag=True, help="Emulate board and meter: nothing to plug in.")
@click.option("--seed", type=int, default=0, show_default=True, help="Fixes the emulated world.")
@click.option("--fault", "faults", multiple=True, metavar="F@Ts", help="Such as unplug@12s.")
@click.option("--workload", default="seed-cnn", show_default=True, metavar="ID", help="The model.")
@click.option(
    "--runtime",
    "runtimes",
    metavar="ID[,ID]",
    callback=_names,
    help="The inference runtime on the board; several share one session.",
)
@click.option("--command", metavar="WORDS", help="Your program on the board: --runtime command.")
@click.option(
    "--batch",
    "batches",
    default="1",
    show_default=True,
    metavar="N[,N]",
    callback=whole_numbers,
    help="Batch size; several share one session.",
)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--protocol", default="quick", show_default=True, metavar="ID", help="The preset.")
@click.option(
    "--runs", type=click.IntRange(2, RUNS_PER_OPTION), metavar="N", help="Instead of the preset's."
)
@click.option(
    "--precision",
    metavar="1%",
    callback=fraction,
    help="As many runs as this U takes, fixed by the first ones.",
)
@click.option(
    "--dither",
    is_flag=True,
    help="Put random pauses between inferences: they break a lock to the meter's samples.",
)
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE.pdf", help="Write it.")
@lang_option
@lab_option
@json_option
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(
    report: Path | None, lang: str, lab: Path | None, *, as_json: bool, **options: Any
) -> None:
    """Measure the energy per inference of a workload on a device.

    The set-up is the bench of that device, or --bench, or --host with --meter; --emulate
    needs none. Several batch sizes or runtimes share one session, their runs in random order;
    each has a result and a run folder of its own, and --json gives an array. Exit code 6 says
    that a result is not valid.
    """
    # Imported here, since `powerlab measure --help` need not wait for numpy and pydantic.
    from powerlab.cli._measuring import measure_all, prepare  # noqa: PLC0415
    from powerlab.cli._output import print_json  # noqa: PLC0415
    from powerlab.cli._progress import open_view  # noqa: PLC0415
    from powerlab.cli._reporting import write_reports  # noqa: PLC0415
    from powerlab.cli._resolve import Wanted  # noqa: PLC0415
    from powerlab.cli._summary import check_valid, summary  # noqa: PLC0415
    from powerlab.store.document import result_document  # noqa: PLC0415

    options.pop("quiet")
    plan = prepare(Wanted(**options), lab=lab, report=report, lang=lang)
    view = open_view(quiet=is_quiet())
    outcomes = []
    try:
        for outcome in measure_all(plan, view):
            outcomes.append(outcome)
            if not as_json:
                click.echo(summary(outcome.finished.result, folder=outcome.folder))
    finally:  # an option that cannot be concluded does not take back those that are
        documents = [result_document(outcome.finished.result) for outcome in outcomes]
        if as_json and documents:
            print_json(documents if len(plan.options) > 1 else documents[0])
    for path in write_reports(plan, outcomes, view):
        if not as_json:
            click.echo(f"report  {path}")
    check_valid([outcome.finished.result for outcome in outcomes])
