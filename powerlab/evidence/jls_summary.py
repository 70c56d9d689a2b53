"""The summaries of JLS: mean, standard deviation, least and greatest of many samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PER_ENTRY = 16
"""Samples of an entry of the first level, the fewest that the format allows for float32."""

Summary = NDArray[np.float64]
"""Mean, standard deviation, least, greatest: float64 ``(entries, 4)``."""


def of_samples(samples: NDArray[np.float32]) -> Summary:
    """Get an entry for every whole group of samples, leaving out what is not finite."""
    count = len(samples) // PER_ENTRY
    values = samples[: count * PER_ENTRY].astype(np.float64).reshape(count, PER_ENTRY)
    return _entries(values, np.zeros_like(values), values, values)


def of_summaries(entries: Summary, per_entry: int) -> Summary:
    """Get an entry of the next level for every whole group of entries."""
    count = len(entries) // per_entry
    mean, deviation, least, greatest = (
        entries[: count * per_entry, place].reshape(count, per_entry) for place in range(4)
    )
    return _entries(mean, deviation, least, greatest)


def _entries(
    mean: NDArray[np.float64],
    deviation: NDArray[np.float64],
    least: NDArray[np.float64],
    greatest: NDArray[np.float64],
) -> Summary:
    """Join groups, ``(entries, members)`` each; a group with nothing finite is NaN."""
    known = np.isfinite(mean)
    count = known.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = np.where(known, mean, 0.0).sum(axis=1) / count
        spread = np.where(known, deviation**2 + (mean - middle[:, None]) ** 2, 0.0)
        variance = spread.sum(axis=1) / count
    low = np.where(known, least, np.inf).min(axis=1, initial=np.inf)
    high = np.where(known, greatest, -np.inf).max(axis=1, initial=-np.inf)
    blank = count == 0
    low[blank], high[blank] = np.nan, np.nan
    return np.column_stack((middle, np.sqrt(variance), low, high))
