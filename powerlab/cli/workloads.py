"""``powerlab workloads``: the models that can be measured, and the protocol presets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
@click.option("--device", metavar="DEVICE", help="Say how fast this board can be at most.")
@click.option("--runtime", default="", metavar="R", help="Of it: an accelerator's has its link.")
@click.option("--batch", default=1, type=click.IntRange(1), help="Inferences that share weights.")
@click.option("--layers", "with_layers", is_flag=True, help="List the layers of its file.")
@lab_option
@json_option
def show(  # noqa: PLR0917 - click passes them by name
    workload: str,
    device: str | None,
    runtime: str,
    batch: int,
    with_layers: bool,  # noqa: FBT001
    lab: Path | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Show what the catalogue says of WORKLOAD, and what is counted in its file."""
    from dataclasses import asdict  # noqa: PLC0415

    from powerlab.catalog.layers import load_catalog  # noqa: PLC0415
    from powerlab.cli import _workload_counts as words  # noqa: PLC0415
    from powerlab.cli._output import print_facts, print_json, print_table  # noqa: PLC0415
    from powerlab.cli._profile_text import facts_of  # noqa: PLC0415

    catalog = load_catalog(lab)
    profile = catalog.workload(workload)
    board = catalog.device(device) if device else None
    told = profile.model_dump(mode="json", by_alias=True)
    found, why_not = words.counted_or_why(profile)
    counts = words.counts(found, batch) if found else None
    bounds = (
        words.bounds(found, profile, board, batch=batch, runtime=runtime)
        if found and board
        else None
    )
    if as_json:
        layers = [asdict(layer) for layer in found.layers] if found and with_layers else None
        print_json({**told, "counted": counts, "bounds": bounds, "layers": layers})
        return
    facts = {**facts_of(told), "file": str(catalog.origin("workload", workload))}
    facts |= words.counts_in_words(counts) if counts else {"not counted": why_not}
    facts |= words.bounds_in_words(bounds) if bounds else {}
    facts |= words.accuracy_in_words(profile)
    print_facts(facts)
    if found and with_layers:
        click.echo()
        print_table(words.rows(found, batch), empty="The file has no layers.")


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
    from powerlab.recipes.counted import check_counts, counted  # noqa: PLC0415

    catalog, view = load_catalog(lab), open_view(quiet=is_quiet())
    profiles = [catalog.workload(name) for name in workloads or catalog.workloads]
    built: dict[str, list[str]] = {}
    for profile in profiles:
        for kind in sorted(set(profile.formats.values())):
            view.note(f"building {profile.id} as {kind}")
            files = build_workload(profile, kind, cache_dir())
            built.setdefault(profile.id, []).extend(map(str, files.values()))
        if profile.files and (found := counted(profile, cache_dir())):
            check_counts(profile, found)
    if as_json:
        print_json({"schema": "powerlab.built/1", "files": built})
        return
    for files_of_one in built.values():
        for path in files_of_one:
            click.echo(path)


@command.command()
@click.argument("workload")
@click.option("--bench", metavar="NAME", help="The set-up whose board it is.")
@click.option("--host", metavar="H", help="Without a bench: ssh alias, user@host[:port], local.")
@click.option("--python", metavar="WORDS", help="The board's interpreter, if not the bench's.")
@click.option("--runtime", metavar="R", help="Default: the workload's first.")
@click.option("--threads", default=1, type=click.IntRange(1), help="Of the runtime.")
@click.option(
    "--pictures",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="One folder for each class, named by its number. Without: generated ones.",
)
@click.option("--count", default=1000, type=click.IntRange(1), help="How many, at random.")
@click.option("--seed", default=1, type=click.IntRange(0), help="Which random sample.")
@click.option("--first-class", default=0, type=int, help="The class of the first output.")
@lab_option
@json_option
def accuracy(lab: Path | None, as_json: bool, **options: Any) -> None:  # noqa: FBT001
    """Count on a board what WORKLOAD recognises of labelled pictures; no meter is read."""
    from powerlab.catalog.layers import load_catalog  # noqa: PLC0415
    from powerlab.cli import _workload_accuracy as counting  # noqa: PLC0415
    from powerlab.cli._options import is_quiet  # noqa: PLC0415
    from powerlab.cli._output import print_facts, print_json  # noqa: PLC0415
    from powerlab.cli._progress import open_view  # noqa: PLC0415

    view = open_view(quiet=is_quiet())
    wanted = counting.AccuracyOptions(**options)
    document = counting.count_accuracy(load_catalog(lab), wanted, view.note)
    if as_json:
        print_json(document)
    else:
        print_facts(counting.in_words(document))
