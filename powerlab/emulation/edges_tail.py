"""Follows the edge files of the agents on the emulated board while they write them.

The layout is ``powerlab.agent.edges``'s; a record is complete before the count says so, hence a
reader needs no lock. A file that the agent has unlinked stays readable through its mapping.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from powerlab.agent.edges import BUSY, COUNT, COUNT_AT, HEADER_SIZE, IDLE, MAGIC, PREFIX, SUFFIX
from powerlab.emulation.world import Edges
from powerlab.units import NS_PER_S, now_ns

SCAN_INTERVAL_NS = NS_PER_S // 50

_RECORD = np.dtype([("t_ns", "<i8"), ("level", "<i4"), ("tag", "<i4")])

Records = NDArray[np.void]


class EdgeFile:
    """One agent's edge file, mapped; ``records()`` is a copy of what is complete by now."""

    def __init__(self, path: Path, identity: tuple[str, int], mapping: mmap.mmap) -> None:
        self.path = path
        self.identity = identity
        self._mapping = mapping

    @classmethod
    def open(cls, path: Path) -> EdgeFile | None:
        """Map a file, or None while its writer has not finished creating it."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            status = os.fstat(descriptor)
            if status.st_size < HEADER_SIZE + _RECORD.itemsize:
                return None
            mapping = mmap.mmap(descriptor, status.st_size)
        finally:
            os.close(descriptor)
        if mapping[: len(MAGIC)] != MAGIC:
            mapping.close()
            return None
        return cls(path, (path.name, status.st_ino), mapping)

    @property
    def count(self) -> int:
        """Get the number of complete records."""
        (count,) = COUNT.unpack_from(self._mapping, COUNT_AT)
        return min(int(count), self._capacity)

    @property
    def _capacity(self) -> int:
        return (len(self._mapping) - HEADER_SIZE) // _RECORD.itemsize

    def records(self) -> Records:
        """Get the complete records as a structured array (t_ns, level, tag)."""
        return np.frombuffer(self._mapping, _RECORD, self.count, offset=HEADER_SIZE).copy()

    def settle(self, t_ns: int) -> None:
        """Append an idle edge where the writer died busy: a dead process draws no power."""
        count = self.count
        records = self.records()
        if count == 0 or count >= self._capacity or records[-1]["level"] == IDLE:
            return
        last = np.array([(t_ns, IDLE, records[-1]["tag"])], dtype=_RECORD)
        start = HEADER_SIZE + count * _RECORD.itemsize
        self._mapping[start : start + _RECORD.itemsize] = last.tobytes()
        COUNT.pack_into(self._mapping, COUNT_AT, count + 1)


class EdgesTail:
    """The edges of all agents that worked in one directory, one after another, up to now.

    With ``keep`` every file found is hard-linked there, so that what an agent wrote outlives
    the agent's own clean-up and any other process can follow or read it.
    """

    def __init__(self, directory: Path, keep: Path | None = None) -> None:
        self._directory = directory
        self._keep = keep
        self._files: list[EdgeFile] = []
        self._counts: tuple[int, ...] = ()
        self._edges = edges_of([])
        self._scanned_ns = 0

    @property
    def files(self) -> tuple[EdgeFile, ...]:
        """Get the files followed, in the order of their discovery."""
        return tuple(self._files)

    @property
    def first_busy_ns(self) -> int | None:
        """Get the first busy edge of all, None before any agent has worked."""
        busy = np.flatnonzero(self._edges.level == BUSY)
        return int(self._edges.t_ns[busy[0]]) if len(busy) else None

    def poll(self, *, scan: bool = False) -> Edges:
        """Read what is new and get all edges so far, sorted by time.

        The directory is searched for new files at most every 20 ms, unless ``scan`` asks for it.
        """
        now = now_ns()
        if scan or now - self._scanned_ns >= SCAN_INTERVAL_NS:
            self._scanned_ns = now
            self._discover()
        counts = tuple(item.count for item in self._files)
        if counts != self._counts:
            self._counts = counts
            self._edges = edges_of([item.records() for item in self._files])
        return self._edges

    def settle(self, t_ns: int) -> None:
        """End every busy stretch still open: no agent is alive at ``t_ns``."""
        for item in self._files:
            item.settle(t_ns)

    def _discover(self) -> None:
        known = {item.identity for item in self._files}
        with os.scandir(self._directory) as entries:
            names = sorted(
                (entry.name, entry.inode())
                for entry in entries
                if PREFIX in entry.name and entry.name.endswith(SUFFIX)
            )
        for identity in names:
            if identity in known:
                continue
            found = EdgeFile.open(self._directory / identity[0])
            if found is not None:
                self._files.append(found)
                self._link(found.path)

    def _link(self, path: Path) -> None:
        if self._keep is None:
            return
        try:
            (self._keep / f"{len(self._files):04d}-{path.name}").hardlink_to(path)
        except OSError:  # the agent was quicker: its file is gone, and with it a life of < 20 ms
            return


def edges_of(parts: list[Records]) -> Edges:
    """Join the records of several agents into one sequence of edges."""
    joined = np.concatenate([np.empty(0, dtype=_RECORD), *parts])
    joined = joined[np.argsort(joined["t_ns"], kind="stable")]
    return Edges(
        t_ns=joined["t_ns"].astype(np.int64),
        level=joined["level"].astype(np.int32),
        tag=joined["tag"].astype(np.int32),
    )
