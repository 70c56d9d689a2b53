"""``powerlab doctor``: what this computer needs, and how to mend what is missing."""

from __future__ import annotations

from pathlib import Path

import click

from powerlab.cli._options import json_option, lab_option

EXIT_CODE = 3


@click.command(short_help="Check what this computer needs.")
@lab_option
@json_option
def command(lab: Path | None, as_json: bool) -> int:  # noqa: FBT001 - click passes flags by name
    """Check Python, packages, ssh, Pango, fonts, runtimes, permissions, meters and disk space.

    Exit code 3 says that something needed is missing; what is only useful does not count.
    """
    from powerlab.cli._checks import all_checks  # noqa: PLC0415
    from powerlab.cli._output import print_json, print_table  # noqa: PLC0415
    from powerlab.store.archive import run_root  # noqa: PLC0415

    checks = all_checks(run_root(lab), lab)
    if as_json:
        found = [
            {
                "name": check.name,
                "state": check.state,
                "found": check.found,
                "advice": check.advice,
            }
            for check in checks
        ]
        print_json({"schema": "powerlab.doctor/1", "checks": found})
    else:
        print_table(
            [{"": check.state, "check": check.name, "found": check.found} for check in checks],
            empty="",
        )
        advised = [check for check in checks if check.advice]
        if advised:
            click.echo()
        for check in advised:
            click.echo(f"{check.name}: {check.advice}")
    return EXIT_CODE if any(check.state == "missing" for check in checks) else 0
