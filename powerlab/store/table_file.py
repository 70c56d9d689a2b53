"""Rows written as a table that other programs open: CSV, Parquet, Markdown, XLSX."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from powerlab.errors import ConfigError, SetupError
from powerlab.store.manifest import write_atomically

Rows = Sequence[Mapping[str, Any]]
"""Every row has the same keys; values are text, numbers, Decimal, bool or None."""


def write_table(path: Path, rows: Rows) -> None:
    """Write rows in the format that the file's suffix names; the same rows, the same bytes.

    CSV and Markdown hold decimals as they are, Parquet and XLSX too but for XLSX's own numbers,
    which are floats. Raises ConfigError for another suffix, SetupError where the package for
    XLSX is missing, OSError.
    """
    write = writer_of(path)
    write_atomically(path, lambda temporary: write(temporary, rows))


def writer_of(path: Path) -> Callable[[Path, Rows], None]:
    """Get what writes a file of this suffix; raises as ``write_table`` does."""
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise ConfigError(
            f"{path} is no table that can be written",
            hint=f"end its name in one of {', '.join(_WRITERS)}",
        )
    if write is _xlsx:
        _xlsxwriter()
    return write


def markdown(rows: Rows) -> str:
    """Get rows as a Markdown table."""
    names = list(rows[0])
    lines = [names, ["---"] * len(names)]
    lines += [[_cell(row[name]) for name in names] for row in rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def turned(rows: Rows, heads: str) -> list[dict[str, Any]]:
    """Get a table with one column per row of another, named by its ``heads``."""
    return [
        {heads: name, **{str(row[heads]): row[name] for row in rows}}
        for name in rows[0]
        if name != heads
    ]


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def _csv(path: Path, rows: Rows) -> None:
    import pandas as pd  # noqa: PLC0415  a second to import

    pd.DataFrame(list(rows)).to_csv(path, index=False, lineterminator="\n")


def _parquet(path: Path, rows: Rows) -> None:
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    parquet.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)


def _markdown(path: Path, rows: Rows) -> None:
    path.write_text(markdown(rows), encoding="utf-8")


def _xlsx(path: Path, rows: Rows) -> None:
    book = _xlsxwriter().Workbook(str(path))
    # a date of making of its own would make every file another one
    book.set_properties({"created": datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)})
    sheet, bold = book.add_worksheet("powerlab"), book.add_format({"bold": True})
    for column, name in enumerate(rows[0]):
        sheet.write_string(0, column, name, bold)
        sheet.set_column(column, column, max(len(name), 10))
        for line, row in enumerate(rows, 1):
            _write_cell(sheet, line, column, row[name])
    sheet.freeze_panes(1, 1)
    book.close()


def _write_cell(sheet: Any, line: int, column: int, value: object) -> None:
    if isinstance(value, bool):
        sheet.write_boolean(line, column, value)
    elif isinstance(value, int | float | Decimal) and math.isfinite(value):
        sheet.write_number(line, column, float(value))
    elif value is not None:
        # never as a formula or a link, whatever a text begins with
        sheet.write_string(line, column, str(value))


def _xlsxwriter() -> Any:
    try:
        return importlib.import_module("xlsxwriter")
    except ImportError as error:
        raise SetupError(
            "XLSX needs the package XlsxWriter, which is not installed",
            hint="install it with pip, or write .csv, which spreadsheets open as well",
        ) from error


_WRITERS: dict[str, Callable[[Path, Rows], None]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".md": _markdown,
    ".xlsx": _xlsx,
}
