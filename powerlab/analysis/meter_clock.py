"""By how much a meter's own clock gains on the host's, told from its polls alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from powerlab.analysis.sample_clock import fit_sample_clock
from powerlab.records import MeterTrace

ANY_RATE_PPM = 100_000.0
"""So far a clock is looked for, to say how far one is off that is out of its limit."""

STRETCHES = 12
"""Parts of a stream of which each gives its quickest reply."""


@dataclass(frozen=True, slots=True)
class ClockGain:
    """What a meter's clock gains, in parts per million, and its standard uncertainty."""

    gain_ppm: float
    u_ppm: float


def clock_gain(trace: MeterTrace) -> ClockGain | None:
    """Get what a meter's clock gains, None where too little was streamed to tell.

    Two ways lead to it: the bounds that each poll sets, which are narrow where a meter is asked
    at all phases of its interval; and the quickest replies, where many polls scatter little. The
    better one counts. ``device_ns`` must rise.
    """
    if trace.device_ns is None or len(trace.poll_sent_ns) < 3 or len(trace.device_ns) < 3:
        return None
    open_to = replace(trace.setup, clock_limit_ppm=ANY_RATE_PPM)
    fitted = fit_sample_clock(replace(trace, setup=open_to))
    # The host falls behind a clock that gains.
    found = [ClockGain(-fitted.rate_ppm, fitted.u_rate_ppm), *_by_quickest(trace)]
    return min(found, key=lambda gain: gain.u_ppm)


def _by_quickest(trace: MeterTrace) -> list[ClockGain]:
    """Fit a line through the quickest reply of each stretch; none where they are too few."""
    assert trace.device_ns is not None  # noqa: S101 - asked by the caller
    newest = trace.poll_completed - 1
    usable = (newest >= 0) & (newest < len(trace.device_ns))
    at_ns = trace.device_ns[newest[usable]]
    if len(at_ns) < 2 * STRETCHES:
        return []
    elapsed = (at_ns - at_ns[0]).astype(np.float64)
    origin = int(trace.poll_received_ns[usable][0] - at_ns[0])
    delay = (trace.poll_received_ns[usable] - at_ns - origin).astype(np.float64)
    parts = np.array_split(np.arange(len(delay)), STRETCHES)
    quickest = np.array([part[np.argmin(delay[part])] for part in parts])
    x, y = elapsed[quickest], delay[quickest]
    spread = float(np.sum((x - x.mean()) ** 2))
    if spread == 0:
        return []
    slope = float(np.sum((x - x.mean()) * (y - y.mean()))) / spread
    left = y - y.mean() - slope * (x - x.mean())
    u_slope = math.sqrt(float(np.sum(left**2)) / (STRETCHES - 2) / spread)
    return [ClockGain(-slope * 1e6, u_slope * 1e6)]
