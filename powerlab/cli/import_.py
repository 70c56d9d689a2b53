"""``powerlab import``: other tools' evidence made into runs of the lab."""

from __future__ import annotations

from pathlib import Path

import click

from powerlab.cli._options import json_option, lab_option


@click.command("import", short_help="Make runs of other tools' evidence.")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--format", "form", metavar="FORMAT", help="The format of PATH.")
@click.option(
    "--mapping",
    type=click.Path(path_type=Path),
    metavar="FILE.toml",
    help="What the columns of a table are (format csv).",
)
@click.option("--device", default="", metavar="ID", help="The device's name in this lab.")
@click.option("--workload", default="", metavar="ID", help="The workload's name in this lab.")
@click.option("--runtime", default="", metavar="ID", help="The runtime's name in this lab.")
@lab_option
@json_option
def command(  # noqa: PLR0917
    path: Path,
    form: str | None,
    mapping: Path | None,
    device: str,
    workload: str,
    runtime: str,
    lab: Path | None,
    as_json: bool,  # noqa: FBT001 - click passes flags by name
) -> None:
    """Make runs, labelled imported, of the evidence at PATH and of all that is below it.

    They can be listed, compared and named in a procurement like measured ones. The originals
    stay where they are and their hashes are kept; evidence that was imported before is not
    imported again.
    """
    from powerlab.cli._audit_text import check_audits, check_read  # noqa: PLC0415
    from powerlab.cli._output import check_run_root, print_json  # noqa: PLC0415
    from powerlab.errors import ConfigError  # noqa: PLC0415
    from powerlab.evidence.audit import audit  # noqa: PLC0415
    from powerlab.evidence.importing import Names, import_evidence  # noqa: PLC0415
    from powerlab.store.archive import run_root  # noqa: PLC0415

    read = audit(path, form, mapping)
    root = run_root(lab)
    check_run_root(root)
    names = Names(device, workload, runtime)
    done, failed = [], list(read.failed)
    for each in read.audits:
        try:
            done.append((each, import_evidence(each, root, names)))
        except ConfigError as error:
            failed.append(error)
    if as_json:
        print_json(
            {
                "schema": "powerlab.import/1",
                "runs": [
                    {
                        "run": made.folder.name,
                        "folder": str(made.folder),
                        "format": each.evidence.format,
                        "path": str(each.evidence.path),
                        "valid": each.valid,
                        "known": made.known,
                    }
                    for each, made in done
                ],
            }
        )
    else:
        for each, made in done:
            known = " (imported before)" if made.known else ""
            click.echo(f"{made.folder.name}  {each.evidence.title}{known}")
    check_read(failed)
    check_audits([each for each, _ in done])
