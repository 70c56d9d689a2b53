"""``powerlab measure``: one measurement, or one per option in a session that they share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

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

_WITH_A_PLAN = frozenset({"study", "resume", "emulate", "seed", "lab", "as_json", "quiet"})


def _names(_ctx: click.Context, _option: click.Parameter, text: str | None) -> tuple[str, ...]:
    """Read ``tflite`` or ``tflite,openvino``: names, each once; none where nothing was given."""
    if text is None:
        return ()
    found = tuple(part.strip() for part in text.split(","))
    if not all(found) or len(set(found)) < len(found):
        raise click.BadParameter("write names, each once, such as tflite or tflite,openvino")
    return found


def _batches(ctx: click.Context, option: click.Parameter, text: str | None) -> tuple[int, ...]:
    """Read batch sizes; none where nothing was given."""
    return () if text is None else whole_numbers(ctx, option, text)


def _check_alone(study: Path | None, *, resume: bool) -> None:
    """Refuse what a plan says itself beside ``--plan``, and a call that names nothing."""
    context = click.get_current_context()
    given = [
        parameter
        for parameter in context.command.params
        if context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
    ]
    if study is None:
        if context.params["device"] is None:
            raise click.UsageError("Missing option '--device', or '--plan' for a study.")
        if resume:
            raise click.UsageError("--resume goes with --plan.")
        return
    for parameter in given:
        if parameter.name not in _WITH_A_PLAN:
            raise click.UsageError(
                f"{parameter.opts[0]} and --plan exclude each other: write it into the plan."
            )


@click.command(short_help="Measure one workload on one device, or a study.")
@click.option("--device", metavar="ID", help="What is measured.")
@click.option(
    "--plan",
    "study",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE.toml",
    help="A study plan in the place of a device: a matrix of options.",
)
@click.option("--resume", is_flag=True, help="With --plan: what is measured is not again.")
@click.option("--bench", metavar="NAME", help="The set-up; by default the device's own.")
@click.option("--host", metavar="H", help="Without a bench: ssh alias or user@host[:port].")
@click.option("--meter", metavar="MODEL@RESOURCE", help="Without a bench: meter and place.")
@click.option("--voltmeter", metavar="MODEL@RESOURCE", help="A second meter, for the volts.")
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
    metavar="N[,N]",
    callback=_batches,
    help="Batch size (default: the preset's, or 1); several share one session.",
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
    study: Path | None,
    report: Path | None,
    lang: str,
    lab: Path | None,
    *,
    resume: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure the energy per inference of a workload on a device.

    The set-up is the bench of that device, or --bench, or --host with --meter; --emulate
    needs none. Several batch sizes or runtimes share one session, their runs in random order;
    each has a result and a run folder of its own, and --json gives an array. Exit code 6 says
    that a result is not valid. With --plan a whole study is measured, session by session.
    """
    _check_alone(study, resume=resume)
    options.pop("quiet")
    # Imported here, since `powerlab measure --help` need not wait for numpy and pydantic.
    from powerlab.cli._progress import open_view  # noqa: PLC0415

    view = open_view(quiet=is_quiet())
    if study is None:
        from powerlab.cli._measure_one import measure_one  # noqa: PLC0415
        from powerlab.cli._wanted import Wanted  # noqa: PLC0415

        wanted = Wanted(**options)
        measure_one(wanted, report=report, lang=lang, lab=lab, as_json=as_json, view=view)
        return
    from powerlab.cli._study import run_study  # noqa: PLC0415

    emulate, seed = options["emulate"], options["seed"]
    run_study(study, lab=lab, emulate=emulate, seed=seed, resume=resume, as_json=as_json, view=view)
