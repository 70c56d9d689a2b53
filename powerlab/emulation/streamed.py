"""Samples of an emulated meter that sends them by itself, as they become available."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerlab.emulation.faults import GAP_S, OVERRANGE_S, FaultWatch
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.sampling import Readings
from powerlab.emulation.site import LiveMeter, profile_of, site_of

AT_ONCE = 20_000
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive readings from number ``first`` on; bool ``(n,)``: which are sent, which over."""

    first: int
    readings: Readings
    sent: Mask
    over: Mask


class LiveSamples:
    """The readings of one meter on its bench, from each ``start`` on."""

    def __init__(
        self, context: EmulatorContext, watch: FaultWatch, channels: tuple[str, ...]
    ) -> None:
        self._profile = profile_of(context)
        self._site = site_of(context)
        self._watch = watch
        self._channels = channels
        self._meter: LiveMeter | None = None
        self._taken = 0

    @property
    def running(self) -> bool:
        """Tell whether it has been started."""
        return self._meter is not None

    def start(
        self,
        at_ns: int,
        interval_s: float | None = None,
        full_scales: Mapping[str, float] | None = None,
    ) -> None:
        """Read from now on, at the profile's rate or another; the numbers begin at 0."""
        self._meter = self._site.meter(
            self._profile,
            origin_ns=at_ns,
            channels=self._channels,
            full_scales=full_scales,
            aperture_s=interval_s,
            interval_s=interval_s,
        )
        self._taken = 0

    def stop(self) -> None:
        """Read no more."""
        self._meter = None

    def due(self, at_ns: int) -> Piece | None:
        """Get what has become available by a host instant, None where there is nothing."""
        self._watch.arm(self._site.follow())
        if self._meter is None:
            return None
        ready = int(self._meter.clock.completed(np.array(at_ns, dtype=np.int64)))
        count = min(AT_ONCE, ready - self._taken)
        if count <= 0:
            return None
        first = self._taken
        self._taken += count
        readings = self._meter.sample(first, count)
        gap = _within(readings, self._watch.windows("gap", GAP_S))
        over = _within(readings, self._watch.windows("overrange", OVERRANGE_S))
        return Piece(first, readings, ~gap, over | np.isnan(readings.values[:, 0]))


def _within(readings: Readings, spans: tuple[tuple[int, int], ...]) -> Mask:
    """Tell which readings begin in any of the spans of host time."""
    touched = np.zeros(readings.start_ns.size, dtype=np.bool_)
    for start_ns, stop_ns in spans:
        touched |= (readings.start_ns >= start_ns) & (readings.start_ns < stop_ns)
    return touched
