"""The set-up beside the meter: series resistances from two currents, the meter's answer to steps.

Made at the end of a calibration, with a load that is set; nothing here needs the reference.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from powerlab.acquire import CHECK_S
from powerlab.analysis.calibration.plan import SETTLING
from powerlab.analysis.calibration.setup_terms import (
    BURDEN,
    CABLE_LOOP,
    series_resistance,
    tare,
    zero_of,
)
from powerlab.analysis.calibration.steps import step_response
from powerlab.analysis.sample_clock import fit_sample_clock
from powerlab.analysis.uncertainty import rectangular
from powerlab.calibration.points import Reader
from powerlab.catalog.instrument_profile import InstrumentProfile, Range
from powerlab.errors import InstrumentError
from powerlab.instruments.contract import Load, Supply
from powerlab.records import Figure, FloatArray
from powerlab.records.calibration import CalibrationPoint, SetupTerm, StepResponse
from powerlab.units import NS_PER_S, nanoseconds, now_ns

ROUNDS = 2
"""How often both currents are visited, so that a drift of volts shows as scatter."""

LEADS_OHM = 0.04
"""What the leads from the supply to the meter have at most, unless the supply senses behind
them: an estimate for half a metre each way."""

LOW, HIGH = 0.25, 0.75
"""Parts of the highest level between which the load steps."""

DWELL = (6.0, 7.0)
"""Intervals of the meter between two steps: drawn anew for each, so that phases differ."""

FASTEST_S = 0.02
"""The shortest interval that steps are timed for: commands take time, too."""

LIMIT_S = 30.0
"""How long readings may take to come, beside their own time."""

SHORT = 0.25
"""Part of the meter's aperture that the load's settling time may be for steps to be steps."""

READS = 5
"""Readings of load and supply at each current."""


@dataclass(frozen=True, slots=True)
class Loop:
    """What stands in the loop: what is fed from where, and who reads current and volts.

    ``volts`` reads those behind the meter, None where nothing does; ``supply`` is None where
    nothing sets it. ``top`` is the highest current, ``readings`` how many make a figure.
    """

    load: Load
    load_profile: InstrumentProfile
    supply: Supply | None
    supply_profile: InstrumentProfile | None
    meter: Reader
    volts: Reader | None
    top: float
    readings: int

    @property
    def settle_s(self) -> float:
        """Get the time constant of the load."""
        return self.load_profile.load.settle_s if self.load_profile.load is not None else 0.0


@dataclass(frozen=True, slots=True)
class _Visit:
    """What was read at one current: amperes, and volts behind the meter, at load and supply."""

    amperes: Figure
    behind: Figure
    load: Figure
    supply: Figure | None


@dataclass(frozen=True, slots=True)
class _Volts:
    """What one voltmeter read at each visit, and the range that it read on."""

    figures: Sequence[Figure]
    range: Range


def resistances(loop: Loop, *, cable: bool) -> tuple[SetupTerm, ...]:
    """Measure what lies in series with the meter, from the drops at two currents.

    The burden lies before the volts that are read behind the meter, with the supply's leads;
    the cable loop behind them, where ``cable`` tells that it is what joins meter and load.
    Raises InstrumentError where an instrument fails.
    """
    if loop.volts is None:
        return ()
    visits = [_visit(loop, loop.volts, part * loop.top) for part in (LOW, 1.0) * ROUNDS]
    behind = _Volts([visit.behind for visit in visits], loop.volts.range)
    terms = []
    if cable:
        load = _Volts([visit.load for visit in visits], loop.load_profile.ranges("voltage")[0])
        source = "volts of the meter less volts of the load, at two currents"
        terms.append(_resistance(CABLE_LOOP, loop, visits, (behind, load), source))
    supplied = [visit.supply for visit in visits if visit.supply is not None]
    if supplied and loop.supply_profile is not None:
        supply = _Volts(supplied, loop.supply_profile.ranges("voltage")[0])
        source = (
            "volts of the supply less volts behind the meter, at two currents; "
            f"leads of {LEADS_OHM / 2:g} ± {LEADS_OHM / 2:g} ohm taken off"
        )
        whole = _resistance(BURDEN, loop, visits, (supply, behind), source)
        u = math.hypot(whole.u, rectangular(LEADS_OHM / 2))
        terms.append(replace(whole, value=whole.value - LEADS_OHM / 2, u=u))
    return tuple(terms)


def _visit(loop: Loop, volts: Reader, level: float) -> _Visit:
    loop.load.set_current(level)
    loop.load.input(on=True)
    since_ns = now_ns() + nanoseconds(SETTLING * loop.settle_s)
    amperes, behind = (_mean(reader, since_ns, loop.readings) for reader in (loop.meter, volts))
    at_load = _own_volts(loop.load.measure, loop.load_profile)
    at_supply = None
    if loop.supply is not None and loop.supply_profile is not None:
        at_supply = _own_volts(loop.supply.measure, loop.supply_profile)
    return _Visit(amperes, behind, at_load, at_supply)


def _mean(reader: Reader, since_ns: int, count: int) -> Figure:
    """Wait for as many readings after an instant and get their mean."""
    deadline_ns = since_ns + nanoseconds(LIMIT_S + 2 * count * reader.setup.interval_s)
    while len(found := reader.readings(since_ns).values) < count:
        if now_ns() > deadline_ns:
            raise InstrumentError(
                f"{reader.name} gave no {count} usable readings in {LIMIT_S:g} s",
                hint="look at its display and its link, then go on with --resume",
            )
        time.sleep(CHECK_S)
    return zero_of(found[:count], reader.range.resolution)


def _own_volts(measure: Callable[[], tuple[float, float]], profile: InstrumentProfile) -> Figure:
    """Get the volts that a load or supply reads itself, from some readings."""
    values = np.array([measure()[0] for _ in range(READS)])
    return zero_of(values, profile.ranges("voltage")[0].resolution)


def _resistance(
    name: str,
    loop: Loop,
    visits: Sequence[_Visit],
    ends: tuple[_Volts, _Volts],
    source: str,
) -> SetupTerm:
    """Get the resistance between two places from the drop between them.

    Each voltmeter's gain errs by as much as its own volts change with the current.
    """
    amperes, u_amperes = _columns([visit.amperes for visit in visits])
    (before, u_before), (after, u_after) = (_columns(end.figures) for end in ends)
    term = series_resistance(
        name,
        (amperes, u_amperes),
        (before - after, np.hypot(u_before, u_after)),
        u_gain=rectangular(loop.meter.range.gain_percent / 100),
        source=source,
    )
    gains = [
        rectangular(end.range.gain_percent / 100) * float(np.ptp(values) / np.ptp(amperes))
        for end, values in zip(ends, (before, after), strict=True)
    ]
    return replace(term, u=math.hypot(term.u, *gains))


def _columns(figures: Sequence[Figure]) -> tuple[FloatArray, FloatArray]:
    """Get values and standard uncertainties."""
    return np.array([item.value for item in figures]), np.array([item.u for item in figures])


def tares(points: Sequence[CalibrationPoint], unit: str) -> SetupTerm | None:
    """Get the zero of one range from its first and last zero points, None without two.

    It is what the fitted correction takes off already: its movement is what is new.
    """
    zeros = [point for point in points if not point.nominal]
    if len(zeros) < 2:
        return None
    before, after = (Figure(item.reading, item.u_reading) for item in (zeros[0], zeros[-1]))
    found = tare(points[0].quantity, unit, before, after)
    return replace(found, source=f"{found.source}; contained in the correction")


def step_burst(loop: Loop, steps: int) -> StepResponse:
    """Step the load up and down at odd times and get how the meter's readings follow.

    The instant of a step lies within the command that makes it, late by the load's own settling
    time. Of a meter that is polled for its newest reading, the latency of another session is
    another one, by up to half an interval either way. Raises ValueError where the load is too
    slow for the meter or the steps do not show, InstrumentError where one fails.
    """
    load, setup = loop.load, loop.meter.setup
    interval_s, aperture_s = setup.interval_s, setup.aperture_s
    if loop.settle_s > SHORT * aperture_s:
        raise ValueError(
            f"the load settles in {loop.settle_s * 1e3:g} ms, too slowly to show the meter's "
            f"aperture of {aperture_s * 1e3:g} ms"
        )
    begun_ns = now_ns()
    instants, widths = [], []
    for number in range(steps + 1):
        sent_ns = now_ns()
        load.set_current((LOW, HIGH)[number % 2] * loop.top)
        if not number:
            load.input(on=True)
            begun_ns = now_ns()
        else:
            instants.append((sent_ns + now_ns()) // 2)
            widths.append(now_ns() - sent_ns)
        time.sleep(random.uniform(*DWELL) * max(interval_s, FASTEST_S))
    loop.meter.acquisition.wait_until(now_ns())
    trace = loop.meter.acquisition.so_far()
    at_ns = fit_sample_clock(trace).stop_ns + nanoseconds(loop.meter.setup.latency_s)
    # Polls meet the meter's own rhythm at a phase that every session draws anew.
    phase_s = interval_s / 2 if setup.timestamp == "arrival" else 0.0
    values = trace.values[:, loop.meter.setup.channels.index("current")]
    chosen = (at_ns > begun_ns) & np.isfinite(values)
    return step_response(
        at_ns[chosen],
        values[chosen],
        np.array(instants) + nanoseconds(loop.settle_s),
        resolution=loop.meter.range.resolution,
        u_common_s=math.hypot(rectangular(loop.settle_s), rectangular(phase_s)),
        u_each_s=rectangular(float(np.sqrt(np.mean(np.square(widths)))) / 2 / NS_PER_S),
    )
