"""What is on disk while a measurement runs: whole records only, whatever happens.

Samples go into an Arrow IPC stream, one record batch per poll whose metadata are the poll;
events into JSON lines. Each record is handed to the kernel at once, so a killed process
loses none, and reaches the disk within a second, so a pulled plug loses one second.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from powerlab.records import SampleBlock
from powerlab.store.serial import to_plain
from powerlab.units import now_ns

if TYPE_CHECKING:
    import pyarrow as pa

SYNC_S = 1.0
"""The most that a pulled plug may cost."""

_POLL = b"poll"


class GrowingFile:
    """A new file that grows by whole records; one that does not fit is cut off again.

    It is locked as long as it is open, which tells a recording in progress from a left-over.
    ``resume`` goes on with an existing file of lines. Raises OSError.
    """

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        kept = path.read_bytes().rpartition(b"\n")[:2] if resume and path.exists() else ()
        how = os.O_CREAT if resume else os.O_CREAT | os.O_EXCL
        self._fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | how, 0o644)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._length = sum(map(len, kept))
        self._synced = time.monotonic()
        if kept:
            self._cut()

    def append(self, record: bytes) -> None:
        """Write one record, and all since the last time to the disk once a second."""
        try:
            rest = memoryview(record)
            while rest:
                rest = rest[os.write(self._fd, rest) :]
            self._length += len(record)
        except BaseException:  # a signal may come between two writes as well
            self._cut()
            raise
        if time.monotonic() - self._synced >= SYNC_S:
            self.sync()

    def _cut(self) -> None:
        os.ftruncate(self._fd, self._length)
        os.lseek(self._fd, self._length, os.SEEK_SET)

    def sync(self) -> None:
        """Wait until everything is on the disk."""
        os.fsync(self._fd)
        self._synced = time.monotonic()

    def close(self) -> None:
        """Close and unlock the file; again is harmless."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def is_locked(path: Path) -> bool:
    """Tell whether another open file holds the lock of ``path``."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


class EventLog:
    """``events.jsonl``: one line per event, on the disk before ``append`` returns."""

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        self._file = GrowingFile(path, resume=resume)
        self._lock = threading.Lock()
        self.count = sum(1 for _ in read_events(path)) if resume else 0

    def append(self, kind: str, payload: object) -> None:
        """Write one event with its instant; the payload may hold records and arrays."""
        with self._lock:
            line = {"n": self.count, "at_ns": now_ns(), "kind": kind, "data": to_plain(payload)}
            self._file.append(
                json.dumps(line, ensure_ascii=False, allow_nan=False).encode() + b"\n"
            )
            self._file.sync()
            self.count += 1

    def close(self) -> None:
        """Close the log."""
        self._file.close()


def read_events(path: Path) -> Iterator[tuple[str, Any]]:
    """Get ``(kind, data)`` of each whole line; a torn last line is passed over."""
    for line in path.read_bytes().split(b"\n"):
        try:
            event = json.loads(line)
            yield event["kind"], event["data"]
        except (ValueError, KeyError, TypeError):
            continue


class BlockStream:
    """The Arrow IPC stream of sample blocks. Columns: value_0 ..., device_ns, flags."""

    def __init__(self, path: Path) -> None:
        self._file = GrowingFile(path)
        self._lock = threading.Lock()
        self._pending = _Pending()
        self._writer: pa.RecordBatchStreamWriter | None = None
        self.samples = 0

    def append(self, block: SampleBlock) -> None:
        """Write one block and its poll."""
        import pyarrow as pa  # noqa: PLC0415  slow, and only a recording needs it

        with self._lock:
            batch = _batch(block)
            if self._writer is None:
                self._writer = pa.ipc.new_stream(self._pending, batch.schema)
            poll = json.dumps([block.sent_ns, block.received_ns, block.completed]).encode()
            self._writer.write_batch(batch, custom_metadata={_POLL: poll})
            self._file.append(self._pending.take())
            self.samples += len(block.flags)

    def close(self) -> None:
        """Write everything to the disk and close."""
        with self._lock:
            try:
                self._file.sync()
            finally:
                self._file.close()


class _Pending:
    """The file object that Arrow writes to: keeps the bytes of one batch until taken."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._told = 0

    def write(self, data: Any) -> int:
        """Keep some bytes."""
        part = bytes(data)
        self._parts.append(part)
        self._told += len(part)
        return len(part)

    def tell(self) -> int:
        """Get how many bytes were written."""
        return self._told

    def writable(self) -> bool:
        """Say yes, as a file does."""
        return True

    def readable(self) -> bool:
        """Say no."""
        return False

    def seekable(self) -> bool:
        """Say no."""
        return False

    def flush(self) -> None:
        """Do nothing: ``take`` decides."""

    def close(self) -> None:
        """Do nothing: what the writer adds at its end is not needed."""

    def take(self) -> bytes:
        """Get what was written since the last time."""
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def _batch(block: SampleBlock) -> pa.RecordBatch:
    """Get a block as an Arrow record batch."""
    import pyarrow as pa  # noqa: PLC0415

    count, channels = block.values.shape
    names = [f"value_{index}" for index in range(channels)]
    columns = [pa.array(np.ascontiguousarray(block.values[:, index])) for index in range(channels)]
    times = pa.nulls(count, pa.int64()) if block.device_ns is None else pa.array(block.device_ns)
    return pa.record_batch(
        [*columns, times, pa.array(block.flags)], names=[*names, "device_ns", "flags"]
    )


@dataclass(frozen=True, slots=True)
class RecordedBlocks:
    """All whole blocks of a recording joined; arrays as in ``MeterTrace``."""

    values: np.ndarray
    device_ns: np.ndarray | None
    flags: np.ndarray
    poll_sent_ns: np.ndarray
    poll_received_ns: np.ndarray
    poll_completed: np.ndarray


def read_blocks(path: Path) -> RecordedBlocks | None:
    """Read a recording up to its last whole block; None where there is not one."""
    import pyarrow as pa  # noqa: PLC0415

    batches: list[pa.RecordBatch] = []
    polls: list[Sequence[int]] = []
    with pa.OSFile(str(path), "rb") as source:
        try:
            reader = pa.ipc.open_stream(source)
            while True:
                batch, metadata = reader.read_next_batch_with_custom_metadata()
                batches.append(batch)
                polls.append(json.loads(metadata[_POLL]))
        except (StopIteration, pa.ArrowInvalid, OSError):
            pass  # the end, or a block that a killed process did not finish
    if not polls:
        return None
    table = pa.Table.from_batches(batches[: len(polls)])
    values = [table.column(index).to_numpy() for index in range(table.num_columns - 2)]
    times = table.column("device_ns")
    timed = len(times) > 0 and times.null_count == 0
    attested = np.array(polls, dtype=np.int64)
    return RecordedBlocks(
        values=np.column_stack(values),
        device_ns=times.to_numpy() if timed else None,
        flags=table.column("flags").to_numpy(),
        poll_sent_ns=attested[:, 0].copy(),
        poll_received_ns=attested[:, 1].copy(),
        poll_completed=attested[:, 2].copy(),
    )
