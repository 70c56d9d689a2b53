"""A calibration under way: its plan and every point so far, kept on disk until it is saved.

JSON lines ``{"n", "at_ns", "kind", "data"}``: first the "plan", then each "point" and whatever
else the session tells, on the disk before ``append`` returns. The file is locked as long as it
is open, so there is one writer; a torn last line, as a pulled plug leaves it, is cut off.
"""

from __future__ import annotations

import json
from pathlib import Path

from powerlab.errors import ConfigError, SetupError
from powerlab.records.calibration import CalibrationPoint
from powerlab.store.recording import EventLog, is_locked
from powerlab.store.serial import Plain, from_plain, to_plain

PLAN, POINT = "plan", "point"


class CalibrationJournal:
    """The open journal of one meter's calibration.

    ``plan`` is the plan in its JSON form, from which ``from_plain`` restores it. Nothing is
    lost by ``close``: the next session resumes here. ``discard`` ends it for good, once the
    calibration is saved or given up.
    """

    def __init__(self, path: Path, log: EventLog) -> None:
        self._path = path
        self._log = log
        lines = _lines(path)
        self.plan: Plain = lines[0][1]
        self._points = [from_plain(CalibrationPoint, data) for kind, data in lines if kind == POINT]
        self._notes = [(kind, data) for kind, data in lines if kind not in (PLAN, POINT)]

    @property
    def points(self) -> tuple[CalibrationPoint, ...]:
        """Get the points so far, in the order in which they were taken."""
        return tuple(self._points)

    def notes(self, kind: str) -> tuple[Plain, ...]:
        """Get the JSON form of everything of one kind that was noted beside the points."""
        return tuple(data for of, data in self._notes if of == kind)

    def append(self, point: CalibrationPoint) -> None:
        """Keep a point. Raises SetupError where the disk does not take it."""
        self._write(POINT, point)
        self._points.append(point)

    def note(self, kind: str, payload: object) -> None:
        """Keep something else, a measured term of the set-up say. Raises SetupError."""
        self._write(kind, payload)
        self._notes.append((kind, to_plain(payload)))

    def close(self) -> None:
        """Close and unlock; the file stays for the next session."""
        self._log.close()

    def discard(self) -> None:
        """Remove the journal; again is harmless."""
        self._path.unlink(missing_ok=True)
        self._log.close()

    def _write(self, kind: str, payload: object) -> None:
        try:
            self._log.append(kind, payload)
        except OSError as error:
            raise SetupError(
                f"writing failed ({error.strerror}); {len(self._points)} points are kept in "
                f"{self._path}",
                hint="make room there and resume the calibration",
            ) from error


def begin_journal(path: Path, plan: object) -> CalibrationJournal:
    """Begin a journal with its plan.

    Raises ConfigError where a calibration is under way already, SetupError where the file
    cannot be made.
    """
    _refuse_busy(path)
    if is_begun(path):
        raise ConfigError(
            f"a calibration of this meter is under way: {path}",
            hint="resume it, or give it up, before another one begins",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        log = EventLog(path, resume=True)  # what a killed process left has no plan: cut off
        log.append(PLAN, plan)
    except OSError as error:
        raise SetupError(
            f"the calibration's journal {path} cannot be made: {error.strerror}",
            hint="make room there, or give another lab with --lab DIR",
        ) from error
    return CalibrationJournal(path, log)


def resume_journal(path: Path) -> CalibrationJournal:
    """Open a journal to go on with it.

    Raises ConfigError where there is none, another process writes it, or a line of it is
    damaged.
    """
    if not is_begun(path):
        raise ConfigError(
            f"no calibration of this meter is under way: {path}",
            hint="begin one",
        )
    _refuse_busy(path)
    _lines(path)
    try:
        log = EventLog(path, resume=True)
    except OSError as error:
        raise SetupError(
            f"the calibration's journal {path} cannot be opened: {error.strerror}",
            hint="see that you may write it, and that no other powerlab does",
        ) from error
    return CalibrationJournal(path, log)


def is_begun(path: Path) -> bool:
    """Tell whether a journal holds a plan: a killed process may leave one without."""
    return path.exists() and b"\n" in path.read_bytes()


def _refuse_busy(path: Path) -> None:
    if path.exists() and is_locked(path):
        raise ConfigError(
            f"another powerlab calibrates this meter now: {path}",
            hint="wait for it to end, or stop it with Ctrl-C",
        )


def _lines(path: Path) -> list[tuple[str, Plain]]:
    """Get kind and data of each whole line. Raises ConfigError for one that is damaged."""
    lines = path.read_bytes().split(b"\n")[:-1]
    try:
        told = [json.loads(line) for line in lines]
        found = [(event["kind"], event["data"]) for event in told]
        in_order = [event["n"] for event in told] == list(range(len(told)))
        for kind, data in found:
            if kind == POINT:
                from_plain(CalibrationPoint, data)
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, str(error)) from error
    if not in_order or found[0][0] != PLAN:
        raise _damaged(path, "lines are missing")
    return found


def _damaged(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"the journal of a calibration {path} is damaged: {why}",
        hint="restore the file from a copy, or remove it and calibrate again",
    )
