"""One meter alone, opened as its bench, a resource or the emulation says, and set up to stream."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from powerlab.catalog.bench_profile import Bench, BenchMeter
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.layers import Catalog
from powerlab.circumstances import PEAK_MARGIN, VOLTS_MARGIN, meter_request
from powerlab.cli._entry import load_entry
from powerlab.cli._resolve import named_bench
from powerlab.cli._scan import PLACES, scan, single
from powerlab.cli._style import count_text
from powerlab.errors import ConfigError
from powerlab.instruments.contract import Meter, MeterRequest, open_meter
from powerlab.records import MeterSetup


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Which meter was asked for, as given; None where an option was not.

    ``peak_a`` fixes the range, ``volts`` stands for volts that the meter does not read.
    """

    instrument: str
    bench: str | None
    resource: str | None
    emulate: bool
    device: str | None
    seed: int
    peak_a: float | None
    volts: float | None


@dataclass(frozen=True, slots=True)
class Source:
    """A meter that is ready to stream; ``supply_v`` is NaN where nobody knows the volts.

    ``device`` is the board behind it, None where none is named.
    """

    profile: InstrumentProfile
    meter: Meter
    setup: MeterSetup
    supply_v: float
    device: DeviceProfile | None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a meter is: its place on a bench, and the bench where there is one."""

    meter: BenchMeter
    bench: Bench | None
    device: DeviceProfile | None


@contextlib.contextmanager
def opened(
    options: SourceOptions, catalog: Catalog, note: Callable[[str], None]
) -> Iterator[Source]:
    """Open the meter for a ``with`` block and set it up.

    Raises ConfigError where it is not clear which meter is meant, and what opening raises.
    """
    profile = catalog.instrument(options.instrument)
    if profile.kind != "meter":
        raise ConfigError(
            f"{profile.id} is a {profile.kind}, not a meter",
            hint="`powerlab instruments list` shows which models are a meter",
        )
    with _place(options, catalog, profile, note) as place:
        note(f"reaching the meter at {place.meter.resource}")
        with contextlib.closing(open_meter(profile, place.meter, place.bench)) as meter:
            request = _request(options, profile, place.device)
            setup = meter.configure(request)
            yield Source(profile, meter, setup, _supply_v(options, place), place.device)


@contextlib.contextmanager
def _place(
    options: SourceOptions,
    catalog: Catalog,
    profile: InstrumentProfile,
    note: Callable[[str], None],
) -> Iterator[_Place]:
    _check_options(options)
    device = None if options.device is None else catalog.device(options.device)
    if options.emulate:
        chosen = device or _emulable(catalog, profile)
        emulated_bench = load_entry("powerlab.emulation", "bench")
        note(f"starting the emulated meter on {chosen.name}")
        with emulated_bench(catalog, chosen.id, profile.id, seed=options.seed) as emulated:
            yield _Place(emulated.bench.meter[0], emulated.bench, chosen)
        return
    if options.resource is not None:
        yield _Place(_alone(profile, options.resource), None, device)
        return
    found = _on_benches(options, catalog, profile)
    if found is None:
        resource = single(scan(catalog, PLACES), profile.id)
        yield _Place(_alone(profile, resource), None, device)
        return
    bench_meter, bench = found
    yield _Place(bench_meter, bench, device or catalog.device(bench.device))


def _on_benches(
    options: SourceOptions, catalog: Catalog, profile: InstrumentProfile
) -> tuple[BenchMeter, Bench] | None:
    """Get the meter of the bench that was named, or of the only one that has the model."""
    if options.bench is not None:
        bench = named_bench(catalog, options.bench)
        for meter in bench.meter:
            if meter.model == profile.id:
                return meter, bench
        models = ", ".join(meter.model for meter in bench.meter)
        raise ConfigError(
            f"the bench {options.bench!r} has no {profile.id}, but {models}",
            hint=f"name that one: powerlab instruments watch {bench.meter[0].model} "
            f"--bench {options.bench}",
        )
    having = [
        (name, meter, bench)
        for name, bench in catalog.benches.items()
        for meter in bench.meter
        if meter.model == profile.id
    ]
    if len({meter.resource for _, meter, _ in having}) > 1:
        names = ", ".join(name for name, _, _ in having)
        raise ConfigError(
            f"several benches have a {profile.id}: {names}",
            hint=f"name one, for example --bench {having[0][0]}",
        )
    return (having[0][1], having[0][2]) if having else None


def _alone(profile: InstrumentProfile, resource: str) -> BenchMeter:
    return BenchMeter(model=profile.id, resource=resource, measures=profile.quantities)


def _emulable(catalog: Catalog, profile: InstrumentProfile) -> DeviceProfile:
    """Get the first board that can be emulated and that the meter carries, else the first."""
    able = [device for device in catalog.devices.values() if device.emulation is not None]
    return next((device for device in able if _carries(profile, device)), able[0])


def _carries(profile: InstrumentProfile, device: DeviceProfile) -> bool:
    volts = device.power.supply_voltage_v.value
    peak_w = PEAK_MARGIN * device.power.active_w.value
    wanted = {"current": peak_w / volts, "voltage": VOLTS_MARGIN * volts, "power": peak_w}
    return all(profile.range_for(name, wanted[name]) is not None for name in profile.quantities)


def _request(
    options: SourceOptions, profile: InstrumentProfile, device: DeviceProfile | None
) -> MeterRequest:
    """Get what is asked of the meter: a range for the board, else its largest one."""
    if device is not None:
        request = meter_request(device)
    else:
        most = {name: _most(profile, name) for name in ("current", "power")}
        request = MeterRequest(expected_peak_a=most["current"], expected_peak_w=most["power"])
    return request if options.peak_a is None else replace(request, expected_peak_a=options.peak_a)


def _most(profile: InstrumentProfile, quantity: str) -> float:
    ranges = profile.ranges(quantity)
    return ranges[-1].full_scale if ranges else 0.0


def _supply_v(options: SourceOptions, place: _Place) -> float:
    if options.volts is not None:
        return options.volts
    if place.bench is not None and place.bench.supply is not None:
        return place.bench.supply.voltage_v
    return math.nan if place.device is None else place.device.power.supply_voltage_v.value


def _check_options(options: SourceOptions) -> None:
    given = [
        name
        for name, value in (
            ("--bench", options.bench),
            ("--resource", options.resource),
            ("--emulate", options.emulate or None),
        )
        if value is not None
    ]
    if len(given) > 1:
        raise ConfigError(
            f"{' and '.join(given)} exclude each other", hint="name the meter in one way only"
        )


def described(source: Source) -> str:
    """Get one line on which meter this is."""
    identity = source.meter.identity
    emulated = ", EMULATED" if identity.emulated else ""
    ranges = ", ".join(
        f"{limit.quantity} up to {limit.full_scale:g}" for limit in source.setup.accuracy
    )
    rate = count_text(1 / source.setup.interval_s)
    return (
        f"{identity.manufacturer} {identity.name}, serial {identity.serial or 'not told'}, at "
        f"{identity.resource}{emulated}; {ranges}; {rate} readings/s"
    )
