"""A recorded dialogue in place of a device: what was sent must be sent again.

The file has one JSON object a line, in the order of the dialogue::

    {"direction": "out", "time_s": 0.0, "hex": "02010000"}
    {"direction": "in", "time_s": 0.0003, "hex": "05010000"}

``out`` is from the host, ``in`` from the device. An answer comes no earlier than it did then,
counted from the first packet, so that a device's clock goes with the host's.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from powerlab.errors import InstrumentError
from powerlab.units import NS_PER_S, nanoseconds, now_ns


@dataclass(frozen=True, slots=True)
class Recorded:
    """One packet of a recording: its direction, its time since the first [ns], its bytes."""

    outwards: bool
    at_ns: int
    packet: bytes


class Replay:
    """A ``PacketLink`` that plays a recording and refuses anything else."""

    def __init__(self, resource: str, path: str) -> None:
        self.resource = resource
        self.serial = ""
        self._packets = read_recording(Path(path))
        self._next = 0
        self._start_ns: int | None = None

    def write(self, packet: bytes) -> None:
        """Compare a packet with the one sent then; ``InstrumentError`` where it is another.

        Answers of then that nobody read are passed over, as a driver does that drains.
        """
        while self._next < len(self._packets) and not self._packets[self._next].outwards:
            self._next += 1
        expected = self._packets[self._next].packet if self._next < len(self._packets) else None
        if packet != expected:
            told = "nothing more" if expected is None else expected[:16].hex()
            raise InstrumentError(
                f"the recording {self.resource} has {told} where {packet[:16].hex()} is sent",
                hint="a recording answers only the requests that it was made with",
                context={"packet": self._next, "sent": packet.hex()},
            )
        self._begin()
        self._next += 1

    def read(self, limit_s: float) -> bytes | None:
        """Get the next packet at its time, or None where none was recorded for it."""
        due = self._packets[self._next] if self._next < len(self._packets) else None
        if due is None or due.outwards:
            time.sleep(max(0.0, limit_s))
            return None
        early_s = (self._begin() + due.at_ns - now_ns()) / NS_PER_S
        time.sleep(max(0.0, min(early_s, limit_s)))
        if early_s > limit_s:
            return None
        self._next += 1
        return due.packet

    def close(self) -> None:
        """Let the recording go; never raises."""

    def _begin(self) -> int:
        """Get the host instant of the recording's first packet, which is now at first."""
        if self._start_ns is None:
            self._start_ns = now_ns() - self._packets[self._next].at_ns
        return self._start_ns


def read_recording(path: Path) -> tuple[Recorded, ...]:
    """Read a recording; ``InstrumentError`` with the line where it is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InstrumentError(
            f"the recording {path} cannot be read: {error}",
            hint="give the path of a file with one JSON object a line",
        ) from error
    packets: list[Recorded] = []
    first_s = None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            told = json.loads(line)
            outwards = {"out": True, "in": False}[told["direction"]]
            time_s, packet = float(told["time_s"]), bytes.fromhex(told["hex"])
            first_s = time_s if first_s is None else first_s
            packets.append(Recorded(outwards, nanoseconds(time_s - first_s), packet))
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise InstrumentError(
                f"line {number} of the recording {path} is no packet: {error!r}",
                hint='write {"direction": "in", "time_s": 0.1, "hex": "05010000"}',
            ) from error
    return tuple(packets)
