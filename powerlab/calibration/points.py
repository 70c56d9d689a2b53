"""One point of a calibration: set a level, wait until both meters have settled, read them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from powerlab.acquire import CHECK_S, Acquisition
from powerlab.analysis.calibration.plan import SETTLING, UNITS, Leg, Step
from powerlab.analysis.calibration.settling import Pair, Readings, pair_at
from powerlab.analysis.sample_clock import fit_sample_clock
from powerlab.calibration.sources import Source
from powerlab.catalog.instrument_profile import InstrumentProfile, Range
from powerlab.errors import InstrumentError
from powerlab.instruments.contract import Meter, MeterRequest
from powerlab.records import FloatArray, MeterSetup, MeterTrace, SampleBlock, SampleFlag
from powerlab.records.calibration import CalibrationPoint, Settling
from powerlab.units import nanoseconds, now_ns

UNUSABLE = SampleFlag.LOST | SampleFlag.NOT_AVAILABLE
TOO_MUCH = SampleFlag.OVERRANGE | SampleFlag.SATURATED

SETTLE_LIMIT_S = 30.0
"""How long a point may take to settle, beside the time of its readings."""

WAITS = 4
"""Sets of readings that may pass before a point counts as one that does not settle."""

BEFORE_S = 10.0
"""How much of the readings before a level helps to place those of the level in time."""

NEAR = 0.25
"""By which part of it a level set by hand may miss what was asked for."""


class Nothing:
    """A sink that keeps nothing: what counts of a calibration are its points."""

    def block(self, block: SampleBlock) -> None:
        """Pass over a block."""

    def event(self, kind: str, payload: object) -> None:
        """Pass over an event."""


@dataclass(frozen=True, slots=True)
class Reader:
    """One meter being read on one range: the stream of one of its quantities."""

    meter: Meter
    setup: MeterSetup
    range: Range
    acquisition: Acquisition

    @property
    def name(self) -> str:
        """Get the meter's name, its serial number where it tells one."""
        identity = self.meter.identity
        return f"{identity.name} {identity.serial}".strip()

    def readings(self, since_ns: int = 0) -> Readings:
        """Get what has come of readings that began after an instant.

        How well the meter's latency is known counts as time after it. Raises InstrumentError
        for one that is more than the range carries, and whatever stopped the meter.
        """
        trace = _recent(self.acquisition.so_far(), since_ns)
        clock = fit_sample_clock(trace)
        column = self.setup.channels.index(self.range.quantity)
        after = clock.start_ns >= since_ns + nanoseconds(self.setup.latency_limit_s)
        if (trace.flags[after] & int(TOO_MUCH)).any():
            raise self._over_range()
        good = after & (trace.flags & int(UNUSABLE) == 0)
        good &= np.isfinite(trace.values[:, column])
        return Readings(
            values=trace.values[good, column],
            start_ns=clock.start_ns[good],
            stop_ns=clock.stop_ns[good],
        )

    def _over_range(self) -> InstrumentError:
        limit = self.range.full_scale * self.range.over_range_factor
        return InstrumentError(
            f"{self.name} is beyond its {self.range.quantity} range of {limit:g} "
            f"{UNITS[self.range.quantity]}",
            hint="go on with --resume once the cause is gone; if the level is too high for it, "
            "begin anew with lower --points and --restart",
        )


def _recent(trace: MeterTrace, since_ns: int) -> MeterTrace:
    """Get the end of a trace, from a little before an instant: a level needs no more."""
    first = int(np.searchsorted(trace.poll_received_ns, since_ns - nanoseconds(BEFORE_S)))
    if not first:
        return trace
    known = int(trace.poll_completed[first - 1])
    if known >= len(trace.values):
        return trace
    return replace(
        trace,
        values=trace.values[known:],
        flags=trace.flags[known:],
        device_ns=None if trace.device_ns is None else trace.device_ns[known:],
        poll_sent_ns=trace.poll_sent_ns[first:],
        poll_received_ns=trace.poll_received_ns[first:],
        poll_completed=trace.poll_completed[first:] - known,
    )


@contextmanager
def reading(meter: Meter, profile: InstrumentProfile, chosen: Range) -> Iterator[Reader]:
    """Read one range of a meter in the background for a ``with`` block.

    Raises InstrumentError where the meter takes another range than this one.
    """
    peaks = {"current": 0.0, "voltage": 0.0} | {chosen.quantity: chosen.full_scale}
    setup = meter.configure(
        MeterRequest(
            expected_peak_a=peaks["current"],
            expected_peak_v=peaks["voltage"],
            channels=(chosen.quantity,),
        )
    )
    taken = setup.accuracy[setup.channels.index(chosen.quantity)].full_scale
    if not np.isclose(taken, chosen.full_scale):
        raise InstrumentError(
            f"{profile.name} took its range of {taken:g} where {chosen.full_scale:g} "
            f"{UNITS[chosen.quantity]} was asked for",
            hint="check that nobody works at its front panel, then go on with --resume",
        )
    with Acquisition(meter, setup, Nothing()) as acquisition:
        yield Reader(meter, setup, chosen, acquisition)


