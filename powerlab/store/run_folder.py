"""A run folder being written: crash-safe while it records, immutable once finished."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from powerlab.errors import ConfigError, SetupError
from powerlab.records import Capture, Evidence, Request, Result, SampleBlock, TargetFacts
from powerlab.store.capture_file import (
    course_from_events,
    course_of,
    head_from_events,
    head_of,
    polls_of,
    write_samples,
)
from powerlab.store.document import stored_document
from powerlab.store.manifest import (
    BROKEN,
    COMPLETE,
    MANIFEST,
    PARTIAL,
    RECORDING,
    RUN_SCHEMA,
    checksums,
    discard,
    read_manifest,
    utc_now,
    versions,
    write_atomically,
    write_json,
)
from powerlab.store.recording import BlockStream, EventLog, read_blocks, read_events
from powerlab.store.serial import to_plain
from powerlab.store.uuid7 import uuid7
from powerlab.store.voltmeter_file import VOLTMETER, write_voltmeter

BLOCKS, EVENTS = "recording.arrows", "events.jsonl"
VOLTMETER_BLOCKS = "voltmeter.arrows"
SAMPLES, RESULT = "capture.parquet", "result.json"

RESERVE_BYTES = 256 * 1024
"""Set aside while recording, so that a full disk still takes the manifest of a partial run."""

_RESERVE = ".reserve"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class RunWriter:
    """One run being recorded below ``root``; ``block`` and ``event`` may come from any thread.

    ``run`` is its identifier, ``folder`` its place, ``status`` what it is. ``configuration``
    holds the bench and the profiles used, as plain JSON values. ``evidence`` is what the run
    will be worth where that is known before; else meter and board tell it. Every write that
    fails raises SetupError, and what was recorded until then stays.
    """

    def __init__(
        self,
        root: Path,
        *,
        request: Request,
        configuration: Mapping[str, Any] | None = None,
        evidence: Evidence | None = None,
    ) -> None:
        self.run = uuid7()
        self.folder = root / self.run
        self.status = RECORDING
        self._manifest: dict[str, Any] = {
            "schema": RUN_SCHEMA,
            "run": self.run,
            "status": RECORDING,
            "created": utc_now(),
            "versions": versions(),
            "request": to_plain(request),
            "configuration": dict(configuration or {}),
            "files": {},
        }
        if evidence is not None:
            self._manifest["evidence"] = evidence.value
        self._emulated: dict[str, bool] = {}
        try:
            self.folder.mkdir(parents=True)
            _set_aside(self.folder / _RESERVE)
            write_json(self.folder / MANIFEST, self._manifest)
            self._events = EventLog(self.folder / EVENTS)
            self._blocks = BlockStream(self.folder / BLOCKS)
            self._voltmeter: BlockStream | None = None
        except OSError as error:
            raise SetupError(
                f"the run folder {self.folder} cannot be made: {error.strerror}",
                hint="make room there, or give another place with --lab DIR",
            ) from error

    def block(self, block: SampleBlock) -> None:
        """Keep one block of samples."""
        with self._kept():
            self._blocks.append(block)

    def voltmeter_block(self, block: SampleBlock) -> None:
        """Keep one block of a second meter, which reads the volts."""
        with self._kept():
            if self._voltmeter is None:
                self._voltmeter = BlockStream(self.folder / VOLTMETER_BLOCKS)
            self._voltmeter.append(block)

    def event(self, kind: str, payload: object) -> None:
        """Keep one event: a record, or plain values and records in dicts and lists.

        What a capture is restored from: "timebase", "wiring", "target", "work", "roofs" (the
        records), "meter" and "voltmeter" (identity and setup), "batch", "first_stage",
        "precision", and each as it comes "exchanges", "telemetry" and "phase". Others are kept
        for the reader: "order" (run and index of each run of a session of several options),
        "dither", "board" (what the agent told of the board when it was up).
        """
        with self._kept():
            self._events.append(kind, payload)
            if kind in ("meter", "voltmeter", "target") and "evidence" not in self._manifest:
                self._emulated[kind] = _is_emulated(to_plain(payload))
                self._tell_evidence()

    def _tell_evidence(self) -> None:
        """Put into the manifest what the run is worth, as soon as meter and board told it."""
        if any(self._emulated.values()):
            self._manifest["evidence"] = Evidence.EMULATED.value
        elif {"meter", "target"} <= self._emulated.keys():
            self._manifest["evidence"] = Evidence.MEASURED.value
        else:
            return
        write_json(self.folder / MANIFEST, self._manifest)

    def finish(self, capture: Capture, result: Result) -> None:
        """Write capture and result and close the run for good."""
        with self._kept():
            _write_course(self._events, self.folder, course_of(capture))
            write_atomically(
                self.folder / SAMPLES,
                lambda path: write_samples(path, capture.trace, head_of(capture)),
            )
            beside = capture.voltmeter
            if beside is not None:
                write_atomically(
                    self.folder / VOLTMETER,
                    lambda path: write_voltmeter(path, beside, beside.identity, beside.setup),
                )
            document = stored_document(
                result,
                created=self._manifest["created"],
                versions=self._manifest["versions"],
                target=capture.target,
            )
            write_json(self.folder / RESULT, document)
            self._close()
            (self.folder / BLOCKS).unlink()
            (self.folder / VOLTMETER_BLOCKS).unlink(missing_ok=True)
            _seal(self.folder, COMPLETE)
        self.status = COMPLETE

    def mark_partial(self, reason: str) -> None:
        """Close a run that was cut short, keeping what there is; again is harmless.

        Where the disk is too full to convert the recording, it stays as it was written.
        """
        if self.status != RECORDING:
            return
        self.status = PARTIAL
        with contextlib.suppress(OSError):
            self._close()
        with contextlib.suppress(OSError):
            salvage(self.folder, reason)

    def discard(self) -> bool:
        """Remove a run that recorded no sample, and tell whether it was removed."""
        if self.status != RECORDING or self._blocks.samples:
            return False
        self.status = PARTIAL
        with contextlib.suppress(OSError):
            self._close()
        shutil.rmtree(self.folder, ignore_errors=True)
        return True

    def _close(self) -> None:
        (self.folder / _RESERVE).unlink(missing_ok=True)
        with contextlib.ExitStack() as stack:
            stack.callback(self._events.close)
            stack.callback(self._blocks.close)
            if self._voltmeter is not None:
                stack.callback(self._voltmeter.close)

    @contextlib.contextmanager
    def _kept(self) -> Iterator[None]:
        """Refuse a finished run, and turn a failing disk into an error that says what is kept."""
        if self.status != RECORDING:
            raise ConfigError(
                f"the run {self.run} is {self.status} and cannot be written again",
                hint="measure again: every measurement has a folder of its own",
            )
        try:
            yield
        except OSError as error:
            full = error.errno in _FULL
            what = "the disk is full" if full else f"writing failed ({error.strerror})"
            kept = f"{self._blocks.samples} samples and {self._events.count} events"
            raise SetupError(
                f"{what} while recording; {kept} are kept in {self.folder}",
                hint="make room, then measure again; "
                f"`powerlab results show {self.run}` shows what is kept",
                context={"run": self.run, "folder": str(self.folder)},
            ) from error


def salvage(folder: Path, reason: str) -> str:
    """Turn the recording in a folder into the files of a partial run; get the new status.

    A recording that cannot be read makes the run "broken". Raises OSError.
    """
    (folder / _RESERVE).unlink(missing_ok=True)
    recording = folder / BLOCKS
    if (folder / RESULT).exists():  # the last file of a finished run: only the end is missing
        recording.unlink(missing_ok=True)
        (folder / VOLTMETER_BLOCKS).unlink(missing_ok=True)
        return _seal(folder, COMPLETE)
    blocks = read_blocks(recording) if recording.exists() else None
    if blocks is None:
        torn = recording.exists() and recording.stat().st_size > 0
        if not torn:
            recording.unlink(missing_ok=True)
        return _seal(folder, BROKEN if torn else PARTIAL, reason)
    head = head_from_events(read_events(folder / EVENTS))
    try:
        log = EventLog(folder / EVENTS, resume=True)
        try:
            _write_course(log, folder, {"polls": polls_of(blocks)})
        finally:
            log.close()
        write_atomically(folder / SAMPLES, lambda path: write_samples(path, blocks, head))
        _salvage_voltmeter(folder)
    except OSError:
        _seal(folder, PARTIAL, reason)
        raise
    recording.unlink()
    return _seal(folder, PARTIAL, reason)


def _salvage_voltmeter(folder: Path) -> None:
    """Turn what a second meter's recording holds into its file; keep one that has no whole block.

    Raises OSError.
    """
    recording = folder / VOLTMETER_BLOCKS
    blocks = read_blocks(recording) if recording.exists() else None
    told = [data for kind, data in read_events(folder / EVENTS) if kind == "voltmeter"]
    if blocks is None or not told:
        return
    facts = told[-1]["identity"], told[-1]["setup"]
    write_atomically(folder / VOLTMETER, lambda path: write_voltmeter(path, blocks, *facts))
    recording.unlink()


def add_result(folder: Path, result: Result, target: TargetFacts) -> None:
    """Add the result that was concluded from a partial run, which stays partial.

    Raises OSError.
    """
    manifest = read_manifest(folder)
    document = stored_document(
        result, created=manifest["created"], versions=versions(), target=target
    )
    write_json(folder / RESULT, document)
    _seal(folder, manifest["status"])


def attach(folder: Path, name: str, source: Path) -> None:
    """Add a file beside those of a finished run; one that is there is never replaced.

    Raises ConfigError for a name that is taken, OSError.
    """
    manifest = read_manifest(folder)
    if (folder / name).exists():
        raise ConfigError(
            f"the run {manifest['run']} has a {name} already, and runs are immutable",
            hint="write the new version to a path of its own",
        )
    content = source.read_bytes()
    write_atomically(folder / name, lambda path: discard(path.write_bytes(content)))
    _seal(folder, manifest["status"])


def _is_emulated(told: Mapping[str, Any]) -> bool:
    """Tell whether a "meter" or a "target" event is of an emulated one."""
    return bool(told.get("emulated") or told.get("identity", {}).get("emulated"))


def _write_course(log: EventLog, folder: Path, course: Mapping[str, Any]) -> None:
    """Append whatever part of the course the events do not tell already."""
    told = course_from_events(read_events(folder / EVENTS))
    # through JSON, so that both sides are what will be read back
    wanted = json.loads(json.dumps(course))
    missing = {name: part for name, part in wanted.items() if told.get(name) != part}
    if missing:
        log.append("capture", missing)


def _seal(folder: Path, status: str, reason: str = "") -> str:
    """Write the manifest anew with the present state of all files."""
    manifest = read_manifest(folder)
    manifest.setdefault("finished", utc_now())
    manifest |= {"status": status, "files": checksums(folder)}
    if reason:
        manifest["reason"] = reason
    write_json(folder / MANIFEST, manifest)
    return status


def _set_aside(path: Path) -> None:
    """Occupy some disk space."""
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)
