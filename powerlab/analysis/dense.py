"""Sums over many samples and many windows, at the pace at which memory is read.

Samples are multiplied and summed in blocks that stay in the processor's cache, always in
float64: a sum of 1e8 products keeps 13 digits, where float32 keeps 7 and its running sum
none (method section 2.6). However many windows there are, every sample is read once. A
linear algebra library would be no faster, and its threads wait for each other on a busy host.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerlab.records import FloatArray, Int64Array
from powerlab.units import NS_PER_S

BLOCK = 1 << 16
"""Samples per block: half a MiB of float64."""

Samples = NDArray[np.float32] | NDArray[np.float64]


def product_sum(first: Samples, second: Samples) -> float:
    """Get the sum of the products of two arrays ``(n,)``, in float64 by blocks."""
    blocks = [slice(at, at + BLOCK) for at in range(0, len(first), BLOCK)]
    return math.fsum(_product(first[block], second[block]) for block in blocks)


def _product(first: Samples, second: Samples) -> float:
    return float(np.einsum("i,i->", first, second, dtype=np.float64))


def window_sums(first: Int64Array, last: Int64Array, *factors: Samples) -> FloatArray:
    """Sum the product of one or two arrays over windows of samples: float64 ``(windows,)``.

    Window w holds samples ``first[w]`` to ``last[w] - 1``, none where these are equal. Windows
    may overlap and come in any order. All samples from the first to the last one are read once.
    """
    cuts = np.unique(np.concatenate((first, last)))
    pieces = np.concatenate((_between(cuts, factors), [0.0]))
    ends = np.searchsorted(cuts, np.stack((first, last), axis=1)).ravel()
    sums = np.add.reduceat(pieces, ends)[::2] if len(first) else np.empty(0)
    return np.where(last > first, sums, 0.0)


def _between(cuts: Int64Array, factors: tuple[Samples, ...]) -> FloatArray:
    """Sum products between consecutive cuts, which rise: float64 ``(cuts - 1,)``."""
    if len(cuts) < 2:
        return np.empty(0)
    blocks = np.arange(cuts[0], cuts[-1], BLOCK)
    bounds = np.union1d(cuts, blocks)
    pieces = np.empty(len(bounds) - 1)
    room = np.empty(min(int(cuts[-1] - cuts[0]), BLOCK))
    for low, high in itertools.pairwise([*np.searchsorted(bounds, blocks), len(pieces)]):
        begin, end = bounds[low], bounds[high]
        product: Samples = factors[0][begin:end]
        if len(factors) == 2:
            other = factors[1][begin:end]
            product = np.multiply(product, other, out=room[: end - begin], dtype=np.float64)
        np.add.reduceat(product, bounds[low:high] - begin, dtype=np.float64, out=pieces[low:high])
    return np.add.reduceat(pieces, np.searchsorted(bounds, cuts[:-1]))


@dataclass(frozen=True, slots=True)
class EvenSamples:
    """Samples at even spacing, each the mean over its stretch; no instants are kept.

    Sample k of n stands for the stretch from k to k + 1 n-ths of the time from ``start_ns`` to
    ``stop_ns``. ``factors`` is the power ``(n,)``, or volts and amperes whose product it is,
    float32 or float64.
    """

    start_ns: int
    stop_ns: int
    factors: tuple[Samples, ...]

    def __len__(self) -> int:
        return len(self.factors[0])


def window_energies(samples: EvenSamples, start_ns: Int64Array, stop_ns: Int64Array) -> FloatArray:
    """Integrate power over windows, edges by exact fractions: joule, float64 ``(windows,)``.

    ``start_ns`` and ``stop_ns`` are int64 ``(windows,)``. Raises ValueError where a window
    reaches beyond the samples or ends before it starts.
    """
    beyond = (start_ns < samples.start_ns) | (stop_ns > samples.stop_ns) | (stop_ns < start_ns)
    if np.any(beyond):
        raise ValueError("a window reaches beyond the samples")
    span = samples.stop_ns - samples.start_ns
    first, into_first = _place(samples, start_ns)
    last, into_last = _place(samples, stop_ns)
    # Within two neighbouring samples there is nothing but the edges.
    near = last - first <= 1
    whole = window_sums(np.where(near, last, first), last, *samples.factors)
    begun = np.where(near & (last > first), span, np.where(near, into_last, 0)) - into_first
    ended = np.where(last > first, into_last, 0)
    edges = begun / span * _power(samples, first) + ended / span * _power(samples, last)
    return np.asarray((whole + edges) * (span / len(samples) / NS_PER_S))


def _place(samples: EvenSamples, at_ns: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Get the sample in which each instant lies, and how far: in ``1 / span`` of an interval.

    Both exact. The products may exceed 64 bits and wrap; what is left of the instant after
    its sample does not.
    """
    count, span = len(samples), samples.stop_ns - samples.start_ns
    since = at_ns - samples.start_ns
    index = np.floor(since / span * count).astype(np.int64)
    into = since * count - index * span
    off = (into >= span).astype(np.int64) - (into < 0)
    return index + off, into - off * span


def _power(samples: EvenSamples, index: Int64Array) -> FloatArray:
    """Get the power of single samples; the last one's for an instant at the very end."""
    inside = np.minimum(index, len(samples) - 1)
    values = [factor[inside].astype(np.float64) for factor in samples.factors]
    return np.asarray(math.prod(values[1:], start=values[0]))