@dataclass(frozen=True, slots=True)
class Station:
    """Everything that the points of one range are taken with.

    ``readings`` of the slower meter make a point; ``say`` shows a person one line.
    """

    leg: Leg
    source: Source
    meter: Reader
    reference: Reader
    readings: int
    temperature_c: float
    say: Callable[[str], None]

    def take(self, step: Step) -> CalibrationPoint | None:
        """Take one point, None for a zero of which one of the meters shows only one side.

        Raises InstrumentError where source or meters fail; a point that does not settle in its
        time is taken as it is, and says so.
        """
        begun_ns = now_ns()
        pair = self._read(step.nominal)
        if not step.nominal and any(
            shows_one_side(reader.readings(begun_ns).values)
            for reader in (self.meter, self.reference)
        ):
            return None
        if self.source.by_hand and self._missed(pair, step.nominal):
            unit = UNITS[self.leg.quantity]
            self.say(f"the reference reads {pair.reference.value:.4g} {unit}: once more, please")
            pair = self._read(step.nominal)
        return CalibrationPoint(
            quantity=self.leg.quantity,
            full_scale=self.leg.full_scale,
            direction=step.direction,
            nominal=_as_set(pair, step.nominal) if self.source.by_hand else step.nominal,
            reference=pair.reference.value,
            u_reference=pair.reference.u,
            reading=pair.meter.value,
            u_reading=pair.meter.u,
            readings=pair.readings,
            settling=Settling.SETTLED if pair.settled else Settling.UNSETTLED,
            at_utc_ns=time.time_ns(),
            temperature_c=self.temperature_c,
            correlation=pair.correlation,
        )

    def _missed(self, pair: Pair, wanted: float) -> bool:
        """Tell whether a level set by hand is not about what was asked for.

        Of nothing, the reference may show its offset: what counts is the lowest level.
        """
        lowest = min(step.nominal for step in self.leg.steps if step.nominal)
        return abs(pair.reference.value - wanted) > max(
            NEAR * (wanted or lowest), 3 * pair.reference.u
        )

    def _read(self, level: float) -> Pair:
        """Set a level and get the first set of readings that has settled, else the last."""
        self.source.set(level)
        if level:
            self.source.confirm()
        return self._settled(now_ns() + nanoseconds(SETTLING * self.source.settle_s))

    def _settled(self, since_ns: int) -> Pair:
        steps = self.meter.range.resolution, self.reference.range.resolution
        slower_s = max(self.meter.setup.interval_s, self.reference.setup.interval_s)
        deadline_ns = since_ns + nanoseconds(SETTLE_LIMIT_S + WAITS * self.readings * slower_s)
        first, pair = 0, None
        while True:
            meter, reference = (
                reader.readings(since_ns) for reader in (self.meter, self.reference)
            )
            found = pair_at(meter, reference, self.readings, first=first, steps=steps)
            if found is not None and found.settled:
                return found
            pair = found or pair
            if now_ns() > deadline_ns:
                if pair is None:
                    raise self._silent()
                return pair
            if found is None:
                time.sleep(CHECK_S)
            else:  # the next set; the newest one where readings come faster than they are judged
                fewer = min(len(meter.values), len(reference.values))
                first = max(first + max(1, self.readings // 4), fewer - self.readings)

    def _silent(self) -> InstrumentError:
        return InstrumentError(
            f"{self.meter.name} and {self.reference.name} gave no {self.readings} usable readings "
            f"together in {SETTLE_LIMIT_S:g} s",
            hint="look at both displays and links, then go on with --resume",
        )


def shows_one_side(values: FloatArray) -> bool:
    """Tell whether readings of nothing, ``(n,)``, are cut off at 0: their mean is no zero then.

    Many USB testers count without a sign. Readings that scatter around 0 freely are seldom all
    on one side of it, and never so with one of them at 0 itself.
    """
    return bool((values >= 0).all() and (values == 0).any())


def _as_set(pair: Pair, wanted: float) -> float:
    """Get the level that a hand set: what the reference read, to two digits."""
    return float(f"{pair.reference.value:.2g}") if wanted else 0.0
