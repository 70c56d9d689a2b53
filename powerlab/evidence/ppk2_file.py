"""Nordic's ``.ppk2``: a zip of ``session.raw``, ``metadata.json`` and an overview for drawing.

``session.raw`` has six bytes per sample: microampere as float32, and 16 bits that hold a pair
for each of eight digital inputs (1 low, 2 high, 3 both within the sample), little endian.
Source: saveFileHandler.ts and bitConversion.ts of NordicSemiconductor/pc-nrfconnect-ppk.
Members are read as a stream under their known names; nothing is unpacked to disk.
"""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from powerlab.evidence.files import damaged, head
from powerlab.evidence.held import Held
from powerlab.records import FloatArray, freeze_arrays

SESSION, METADATA = "session.raw", "metadata.json"
SUFFIX = ".ppk2"

FRAME = np.dtype([("microampere", "<f4"), ("bits", "<u2")])
PIECE = FRAME.itemsize << 17
"""Bytes that are taken from the archive at once."""

MOST_BYTES = 8 << 30
MOST_METADATA = 1 << 20
MOST_MEMBERS = 64
NEWEST = 2
"""Of ``formatVersion``."""

HIGHEST_HZ = 1e6
LINES = 8
HIGH = 2

_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)


@dataclass(frozen=True, slots=True)
class Session:
    """A recording: amperes and digital inputs, float64 and uint16 ``(n,)``.

    ``averaged`` is how many samples each stands for, ``rate_hz`` that of the file;
    ``started_ms`` is the computer's epoch, NaN where it is not told.
    """

    ampere: FloatArray
    bits: np.ndarray
    rate_hz: float
    averaged: int
    started_ms: float

    def __post_init__(self) -> None:
        freeze_arrays(self)

    def level(self, line: int) -> np.ndarray:
        """Get whether a digital input was high all through each sample, bool ``(n,)``."""
        return np.asarray(((self.bits >> (2 * line)) & 3) == HIGH)


def is_archive(path: Path) -> bool:
    """Tell whether a file is a zip with a session in it; never raises."""
    if not head(path).startswith(b"PK\x03\x04"):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return SESSION in archive.namelist()
    except (*_DAMAGED, ValueError):
        return path.suffix.lower() == SUFFIX


def read_session(path: Path) -> Session:
    """Read a recording in pieces. Raises ConfigError for an archive damaged or too large."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(path, archive)
            told = _metadata(path, archive, members)
            held = _held(path, archive, members[SESSION])
    except _DAMAGED as error:
        why = str(error) or type(error).__name__
        raise damaged(path, f"is no archive that can be read: {why[:120]}") from error
    if not held.pieces:
        raise damaged(path, f"{SESSION} holds no samples")
    table = np.concatenate(held.pieces)
    rate = told.get("samplesPerSecond")
    if not _is_number(rate) or not 0 < rate <= HIGHEST_HZ:
        raise damaged(path, f"{METADATA}: samplesPerSecond is {rate!r}")
    started = told.get("startSystemTime")
    return Session(
        ampere=table[:, 0] * 1e-6,
        bits=table[:, 1].astype(np.uint16),
        rate_hz=float(rate),
        averaged=1 << held.halvings,
        started_ms=float(started) if _is_number(started) and 0 < started < 1e13 else math.nan,
    )


def _members(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Get the two members that are read; the names of others are of no interest."""
    entries = archive.infolist()
    if len(entries) > MOST_MEMBERS:
        raise damaged(path, f"holds {len(entries)} files, and a recording has three")
    found: dict[str, zipfile.ZipInfo] = {}
    for name, most in ((SESSION, MOST_BYTES), (METADATA, MOST_METADATA)):
        having = [each for each in entries if each.filename == name]
        if len(having) != 1:
            raise damaged(path, f"holds {len(having)} files named {name}, and must hold one")
        if having[0].flag_bits & 1:
            raise damaged(path, f"{name} is encrypted")
        if having[0].file_size > most:
            size = having[0].file_size
            raise damaged(path, f"{name} unpacks to {size} bytes; {most} are the most that is read")
        found[name] = having[0]
    return found


def _metadata(
    path: Path, archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]
) -> dict[str, Any]:
    with archive.open(members[METADATA]) as member:
        content = member.read(MOST_METADATA + 1)
    try:
        document = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"{METADATA} is not JSON: {str(error)[:80]}") from error
    told = document.get("metadata") if isinstance(document, dict) else None
    if not isinstance(told, dict):
        raise damaged(path, f"{METADATA} has no metadata")
    version = document.get("formatVersion", 1)
    if not _is_number(version) or version > NEWEST:
        raise damaged(
            path,
            f"is of format {version!r}, and {NEWEST} is the newest that is read",
            hint="export CSV from the Power Profiler",
        )
    return told


def _held(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Held:
    held = Held((0, 1), (1,))
    for piece in _pieces(path, archive, member):
        frames = np.frombuffer(piece, FRAME)
        held.add(np.column_stack((frames["microampere"], frames["bits"])).astype(np.float64))
    return held


def _pieces(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield whole frames; the archive's own CRC is checked when the last of them was read."""
    rest, total = b"", 0
    with archive.open(member) as stream:
        while content := stream.read(PIECE):
            total += len(content)
            content = rest + content
            whole = len(content) // FRAME.itemsize * FRAME.itemsize
            rest = content[whole:]
            yield content[:whole]
    if total != member.file_size:
        raise damaged(path, f"{SESSION} states {member.file_size} bytes and has {total}")
    if rest:
        raise damaged(path, f"{SESSION} ends within a sample (byte {total})")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
