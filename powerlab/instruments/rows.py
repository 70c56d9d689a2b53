"""Samples as rows with the meter's own times, and rows for those that never came, in their place.

No I/O here. A gap that nobody marks would be bridged by whoever joins the samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from powerlab.records import FlagArray, FloatArray, Int64Array, SampleFlag


@dataclass(frozen=True, slots=True)
class Rows:
    """Consecutive samples: values float64 ``(n, channels)``, flags and device time ``(n,)``.

    Device time is int64 nanoseconds on a clock that begins anywhere; lost rows have one too.
    """

    values: FloatArray
    flags: FlagArray
    device_ns: Int64Array


def lost_rows(count: int, channels: int, first_ns: int, interval_ns: int) -> Rows:
    """Get rows for samples that never came, the first of them at ``first_ns``."""
    return Rows(
        np.full((count, channels), np.nan),
        np.full(count, SampleFlag.LOST, dtype=np.uint8),
        first_ns + interval_ns * np.arange(count, dtype=np.int64),
    )


def joined_rows(parts: list[Rows]) -> Rows:
    """Join rows; at least one part."""
    if len(parts) == 1:
        return parts[0]
    return Rows(
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.flags for part in parts]),
        np.concatenate([part.device_ns for part in parts]),
    )


def with_lost(rows: Rows, last_ns: int | None, interval_ns: int) -> Rows:
    """Put a row of NaN marked ``LOST`` for each sample that is missing before or between rows.

    ``last_ns`` is the device time of the row before them, None where there is none; the times
    must rise. A gap of k intervals, rounded, has k - 1 rows, spread evenly over it.
    """
    if not len(rows.device_ns):
        return rows
    first = rows.device_ns[:1] - interval_ns if last_ns is None else np.array([last_ns])
    before = np.concatenate((first, rows.device_ns[:-1]))
    steps = np.maximum(np.rint((rows.device_ns - before) / interval_ns).astype(np.int64), 1)
    real = np.cumsum(steps) - 1
    count = int(real[-1]) + 1
    if count == len(steps):
        return rows
    values = np.full((count, rows.values.shape[1]), np.nan)
    values[real] = rows.values
    flags = np.full(count, SampleFlag.LOST, dtype=np.uint8)
    flags[real] = rows.flags
    number = np.arange(1, count + 1) - np.repeat(real + 1 - steps, steps)
    share = number / np.repeat(steps, steps)
    device_ns = np.repeat(before, steps) + np.rint(
        share * np.repeat(rows.device_ns - before, steps)
    ).astype(np.int64)
    return Rows(values, flags, device_ns)


def over_range(values: FloatArray, limits: FloatArray) -> FlagArray:
    """Flag the rows ``(n, channels)`` of which a value is beyond its channel's limit, ``(n,)``."""
    beyond = (np.abs(values) > limits).any(axis=1)
    return np.where(beyond, SampleFlag.OVERRANGE, SampleFlag.GOOD).astype(np.uint8)
