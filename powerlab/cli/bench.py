"""``powerlab bench``: set-ups made, tested, listed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from powerlab.cli._options import is_quiet, json_option, lab_option

seconds_option = click.option(
    "--seconds",
    type=click.FloatRange(1.0),
    default=10.0,
    show_default=True,
    help="How long to read each of idle and load.",
)


@click.group(short_help="Make, test and list set-ups of board and meter.")
def command() -> None:
    """Make, test and list benches: one board, how to reach it, and the meter on it."""


@command.command()
@click.option("--name", metavar="NAME", help="The bench's name; by default the device's id.")
@click.option("--device", metavar="ID", help="The board's model.")
@click.option("--host", metavar="H", help="ssh alias, user@host[:port], or local.")
@click.option("--python", default="python3", show_default=True, help="The board's interpreter.")
@click.option("--ssh-config", default="", metavar="FILE", help='For ssh -F; "none" for none.')
@click.option("--identity-file", default="", metavar="FILE", help="The key for ssh -i.")
@click.option("--known-hosts-file", default="", metavar="FILE", help="Where the host key is.")
@click.option("--meter", metavar="MODEL@RESOURCE", help="The meter and where it is.")
@click.option("--boundary", type=click.Choice(["board", "dc", "wall"]), help="Where it counts.")
@click.option("--voltage-sense", type=click.Choice(["meter", "board"]), help="Where volts are.")
@click.option("--cable-ohm", type=click.FloatRange(0), help="Loop resistance to the board.")
@click.option("--u-cable-ohm", type=click.FloatRange(0), help="Its standard uncertainty.")
@click.option("--supply", metavar="5.1V±0.05V", help="Volts read at the board under load.")
@click.option("--read-voltage", is_flag=True, help="Read them now: leads are across the board.")
@click.option("--workload", default="seed-cnn", show_default=True, metavar="ID", help="The load.")
@click.option("--runtime", metavar="ID", help="The runtime that makes the load.")
@seconds_option
@lab_option
def init(lab: Path | None, **options: Any) -> None:
    """Make a bench: describe it, test board and meter, write powerlab.toml.

    What no option tells is asked for, where there is a terminal. The file is that of --lab,
    else the nearest upwards, else one here.
    """
    from powerlab.cli._bench_init import BenchOptions, make_bench  # noqa: PLC0415
    from powerlab.cli._progress import open_view  # noqa: PLC0415

    click.echo(make_bench(BenchOptions(**options), lab, open_view(quiet=is_quiet()).note))


@command.command()
@click.argument("name")
@click.option("--workload", default="seed-cnn", show_default=True, metavar="ID", help="The load.")
@click.option("--runtime", metavar="ID", help="The runtime that makes the load.")
@seconds_option
@lab_option
@json_option
def check(
    name: str,
    *,
    workload: str,
    runtime: str | None,
    seconds: float,
    lab: Path | None,
    as_json: bool,
) -> None:
    """Test the bench NAME: reach its board and its meter, read idle and load."""
    from powerlab.catalog.layers import load_catalog  # noqa: PLC0415
    from powerlab.cli._bench_init import parts_of, probe_document, probe_text  # noqa: PLC0415
    from powerlab.cli._bench_probe import probe  # noqa: PLC0415
    from powerlab.cli._output import print_json  # noqa: PLC0415
    from powerlab.cli._progress import open_view  # noqa: PLC0415
    from powerlab.cli._resolve import named_bench  # noqa: PLC0415

    catalog = load_catalog(lab)
    parts = parts_of(catalog, named_bench(catalog, name), workload, runtime, seconds)
    done = probe(parts, open_view(quiet=is_quiet()).note)
    if as_json:
        print_json(probe_document(name, done))
    else:
        click.echo(probe_text(done))


@command.command("list")
@lab_option
@json_option
def list_(lab: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """List all benches."""
    from powerlab.catalog.layers import load_catalog  # noqa: PLC0415
    from powerlab.cli._output import print_json, print_table  # noqa: PLC0415

    catalog = load_catalog(lab)
    if as_json:
        benches = {name: bench.model_dump(mode="json") for name, bench in catalog.benches.items()}
        print_json({"schema": "powerlab.benches/1", "benches": benches})
        return
    rows = [
        {
            "bench": name,
            "device": bench.device,
            "host": bench.host,
            "meter": bench.meter[0].model,
            "at": bench.meter[0].resource,
            "boundary": bench.boundary,
            "file": catalog.origin("bench", name),
        }
        for name, bench in catalog.benches.items()
    ]
    print_table(rows, empty="No bench yet: `powerlab bench init` makes one.")
