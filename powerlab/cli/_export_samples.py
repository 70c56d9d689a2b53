"""The samples of one run for other programs."""

from __future__ import annotations

from pathlib import Path

from powerlab.cli._output import check_output_file
from powerlab.errors import ConfigError
from powerlab.evidence.exported import samples_of
from powerlab.evidence.exported_files import SUFFIXES, write_samples
from powerlab.store.archive import find_run, open_run


def export_samples(run: str, path: Path, form: str | None, root: Path) -> None:
    """Write the samples of a run. Raises ConfigError, SetupError."""
    named = SUFFIXES.get(path.suffix.lower())
    if form is None and named is None:
        raise ConfigError(f"{path} does not tell its format", hint="give --format")
    check_output_file(path, "--output")
    write_samples(path, samples_of(open_run(find_run(run, root))), form or str(named))
