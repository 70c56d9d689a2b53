"""``powerlab calibrate``: a meter calibrated in its set-up, checked, and its certificates."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from powerlab.cli._options import is_quiet, json_option, lab_option, lang_option

_NAMES = ("current", "voltage")


def _quantities(_ctx: click.Context, _option: click.Parameter, text: str | None) -> tuple[str, ...]:
    """Read ``current`` or ``current,voltage``; none where nothing was given."""
    found = tuple(part.strip() for part in text.split(",")) if text is not None else ()
    if len(set(found)) < len(found) or not set(found) <= set(_NAMES):
        raise click.BadParameter(f"write {', '.join(_NAMES)} or both, each once")
    return found


def _percentages(_ctx: click.Context, _option: click.Parameter, text: str) -> tuple[float, ...]:
    """Read ``10,30,50``: parts of a range in per cent, as fractions in rising order."""
    try:
        parts = sorted(float(part) / 100 for part in text.split(","))
    except ValueError:
        parts = []
    if not parts or parts[0] <= 0 or parts[-1] > 1 or len(set(parts)) < len(parts):
        raise click.BadParameter("write per cent of the range, each once, such as 10,30,50,70,90")
    return tuple(parts)


def _country(_ctx: click.Context, _option: click.Parameter, text: str) -> str:
    """Read two letters, none where nothing was given."""
    code = text.strip().upper()
    if code and not re.fullmatch("[A-Z]{2}", code):
        raise click.BadParameter("write the two letters of ISO 3166-1, such as DE")
    return code


_FILE = click.Path(path_type=Path)


@click.command(short_help="Calibrate a meter against a reference, or check it.")
@click.option("--instrument", metavar="ID[@RESOURCE]", help="The meter that is calibrated.")
@click.option(
    "--reference", "references", multiple=True, metavar="ID[@RESOURCE]",
    help="What it is compared with; a second one for volts beside amperes.",
)  # fmt: skip
@click.option(
    "--reference-certificate", "certificates", multiple=True, type=_FILE, metavar="FILE",
    help="The reference's certificate, .toml or a laboratory's DCC (.xml).",
)  # fmt: skip
@click.option("--load", metavar="ID[@RESOURCE]", help="The load; without, resistors by hand.")
@click.option("--supply", metavar="ID[@RESOURCE]|5V", help="The supply, or what a fixed one gives.")
@click.option("--bench", metavar="NAME", help="Where the resources are; by default all benches.")
@click.option("--serial", metavar="TEXT", help="The serial number on a meter that tells none.")
@click.option("--emulate", is_flag=True, help="Emulate every instrument: nothing to plug in.")
@click.option("--seed", type=int, default=0, show_default=True, help="Fixes the emulated world.")
@click.option("--fault", "faults", multiple=True, metavar="F@Ts", help="unplug@12s, load:...")
@click.option(
    "--quantity", "quantities", metavar="Q[,Q]", callback=_quantities,
    help="current, voltage, or both; by default what the meter streams.",
)  # fmt: skip
@click.option(
    "--range", "ranges", multiple=True, type=click.FloatRange(0, min_open=True), metavar="F",
    help="Only the ranges of these full scales.",
)  # fmt: skip
@click.option(
    "--points", default="2,10,30,50,70,90", show_default=True, metavar="P,P", callback=_percentages,
    help="Levels in per cent of the range.",
)  # fmt: skip
@click.option(
    "--readings", type=click.IntRange(4), default=10, show_default=True, metavar="N",
    help="Readings of the slower meter at each point.",
)  # fmt: skip
@click.option(
    "--steps", type=click.IntRange(0), default=20, show_default=True, metavar="N",
    help="Steps of the load that show the meter's latency; 0 for none.",
)  # fmt: skip
@click.option("--operator", metavar="NAME", help="Who calibrates.")
@click.option("--laboratory", default="", metavar="NAME", help="Who issues the certificate.")
@click.option("--place", default="", metavar="TEXT", help="Where the laboratory is.")
@click.option(
    "--country", default="", metavar="CC", callback=_country,
    help="The laboratory's country by its two letters, such as DE.",
)  # fmt: skip
@click.option("--customer", default="", metavar="NAME", help="Whose meter it is, if not its own.")
@click.option("--condition", default="", metavar="TEXT", help="The state in which the meter came.")
@click.option("--temperature", metavar="T±U", help="Degrees Celsius around the meter.")
@click.option("--humidity", type=click.FloatRange(0, 100), metavar="P", help="Relative, in %.")
@click.option("--cable-set", metavar="NAME", help="The leads between meter and board.")
@click.option("--cable-ohm", metavar="R±U", help="Their loop resistance, if it is known.")
@click.option(
    "--least-voltage", type=click.FloatRange(0), default=0.0, metavar="V",
    help="The volts from which a meter works that lives on what it measures.",
)  # fmt: skip
@click.option("--due", metavar="DATE", help="When it is due again; by default after a year.")
@click.option("--certificate", type=_FILE, metavar="FILE.pdf", help="Write the certificate.")
@click.option("--dcc", type=_FILE, metavar="FILE.xml", help="Write the digital certificate (DCC).")
@click.option("--resume", is_flag=True, help="Go on with the calibration that was begun.")
@click.option("--restart", is_flag=True, help="Give it up and begin anew.")
@click.option("--check", is_flag=True, help="Check one known load against the last calibration.")
@click.option("--list", "listed", is_flag=True, help="List the lab's calibrations.")
@click.option("--show", metavar="CERTIFICATE", help="Show one; with --certificate, write it again.")
@lang_option
@lab_option
@json_option
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(  # noqa: PLR0917 - click passes by name
    instrument: str | None,
    certificate: Path | None,
    dcc: Path | None,
    show: str | None,
    lang: str,
    lab: Path | None,
    *,
    as_json: bool,
    check: bool,
    listed: bool,
    **options: Any,
) -> None:
    """Calibrate a meter: points up and down each range against a reference, fitted and kept.

    Every point is kept at once; an interrupted calibration goes on with --resume. The record
    goes to the lab's calibrations/, and measurements with this meter use it from then on.
    --check compares one known load with it; --list and --show look at what is there. Exit code
    6 says that the calibration or the check is not valid.
    """
    # Imported here, since `powerlab calibrate --help` need not wait for numpy and pydantic.
    from powerlab.cli import _calibration_verbs as verbs  # noqa: PLC0415

    options.pop("quiet")
    papers = verbs.Papers(certificate, dcc, lang)
    if listed or show is not None:
        verbs.look(lab, show, papers, as_json=as_json)
        return
    if instrument is None:
        raise click.UsageError(
            "Missing option '--instrument'. (--list shows the calibrations that there are.)"
        )
    verbs.act(instrument, lab, papers, options, as_json=as_json, check=check, quiet=is_quiet())
