"""``powerlab instruments``: the meters that the catalogue knows."""

from __future__ import annotations

from pathlib import Path

import click

from powerlab.cli._options import json_option, lab_option


@click.group(short_help="List and show meters.")
def command() -> None:
    """List and show the instrument models of the catalogue."""


@command.command("list")
@lab_option
@json_option
def list_(lab: Path | None, as_json: bool) -> None:  # noqa: FBT001 - click passes flags by name
    """List all instrument models."""
    from powerlab.catalog.layers import load_catalog  # noqa: PLC0415
    from powerlab.cli._output import print_json, print_table  # noqa: PLC0415

    profiles = load_catalog(lab).instruments.values()
    rows = [
        {
            "id": item.id,
            "name": f"{item.manufacturer} {item.name}",
            "kind": item.kind,
            "reads": ", ".join(item.channels),
            "link": ", ".join(item.link.kinds),
            "verified on": item.verified,
        }
        for item in profiles
    ]
    if as_json:
        listed = [item.model_dump(mode="json", by_alias=True) for item in profiles]
        print_json({"schema": "powerlab.instruments/1", "instruments": listed})
    else:
        print_table(rows, empty="The catalogue has no instruments.")


@command.command()
@click.argument("instrument")
@lab_option
@json_option
def show(instrument: str, lab: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Show what the catalogue says of INSTRUMENT, every fact with its source."""
    from powerlab.catalog.layers import load_catalog  # noqa: PLC0415
    from powerlab.cli._output import print_facts, print_json  # noqa: PLC0415
    from powerlab.cli._profile_text import facts_of  # noqa: PLC0415

    catalog = load_catalog(lab)
    profile = catalog.instrument(instrument).model_dump(mode="json", by_alias=True)
    if as_json:
        print_json(profile)
    else:
        print_facts({**facts_of(profile), "file": catalog.origin("instrument", instrument)})
