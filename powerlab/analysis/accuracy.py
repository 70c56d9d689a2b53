"""How often a classifier is right: the share of labelled pictures, with its interval.

A picture's rank is the number of classes that the classifier puts before the right one. The
interval of a share is Wilson's (Probable inference, the law of succession, and statistical
inference, JASA 22, 1927), which keeps its probability near 0 and 1 as well. It
holds for a random sample of pictures; the first ones of a sorted folder are none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from powerlab.findings import Finding, Severity

PROBABILITY = 0.95
_NORMAL_QUANTILE = 1.959963984540054

TOP = 5


@dataclass(frozen=True, slots=True)
class Share:
    """``hits`` of ``count``; ``low`` and ``high`` bound the true share with 95 %."""

    hits: int
    count: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """Get the share as a fraction."""
        return self.hits / self.count


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The share of pictures whose class came first, and was among the first five."""

    top1: Share
    top5: Share


def wilson(hits: int, count: int) -> Share:
    """Get a share with Wilson's interval of 95 %. Raises ValueError without a picture."""
    if not 0 <= hits <= count or count == 0:
        raise ValueError(f"{hits} of {count} is no share")
    share, square = hits / count, _NORMAL_QUANTILE**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    spread = math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    half = _NORMAL_QUANTILE * spread / (1 + square / count)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return Share(hits, count, 0.0 if hits == 0 else low, 1.0 if hits == count else high)


def ranks(outputs: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Get the rank of each right class, 0 for the likeliest.

    ``outputs`` (n, classes) are larger for likelier classes, ``labels`` (n,) their indices. Of
    classes told equally likely the lower one comes first, as where a program takes the largest.
    """
    right = np.take_along_axis(outputs, labels[:, np.newaxis], axis=1)
    lower = np.arange(outputs.shape[1]) < labels[:, np.newaxis]
    ahead = (outputs > right) | ((outputs == right) & lower)
    return np.asarray(ahead.sum(axis=1), np.int64)


def ranks_among(best: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Get the same from the classes told, likeliest first (n, k); k where none of them is it."""
    found = best == labels[:, np.newaxis]
    return np.asarray(np.where(found.any(axis=1), found.argmax(axis=1), best.shape[1]), np.int64)


def accuracy(rank: NDArray[np.int64]) -> Accuracy:
    """Get the accuracy of pictures whose right classes have these ranks."""
    first, among = int((rank == 0).sum()), int((rank < TOP).sum())
    return Accuracy(wilson(first, len(rank)), wilson(among, len(rank)))


def stated_accuracy_findings(measured: Share, stated: Share) -> tuple[Finding, ...]:
    """Check a share against one stated elsewhere for the same model and kind of pictures."""
    if measured.low <= stated.high and stated.low <= measured.high:
        return ()
    return (
        Finding(
            code="accuracy-differs",
            severity=Severity.WARNING,
            message=f"{measured.value:.1%} of {measured.count} pictures are recognised, "
            f"where {stated.value:.1%} of {stated.count} are stated",
            hint="check the preprocessing, the order of classes, and that the pictures are a "
            "random sample of the same set",
            evidence={"measured": measured.value, "stated": stated.value},
        ),
    )
