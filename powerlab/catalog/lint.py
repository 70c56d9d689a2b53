"""Checks of a catalogue beyond its schema: sources, dates, physics, and what refers to what.

Each rule is a generator of (dotted key, message) over one profile. Whether a driver, an
emulator or a recipe of the named kind exists is asked where those can be imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from powerlab.catalog.bench_profile import Bench, BenchMeter, BenchSupply
from powerlab.catalog.device_rules import device_rules
from powerlab.catalog.facts import Model, Quantified, Sourced
from powerlab.catalog.instrument_rules import instrument_rules
from powerlab.catalog.layers import Catalog, read_catalog
from powerlab.catalog.lookup import nearest
from powerlab.catalog.measuring_points import measuring_points
from powerlab.catalog.protocol_preset import ProtocolPreset
from powerlab.catalog.reading import dotted
from powerlab.catalog.workload_profile import COMMAND, FORMATS, WorkloadProfile
from powerlab.errors import ConfigError, Problem

Findings = Iterator[tuple[str, str]]
M = TypeVar("M", bound=Model)

_PLACEHOLDERS = ("todo", "tbd", "fixme", "unknown", "none", "n/a", "xxx", "...", "???")
_HOUR_S = 3600.0


def lint(catalog_dirs: Sequence[Path], today: date | None = None) -> list[Problem]:
    """Get every problem of the layers in ``catalog_dirs``, later ones over earlier ones.

    Of a profile that a later layer replaces only the schema is checked. ``today`` bounds
    the dates of retrieval (default: the date in UTC).
    """
    day = today or datetime.now(UTC).date()
    catalog, problems = read_catalog(catalog_dirs)
    found = list(problems)

    def apply(kind: str, profiles: Mapping[str, M], rules: Callable[[M], Findings]) -> None:
        for name, profile in profiles.items():
            path = str(catalog.origin(kind, name))
            lead = f"bench.{name}." if kind == "bench" else ""
            pairs = (*_sources(profile, day), *rules(profile))
            found.extend(Problem(path, lead + key, message) for key, message in pairs)

    apply("instrument", catalog.instruments, instrument_rules)
    apply("device", catalog.devices, lambda profile: device_rules(profile, catalog.instruments))
    apply("workload", catalog.workloads, lambda profile: _workload_rules(profile, catalog))
    apply("protocol", catalog.protocols, _protocol_rules)
    apply("bench", catalog.benches, lambda bench: _bench_rules(bench, catalog))
    return found


def _sources(profile: BaseModel, today: date) -> Findings:
    """Check every sourced fact: a real source, no date to come, no estimate without u."""
    for location, fact in _facts(profile, ()):
        lead = dotted(location)
        if fact.source.strip().lower().rstrip(".!?") in _PLACEHOLDERS or not fact.source.strip():
            yield f"{lead}.source", f"names no source: {fact.source!r}"
        if fact.retrieved > today.isoformat():
            yield f"{lead}.retrieved", f"{fact.retrieved} has not come yet"
        if isinstance(fact, Quantified) and fact.estimated and fact.u == 0:
            yield f"{lead}.u", "an estimate needs an uncertainty above 0"


def _facts(
    value: object, location: tuple[int | str, ...]
) -> Iterator[tuple[tuple[int | str, ...], Sourced]]:
    if isinstance(value, Sourced):
        yield location, value
    if isinstance(value, BaseModel):
        for key in type(value).model_fields:
            yield from _facts(getattr(value, key), (*location, key))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _facts(item, (*location, index))


def _workload_rules(profile: WorkloadProfile, catalog: Catalog) -> Findings:
    runtimes = {runtime.id for device in catalog.devices.values() for runtime in device.runtime}
    if not profile.formats:
        yield "formats", "no runtime can load it: name at least one"
    for runtime, kind in profile.formats.items():
        if runtime not in runtimes and runtime != COMMAND:
            yield f"formats.{runtime}", "no device has this runtime" + _meant(runtime, runtimes)
        if kind not in FORMATS:
            yield f"formats.{runtime}", f"there is no file format {kind!r}" + _meant(kind, FORMATS)
    if min(profile.input_shape) < 1 or profile.input_shape[0] != 1:
        yield "input_shape", "must be positive, with batch 1 first (NHWC)"
    for key in ("outputs", "parameters", "macs"):
        if getattr(profile, key) < 1:
            yield key, "must be at least 1"


def _protocol_rules(profile: ProtocolPreset) -> Findings:
    if 2 * profile.guard_s >= profile.run_s:
        yield "guard_s", f"both guards ({2 * profile.guard_s:g} s) leave nothing of a run"
    if profile.guard_s > profile.idle_s:
        yield "guard_s", "is longer than the idle stretch that must hold it"
    if profile.runs * (profile.run_s + 2 * profile.guard_s) > 24 * _HOUR_S:
        yield "runs", "the runs take more than a day"
    if profile.warm_up_limit_s > _HOUR_S:
        yield "warm_up_limit_s", "is more than an hour"


def _bench_rules(bench: Bench, catalog: Catalog) -> Findings:
    if bench.device not in catalog.devices:
        suggestion = _meant(bench.device, catalog.devices)
        yield "device", f"there is no device {bench.device!r}" + suggestion
    resources: list[str] = []
    for index, meter in enumerate(bench.meter):
        for key, message in _meter_rules(bench, meter, catalog):
            yield f"{dotted(('meter', index))}.{key}", message
        if meter.resource in resources:
            yield f"{dotted(('meter', index))}.resource", "is that of another meter of this bench"
        resources.append(meter.resource)
    measured = {quantity for meter in bench.meter for quantity in meter.measures}
    if not measured & {"current", "power"}:
        yield "meter", "no meter reads current or power"
    else:
        yield from _point_rules(bench)
    if bench.line and not any(meter.line_input for meter in bench.meter):
        yield "line", "is wired to no meter: name the input of one as its line_input"
    if bench.supply is not None:
        yield from _supply_rules(bench.supply)


def _point_rules(bench: Bench) -> Findings:
    try:
        measuring_points(bench)
    except ConfigError as error:
        yield "meter", error.message


def _meter_rules(bench: Bench, meter: BenchMeter, catalog: Catalog) -> Findings:
    if meter.line_input and not bench.line:
        yield "line_input", "is wired to nothing: name the board's GPIO as the bench's line"
    model = catalog.instruments.get(meter.model)
    if model is None:
        suggestion = _meant(meter.model, catalog.instruments)
        yield "model", f"there is no instrument {meter.model!r}" + suggestion
        return
    if model.kind != "meter":
        yield "model", f"{model.name} is a {model.kind}, not a meter"
        return
    for quantity in sorted(set(meter.measures) - set(model.channels)):
        yield "measures", f"{model.name} does not stream {quantity}"
    if meter.line_input and not model.line_inputs:
        yield "line_input", f"{model.name} samples no digital input with its data"
    elif meter.line_input and meter.line_input not in model.line_inputs:
        known = ", ".join(model.line_inputs)
        yield "line_input", f"{meter.line_input!r} is no input of {model.name}: {known}"


def _supply_rules(supply: BenchSupply) -> Findings:
    if 3 * supply.u_voltage_v >= supply.voltage_v:
        yield "supply.u_voltage_v", "is too large for the voltage it belongs to"
    if (supply.source_ohm is None) != (supply.u_source_ohm is None):
        yield "supply.source_ohm", "state both source_ohm and u_source_ohm, or none of them"


def _meant(word: str, known: Iterable[str]) -> str:
    near = nearest(word, known)
    return f"; did you mean {near[0]!r}?" if near else ""
