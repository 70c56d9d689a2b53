"""The statistics of a Joulescope: the JS220's own 192 bytes, and the driver's dictionaries.

No I/O here. Layout and scales of the raw message: js220_stats.c of jetperch/joulescope_driver.
No driver uses the raw message yet: the maker's package reads it, and hands out dictionaries.
Charge and energy are counted inside the instrument, so the difference of two updates is the mean
between them whatever was lost on the way.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from powerlab.errors import InstrumentProtocolError
from powerlab.instruments.rows import Rows, lost_rows
from powerlab.records import SampleFlag
from powerlab.units import NS_PER_S

RAW = struct.Struct("<IIQQ9q96s")
HEADER = 0x9
"""The upper four bits of a raw message; the next four are the decimation."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean, standard deviation, least and most of one quantity in a block."""

    mean: float
    deviation: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class RawStatistics:
    """One raw message of a JS220, in A, V, W, C and J."""

    decimation: int
    samples: int
    sample_rate_hz: float
    first_sample: int
    current: Spread
    voltage: Spread
    power: Spread
    charge_c: float
    energy_j: float


def decode_raw(message: bytes) -> RawStatistics:
    """Decode a message of 192 bytes; ``InstrumentProtocolError`` where it is none."""
    if len(message) != RAW.size:
        raise _broken(f"has {len(message)} bytes, not {RAW.size}", message)
    header, rate, first, _, *sums, wide = RAW.unpack(message)
    decimation, samples = header >> 24 & 0xF, header & 0xFF_FFFF
    if header >> 28 != HEADER or not decimation or not samples or not rate:
        raise _broken("has no header of one", message)
    squares = [int.from_bytes(wide[at : at + 16], "little", signed=True) for at in range(0, 96, 16)]
    spreads = [
        _spread(sums[at : at + 3], squares[at // 3 * 2], samples, bits)
        for at, bits in ((0, 31), (3, 31), (6, 27))
    ]
    rate_hz = rate / decimation
    return RawStatistics(
        decimation=decimation,
        samples=samples,
        sample_rate_hz=rate_hz,
        first_sample=first,
        current=spreads[0],
        voltage=spreads[1],
        power=spreads[2],
        charge_c=squares[1] / 2**31 / rate_hz,
        energy_j=squares[5] / 2**31 / rate_hz,
    )


def _spread(told: list[int], square: int, samples: int, bits: int) -> Spread:
    """Get the values of a quantity; the integers keep what a difference of floats would lose."""
    total, least, most = told
    scale = 2.0**-bits
    variance = square * samples - total * total
    return Spread(
        mean=total * scale / samples,
        deviation=math.sqrt(max(variance, 0)) * scale / samples,
        least=least * scale,
        most=most * scale,
    )


@dataclass(frozen=True, slots=True)
class Update:
    """What one update of the driver says: the last sample's number, charge [C] and energy [J]."""

    sample: int
    sample_rate_hz: float
    charge_c: float
    energy_j: float


def read_update(told: Mapping[str, Any]) -> Update:
    """Read the driver's dictionary; ``InstrumentProtocolError`` where it lacks something."""
    try:
        when = told["time"]
        counted = told["accumulators"]
        samples, seconds = when["samples"]["value"], when["range"]["value"]
        rate = (samples[1] - samples[0]) / (seconds[1] - seconds[0])
        if "sample_freq" in when:
            rate = float(when["sample_freq"]["value"])
        return Update(
            sample=int(samples[1]),
            sample_rate_hz=rate,
            charge_c=float(counted["charge"]["value"]),
            energy_j=float(counted["energy"]["value"]),
        )
    except (KeyError, TypeError, IndexError, ValueError, ZeroDivisionError):
        raise _broken("lacks time or accumulators", str(told)[:200].encode()) from None


class UpdateRows:
    """Updates to rows of mean power and current between them."""

    def __init__(self, interval_ns: int) -> None:
        self._interval_ns = interval_ns
        self._last: Update | None = None
        self._origin = 0

    def feed(self, update: Update) -> Rows | None:
        """Take an update; get the rows since the one before, None for the first or one told again.

        An update that was lost costs nothing: its stretch has the mean of both, marked
        ``REPEATED``. Where the instrument counted nothing (NaN) the rows are lost.
        ``InstrumentProtocolError`` where it counts backwards: rows have no time then.
        """
        before, self._last = self._last, update
        if before is None:
            self._origin = update.sample
            return None
        if update.sample == before.sample:
            return None
        if update.sample < before.sample:
            told = f"{before.sample}, then {update.sample}"
            raise _broken("counts backwards", told.encode())
        span_ns = (update.sample - before.sample) * NS_PER_S / update.sample_rate_hz
        end_ns = round((update.sample - self._origin) * NS_PER_S / update.sample_rate_hz)
        count = max(1, round(span_ns / self._interval_ns))
        span_s = span_ns / NS_PER_S
        power_w = (update.energy_j - before.energy_j) / span_s
        current_a = (update.charge_c - before.charge_c) / span_s
        first_ns = round(end_ns - span_ns * (count - 1) / count)
        if not (math.isfinite(power_w) and math.isfinite(current_a)):
            return lost_rows(count, 2, first_ns, round(span_ns / count))
        times = end_ns - np.rint(np.arange(count)[::-1] * span_ns / count).astype(np.int64)
        flags = np.full(count, SampleFlag.REPEATED if count > 1 else SampleFlag.GOOD, np.uint8)
        return Rows(np.tile([power_w, current_a], (count, 1)), flags, times)


def _broken(why: str, received: bytes) -> InstrumentProtocolError:
    return InstrumentProtocolError(
        f"a statistics message of the Joulescope {why}",
        hint="update pyjoulescope-driver, or tell us its version with this message",
        received=received,
    )
