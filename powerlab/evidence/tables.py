"""Tables of readings: columns with their units, read in pieces, joined to power over time.

A unit is taken from a column's own name, ``Current (mA)`` or ``voltage_V``, or from a mapping;
a column whose unit nothing states is refused, never guessed.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from powerlab.evidence.files import damaged, head
from powerlab.evidence.held import Held
from powerlab.records import FloatArray, Int64Array, freeze_arrays

CHUNK_ROWS = 1 << 19
MOST_TABLE_BYTES = 8 << 30

LINE_BYTES = 1 << 20
"""A line beyond this is of no logger; the parser would hold all of it."""

_PREFIX = {"": 1.0, "n": 1e-9, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "m": 1e-3, "k": 1e3}
_UNITS = {"s": "time", "v": "voltage", "a": "current", "w": "power", "j": "energy", "ws": "energy"}
_UNIT = re.compile(r"^([nuµμmk]?)(Ws|ws|[sSvVaAwWjJ])$")
_NAMED = re.compile(r"^(?P<name>.*?)[\s_]*[\[(]\s*(?P<unit>[^\])]*?)\s*[\])]\s*$")
_SUFFIX = re.compile(r"^(?P<name>.+)_(?P<unit>[nuµmk]?(?:Ws|[sVAWJ]))$")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its place, its name without the unit, what it is, and to SI times."""

    index: int
    name: str
    role: str
    scale: float


