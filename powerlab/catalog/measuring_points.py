"""Where on a bench power is measured: each meter's place, and the voltmeter beside an ammeter."""

from __future__ import annotations

from collections.abc import Iterable

from powerlab.catalog.bench_profile import Bench, BenchMeter
from powerlab.errors import ConfigError


def measuring_points(bench: Bench) -> tuple[Bench, ...]:
    """Get a bench for each place that is measured: its meter first, then a voltmeter if any.

    A place is a boundary and, where a meter feeds a part of the board only, the rail. The
    bench's first meter is at the first place. Raises ConfigError where two meters would tell the
    power of one place, or where a voltmeter has no ammeter beside it.
    """
    places: dict[tuple[str, str], list[BenchMeter]] = {}
    for meter in bench.meter:
        places.setdefault((meter.boundary or bench.boundary, meter.rail), []).append(meter)
    return tuple(
        bench.model_copy(update={"boundary": boundary, "meter": _paired(meters, boundary, rail)})
        for (boundary, rail), meters in places.items()
    )


def point_name(point: Bench) -> str:
    """Get a measuring point in words: its rail, else its boundary."""
    return point.meter[0].rail or point.boundary


def _paired(meters: Iterable[BenchMeter], boundary: str, rail: str) -> tuple[BenchMeter, ...]:
    """Put the meter that reads current or power first and one that reads only volts after it."""
    voltmeters = [meter for meter in meters if set(meter.measures) == {"voltage"}]
    others = [meter for meter in meters if set(meter.measures) != {"voltage"}]
    where = f"rail {rail!r}" if rail else f"boundary {boundary!r}"
    if len(others) != 1:
        told = "no meter reads the current" if not others else f"{len(others)} meters read power"
        raise ConfigError(
            f"{told} at the {where} of this bench",
            hint="give meters at other places their own `rail` or `boundary`, and one that reads "
            'volts beside an ammeter measures = ["voltage"]',
        )
    if len(voltmeters) > 1 or (voltmeters and set(others[0].measures) != {"current"}):
        raise ConfigError(
            f"the volts at the {where} of this bench are read by more than one meter",
            hint="keep one of them: an ammeter with one voltmeter, or a meter that reads both",
        )
    return (*others, *voltmeters)
