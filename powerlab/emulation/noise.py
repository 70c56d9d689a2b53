"""Random numbers by position: number ``i`` of a stream is the same however it is reached.

A stream is named by the world's seed and a text. Its numbers come from the Philox
counter generator (Salmon et al., SC11), whose counter is set to the position asked for,
so any stretch of any stream is had at once and in any order, in every process alike.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.random import Philox
from scipy.special import ndtri

from powerlab.records import FloatArray

_WORDS_PER_COUNT = 4  # Philox 4x64 turns one count into four words
_COUNTER_RANGE = 1 << 256


@lru_cache(maxsize=4096)
def _key(seed: int, stream: str) -> int:
    """Get the 128-bit Philox key of a stream."""
    return int.from_bytes(blake2b(f"{seed}\0{stream}".encode(), digest_size=16).digest(), "little")


def uniforms(seed: int, stream: str, first: int, count: int) -> FloatArray:
    """Get numbers ``first`` to ``first + count - 1`` of a stream, uniform on the open (0, 1).

    float64 ``(count,)``; ``first`` may be negative. Each is the middle of one of 2**53
    equal cells, so neither 0 nor 1 occurs.
    """
    block, skip = divmod(first, _WORDS_PER_COUNT)
    # Philox steps its counter before it uses it, hence block and not block + 1.
    source = Philox(key=_key(seed, stream), counter=block % _COUNTER_RANGE)
    words = source.random_raw(skip + count)[skip:]
    return ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def normals(seed: int, stream: str, first: int, count: int) -> FloatArray:
    """Get a stretch of a stream as standard normal numbers, by the inverse distribution."""
    return np.asarray(ndtri(uniforms(seed, stream, first, count)), dtype=np.float64)


def exponentials(seed: int, stream: str, first: int, count: int) -> FloatArray:
    """Get a stretch of a stream as exponential numbers of mean 1."""
    return -np.log(uniforms(seed, stream, first, count))


def uniform(seed: int, stream: str) -> float:
    """Get the one number of a stream that is drawn once for a world, uniform on (0, 1)."""
    return float(uniforms(seed, stream, 0, 1)[0])


def normal(seed: int, stream: str) -> float:
    """Get the one number of a stream that is drawn once for a world, standard normal."""
    return float(normals(seed, stream, 0, 1)[0])
