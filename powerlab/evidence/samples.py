"""Stamped readings made into power over time: what each stands for, and where none is."""

from __future__ import annotations

import numpy as np

from powerlab.analysis.integrate import GAP_FACTOR, PowerTrace
from powerlab.evidence.contract import Trace
from powerlab.records import FloatArray, Int64Array
from powerlab.terms import Averaging

MOST_W = 1e12
"""Beyond this a reading is of no meter: it is left out with what is no number at all."""


def nominal_interval(stamp_ns: Int64Array) -> int:
    """Get the median interval of rising stamps in nanoseconds, 1 for fewer than two."""
    return max(1, int(np.median(np.diff(stamp_ns)))) if len(stamp_ns) > 1 else 1


def trace(
    name: str,
    stamp_ns: Int64Array,
    power_w: FloatArray,
    *,
    averaging: Averaging = Averaging.BOXCAR,
    usable: np.ndarray | None = None,
    stamp: str = "end",
    power_factor: float = float("nan"),
    interval_ns: int = 0,
) -> Trace:
    """Make a trace of readings, int64 and float64 ``(n,)``; ``usable`` is bool ``(n,)``.

    A mean stands for the stretch since the reading before it (``stamp`` "end") or until the
    next one ("start"); after a gap for one nominal interval. Stamps that do not rise are
    put in order, and of equal ones the first is kept; a reading without one (the smallest
    int64) is left out.
    """
    stamped = stamp_ns > np.iinfo(np.int64).min
    if not stamped.all():
        stamp_ns, power_w = stamp_ns[stamped], power_w[stamped]
        usable = None if usable is None else usable[stamped]
    good = np.abs(power_w) < MOST_W
    good = good if usable is None else usable & good
    order = np.argsort(stamp_ns, kind="stable")
    stamp_ns, power_w, good = stamp_ns[order], power_w[order], good[order]
    first = np.concatenate(([True], np.diff(stamp_ns) > 0)) if len(stamp_ns) else good
    stamp_ns, power_w, good = stamp_ns[first], power_w[first], good[first]
    nominal = interval_ns or nominal_interval(stamp_ns)
    bad = tuple(int(each) for each in stamp_ns[~good])
    if averaging is Averaging.POINT:
        when = stamp_ns[good]
        power = PowerTrace(when, when, power_w[good].copy(), nominal)
    else:
        start_ns, stop_ns = _stretches(stamp_ns, nominal, stamp)
        power = PowerTrace(start_ns[good], stop_ns[good], power_w[good].copy())
    return Trace(name, power, nominal, bad, power_factor)


def _stretches(stamp_ns: Int64Array, nominal: int, stamp: str) -> tuple[Int64Array, Int64Array]:
    """Get what each mean stands for; an interval beyond the limit of a gap is cut to a nominal."""
    if not len(stamp_ns):
        return stamp_ns.copy(), stamp_ns.copy()
    step = np.diff(stamp_ns)
    length = np.where(step > GAP_FACTOR * nominal, nominal, step)
    if stamp == "start":
        return stamp_ns.copy(), stamp_ns + np.concatenate((length, [nominal]))
    return stamp_ns - np.concatenate(([nominal], length)), stamp_ns.copy()


def regular_stamps(count: int, rate_hz: float, origin_ns: int = 0) -> Int64Array:
    """Get the ends of ``count`` samples at a fixed rate: (k + 1) / rate, never accumulated."""
    ends = (np.arange(1, count + 1, dtype=np.float64) * (1e9 / rate_hz)).round()
    return np.asarray(ends, dtype=np.int64) + origin_ns
