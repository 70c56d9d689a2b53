"""What must hold of a board model beyond its schema."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from powerlab.catalog.device_profile import DeviceProfile, Emulation
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.lookup import nearest

Findings = Iterator[tuple[str, str]]

# Beyond three standard uncertainties a model no longer describes the envelope it stands for.
_SIGMAS = 3.0
# Head room over the active power that the emulated meter's ranges must leave.
_PEAK_FACTOR = 1.2
_LIFE_MOST_YEARS = 30.0


def device_rules(profile: DeviceProfile, instruments: Mapping[str, InstrumentProfile]) -> Findings:
    """Yield (dotted key, message) for everything physically or formally odd."""
    yield from _power_rules(profile)
    yield from _runtime_rules(profile)
    yield from _price_rules(profile)
    if profile.composite is not None and not profile.accelerator:
        yield "accelerator", "says what a device that is made of others has beside its host"
    if profile.peaks is not None and profile.peaks.estimated and profile.peaks.u_relative == 0:
        yield "peaks.u_relative", "an estimate needs an uncertainty above 0"
    if profile.emulation is not None:
        for key, message in _emulation_rules(profile, profile.emulation, instruments):
            yield f"emulation.{key}", message


def _power_rules(profile: DeviceProfile) -> Findings:
    power = profile.power
    for key in ("idle_w", "active_w", "supply_voltage_v"):
        if getattr(power, key).value <= 0:
            yield f"power.{key}.value", "must be above 0"
    if power.idle_w.value > power.active_w.value:
        yield "power.idle_w.value", "is above the active power"
    if power.supply_current_a is not None:
        supplied_w = power.supply_voltage_v.value * power.supply_current_a
        if power.active_w.value > supplied_w:
            yield (
                "power.active_w.value",
                f"{power.active_w.value:g} W is more than the supply gives ({supplied_w:g} W)",
            )


def _runtime_rules(profile: DeviceProfile) -> Findings:
    native = [runtime.id for runtime in profile.runtime if runtime.native]
    for name, count in Counter(runtime.id for runtime in profile.runtime).items():
        if count > 1:
            yield "runtime", f"{name!r} is named twice"
    for index, runtime in enumerate(profile.runtime):
        key = f"runtime[{index + 1}].stands_in_for"
        if runtime.stands_in_for is None:
            continue
        if runtime.native:
            yield key, f"{runtime.id!r} is native here: it stands in for nothing"
        if runtime.stands_in_for not in native:
            yield key, f"{runtime.stands_in_for!r} is no native runtime of this device"


def _price_rules(profile: DeviceProfile) -> Findings:
    for index, price in enumerate(profile.price):
        lead = f"price[{index + 1}]"
        if price.date > price.retrieved:
            yield f"{lead}.date", f"{price.date} is after the day the price was read"
        if price.u_relative >= 1:
            yield f"{lead}.u_relative", "is a fraction: 0.05 stands for 5 %"
        if price.estimated and price.u_relative == 0:
            yield f"{lead}.u_relative", "an estimate needs an uncertainty above 0"
        if price.life_years > _LIFE_MOST_YEARS:
            yield f"{lead}.life_years", f"{price.life_years:g} years is no life of a device"


def _emulation_rules(
    profile: DeviceProfile, model: Emulation, instruments: Mapping[str, InstrumentProfile]
) -> Findings:
    runtimes = [runtime.id for runtime in profile.runtime]
    if model.runtime not in runtimes:
        yield "runtime", f"{model.runtime!r} is none of the device's: {', '.join(runtimes)}"
    yield from _world_rules(profile, model)
    meter = instruments.get(model.meter)
    if meter is None:
        near = nearest(model.meter, instruments)
        suggestion = f"; did you mean {near[0]!r}?" if near else ""
        yield "meter", f"there is no instrument {model.meter!r}{suggestion}"
    elif meter.kind != "meter":
        yield "meter", f"{model.meter!r} is a {meter.kind}, not a meter"
    else:
        current_a = _PEAK_FACTOR * model.active_w / model.supply_voltage_v
        peaks = {"current": current_a, "voltage": model.supply_voltage_v}
        for quantity in meter.channels:
            if quantity in peaks and meter.range_for(quantity, peaks[quantity]) is None:
                yield "meter", f"no {quantity} range of {model.meter!r} takes {peaks[quantity]:.3g}"


def _world_rules(profile: DeviceProfile, model: Emulation) -> Findings:
    """Check that the modelled power is possible, and that of the device."""
    if model.idle_w >= model.active_w:
        yield "idle_w", "is not below the active power"
    for key in ("idle_w", "active_w"):
        fact = getattr(profile.power, key)
        if abs(getattr(model, key) - fact.value) > _SIGMAS * fact.u:
            yield key, f"is more than {_SIGMAS:g} u from power.{key} ({fact.value:g} W)"
    if model.run_to_run >= 0.2:
        yield "run_to_run", "is a fraction: 0.003 stands for 0.3 %"
    if model.noise_w >= model.active_w / 2:
        yield "noise_w", "would let the power fall below 0"
    if model.idle_w + min(model.drift_w, 0.0) <= 0:
        yield "drift_w", "would let the idle power fall below 0"
    # A constant power P is drawn through R from V only if 4 P R < V^2.
    if 4 * _PEAK_FACTOR * model.active_w * model.cable_ohm >= model.supply_voltage_v**2:
        yield "cable_ohm", "the board could not draw its power through this cable"
