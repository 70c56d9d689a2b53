"""The file of one calibration: written once, never changed, not read where it was edited.

``{"schema": "powerlab.calibration/1", "sha256": ..., "record": ...}``; the hash is of the
record's canonical JSON (sorted keys, no spaces, ASCII). History: 1 is the first.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from powerlab.errors import ConfigError
from powerlab.records.calibration import CalibrationPoint, CalibrationRecord
from powerlab.store.serial import from_plain, to_plain

CALIBRATION_SCHEMA = "powerlab.calibration/1"

LONGEST_NAME = 100
"""Characters of a file name beyond which the rest of it is replaced by a hash."""

HASH_DIGITS = 8
"""Hexadecimal digits of the hash in a certificate's identifier."""


def certificate_id(
    instrument: str, serial: str, performed: str, points: Sequence[CalibrationPoint]
) -> str:
    """Get the identifier of a calibration: its date, and a hash of the meter and its points.

    Identifiers sort by date; ``performed`` is an ISO date.
    """
    told = _canonical({"meter": [instrument, serial, performed], "points": list(points)})
    return f"{performed.replace('-', '')}-{hashlib.sha256(told).hexdigest()[:HASH_DIGITS]}"


def record_bytes(record: CalibrationRecord) -> bytes:
    """Get the file of a record: the same bytes for the same record."""
    document = {
        "schema": CALIBRATION_SCHEMA,
        "sha256": record_sha256(record),
        "record": to_plain(record),
    }
    return (json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def record_sha256(record: CalibrationRecord) -> str:
    """Get the hash that a record's file states."""
    return hashlib.sha256(_canonical(record)).hexdigest()


def read_calibration(path: Path) -> CalibrationRecord:
    """Read a record from its file.

    Raises ConfigError naming the file where it cannot be read, is of another schema, or is not
    as it was written.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(
            f"the calibration {path} cannot be read: {error.strerror}",
            hint="give the path of a file below the lab's calibrations/",
        ) from error
    except (ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(document, dict) or document.get("schema") != CALIBRATION_SCHEMA:
        raise ConfigError(
            f"{path} is not of schema {CALIBRATION_SCHEMA!r}",
            hint="read it with the version of powerlab that wrote it",
        )
    plain = document.get("record")
    if hashlib.sha256(_canonical(plain)).hexdigest() != document.get("sha256"):
        raise _damaged(path, "its record is not the one that was written (sha256)")
    try:
        record: CalibrationRecord = from_plain(CalibrationRecord, plain)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error
    return record


def _damaged(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"the calibration {path} is damaged: {why}",
        hint=f"restore {path.name} from a copy, or calibrate again; nothing rests on it until then",
    )


def _canonical(value: object) -> bytes:
    plain = to_plain(value)
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def file_name(text: str) -> str:
    """Get a name for files from any text: no separators, never hidden, not too long.

    Percent-encoding keeps different texts apart, and ``unquote`` gives back those not shortened.
    """
    name = quote(text, safe=" ")
    if name.startswith("."):
        name = f"%2E{name[1:]}"
    if len(name) > LONGEST_NAME:
        name = f"{name[:64]}~{hashlib.sha256(text.encode()).hexdigest()[:32]}"
    return name


def write_new(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. Raises FileExistsError where there is one, OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
