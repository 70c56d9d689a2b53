"""The meters of a bench beside its main one, each tried alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass

from powerlab.analysis.meter_check import MeterCheck
from powerlab.catalog.bench_profile import Bench, BenchMeter
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.measuring_points import measuring_points
from powerlab.circumstances import meter_request, voltmeter_request
from powerlab.cli._meter_checks import checked
from powerlab.cli._meter_source import Source
from powerlab.instruments.contract import open_meter
from powerlab.records import MeterIdentity

LONGEST_S = 5.0
"""So long each of them is read at most."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One meter that answered, and what its stream says of it."""

    identity: MeterIdentity
    checks: tuple[MeterCheck, ...]


def try_others(
    bench: Bench,
    device: DeviceProfile,
    instruments: Mapping[str, InstrumentProfile],
    seconds: float,
    note: Callable[[str], None],
) -> tuple[Tried, ...]:
    """Read every meter of a bench but the first. Raises what opening and reading them raises."""
    main, *points = measuring_points(bench)
    pairs = [(main, meter) for meter in main.meter[1:]]
    pairs += [(point, meter) for point in points for meter in point.meter]
    tried = []
    for point, meter in pairs:
        note(f"reading {meter.model} at {meter.resource}")
        profile = instruments[meter.model]
        volts = set(meter.measures) == {"voltage"}
        with closing(open_meter(profile, meter, point)) as opened:
            setup = opened.configure((voltmeter_request if volts else meter_request)(device))
            source = Source(profile, opened, setup, _supply_v(point, meter, device), device)
            _, checks = checked(source, min(seconds, LONGEST_S))
        tried.append(Tried(opened.identity, checks))
    return tuple(tried)


def _supply_v(point: Bench, meter: BenchMeter, device: DeviceProfile) -> float:
    """Get the volts at a point, NaN in a rail and on the mains, where nobody states them."""
    if meter.rail or point.boundary == "wall":
        return math.nan
    return device.power.supply_voltage_v.value
