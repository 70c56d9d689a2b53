"""The board's clock: CLOCK_MONOTONIC_RAW, never slewed and never stepped, in whole ns."""

import functools
import time
from typing import Callable

CLOCK_ID = getattr(time, "CLOCK_MONOTONIC_RAW", 4)  # linux/time.h numbers it 4


def _from_float() -> int:
    # A double of seconds resolves 1 ns up to 48 days of uptime, 8 ns up to a year.
    return round(time.clock_gettime(CLOCK_ID) * 1e9)


def _pick_clock() -> Callable[[], int]:
    # Python 3.7 has the exact call; named by a string because 3.6 must load this file.
    exact = getattr(time, "clock_gettime_ns", None)
    return _from_float if exact is None else functools.partial(exact, CLOCK_ID)


now_ns = _pick_clock()
"""Get the board's CLOCK_MONOTONIC_RAW in nanoseconds."""
