"""``powerlab bench``: set-ups made, tested, listed."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import click

from powerlab.cli._options import is_quiet, json_option, lab_option

METER_FAILED = 4

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
@click.argument("name", required=False)
@click.option("--dry-run", is_flag=True, help="Only what the files tell: nothing is reached.")
@click.option("--workload", default="seed-cnn", show_default=True, metavar="ID", help="The load.")
@click.option("--runtime", metavar="ID", help="The runtime that makes the load.")
@seconds_option
@lab_option
@json_option
def check(
    name: str | None,
    *,
    dry_run: bool,
    workload: str,
    runtime: str | None,
    seconds: float,
    lab: Path | None,
    as_json: bool,
) -> int:
    """Check the bench NAME: whether it is safe, whether board and meter answer, what is wrong.

    NAME may be left out where there is one bench. First the files: volts and amperes against
    the meter's ranges and fuse, what its burden and the leads leave the board. What is unsafe
    ends it with exit code 3 before anything is reached. Then idle and load are read, and every
    other meter of the bench; exit code 4 says that a meter failed its checks.
    """
    from powerlab.bench_check import check_bench  # noqa: PLC0415
    from powerlab.catalog.layers import load_catalog  # noqa: PLC0415
    from powerlab.cli._bench_init import parts_of  # noqa: PLC0415
    from powerlab.cli._bench_meters import try_others  # noqa: PLC0415
    from powerlab.cli._bench_named import check_meters  # noqa: PLC0415
    from powerlab.cli._bench_probe import probe  # noqa: PLC0415
    from powerlab.cli._bench_text import (  # noqa: PLC0415
        any_failed,
        dry_document,
        dry_text,
        probe_document,
        probe_text,
    )
    from powerlab.cli._output import print_json  # noqa: PLC0415
    from powerlab.cli._progress import open_view  # noqa: PLC0415
    from powerlab.cli._resolve import named_bench  # noqa: PLC0415

    catalog = load_catalog(lab)
    chosen = name or only_bench(catalog.benches)
    bench = named_bench(catalog, chosen)
    check_meters(bench, catalog)
    findings = check_bench(bench, catalog.device(bench.device), catalog.instruments, chosen)
    failed = False
    if dry_run:
        document, text = dry_document(chosen, findings), dry_text(findings)
    else:
        parts = parts_of(catalog, bench, workload, runtime, seconds)
        note = open_view(quiet=is_quiet()).note
        done = probe(parts, note, findings)
        others = try_others(bench, parts.device, catalog.instruments, seconds, note)
        document, text = probe_document(chosen, done, others), probe_text(done, others)
        failed = any_failed(done, others)
    if as_json:
        print_json(document)
    else:
        click.echo(text)
    return METER_FAILED if failed else 0


def only_bench(names: Collection[str]) -> str:
    """Get the name of the one bench there is. Raises ConfigError where it is not one."""
    from powerlab.errors import ConfigError  # noqa: PLC0415

    if len(names) == 1:
        return next(iter(names))
    if names:
        raise ConfigError(
            f"there are {len(names)} benches: {', '.join(names)}",
            hint=f"name one: powerlab bench check {next(iter(names))}",
        )
    raise ConfigError(
        "no powerlab.toml in reach describes a bench",
        hint="`powerlab bench init` makes one; --lab DIR names a lab elsewhere",
    )


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
