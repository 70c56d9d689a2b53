"""The edge file: each busy and idle edge of the board, for whoever watches from outside.

A preallocated memory-mapped file ``<temporary directory>/powerlab-edges-<pid>.bin``: no
system call and no traffic inside a measured window. Little endian::

    offset 0   8 bytes   b"PLEDGE01"
    offset 8   u64       count of complete records
    offset 16  records   i64 instant [ns, this machine's CLOCK_MONOTONIC_RAW],
                         i32 level (1 busy, 0 idle), i32 tag (``run_tag`` of a run, -1 for
                         warm-up, -2 for a marker)

A record is written completely before the count says that it is there. Where a trigger line
is attached, every edge also sets its level: first, so that it follows the stamp at once.
"""

import contextlib
import errno
import fcntl
import mmap
import os
import struct
import tempfile
import threading
from typing import List, Optional, Tuple, Union

from powerlab.agent.gpio import Line

MAGIC = b"PLEDGE01"
HEADER_SIZE = 16
COUNT = struct.Struct("<Q")
COUNT_AT = 8
RECORD = struct.Struct("<qii")
CAPACITY = 1 << 18
"""Records of 16 bytes: two for each run and two more for each pause put into it."""

FILE_SIZE = HEADER_SIZE + CAPACITY * RECORD.size

BUSY = 1
IDLE = 0
WARM_UP_TAG = -1
MARKER_TAG = -2
RUNS_PER_SLOT = 4096

PREFIX = "powerlab-edges-"
SUFFIX = ".bin"


def run_tag(slot: int, index: int) -> int:
    """Get the tag of a run of the model in a slot, unique for indices below RUNS_PER_SLOT."""
    return slot * RUNS_PER_SLOT + index


def edge_path(pid: int) -> str:
    """Get the path of the edge file of the agent process ``pid`` on this machine."""
    return os.path.join(tempfile.gettempdir(), f"{PREFIX}{pid}{SUFFIX}")


def remove_orphans() -> List[int]:
    """Remove the edge files that no living agent holds; get the process ids in their names."""
    orphans = []
    for name in os.listdir(tempfile.gettempdir()):
        number = name[len(PREFIX) : -len(SUFFIX)]
        if name == f"{PREFIX}{number}{SUFFIX}" and number.isdigit():
            path = edge_path(int(number))
            if _is_orphan(path):
                remove(path)
                orphans.append(int(number))
    return orphans


def _is_orphan(path: str) -> bool:
    """Get whether the file is complete and its writer's lock, which dies with it, is gone."""
    try:
        with open(path, "rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return os.fstat(stream.fileno()).st_size == FILE_SIZE
    except OSError:
        return False


def read_edges(
    buffer: Union[bytes, bytearray, memoryview, mmap.mmap], first: int = 0
) -> List[Tuple[int, int, int]]:
    """Get the complete records from number ``first`` on: a list of (t_ns, level, tag).

    ``buffer`` is the file's bytes or a memory map of it. Empty where the header is not
    (yet) an edge file's. Raises ValueError if the count exceeds what the buffer holds.
    """
    if len(buffer) < HEADER_SIZE or bytes(buffer[: len(MAGIC)]) != MAGIC:
        return []
    (count,) = COUNT.unpack(bytes(buffer[COUNT_AT:HEADER_SIZE]))
    if HEADER_SIZE + count * RECORD.size > len(buffer):
        raise ValueError(f"an edge file of {len(buffer)} bytes cannot hold {count} records")
    start = HEADER_SIZE + first * RECORD.size
    stop = max(start, HEADER_SIZE + count * RECORD.size)
    records = RECORD.iter_unpack(bytes(buffer[start:stop]))
    return [(t_ns, level, tag) for t_ns, level, tag in records]


class EdgeFile:
    """Writes one edge file; ``publish`` may be called from any thread and signal handler."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._count = 0
        self._last = (IDLE, WARM_UP_TAG)
        self._line: Optional[Line] = None
        # Stays open: its lock tells other agents that this one lives.
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._allocate()
        self._map = mmap.mmap(self._descriptor, FILE_SIZE)
        self._touch_pages()
        self._map[: len(MAGIC)] = MAGIC

    def _allocate(self) -> None:
        """Have the disk hold the whole file: a page that it cannot hold would end the process."""
        try:
            os.posix_fallocate(self._descriptor, 0, FILE_SIZE)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                remove(self.path)
                raise
            os.ftruncate(self._descriptor, FILE_SIZE)  # a file system without such a call

    def _touch_pages(self) -> None:
        # A page fault belongs before the window, not into it.
        for offset in range(0, FILE_SIZE, mmap.PAGESIZE):
            self._map[offset : offset + 1] = b"\0"

    def room(self) -> int:
        """Get how many more records fit."""
        return CAPACITY - self._count

    def attach(self, line: Line) -> None:
        """Let a trigger line show the edges from now on; ``finish`` closes it."""
        self._release_line()
        self._line = line

    def publish(self, level: int, tag: int, t_ns: int) -> None:
        """Append one edge; it is visible to readers when this returns.

        Raises IndexError where the file is full.
        """
        if self._line is not None:
            self._line.set(level)
        with self._lock:
            if self._count >= CAPACITY:
                raise IndexError("the edge file is full")
            start = HEADER_SIZE + self._count * RECORD.size
            self._map[start : start + RECORD.size] = RECORD.pack(t_ns, level, tag)
            self._count += 1
            # One 8-byte copy: a reader sees the old count or the new one.
            self._map[COUNT_AT:HEADER_SIZE] = COUNT.pack(self._count)
            self._last = (level, tag)

    def finish(self, t_ns: int) -> None:
        """Publish an idle edge if the last one was busy, and remove the file; idempotent.

        A trigger line is lowered and given back. The lock stays held: a thread that wanted to
        publish after this waits for the process to end instead.
        """
        self._lock.acquire()
        with contextlib.suppress(Exception):  # whatever the line does, the agent must end
            self._release_line()
        level, tag = self._last
        if level == BUSY and self.room():
            self.publish(IDLE, tag, t_ns)
        remove(self.path)

    def _release_line(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()


def remove(path: str) -> None:
    """Remove an edge file if it is there."""
    with contextlib.suppress(OSError):
        os.unlink(path)
