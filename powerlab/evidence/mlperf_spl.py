"""Logs of SPEC PTDaemon: ``Time,MM-DD-YYYY HH:MM:SS.mmm,Watts,…,Volts,…,Amps,…,PF,…,Mark,…``.

A line that joins several analysers holds their sum first, and then ``Analyzer1,Time,…`` for
each, with a stamp of its own. NOTICE and ERROR lines between the samples are counted.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from powerlab.errors import ConfigError
from powerlab.evidence.files import damaged, read_bytes
from powerlab.records import FloatArray, Int64Array, freeze_arrays
from powerlab.units import NS_PER_S

STAMP_BYTES = 23
"""``MM-DD-YYYY HH:MM:SS.mmm``."""

_LINE, _WATTS, _FACTOR = b"Time,", b",Watts,", b",PF,"
_ANALYSER = b",Analyzer"
_STAMP = slice(len(_LINE), len(_LINE) + STAMP_BYTES)
_TITLE = slice(_STAMP.stop, _STAMP.stop + len(_WATTS))
_DIGITS = np.array([0, 1, 3, 4, 6, 7, 8, 9, 11, 12, 14, 15, 17, 18, 20, 21, 22])
_MARKS = ((2, "-"), (5, "-"), (10, " "), (13, ":"), (16, ":"), (19, "."))


@dataclass(frozen=True, slots=True)
class SplLog:
    """The samples of one analyser, or the sum that the logger made of several.

    ``stamp_ns`` is the text of the clock taken as UTC, int64 ``(n,)``; ``watts`` as written,
    float64 ``(n,)``, sentinels and nan included; ``power_factor`` likewise, nan where there is
    none. ``notices`` counts lines that are no samples. ``parts`` are the analysers of a sum.
    """

    name: str
    path: Path
    stamp_ns: Int64Array
    watts: FloatArray
    power_factor: FloatArray
    notices: int = 0
    parts: tuple[SplLog, ...] = field(default=())

    def __post_init__(self) -> None:
        freeze_arrays(self)


def read_spl(path: Path) -> SplLog:
    """Read one log. Raises ConfigError, naming the line, for a sample that cannot be read."""
    content = read_bytes(path)
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        content = content.decode("utf-16", "replace").encode()
    lines = content.split(b"\n")
    samples = [line for line in lines if line.startswith(_LINE)]
    if not samples:
        raise damaged(path, "holds no sample of PTDaemon (a line that begins with Time,)")
    try:
        log = _log(path.stem, path, samples)
        parts = _parts(path, samples) if _ANALYSER in content else ()
    except ValueError as error:
        raise _first_bad(path, lines) from error
    notices = sum(1 for line in lines if line.strip()) - len(samples)
    return SplLog(log.name, path, log.stamp_ns, log.watts, log.power_factor, notices, parts)


def _parts(path: Path, samples: list[bytes]) -> tuple[SplLog, ...]:
    """Read what joined lines hold of each analyser. Raises ValueError."""
    found: dict[str, list[bytes]] = {}
    for line in samples:
        for part in line.split(_ANALYSER)[1:]:
            name, _, rest = part.partition(b",")
            found.setdefault(f"analyser {name.decode('ascii', 'replace')}", []).append(rest)
    return tuple(_log(name, path, part) for name, part in found.items())


def _log(name: str, path: Path, samples: list[bytes]) -> SplLog:
    """Read samples of one analyser. Raises ValueError for one that is none.

    Stamp and title stand at fixed places, so slices find them; only what follows varies.
    """
    if any(line[_TITLE] != _WATTS for line in samples):
        raise ValueError("a sample does not have its watts after its stamp")
    first = _TITLE.stop
    # float() reads every spelling of a number exactly, nan included
    watts = np.array([float(line[first:].partition(b",")[0]) for line in samples])
    told = [line.partition(_FACTOR)[2].partition(b",")[0] for line in samples]
    factors = np.array([float(each or b"nan") for each in told])
    return SplLog(name, path, stamps_ns([line[_STAMP] for line in samples]), watts, factors)


def _first_bad(path: Path, lines: list[bytes]) -> ConfigError:
    """Get the error for the first sample that cannot be read."""
    for number, line in enumerate(lines, start=1):
        if line.startswith(_LINE):
            try:
                _log("", path, [line])
                _parts(path, [line])
            except ValueError:
                text = line[:60].decode("utf-8", "replace")
                return damaged(path, f"is no sample of PTDaemon: {text!r}", line=number)
    return damaged(path, "cannot be read")


def stamps_ns(texts: Sequence[bytes]) -> Int64Array:
    """Get clock texts as nanoseconds since 1970 as if they were UTC, int64 ``(n,)``.

    All digits are converted at once; a month, day, hour, minute or second that no clock shows
    raises ValueError, as does another form.
    """
    if not texts:
        return np.empty(0, dtype=np.int64)
    if set(map(len, texts)) - {STAMP_BYTES}:
        raise ValueError("a stamp is not MM-DD-YYYY HH:MM:SS.mmm")
    # one row per place in the text, so that every step runs along memory
    table = np.frombuffer(b"".join(texts), dtype=np.uint8).reshape(-1, STAMP_BYTES).T.copy()
    if any((table[at] != ord(mark)).any() for at, mark in _MARKS):
        raise ValueError("a stamp is not MM-DD-YYYY HH:MM:SS.mmm")
    digits = table[_DIGITS] - np.uint8(ord("0"))  # what is below "0" becomes large
    if digits.size and digits.max() > 9:
        raise ValueError("a stamp holds something else than digits")
    month, day, hour, minute, second = (_number(digits[i : i + 2]) for i in (0, 2, 8, 10, 12))
    year, millisecond = _number(digits[4:8]), _number(digits[14:17])
    if (hour > 23).any() or (minute > 59).any() or (second > 60).any():
        raise ValueError("a stamp holds a time that no clock shows")
    code = year * 10_000 + month * 100 + day
    days, which = np.unique(code, return_inverse=True)
    midnight = np.array([_midnight_s(int(each)) for each in days], dtype=np.int64)
    seconds = midnight[which] + (hour * 3600 + minute * 60 + second).astype(np.int64)
    return np.asarray(seconds * NS_PER_S + millisecond.astype(np.int64) * 1_000_000)


def _number(digits: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Get the numbers that rows of digits spell, int32 ``(n,)``."""
    total = np.zeros(digits.shape[1], dtype=np.int32)
    for row in digits:
        total *= 10
        total += row
    return total


def stamp_ns(text: str) -> int:
    """Get one clock text as nanoseconds since 1970 as if it were UTC. Raises ValueError."""
    return int(stamps_ns([text.encode("utf-8")])[0])


def _midnight_s(code: int) -> int:
    year, rest = divmod(code, 10_000)
    month, day = divmod(rest, 100)
    if not (1 <= month <= 12 and year >= 1970 and 1 <= day <= calendar.monthrange(year, month)[1]):
        raise ValueError(f"there is no day {month:02d}-{day:02d}-{year}")
    return calendar.timegm((year, month, day, 0, 0, 0))
