"""A drawn pattern of busy and idle as a meter would see it: through a lag, then averaged.

With edges at ``e_k``, rising (``s_k = 1``) and falling (``s_k = -1``), the load is the step
function ``b(t)``; a regulator or a supply's input filter of time constant ``tau`` makes it

    R(t) = b(t) - G(t),    G(t) = sum of s_k * exp(-(t - e_k) / tau) over the edges passed,

whose integral is ``integral of b - tau * R``. A boxcar's sample is the difference of that
integral over its stretch: exact, for any stretch, lag and spacing of edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerlab.records import FloatArray, Int64Array, freeze_arrays
from powerlab.units import NS_PER_S


@dataclass(frozen=True, slots=True)
class Pattern:
    """Edges by turns to busy and to idle, the first to busy.

    ``edges_s`` float64 ``(n,)``, seconds after ``origin_ns``, which is the first edge;
    ``rises`` float64 ``(n,)``, +1 or -1 by turns.
    """

    origin_ns: int
    edges_s: FloatArray
    rises: FloatArray

    def __post_init__(self) -> None:
        freeze_arrays(self)

    @property
    def shortest_s(self) -> float:
        """Get the shortest stretch of one level."""
        return float(np.diff(self.edges_s).min())

    @property
    def chip_s(self) -> float:
        """Get about a chip: the length that a fifth of the stretches do not reach.

        Where forward passes outlast their chips, a few idle ones are left very short.
        """
        return float(np.quantile(np.diff(self.edges_s), 0.2))

    def with_asymmetry(self, asymmetry_s: float) -> Pattern:
        """Get the pattern with its busy stretches longer by ``asymmetry_s``, evenly."""
        if asymmetry_s == 0:
            return self
        return Pattern(self.origin_ns, self.edges_s - self.rises * (asymmetry_s / 2), self.rises)


def drawn_pattern(edges_ns: Int64Array, levels: Sequence[int] | NDArray[np.int_]) -> Pattern | None:
    """Get the pattern of the edges that a board reported, on any one clock.

    Edges that change nothing are left out, and idle is assumed before the first. None
    where fewer than four remain or where they do not rise in time.
    """
    busy = np.asarray(levels) > 0
    changes = busy != np.concatenate(([False], busy[:-1]))
    edges = np.asarray(edges_ns, dtype=np.int64)[changes]
    if len(edges) < 4 or np.any(np.diff(edges) <= 0):
        return None
    since = (edges - edges[0]).astype(np.float64) / NS_PER_S
    return Pattern(int(edges[0]), since, np.where(busy[changes], 1.0, -1.0))


@dataclass(frozen=True, slots=True)
class Response:
    """A unit load's response at instants, float64 ``(n,)`` each.

    ``value`` is R, ``area_s`` its integral, ``edges`` the edges passed, each lagged as the
    load is; ``slope`` and ``edge_rate`` (1/s) are the time derivatives of ``value`` and
    ``edges``, 0 without a lag.
    """

    value: FloatArray
    area_s: FloatArray
    edges: FloatArray
    slope: FloatArray
    edge_rate: FloatArray


def respond(pattern: Pattern, lag_s: float, at_s: FloatArray) -> Response:
    """Get the response to a pattern, ``at_s`` seconds after its first edge."""
    edges, rises = pattern.edges_s, pattern.rises
    busy = np.concatenate(([0.0], np.cumsum(rises)))
    area = np.concatenate(([0.0, 0.0], np.cumsum(busy[1:-1] * np.diff(edges))))
    begin = np.concatenate((edges[:1], edges))
    entry = np.searchsorted(edges, at_s, side="right")
    elapsed = np.maximum(at_s - begin[entry], 0.0)
    level = busy[entry]
    held = area[entry] + level * elapsed
    if lag_s <= 0:
        zero = np.zeros_like(elapsed)
        return Response(level, held, entry.astype(np.float64), zero, zero)
    signed, unsigned = _remainders(edges, rises, lag_s)
    fading = np.exp(elapsed / -lag_s)
    missing = signed[entry] * fading
    lacking = unsigned[entry] * fading
    value = level - missing
    return Response(
        value=value,
        area_s=held - lag_s * value,
        edges=entry - lacking,
        slope=missing / lag_s,
        edge_rate=lacking / lag_s,
    )


def _remainders(
    edges: FloatArray, rises: FloatArray, lag_s: float
) -> tuple[FloatArray, FloatArray]:
    """Get what is left of all steps just after each edge, with and without their sign.

    Entry 0 stands for the time before the first edge.
    """
    decay = np.exp(np.diff(edges) / -lag_s).tolist()
    signed, unsigned = [0.0, 1.0], [0.0, 1.0]
    for rise, fading in zip(rises[1:].tolist(), decay, strict=True):
        signed.append(signed[-1] * fading + rise)
        unsigned.append(unsigned[-1] * fading + 1.0)
    return np.array(signed), np.array(unsigned)


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of a meter around a marker, in seconds after the pattern's first edge.

    ``at_s`` are the instants at which stretches begin or end, each once; ``first`` and
    ``last`` index them per sample, and are equal for points. ``width_s``, ``middle_s`` and
    ``power_w`` are float64 ``(n,)``.
    """

    at_s: FloatArray
    first: NDArray[np.intp]
    last: NDArray[np.intp]
    width_s: FloatArray
    middle_s: FloatArray
    power_w: FloatArray

    def __post_init__(self) -> None:
        freeze_arrays(self)

    @property
    def points(self) -> bool:
        """Get whether the samples are instantaneous values."""
        return bool(self.width_s[0] == 0)


def samples_of(start_s: FloatArray, stop_s: FloatArray, power_w: FloatArray) -> Samples:
    """Join stretches, or points where all of them start as they stop, with their power."""
    at_s, index = np.unique(np.concatenate((start_s, stop_s)), return_inverse=True)
    count = len(start_s)
    return Samples(
        at_s=at_s,
        first=index[:count],
        last=index[count:],
        width_s=stop_s - start_s,
        middle_s=(start_s + stop_s) / 2,
        power_w=np.array(power_w, dtype=np.float64),
    )


@dataclass(frozen=True, slots=True)
class Template:
    """What samples would read of a unit load, and its derivatives, float64 ``(n,)`` each.

    ``by_delay`` and ``by_asymmetry`` (1/s) are for the pattern coming later, and for its busy
    stretches being longer; ``before`` and ``after`` are the response at both ends.
    """

    value: FloatArray
    by_delay: FloatArray
    by_asymmetry: FloatArray
    before: FloatArray
    after: FloatArray


def template(
    samples: Samples, pattern: Pattern, *, delay_s: float, lag_s: float, asymmetry_s: float
) -> Template:
    """Get what the samples would read of a pattern that comes ``delay_s`` late, then lags."""
    shifted = pattern.with_asymmetry(asymmetry_s)
    response = respond(shifted, lag_s, samples.at_s - delay_s)
    if samples.points:
        value = response.value[samples.first]
        return Template(
            value=value,
            by_delay=-response.slope[samples.first],
            by_asymmetry=response.edge_rate[samples.first] / 2,
            before=value,
            after=value,
        )
    before, after = response.value[samples.first], response.value[samples.last]
    area = response.area_s[samples.last] - response.area_s[samples.first]
    edges = response.edges[samples.last] - response.edges[samples.first]
    return Template(
        value=area / samples.width_s,
        by_delay=(before - after) / samples.width_s,
        by_asymmetry=edges / (2 * samples.width_s),
        before=before,
        after=after,
    )
