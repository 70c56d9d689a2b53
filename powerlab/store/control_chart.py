"""The checks of one meter between its calibrations, in ``checks.jsonl`` beside its records.

One JSON line a check, ``{"schema": "powerlab.check/1", "certificate", "full_scale", "nominal",
"point"}``; lines are only ever added. History: 1 is the first.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from powerlab.errors import ConfigError, SetupError
from powerlab.records.calibration import ControlPoint
from powerlab.store.recording import GrowingFile
from powerlab.store.serial import from_plain, to_plain

CHECK_SCHEMA = "powerlab.check/1"

CHECKS = "checks.jsonl"


@dataclass(frozen=True, slots=True)
class Checked:
    """One check: of which range at which level, and by which calibration it was corrected."""

    certificate: str
    full_scale: float
    nominal: float
    point: ControlPoint

    def like(self, other: Checked) -> bool:
        """Tell whether two checks belong to one chart: same known load, same calibration."""
        return (
            self.certificate == other.certificate
            and self.point.quantity == other.point.quantity
            and math.isclose(self.full_scale, other.full_scale)
            and math.isclose(self.nominal, other.nominal)
        )


def add_check(path: Path, check: Checked) -> None:
    """Add a check to a file, which is made where there is none. Raises SetupError."""
    line = json.dumps({"schema": CHECK_SCHEMA, **to_plain(check)}, allow_nan=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = GrowingFile(path, resume=True)
        try:
            file.append(line.encode() + b"\n")
            file.sync()
        finally:
            file.close()
    except OSError as error:
        raise SetupError(
            f"the check cannot be written to {path}: {error.strerror}",
            hint="make room there, or wait for another check of this meter to end",
        ) from error


def read_checks(path: Path) -> tuple[Checked, ...]:
    """Get the checks of a file in their order, none where there is no file.

    A torn last line is passed over. Raises ConfigError for a line that is damaged.
    """
    if not path.exists():
        return ()
    found = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            found.append(_read(line))
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"{path}, line {number} is damaged: {error}",
                hint="restore the file from a copy, or move it away to begin a new chart",
            ) from error
    return tuple(found)


def _read(line: bytes) -> Checked:
    document = json.loads(line)
    if document["schema"] != CHECK_SCHEMA:
        raise ValueError(f"it is not of schema {CHECK_SCHEMA!r}")
    check: Checked = from_plain(Checked, document)
    return check
