"""When an emulated meter reads, and what its readings consist of.

A meter counts its intervals and apertures on a clock of its own, which is a little fast or slow;
what it looks at meanwhile is another matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.emulation import noise
from powerlab.emulation.ranges import Channel
from powerlab.emulation.wiring import ErrorLaw, draw_error
from powerlab.records import (
    Averaging,
    FlagArray,
    FloatArray,
    Int64Array,
    freeze_arrays,
)
from powerlab.units import NS_PER_S, nanoseconds


@dataclass(frozen=True, slots=True)
class Readings:
    """Consecutive readings of a meter, and when they truly happened.

    ``values`` float64 ``(n, channels)`` in the order of the meter's channels, the trigger line
    last where it is sampled, NaN where out of range; ``flags`` uint8 ``(n,)`` of SampleFlag;
    ``device_ns`` int64 ``(n,)`` on the meter's own clock from its first reading on. ``start_ns``
    and ``stop_ns`` bound each aperture on the host's clock (equal for a point sample) and
    ``available_ns`` is when the reading can first be had: only the emulation knows these three.
    """

    values: FloatArray
    flags: FlagArray
    device_ns: Int64Array
    start_ns: Int64Array
    stop_ns: Int64Array
    available_ns: Int64Array

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class ReadingClock:
    """When a meter reads, from ``start_ns`` (host) on.

    ``interval_ns`` and ``aperture_ns`` are true host nanoseconds, the meter's own clock
    (``rate_ppm`` fast) being what counts them out; ``device_interval_ns`` is the interval as
    that clock shows it. A reading can be had ``latency_ns`` after the end of its aperture.
    """

    averaging: Averaging
    start_ns: int
    interval_ns: float
    aperture_ns: float
    device_interval_ns: float
    latency_ns: int
    rate_ppm: float

    @property
    def span_ns(self) -> int:
        """Get how long a reading looks at its quantity: no time for a point sample."""
        return 0 if self.averaging is Averaging.POINT else round(self.aperture_ns)

    @property
    def lag_ns(self) -> int:
        """Get the time from the begin of an aperture to its reading being available."""
        return self.span_ns + self.latency_ns

    def starts_ns(self, index: Int64Array) -> Int64Array:
        """Get the host instants at which the apertures of these readings begin."""
        return np.asarray(self.start_ns + np.rint(index * self.interval_ns).astype(np.int64))

    def available_ns(self, index: Int64Array) -> Int64Array:
        """Get the host instants from which on the readings of these indices can be had."""
        return self.starts_ns(index) + self.lag_ns

    def completed(self, t_ns: Int64Array) -> Int64Array:
        """Get how many readings are available at the host instants ``t_ns``, int64 any shape."""
        at = np.asarray(t_ns, dtype=np.int64)
        since = at - (self.start_ns + self.lag_ns)
        # The division may round across a reading's very instant: settle it by that instant.
        guess = np.floor(since / self.interval_ns).astype(np.int64)
        guess -= self.available_ns(guess) > at
        guess += self.available_ns(guess + 1) <= at
        return np.maximum(guess + 1, 0)

    def readings(
        self,
        channels: Sequence[Channel],
        true: Mapping[str, FloatArray],
        first_index: int,
        line: FloatArray | None = None,
    ) -> Readings:
        """Read the true means of the apertures from number ``first_index`` on.

        ``true`` holds float64 ``(n,)`` for each channel's quantity, ``line`` the trigger line's.
        """
        count = next(iter(true.values())).size
        index = np.arange(first_index, first_index + count, dtype=np.int64)
        start_ns = self.starts_ns(index)
        values = np.empty((count, len(channels)))
        flags = np.zeros(count, dtype=np.uint8)
        for column, channel in enumerate(channels):
            values[:, column], flag = channel.read(true[channel.quantity], first_index)
            flags |= flag
        return Readings(
            values=values if line is None else np.column_stack((values, line)),
            flags=flags,
            device_ns=np.rint(index * self.device_interval_ns).astype(np.int64),
            start_ns=start_ns,
            stop_ns=start_ns + self.span_ns,
            available_ns=start_ns + self.lag_ns,
        )


def draw_reading_clock(
    profile: InstrumentProfile,
    seed: int,
    serial: str,
    *,
    origin_ns: int,
    aperture_s: float | None = None,
    interval_s: float | None = None,
    law: ErrorLaw = ErrorLaw.UNIFORM,
) -> ReadingClock:
    """Draw the clock of a meter that starts within one interval after ``origin_ns``.

    ``aperture_s`` and ``interval_s`` replace what the profile says. What a counter accumulates
    between two readings is the mean over that stretch.
    """
    sampling = profile.sampling
    rate_ppm = sampling.clock_limit_ppm * draw_error(seed, f"{serial}/clock", law)
    late_s = sampling.latency_limit_s * draw_error(seed, f"{serial}/latency", law)
    true_ns = NS_PER_S / (1 + rate_ppm * 1e-6)
    interval = interval_s or sampling.interval_s
    return ReadingClock(
        averaging=sampling.averaging,
        start_ns=origin_ns + int(interval * true_ns * noise.uniform(seed, f"{serial}/start")),
        interval_ns=interval * true_ns,
        aperture_ns=(aperture_s or sampling.aperture_s) * true_ns,
        device_interval_ns=interval * NS_PER_S,
        latency_ns=max(0, nanoseconds(sampling.latency_s + late_s)),
        rate_ppm=rate_ppm,
    )
