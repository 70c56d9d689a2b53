"""A calibration in virtual time: what meter and reference would have read at each level.

No process and no waiting: some milliseconds of computing for minutes of measurement. The
coverage of calibrations is proven with thousands of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.emulation.circuit import Circuit, History, draw_circuit
from powerlab.emulation.polling import SERIAL
from powerlab.emulation.ranges import choose_range
from powerlab.emulation.sampling import Readings
from powerlab.emulation.tapped_meter import TappedMeter, Unit, build_tapped_meter
from powerlab.emulation.virtual import ORIGIN_NS
from powerlab.emulation.wiring import ErrorLaw
from powerlab.errors import ConfigError
from powerlab.records import FloatArray, freeze_arrays
from powerlab.records.correction import REFERENCE_TEMPERATURE_C, CommonError
from powerlab.units import nanoseconds

REFERENCE_SERIAL, SOURCE_SERIAL = f"{SERIAL}-reference", f"{SERIAL}-source"
SOURCE_V, LOOP_OHM = 12.0, 0.2
"""A stiff source and an ordinary loop: what limits the current is the load alone."""


@dataclass(frozen=True, slots=True)
class LevelReadings:
    """What was read at one level, and what was true meanwhile.

    ``meter`` and ``reference`` are the readings that began after the wait and within the same
    time, float64 ``(n,)`` and ``(m,)``, NaN out of range; ``true_meter`` and
    ``true_reference`` the true means over the apertures of either, ``at_ns`` when the first
    of the meter's began. All are in the unit of the quantity.
    """

    nominal: float
    meter: FloatArray
    reference: FloatArray
    true_meter: float
    true_reference: float
    at_ns: int

    def __post_init__(self) -> None:
        freeze_arrays(self)


def virtual_calibration_readings(
    meter: InstrumentProfile,
    reference: InstrumentProfile,
    source: InstrumentProfile,
    levels: Sequence[float],
    *,
    seed: int,
    certificate: CommonError,
    full_scale: float | None = None,
    reference_full_scale: float | None = None,
    readings: int = 10,
    wait_s: float = 2.0,
    start_s: float = 0.0,
    temperature_c: float = REFERENCE_TEMPERATURE_C,
    serial: str = SERIAL,
    law: ErrorLaw = ErrorLaw.UNIFORM,
) -> tuple[LevelReadings, ...]:
    """Set levels one after another and read meter and reference at each, ``readings`` times.

    The quantity is that of ``certificate``: amperes that the load ``source`` draws, or volts
    that the supply ``source`` delivers, in the order given, 0 for its input or output off. The
    meter is the unit of ``serial`` in the world of ``seed``, the same as in
    ``virtual_measurement``; ``start_s`` is how long meters have been on, so that a later call
    gives fresh readings of the same units. Ranges by full scale, or those that carry the
    largest level. Raises ConfigError where no range serves.
    """
    quantity = certificate.quantity
    unit = Unit(seed, serial, temperature_c, law=law)
    certified = Unit(seed, REFERENCE_SERIAL, temperature_c, (certificate,))
    sampling, most = meter.sampling, max(levels)
    dwell_s = wait_s + (readings + 3) * sampling.interval_s
    begin_ns = ORIGIN_NS + nanoseconds(start_s)
    at_ns = [begin_ns + nanoseconds(index * dwell_s) for index in range(len(levels))]
    aims = _aims(source, quantity, levels, Unit(seed, SOURCE_SERIAL, temperature_c))
    changes = [(t_ns, aim, np.inf) for t_ns, aim in zip(at_ns, aims, strict=True)]
    circuit = _circuit(source, quantity, seed)
    of_load, of_supply = (changes, []) if quantity == "current" else ([], changes)
    history = History.of(of_load, of_supply, circuit.source_v)
    device, standard = (
        build_tapped_meter(
            profile,
            one,
            circuit,
            0.0,
            origin_ns=ORIGIN_NS,
            channels=(quantity,),
            expected={quantity: most},
            full_scales={} if scale is None else {quantity: scale},
        )
        for profile, one, scale in (
            (meter, unit, full_scale),
            (reference, certified, reference_full_scale),
        )
    )
    wait_ns = nanoseconds(wait_s)
    return tuple(
        _read((device, standard), history, t_ns + wait_ns, readings, level)
        for t_ns, level in zip(at_ns, levels, strict=True)
    )


def _read(
    meters: tuple[TappedMeter, TappedMeter],
    history: History,
    from_ns: int,
    count: int,
    level: float,
) -> LevelReadings:
    """Read meter and reference from an instant on, until the meter has its readings."""
    device, standard = meters
    first, begin = (_first_index(one, from_ns) for one in meters)
    last = np.array(first + count - 1, dtype=np.int64)
    span_ns = int(device.clock.starts_ns(last)) + device.clock.span_ns - from_ns
    fitting = max(1, int((span_ns - standard.clock.span_ns) // standard.clock.interval_ns))
    of_meter, true_meter = _taken(device, history, first, count)
    of_reference, true_reference = _taken(standard, history, begin, fitting)
    return LevelReadings(
        nominal=level,
        meter=of_meter.values[:, 0].copy(),
        reference=of_reference.values[:, 0].copy(),
        true_meter=true_meter,
        true_reference=true_reference,
        at_ns=int(of_meter.start_ns[0]),
    )


def _taken(meter: TappedMeter, history: History, first: int, count: int) -> tuple[Readings, float]:
    """Take some readings of a meter's only channel: they, and what was true on their average."""
    true = meter.true_means(history, first, count)
    mean = float(np.mean(true[meter.channels[0].quantity]))
    return meter.clock.readings(meter.channels, true, first), mean


def _first_index(meter: TappedMeter, from_ns: int) -> int:
    """Get the number of the first reading that begins at an instant or after it."""
    clock = meter.clock
    index = int(np.ceil((from_ns - clock.start_ns) / clock.interval_ns))
    return index + int(clock.starts_ns(np.array(index)) < from_ns)


def _aims(
    source: InstrumentProfile, quantity: str, levels: Sequence[float], unit: Unit
) -> FloatArray:
    """Get what the source truly aims at: its settings err as its range may, off is off."""
    channel = unit.channel(choose_range(source, quantity, None, max(levels)))
    wanted = np.asarray(levels, dtype=np.float64)
    return np.where(wanted > 0, np.maximum(channel.steady(wanted), 0.0), 0.0)


def _circuit(source: InstrumentProfile, quantity: str, seed: int) -> Circuit:
    if quantity == "current":
        return draw_circuit(seed, source, None, source_v=SOURCE_V, loop_ohm=LOOP_OHM)
    if source.supply is None:
        raise ConfigError(
            f"the profile {source.id} does not say what the supply delivers",
            hint="give it a [supply] section",
        )
    return Circuit(
        seed=seed,
        source_v=0.0,
        loop_ohm=LOOP_OHM,
        on_ohm=LOOP_OHM,
        settle_s=0.0,
        drift=0.0,
        drift_time_s=1.0,
        noise=0.0,
        source_settle_s=source.supply.settle_s,
    )