@dataclass(frozen=True, slots=True)
class Header:
    """The names of a table and where it begins; ``lines`` are to be skipped before the rows."""

    names: tuple[str, ...]
    separator: str
    lines: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Chosen columns of a table, float64 ``(rows,)`` each, in the order asked for.

    ``averaged`` is how many rows of the table each stands for.
    """

    values: tuple[FloatArray, ...]
    averaged: int = 1

    def __post_init__(self) -> None:
        for each in self.values:
            each.flags.writeable = False

    @property
    def assumed(self) -> tuple[str, ...]:
        """Get what a long table makes the reader do, for the audit to say."""
        if self.averaged == 1:
            return ()
        return (f"{self.averaged} rows are averaged into one, to hold the table in memory",)


def parse_column(index: int, text: str) -> Column:
    """Get what a column is by the unit in its name; role "" where it states none."""
    text = text.strip().strip('"').strip()
    match = _NAMED.match(text) or _SUFFIX.match(text)
    if match is None:
        return Column(index, text.lower(), "", 1.0)
    unit = _UNIT.match(match["unit"].strip())
    if unit is None:
        return Column(index, text.lower(), "", 1.0)
    role = _UNITS[unit[2].lower()]
    # a capital S is siemens, but loggers write Time(S)
    return Column(index, match["name"].strip().lower(), role, _PREFIX[unit[1]])


def header_of(path: Path) -> Header | None:
    """Get the names of a table: its first line that is no comment; None where it has none."""
    for number, raw in enumerate(head(path).split(b"\n"), start=1):
        try:
            line = raw.decode("utf-8").strip()
        except UnicodeDecodeError:
            return None
        if not line or line.startswith(("#=", "# ", "//")):
            continue
        line = line.removeprefix("#")
        separator = next((each for each in ("\t", ";", ",") if each in line), " ")
        names = tuple(
            name.strip().strip('"')
            for name in (line.split() if separator == " " else line.split(separator))
        )
        return Header(names, separator, number)
    return None


def read_rows(
    path: Path,
    header: Header,
    wanted: list[int],
    *,
    last: tuple[int, ...] = (0,),
    product: tuple[int, int] | None = None,
) -> Rows:
    """Read columns by their places, in pieces. Raises ConfigError naming the line.

    ``product`` names two of them, volts and amperes, whose product is added as a further one
    before anything is averaged. Of rows averaged the columns ``last`` (times, counters, levels)
    keep their last value. Both are positions in ``wanted``.
    """
    import pandas as pd  # noqa: PLC0415  a second to import

    if path.stat().st_size > MOST_TABLE_BYTES:
        raise damaged(path, f"is longer than the {MOST_TABLE_BYTES >> 30} GB that are read")
    _check_lines(path)
    order = sorted(set(wanted))
    held = Held(tuple(order.index(each) for each in wanted), last, product)
    try:
        with pd.read_csv(
            path,
            sep=r"\s+" if header.separator == " " else header.separator,
            header=None,
            skiprows=header.lines,
            usecols=order,
            chunksize=CHUNK_ROWS,
            skip_blank_lines=True,
            comment="#",
            low_memory=True,
            encoding_errors="strict",
            encoding=_encoding(path),
        ) as chunks:
            for chunk in chunks:
                held.add(chunk[order].to_numpy(dtype=np.float64))
    except (
        *(ArithmeticError, ValueError, TypeError),
        *(pd.errors.ParserError, pd.errors.EmptyDataError),
    ) as error:
        raise _bad_row(path, header, order, error) from error
    except OSError as error:
        raise damaged(path, f"cannot be read: {error.strerror}") from error
    if not held.pieces:
        raise damaged(path, "holds names of columns and no rows")
    table = np.concatenate(held.pieces)
    return Rows(tuple(column.copy() for column in table.T), 1 << held.halvings)


def _check_lines(path: Path) -> None:
    """Raise ConfigError for a line so long that a parser would hold it all."""
    line, since = 1, 0
    with path.open("rb") as file:
        while block := file.read(LINE_BYTES):
            first = block.find(b"\n")
            if since + (len(block) if first < 0 else first) > LINE_BYTES:
                raise damaged(path, f"is longer than the {LINE_BYTES} bytes of a line", line=line)
            line += block.count(b"\n")
            since = since + len(block) if first < 0 else len(block) - block.rfind(b"\n") - 1


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        mark = file.read(2)
    return "utf-16" if mark in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _bad_row(path: Path, header: Header, wanted: list[int], error: Exception) -> Exception:
    """Get the error that names the first row which cannot be read."""
    with path.open("rb") as file:
        for line_number, raw in enumerate(file, start=1):
            if line_number <= header.lines or not raw.strip() or raw.startswith(b"#"):
                continue
            try:
                line = raw.decode("utf-8")
            except UnicodeDecodeError:
                return damaged(path, "is not UTF-8 text", line=line_number)
            what = _wrong_field(line, header, wanted)
            if what:
                return damaged(path, what, line=line_number)
    return damaged(path, f"cannot be read as a table: {str(error).splitlines()[0][:120]}")


def _wrong_field(line: str, header: Header, wanted: list[int]) -> str:
    """Say which field of a row is no number that can be held, "" where each is one."""
    fields = line.split() if header.separator == " " else line.split(header.separator)
    for place in wanted:
        text = fields[place].strip().strip('"') if place < len(fields) else ""
        try:
            value = float(text or "nan")
        except ValueError:
            return f"{header.names[place]} is {text[:40]!r}, not a number"
        if math.isinf(value) and "inf" not in text.lower():
            return f"{header.names[place]} is {text[:40]!r}, too large a number"
    return ""


def seconds_ns(seconds: FloatArray, scale: float = 1.0) -> Int64Array:
    """Get times as whole nanoseconds; NaN stands at the smallest int64, to be left out."""
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.asarray(seconds, dtype=np.float64) * (scale * 1e9)
    bad = ~np.isfinite(scaled) | (np.abs(scaled) > 9e18)
    whole = np.rint(np.where(bad, 0.0, scaled)).astype(np.int64)
    whole[bad] = np.iinfo(np.int64).min
    return whole


@dataclass(frozen=True, slots=True)
class Power:
    """Readings of a table as power: int64 ``stamp_ns``, float64 ``power_w``, ``(n,)`` each."""

    stamp_ns: Int64Array
    power_w: FloatArray

    def __post_init__(self) -> None:
        freeze_arrays(self)


def counter_power(stamp_ns: Int64Array, energy_j: FloatArray) -> tuple[Power, int]:
    """Get the mean power between readings of a counter, and how often it fell back.

    A step back is a wrap or a reset: its interval has no power (NaN), since how far the counter
    ran is not known.
    """
    step_s = np.diff(stamp_ns) / 1e9
    with np.errstate(invalid="ignore", divide="ignore"):
        power_w = np.diff(energy_j) / step_s
    fell = power_w < 0
    power_w[fell | ~np.isfinite(power_w)] = math.nan
    return Power(stamp_ns[1:].copy(), power_w), int(np.count_nonzero(fell))
