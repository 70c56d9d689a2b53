"""Whether a warm-up has settled: by the latency of its passes and by the power of its samples.

A warm-up may come in slices with pauses between them; their passes and samples are joined.
Only shape matters, so the power is the meter's own reading, before any correction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from powerlab.analysis.integrate import PowerTrace, power_trace
from powerlab.analysis.steady import (
    FEWEST_TO_SETTLE,
    in_bins,
    middle_mean,
    plain_mean,
    steady_since,
)
from powerlab.records import Aligned, Capture, FloatArray, Int64Array, SampleFlag, Window
from powerlab.units import nanoseconds

Series = tuple[Int64Array, FloatArray]
"""Instants [ns], rising, and values; both ``(n,)``."""


@dataclass(frozen=True, slots=True)
class WarmUp:
    """Since when a warm-up is steady (host's clock), None where it is not or nothing can tell.

    ``passes`` and ``power_samples`` count what there was. ``judged`` names what could tell,
    of "latency" and "power": fewer than ``steady.FEWEST_TO_SETTLE`` values tell nothing and
    are left out. ``unsteady`` names those that still change, or scatter too much to tell.
    """

    steady_since_ns: int | None
    passes: int
    power_samples: int
    judged: tuple[str, ...]
    unsteady: tuple[str, ...]


def warm_up_state(capture: Capture, aligned: Aligned) -> WarmUp:
    """Judge the warm-up phases of a capture, which may still be under way."""
    windows = [window for window in aligned.windows if window.kind == "warm-up"]
    trim_ns = nanoseconds(5 * capture.wiring.supply_lag_limit_s) + round(3 * aligned.clock.u_ns)
    at_ns, reading = samples_of(_reading(capture, aligned), windows, trim_ns)
    latency = latency_series(windows)
    series = {"latency": latency, "power": power_series((at_ns, reading), windows)}
    judged = {name: one for name, one in series.items() if len(one[0]) >= FEWEST_TO_SETTLE}
    since = {name: steady_since(one) for name, one in judged.items()}
    settled = [instant for instant in since.values() if instant is not None]
    return WarmUp(
        steady_since_ns=max(settled) if judged and len(settled) == len(judged) else None,
        passes=sum(len(window.latency_s) for window in windows),
        power_samples=len(reading),
        judged=tuple(judged),
        unsteady=tuple(name for name, instant in since.items() if instant is None),
    )


def latency_series(windows: Sequence[Window]) -> Series:
    """Get the latencies [s] of all passes of some windows, condensed by their middle."""
    return in_bins(
        np.concatenate([np.empty(0, dtype=np.int64), *(one.done_ns for one in windows)]),
        np.concatenate([np.empty(0), *(one.latency_s for one in windows)]),
        middle_mean,
    )


def samples_of(trace: PowerTrace, windows: Sequence[Window], trim_ns: int) -> Series:
    """Get the samples that lie wholly in the windows, ``trim_ns`` away from their edges."""
    inside = [trace.inside(one.start_ns + trim_ns, one.stop_ns - trim_ns) for one in windows]
    empty = slice(0, 0)
    return (
        np.concatenate([trace.stop_ns[chosen] for chosen in (empty, *inside)]),
        np.concatenate([trace.power_w[chosen] for chosen in (empty, *inside)]),
    )


def power_series(samples: Series, windows: Sequence[Window]) -> Series:
    """Get the samples of some windows, condensed by their mean.

    First to one value for each pass, where a pass holds two samples or more: what happens
    within a pass is no change.
    """
    at_ns, power = samples
    starts = [np.append(one.start_ns, one.done_ns[:-1]) for one in windows if len(one.done_ns)]
    begun_ns = np.concatenate([np.empty(0, dtype=np.int64), *starts])
    if len(at_ns) >= 2 * len(begun_ns) >= 2 * FEWEST_TO_SETTLE:
        first = np.unique(np.searchsorted(at_ns, begun_ns))
        first = first[first < len(at_ns)]
        at_ns = at_ns[first]
        power = np.add.reduceat(power, first) / np.diff(first, append=len(power))
    return in_bins(at_ns, power, plain_mean)


def _reading(capture: Capture, aligned: Aligned) -> PowerTrace:
    """Get the channel that follows the load, as read; good samples only."""
    channels = capture.trace.setup.channels
    column = channels.index("power" if "power" in channels else "current")
    good = (aligned.flags == SampleFlag.GOOD) & np.isfinite(aligned.values[:, column])
    return power_trace(aligned.clock, aligned.values[good, column], good)
