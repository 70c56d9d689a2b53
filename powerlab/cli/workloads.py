"""``powerlab workloads``: the models that can be measured, and the protocol presets."""

from __future__ import annotations

from pathlib import Path

import click

from powerlab.cli._options import json_option, lab_option


@click.group(short_help="List, show and build models.")
def command() -> None:
    """List, show and build workloads; the list has the protocol presets as well."""


@command.command("list")
@lab_option
@json_option
def list_(lab: Path | None, as_json: bool) -> None:  # noqa: FBT001 - click passes flags by name
    """List all workloads and protocol presets."""
    from powerlab.catalog.layers import load_catalog  # noqa: PLC0415
    from powerlab.cli._output import print_json, print_table  # noqa: PLC0415

    catalog = load_catalog(lab)
    workloads, protocols = catalog.workloads.values(), catalog.protocols.values()
    if as_json:
        print_json(
            {
                "schema": "powerlab.workloads/1",
                "workloads": [item.model_dump(mode="json", by_alias=True) for item in workloads],
                "protocols": [item.model_dump(mode="json", by_alias=True) for item in protocols],
            }
        )
        return
    print_table(
        [
            {
                "workload": item.id,
                "name": item.name,
                "precision": item.precision,
                "parameters": f"{item.parameters:,}",
                "MACs": f"{item.macs:,}",
                "runtimes": ", ".join(item.formats),
            }
            for item in workloads
        ],
        empty="The catalogue has no workloads.",
    )
    click.echo()
    print_table(
        [
            {
                "protocol": item.id,
                "name": item.name,
                "runs": item.runs,
                "each": f"{item.run_s:g} s",
                "idle": f"2 x {item.idle_s:g} s",
                "summary": item.summary,
            }
            for item in protocols
        ],
        empty="The catalogue has no protocol presets.",
    )


@command.command()
@click.argument("workload")
@lab_option
@json_option
def show(workload: str, lab: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Show what the catalogue says of WORKLOAD."""
    from powerlab.catalog.layers import load_catalog  # noqa: PLC0415
    from powerlab.cli._output import print_facts, print_json  # noqa: PLC0415
    from powerlab.cli._profile_text import facts_of  # noqa: PLC0415

    catalog = load_catalog(lab)
    profile = catalog.workload(workload).model_dump(mode="json", by_alias=True)
    if as_json:
        print_json(profile)
    else:
        print_facts({**facts_of(profile), "file": catalog.origin("workload", workload)})


@command.command()
@click.argument("workloads", nargs=-1)
@lab_option
@json_option
def build(workloads: tuple[str, ...], lab: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Build the files of WORKLOADS (all by default) into the cache; no download."""
    from powerlab.catalog.layers import load_catalog  # noqa: PLC0415
    from powerlab.cli._options import is_quiet  # noqa: PLC0415
    from powerlab.cli._output import print_json  # noqa: PLC0415
    from powerlab.cli._progress import open_view  # noqa: PLC0415
    from powerlab.recipes import build_workload, cache_dir  # noqa: PLC0415

    catalog, view = load_catalog(lab), open_view(quiet=is_quiet())
    profiles = [catalog.workload(name) for name in workloads or catalog.workloads]
    built: dict[str, list[str]] = {}
    for profile in profiles:
        for kind in sorted(set(profile.formats.values())):
            view.note(f"building {profile.id} as {kind}")
            files = build_workload(profile, kind, cache_dir())
            built.setdefault(profile.id, []).extend(map(str, files.values()))
    if as_json:
        print_json({"schema": "powerlab.built/1", "files": built})
        return
    for files_of_one in built.values():
        for path in files_of_one:
            click.echo(path)
