"""What a meter shows while it runs: sums over its samples as they come, and readings of them.

Readings are those of the meter itself: no correction of a result is in them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from powerlab.records import FloatArray, Int64Array, MeterSetup, SampleBlock, SampleFlag
from powerlab.units import NS_PER_S

LOST = SampleFlag.LOST | SampleFlag.NOT_AVAILABLE
BEYOND = SampleFlag.OVERRANGE | SampleFlag.SATURATED

LONGEST_INTERVALS = 1.5
"""A sample stands for the time since the one before it, of so many intervals at most."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over all samples so far.

    ``samples`` counts good ones, ``sum_v``, ``sum_a`` and ``sum_w`` are over those; ``energy_j``
    is over the ``seen_s`` that they stand for, ``unseen_s`` is the time that none stands for.
    ``last_ns`` is the instant of the newest sample, None before the first.
    """

    samples: int = 0
    lost: int = 0
    repeated: int = 0
    beyond: int = 0
    sum_v: float = 0.0
    sum_a: float = 0.0
    sum_w: float = 0.0
    energy_j: float = 0.0
    seen_s: float = 0.0
    unseen_s: float = 0.0
    last_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """Means over one stretch, NaN where nothing came or the meter does not tell.

    ``rate_hz`` is that of good samples; ``lost``, ``repeated``, ``energy_j`` and ``unseen_s``
    count from the very beginning.
    """

    voltage_v: float
    current_a: float
    power_w: float
    rate_hz: float
    samples: int
    lost: int
    repeated: int
    beyond: int
    energy_j: float
    unseen_s: float


def add_block(tally: Tally, block: SampleBlock, setup: MeterSetup, supply_v: float) -> Tally:
    """Get the sums with one block more.

    ``supply_v`` takes the place of volts that no channel reads; NaN where nobody knows them.
    """
    volts, amperes, watts = _electrics(block.values, setup, supply_v)
    flags = block.flags
    good = np.isfinite(block.values).all(axis=1) & (flags & int(LOST) == 0)
    steps_s = _steps_s(tally, block, setup)
    stood_s = np.minimum(steps_s, LONGEST_INTERVALS * setup.interval_s)
    return Tally(
        samples=tally.samples + int(good.sum()),
        lost=tally.lost + int(np.count_nonzero(~good)),
        repeated=tally.repeated + _count(flags, SampleFlag.REPEATED),
        beyond=tally.beyond + _count(flags, BEYOND),
        sum_v=tally.sum_v + float(volts[good].sum()),
        sum_a=tally.sum_a + float(amperes[good].sum()),
        sum_w=tally.sum_w + float(watts[good].sum()),
        energy_j=tally.energy_j + float((watts[good] * stood_s[good]).sum()),
        seen_s=tally.seen_s + float(stood_s[good].sum()),
        unseen_s=tally.unseen_s + float(steps_s.sum() - stood_s[good].sum()),
        last_ns=_last_ns(tally, block),
    )


def reading_between(before: Tally, after: Tally, elapsed_s: float) -> Reading:
    """Get what came between two states of the sums, ``elapsed_s`` of the host's clock apart."""
    count = after.samples - before.samples

    def mean(late: float, early: float) -> float:
        return (late - early) / count if count else math.nan

    return Reading(
        voltage_v=mean(after.sum_v, before.sum_v),
        current_a=mean(after.sum_a, before.sum_a),
        power_w=mean(after.sum_w, before.sum_w),
        rate_hz=count / elapsed_s if elapsed_s > 0 else math.nan,
        samples=after.samples,
        lost=after.lost,
        repeated=after.repeated,
        beyond=after.beyond,
        energy_j=after.energy_j,
        unseen_s=after.unseen_s,
    )


def _electrics(
    values: FloatArray, setup: MeterSetup, supply_v: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Get volts, amperes and watts of each sample, NaN where they cannot be known."""
    column = {name: values[:, index] for index, name in enumerate(setup.channels)}
    unknown = np.full(len(values), math.nan)
    volts = column.get("voltage", np.full(len(values), supply_v))
    amperes = column.get("current", unknown)
    return volts, amperes, column.get("power", volts * amperes)


def _instants(block: SampleBlock) -> Int64Array:
    """Get when the samples were taken: by the meter's clock, else all when they came."""
    if block.device_ns is not None:
        return block.device_ns
    return np.full(len(block.flags), block.received_ns, dtype=np.int64)


def _steps_s(tally: Tally, block: SampleBlock, setup: MeterSetup) -> FloatArray:
    """Get the time since the sample before of each; what comes at once came one by one."""
    if not len(block.flags):
        return np.empty(0)
    interval_ns = setup.interval_s * NS_PER_S
    instants = _instants(block)
    if block.device_ns is None and len(instants) > 1:
        span_ns = interval_ns * len(instants)
        if tally.last_ns is not None:
            span_ns = float(block.received_ns - tally.last_ns)
        return np.full(len(instants), span_ns / len(instants) / NS_PER_S)
    first_ns = int(instants[0] - interval_ns) if tally.last_ns is None else tally.last_ns
    steps = np.diff(instants, prepend=np.int64(first_ns))
    return np.asarray(np.maximum(steps, 0) / NS_PER_S)


def _last_ns(tally: Tally, block: SampleBlock) -> int | None:
    return int(_instants(block)[-1]) if len(block.flags) else tally.last_ns


def _count(flags: np.ndarray, wanted: SampleFlag) -> int:
    return int(np.count_nonzero(flags & int(wanted)))
