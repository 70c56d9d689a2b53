"""``powerlab devices``: the boards that the catalogue knows, and whether one is fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from powerlab.cli._options import is_quiet, json_option, lab_option


@click.group(short_help="List, show and check boards.")
def command() -> None:
    """List and show the board models of the catalogue, and check a board of one's own."""


@command.command("list")
@lab_option
@json_option
def list_(lab: Path | None, as_json: bool) -> None:  # noqa: FBT001 - click passes flags by name
    """List all board models."""
    from powerlab.catalog.layers import load_catalog  # noqa: PLC0415
    from powerlab.cli._output import print_json, print_table  # noqa: PLC0415

    catalog = load_catalog(lab)
    profiles = catalog.devices.values()
    rows = []
    for item in profiles:
        newest = max(item.price, key=lambda price: price.date, default=None)
        benches = [name for name, bench in catalog.benches.items() if bench.device == item.id]
        rows.append(
            {
                "id": item.id,
                "name": item.name,
                "power": f"{item.power.idle_w.value:g} to {item.power.active_w.value:g} W",
                "price": f"{newest.amount:,} {newest.currency}" if newest else "-",
                "bench": ", ".join(benches) or ("--emulate" if item.emulation else "-"),
                "verified on": item.verified,
            }
        )
    if as_json:
        listed = [item.model_dump(mode="json", by_alias=True) for item in profiles]
        print_json({"schema": "powerlab.devices/1", "devices": listed})
    else:
        print_table(rows, empty="The catalogue has no devices.")


@command.command()
@click.argument("device")
@lab_option
@json_option
def show(device: str, lab: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Show what the catalogue says of DEVICE, every fact with its source."""
    from powerlab.catalog.layers import load_catalog  # noqa: PLC0415
    from powerlab.cli._output import print_facts, print_json  # noqa: PLC0415
    from powerlab.cli._profile_text import facts_of  # noqa: PLC0415

    catalog = load_catalog(lab)
    profile = catalog.device(device).model_dump(mode="json", by_alias=True)
    if as_json:
        print_json(profile)
    else:
        print_facts({**facts_of(profile), "file": catalog.origin("device", device)})


@command.command()
@click.argument("device", required=False)
@click.option("--bench", metavar="NAME", help="The set-up whose board it is.")
@click.option("--host", metavar="H", help="Without a bench: ssh alias, user@host[:port], local.")
@click.option("--python", metavar="WORDS", help="The board's interpreter, if not the bench's.")
@click.option("--workload", default="seed-cnn", show_default=True, metavar="ID", help="To try.")
@click.option("--emulate", is_flag=True, help="Emulate the board.")
@lab_option
@json_option
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def check(
    device: str | None, *, lab: Path | None, as_json: bool, quiet: bool, **options: Any
) -> int:
    """Look whether the board of DEVICE is fit to be measured, and say what to mend.

    Connection and host key, Python, runtimes (each builds and runs a model), permissions, heat,
    throttling, frequency governor, clock source, memory and disk. Nothing is changed on the
    board. Exit code 5 says that something stands in the way of a measurement.
    """
    from powerlab.catalog.layers import load_catalog  # noqa: PLC0415
    from powerlab.cli._device_check import CheckOptions, check_device  # noqa: PLC0415
    from powerlab.cli._progress import open_view  # noqa: PLC0415

    del quiet  # is_quiet finds it, here or before the verb
    wanted = CheckOptions(device=device, **options)
    note = open_view(quiet=is_quiet()).note
    return check_device(load_catalog(lab), wanted, as_json=as_json, note=note)
