"""``powerlab emulate``: an emulated bench to be reached like a real one."""

from __future__ import annotations

from pathlib import Path

import click

from powerlab.cli._options import is_quiet, lab_option


@click.command(short_help="Serve an emulated bench until Ctrl-C.")
@click.option("--device", required=True, metavar="ID", help="The board that is emulated.")
@click.option("--meter", metavar="MODEL", help="The meter; by default the board's own.")
@click.option("--runtime", default="tflite", show_default=True, metavar="ID")
@click.option("--seed", type=int, default=0, show_default=True, help="Fixes the emulated world.")
@click.option("--fault", "faults", multiple=True, metavar="F@Ts", help="Such as unplug@12s.")
@click.option("--name", metavar="NAME", help="The bench's name in what is printed.")
@lab_option
def command(
    *,
    device: str,
    meter: str | None,
    runtime: str,
    seed: int,
    faults: tuple[str, ...],
    name: str | None,
    lab: Path | None,
) -> None:
    """Serve an emulated board and meter as servers of their own, until Ctrl-C.

    A powerlab.toml with the bench goes to stdout: save it in a directory, measure there
    from another terminal, and every part but the electrons is as with hardware.
    """
    from powerlab.catalog.layers import load_catalog  # noqa: PLC0415
    from powerlab.cli._entry import load_entry  # noqa: PLC0415

    serving = False

    def announce(snippet: str) -> None:
        nonlocal serving
        serving = True
        click.echo(snippet.rstrip("\n"))
        if not is_quiet():
            click.echo("serving until Ctrl-C", err=True)

    serve = load_entry("powerlab.emulation", "serve")
    try:
        serve(
            load_catalog(lab),
            device,
            meter,
            announce=announce,
            name=name,
            seed=seed,
            faults=faults,
            runtime=runtime,
        )
    except KeyboardInterrupt:
        if not serving:
            raise
        if not is_quiet():
            click.echo("stopped", err=True)
