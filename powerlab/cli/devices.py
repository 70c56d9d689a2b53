"""``powerlab devices``: the boards that the catalogue knows."""

from __future__ import annotations

from pathlib import Path

import click

from powerlab.cli._options import json_option, lab_option


@click.group(short_help="List and show boards.")
def command() -> None:
    """List and show the board models of the catalogue."""


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
