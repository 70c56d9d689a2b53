"""Set-points of load and supply in small files, for the meters of the same bench to follow.

As with the agent's edge file, a preallocated memory-mapped file is written by one process and
read by others: a record completely, then the count that says it is there. Little endian::

    offset 0   8 bytes   b"PLPOINT1"
    offset 8   u64       count of complete records
    offset 16  records   i64 instant [ns], f64 aim [A or V], f64 limit [A]
"""

from __future__ import annotations

import math
import mmap
import struct
from pathlib import Path

from powerlab.emulation.circuit import BRIDGE, LOAD, SUPPLY, History
from powerlab.errors import SetupError

MAGIC = b"PLPOINT1"
COUNT_AT, HEADER_SIZE = 8, 16
COUNT = struct.Struct("<Q")
RECORD = struct.Struct("<qdd")
CAPACITY = 1 << 16

Record = tuple[int, float, float]


class SetPointFile:
    """One file of set-points, mapped; ``create`` makes it before any process opens it."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as stream:
            self._map = mmap.mmap(stream.fileno(), 0)
        if self._map[: len(MAGIC)] != MAGIC:
            raise SetupError(
                f"{path.name} is no file of set-points",
                hint="start the emulators through emulated_calibration_bench",
            )

    @classmethod
    def create(cls, path: Path) -> None:
        """Make an empty file."""
        with path.open("wb") as stream:
            stream.write(MAGIC)
            stream.truncate(HEADER_SIZE + CAPACITY * RECORD.size)

    @property
    def count(self) -> int:
        """Get the number of complete records."""
        (count,) = COUNT.unpack(self._map[COUNT_AT:HEADER_SIZE])
        return int(count)

    def publish(self, t_ns: int, aim: float, limit: float = math.inf) -> None:
        """Append one set-point; readers see it when this returns. IndexError where it is full."""
        count = self.count
        if count >= CAPACITY:
            raise IndexError("the file of set-points is full")
        start = HEADER_SIZE + count * RECORD.size
        self._map[start : start + RECORD.size] = RECORD.pack(t_ns, aim, limit)
        # One 8-byte copy: a reader sees the old count or the new one.
        self._map[COUNT_AT:HEADER_SIZE] = COUNT.pack(count + 1)

    def records(self, first: int = 0) -> list[Record]:
        """Get the complete records from number ``first`` on."""
        start = HEADER_SIZE + first * RECORD.size
        stop = HEADER_SIZE + self.count * RECORD.size
        return list(RECORD.iter_unpack(self._map[start : max(start, stop)]))


class SetPointTail:
    """What load and supply of one bench were set to, and when its wiring changed, up to now."""

    def __init__(self, directory: Path, first_v: float) -> None:
        self._files = {
            name: SetPointFile(point_path(directory, name)) for name in (LOAD, SUPPLY, BRIDGE)
        }
        self._records: dict[str, list[Record]] = {name: [] for name in self._files}
        self._first_v = first_v
        self._history = History.of((), (), first_v)

    def poll(self) -> History:
        """Read what is new and get the history so far."""
        news = {name: file.records(len(self._records[name])) for name, file in self._files.items()}
        if any(news.values()):
            for name, records in news.items():
                self._records[name] += records
            bridged = self._records[BRIDGE]
            self._history = History.of(
                self._records[LOAD],
                self._records[SUPPLY],
                self._first_v,
                bridged[0][0] if bridged else None,
            )
        return self._history


def point_path(directory: Path, name: str) -> Path:
    """Get the path of what the load, the supply or a hand at the wires of a bench did."""
    return directory / f"{name}.points"
