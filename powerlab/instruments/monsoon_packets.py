"""The Monsoon HVPM's bulk packets and control values, no I/O here.

A packet has up to 64 bytes: the count of dropped observations (u16, little endian as the host
library of the vendor reads it), flags, the number of observations, then 18 bytes each: coarse
and fine raw values of the main, USB and aux channel (u16, big endian), raw volts of main and
USB, and two flag bytes, the second of which says what it is. Measurements are told apart from
the device's own zero and reference readings, by which every later one is corrected. Layout and
arithmetic: msoon/PyMonsoon, HVPM.py and sampleEngine.py; checked against computed packets only.
No driver uses this yet: powerlab reads no Monsoon.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from powerlab.errors import InstrumentProtocolError
from powerlab.records import FloatArray

HEADER_BYTES = 4
OBSERVATION = np.dtype(
    [
        ("coarse", ">u2"),
        ("fine", ">u2"),
        ("usb_coarse", ">u2"),
        ("usb_fine", ">u2"),
        ("aux_coarse", ">u2"),
        ("aux_fine", ">u2"),
        ("main_v", ">u2"),
        ("usb_v", ">u2"),
        ("gain", "u1"),
        ("kind", "u1"),
    ]
)
KIND_MASK = 0x30
MEASUREMENT, ZERO, INVALID, REFERENCE = 0x00, 0x10, 0x20, 0x30
FINE_MOST = 64_000
VOLTS_PER_STEP = 62.5e-6
MAIN_DIVIDER = 4
CALIBRATIONS_KEPT = 5
"""Zero and reference readings that are averaged, the newest ones."""

SET_MAIN_VOLTAGE = 41
VOLTAGE_STEPS = 1 << 20
CURRENT_MOST_A, CURRENT_LEAST = 15.625, 0x0F00


@dataclass(frozen=True, slots=True)
class Packet:
    """One bulk packet: how many observations the device dropped, its flags, the ones here."""

    dropped: int
    flags: int
    observations: NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Scales:
    """What the unit's own memory says of the main channel; offsets in raw steps."""

    fine: float
    coarse: float
    fine_zero: float = 0.0
    coarse_zero: float = 0.0


@dataclass(frozen=True, slots=True)
class Measurements:
    """Measured observations: ``current_a`` and ``voltage_v`` float64, ``fine`` bool, ``(n,)``.

    NaN where no zero or no reference reading has come yet.
    """

    current_a: FloatArray
    voltage_v: FloatArray
    fine: NDArray[np.bool_]


def parse_packet(raw: bytes) -> Packet:
    """Read one packet; ``InstrumentProtocolError`` where it is shorter than it says.

    Bytes behind its last observation are no part of it: the device pads a packet.
    """
    if len(raw) < HEADER_BYTES:
        raise _broken(f"has {len(raw)} bytes", raw)
    count = raw[3]
    end = HEADER_BYTES + count * OBSERVATION.itemsize
    if len(raw) < end:
        raise _broken(f"says {count} observations and has {len(raw)} bytes", raw)
    observations = np.frombuffer(raw[HEADER_BYTES:end], dtype=OBSERVATION)
    return Packet(int.from_bytes(raw[:2], "little"), raw[2], observations)


@dataclass(slots=True)
class MainChannel:
    """Corrects the main channel's measurements by the zero and reference readings among them."""

    scales: Scales
    _zeros: deque[tuple[float, float]] = field(
        default_factory=lambda: deque(maxlen=CALIBRATIONS_KEPT)
    )
    _references: deque[tuple[float, float]] = field(
        default_factory=lambda: deque(maxlen=CALIBRATIONS_KEPT)
    )

    def feed(self, observations: NDArray[np.void]) -> Measurements:
        """Take observations in their order; get the measurements among them."""
        kind = observations["kind"] & KIND_MASK
        parts = []
        begin = 0
        for at in np.flatnonzero((kind == ZERO) | (kind == REFERENCE)).tolist():
            parts.append(self._measured(observations[begin:at], kind[begin:at]))
            told = (float(observations["fine"][at]), float(observations["coarse"][at]))
            (self._zeros if kind[at] == ZERO else self._references).append(told)
            begin = at + 1
        parts.append(self._measured(observations[begin:], kind[begin:]))
        return Measurements(
            np.concatenate([part.current_a for part in parts]),
            np.concatenate([part.voltage_v for part in parts]),
            np.concatenate([part.fine for part in parts]),
        )

    def _measured(self, observations: NDArray[np.void], kind: NDArray[Any]) -> Measurements:
        chosen = observations[kind == MEASUREMENT]
        fine = chosen["fine"] < FINE_MOST
        scales = self.scales
        by_fine = self._milliamperes(0, chosen["fine"], scales.fine_zero, scales.fine) / 1000
        by_coarse = self._milliamperes(1, chosen["coarse"], scales.coarse_zero, scales.coarse)
        volts = chosen["main_v"].astype(np.float64) * (VOLTS_PER_STEP * MAIN_DIVIDER)
        return Measurements(np.where(fine, by_fine, by_coarse) / 1000, volts, fine)

    def _milliamperes(
        self, column: int, raw: NDArray[np.uint16], offset: float, scale: float
    ) -> FloatArray:
        """Get the current; that of the fine channel is a thousand times too large."""
        if not self._zeros or not self._references:
            return np.full(len(raw), np.nan)
        zero = float(np.mean([told[column] for told in self._zeros])) + offset
        span = float(np.mean([told[column] for told in self._references])) - zero
        if span <= 0:
            return np.full(len(raw), np.nan)
        return np.asarray((raw.astype(np.float64) - zero) * (scale / span))


def main_voltage_value(volts: float) -> int:
    """Get what ``SET_MAIN_VOLTAGE`` takes for some volts [V]."""
    return round(volts * VOLTAGE_STEPS)


def current_limit_value(amperes: float) -> int:
    """Get what a command for a current limit takes for some amperes [A]."""
    return round((0xFFFF - CURRENT_LEAST) * amperes / CURRENT_MOST_A + CURRENT_LEAST)


def _broken(why: str, raw: bytes) -> InstrumentProtocolError:
    return InstrumentProtocolError(
        f"a packet of the Monsoon HVPM {why}",
        hint="stop other programs that use it, unplug it and plug it in again",
        received=raw,
    )
