"""Writing a bench into a lab's powerlab.toml, keeping what people wrote there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from powerlab.catalog.bench_profile import Bench
from powerlab.catalog.layers import LAB_FILE, read_lab_file
from powerlab.catalog.reading import SCHEMA
from powerlab.errors import ConfigError, ProfileError

if TYPE_CHECKING:
    from tomlkit.items import Table


def write_bench(lab_dir: Path, name: str, bench: Bench) -> Path:
    """Add ``[bench.NAME]`` to the lab's powerlab.toml and get that file's path.

    The file is made where there is none; of an existing one every byte stays, the bench is
    added at its end. It is replaced in one step, and only by a content that loads again.
    Raises ConfigError if a bench of that name exists or the directory cannot be written to,
    ProfileError if the existing file or the name is malformed.
    """
    path = lab_dir / LAB_FILE
    before = _existing_text(path, name)
    lines = _bench_text(name, bench)
    if before is None:
        text = f"# The benches of this lab.\nschema = {SCHEMA}\n\n{lines}"
    else:
        end = "\r\n" if "\r\n" in before else "\n"
        kept = before.rstrip("\r\n")
        text = kept + end * 2 + lines.replace("\n", end)
    _replace(path, text)
    return path


def _existing_text(path: Path, name: str) -> str | None:
    """Get the text of a lab file that loads and has no such bench, None where there is none."""
    if not path.exists():
        return None
    content, problems = read_lab_file(path)
    if problems:
        raise ProfileError(problems, hint="correct the file, then add the bench")
    if content is not None and name in content.bench:
        raise ConfigError(
            f"{path} has a bench {name!r} already",
            hint="choose another name, or edit or remove that bench in the file",
        )
    # newline="" keeps the line ends of a file that was written elsewhere
    with path.open(encoding="utf-8", newline="") as file:
        return file.read()


def _bench_text(name: str, bench: Bench) -> str:
    """Get ``[bench.NAME]`` and its tables as TOML."""
    import tomlkit  # noqa: PLC0415  25 ms, only `bench init` writes

    meters = tomlkit.aot()
    for meter in bench.meter:
        meters.append(_table(meter.model_dump()))
    table = _table(bench.model_dump(exclude={"meter", "supply"}))
    table.add("meter", meters)
    if bench.supply is not None:
        table.add("supply", _table(bench.supply.model_dump()))
    benches = tomlkit.table(is_super_table=True)
    benches.add(name, table)
    document = tomlkit.document()
    document.add("bench", benches)
    return document.as_string()


def _table(values: Mapping[str, object]) -> Table:
    """Get a TOML table of plain values; what is empty is left out."""
    import tomlkit  # noqa: PLC0415

    table = tomlkit.table()
    for key, value in values.items():
        if value not in ("", None):
            table.add(key, list(value) if isinstance(value, tuple) else value)
    return table


def _replace(path: Path, text: str) -> None:
    """Write ``text`` beside the file, check that it loads, and put it in the file's place."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".powerlab-", suffix=".toml", dir=path.parent)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror or error}",
            hint="choose a lab directory that you may write to with --lab DIR",
        ) from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        _, problems = read_lab_file(temporary)
        if problems:
            named = [type(each)(str(path), each.key, each.message) for each in problems]
            raise ProfileError(
                named,
                hint="nothing was written; the file must hold its benches as [bench.NAME] tables",
            )
        temporary.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
