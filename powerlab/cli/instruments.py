"""``powerlab instruments``: the meters that the catalogue knows, and those that are here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from powerlab.cli._meter_options import source_options
from powerlab.cli._options import is_quiet, json_option, lab_option

CHECK_FAILED = 4


@click.group(short_help="List, show, find, watch and check meters.")
def command() -> None:
    """List and show instrument models; find, watch and check those that are here."""


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


@command.command()
@click.option("--identify", is_flag=True, help="Open recognised meters and ask who they are.")
@lab_option
@json_option
def scan(lab: Path | None, *, identify: bool, as_json: bool) -> None:
    """Find meters plugged in by USB, by their descriptors: no port is opened or written to.

    Each match comes with the section for a bench, and with what is in its way: permissions,
    ModemManager, a kernel driver, autosuspend. Other serial ports and the resources that benches
    name are listed and left alone. --identify opens the meters that were recognised; some, such
    as a Joulescope JS110, interrupt the board's supply then.
    """
    from powerlab.catalog.layers import load_catalog  # noqa: PLC0415
    from powerlab.cli import _scan  # noqa: PLC0415
    from powerlab.cli._output import print_json  # noqa: PLC0415
    from powerlab.cli._scan_text import scan_document, scan_text  # noqa: PLC0415

    found = _scan.scan(load_catalog(lab), _scan.PLACES)
    if identify:
        found = _scan.identified(found)
    if as_json:
        print_json(scan_document(found))
    else:
        click.echo(scan_text(found))


@command.command()
@click.option("--group", default="dialout", show_default=True, help="Who may, besides the desk.")
@lab_option
def udev(lab: Path | None, group: str) -> None:
    """Print udev rules for every USB meter of the catalogue, and how to install them.

    The user at the desk and the members of a group may open the meters then, ModemManager
    leaves them alone, and they are not suspended.
    """
    from powerlab.catalog.layers import load_catalog  # noqa: PLC0415
    from powerlab.cli._udev import INSTALL, udev_rules  # noqa: PLC0415

    click.echo(udev_rules(load_catalog(lab).instruments.values(), group), nl=False)
    if not is_quiet():
        click.echo("to install them:", err=True)
        for line in INSTALL:
            click.echo(f"  {line}", err=True)


@command.command()
@click.argument("instrument")
@source_options
@click.option("--seconds", type=click.FloatRange(0, min_open=True), metavar="N", help="Then end.")
@lab_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a second.")
def watch(lab: Path | None, *, seconds: float | None, as_json: bool, **options: Any) -> None:
    """Show what INSTRUMENT reads now, once a second, until Ctrl-C.

    Volts, amperes and watts are means over the last second as the meter reads them, before the
    corrections of a result; energy, lost and repeated readings count from the beginning.
    """
    from powerlab.catalog.layers import load_catalog  # noqa: PLC0415
    from powerlab.cli._meter_source import SourceOptions, described, opened  # noqa: PLC0415
    from powerlab.cli._progress import open_view  # noqa: PLC0415
    from powerlab.cli._watch import Sums, shown, summary, watch  # noqa: PLC0415

    view = open_view(quiet=is_quiet())
    with opened(SourceOptions(**options), load_catalog(lab), view.note) as source:
        view.note(described(source))
        sums = Sums(source)
        try:
            with shown(source, as_json=as_json) as show:
                watch(source, seconds, sums, show)
        finally:
            if sums.tally.samples and not (as_json and is_quiet()):
                click.echo(summary(sums.whole(), source.meter.identity), err=as_json)


@command.command()
@click.argument("instrument")
@source_options
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="N",
    help="How long to read.",
)
@lab_option
@json_option
def check(lab: Path | None, *, seconds: float, as_json: bool, **options: Any) -> int:
    """Read INSTRUMENT for ten seconds and check it: rate, time, gaps, range, sign, noise, clock.

    Exit code 4 says that a check failed. The board may be at rest; volts and the clock are told
    best while it works.
    """
    from powerlab.catalog.layers import load_catalog  # noqa: PLC0415
    from powerlab.cli._meter_checks import check_document, checked, found_text  # noqa: PLC0415
    from powerlab.cli._meter_source import SourceOptions, described, opened  # noqa: PLC0415
    from powerlab.cli._output import print_json, print_table  # noqa: PLC0415
    from powerlab.cli._progress import open_view  # noqa: PLC0415

    view = open_view(quiet=is_quiet())
    with opened(SourceOptions(**options), load_catalog(lab), view.note) as source:
        view.note(described(source))
        view.note(f"reading {seconds:g} s")
        trace, checks = checked(source, seconds)
        document = check_document(source, seconds, trace, checks)
    if as_json:
        print_json(document)
    else:
        rows = [{"": c.verdict, "check": c.name, "found": found_text(c)} for c in checks]
        print_table(rows, empty="")
        for each in checks:
            if each.advice:
                click.echo(f"{each.name}: {each.advice}")
    return CHECK_FAILED if document["verdict"] == "fail" else 0
