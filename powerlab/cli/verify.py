"""``powerlab verify``: a run or a report recomputed from its own data."""

from __future__ import annotations

from pathlib import Path

import click

from powerlab.cli._options import json_option, lab_option
from powerlab.errors import InvalidMeasurement


@click.command(short_help="Recompute a run or a report from its own data.")
@click.argument("path", metavar="PATH")
@click.option(
    "--run",
    default="",
    metavar="RUN",
    help="The run of a report whose readings were too many to attach.",
)
@click.option(
    "--signers",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="An allowed-signers file (ssh-keygen); one of them must have signed.",
)
@click.option(
    "--sign",
    "key",
    type=click.Path(path_type=Path),
    metavar="KEY",
    help="Sign what agrees with this private key, as ssh-keygen -Y sign does.",
)
@lab_option
@json_option
def command(  # noqa: PLR0917
    path: str,
    run: str,
    signers: Path | None,
    key: Path | None,
    lab: Path | None,
    as_json: bool,  # noqa: FBT001 - click passes flags by name
) -> int:
    """Recompute PATH, a report or a run, from its own data, and list what differs.

    A run folder is checked by the hashes of its manifest, and its result concluded anew from
    its capture. A report is checked as the run, or the runs and the plan, that it attaches, and
    then written anew and compared. --lab is that of a report whose look a lab changed.

    Exit code 6 says that something differs or that nothing could be recomputed. That all
    agrees shows that the figures follow from the data, not whose data they are: only a
    signature tells that.
    """
    from powerlab.cli._output import print_json  # noqa: PLC0415
    from powerlab.cli._verify import verified, with_signature  # noqa: PLC0415
    from powerlab.cli._verify_text import verification_document, verification_text  # noqa: PLC0415

    place, found = verified(path, run, lab)
    found, signature = with_signature(found, place, signers, key)
    if as_json:
        print_json(verification_document(place, found, signature))
    else:
        click.echo(verification_text(place, found, signature))
    return 0 if found.outcome == "agrees" else InvalidMeasurement.exit_code
