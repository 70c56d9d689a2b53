"""``powerlab catalog``: profile files checked, and their JSON Schema."""

from __future__ import annotations

from pathlib import Path

import click

from powerlab.cli._options import json_option, lab_option

KINDS = ("instrument", "device", "workload", "protocol", "lab")


@click.group(short_help="Check profile files and print their JSON Schema.")
def command() -> None:
    """Check the files of the catalogue."""


@command.command()
@lab_option
@json_option
def lint(lab: Path | None, as_json: bool) -> None:  # noqa: FBT001 - click passes flags by name
    """Check every file of every layer: schema, sources, references, drivers, emulators.

    All problems come at once, each with its file and dotted key; exit code 2 with any.
    """
    from powerlab.catalog.layers import lab_layers, read_catalog  # noqa: PLC0415
    from powerlab.catalog.lint import lint as lint_layers  # noqa: PLC0415
    from powerlab.cli._output import print_json  # noqa: PLC0415
    from powerlab.cli._plugins import plugin_problems  # noqa: PLC0415
    from powerlab.errors import ProfileError  # noqa: PLC0415

    layers = lab_layers(lab)
    catalog, _ = read_catalog(layers)
    problems = [*lint_layers(layers), *plugin_problems(catalog)]
    if as_json:
        found = [{"path": each.path, "key": each.key, "message": each.message} for each in problems]
        print_json({"schema": "powerlab.lint/1", "problems": found})
    if problems:
        raise ProfileError(problems, hint="correct the files, then run this again")
    if not as_json:
        counts = {
            "instruments": catalog.instruments,
            "devices": catalog.devices,
            "workloads": catalog.workloads,
            "protocols": catalog.protocols,
            "benches": catalog.benches,
        }
        told = ", ".join(_counted(len(items), name) for name, items in counts.items())
        click.echo(f"no problem in {told}")


@command.command()
@click.argument("kind", type=click.Choice(KINDS))
def schema(kind: str) -> None:
    """Print the JSON Schema of one KIND of file, for editors that complete and check TOML."""
    from powerlab.catalog.schemas import profile_schemas  # noqa: PLC0415
    from powerlab.cli._output import print_json  # noqa: PLC0415

    print_json(profile_schemas()[kind])


def _counted(count: int, plural: str) -> str:
    """Get "1 protocol", "2 protocols", "2 benches"."""
    singular = plural.removesuffix("es") if plural == "benches" else plural.removesuffix("s")
    return f"{count} {singular if count == 1 else plural}"
