"""A whole measurement in virtual time: what a bench would have recorded, and the truth of it.

No process, no socket and no waiting: some milliseconds of computing for a minute of
measurement. Tests use it, and the coverage benchmark runs it over thousands of worlds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import sqrt

import numpy as np

from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.workload_profile import ProtocolPreset
from powerlab.emulation import noise
from powerlab.emulation.clock import draw_clock
from powerlab.emulation.metering import VirtualMeter, build_meter
from powerlab.emulation.timetable import Timetable, exchanges, lay_out, phases
from powerlab.emulation.truth import truth
from powerlab.emulation.wiring import ErrorLaw, build_path, draw_error
from powerlab.emulation.world import build_world, emulation_of
from powerlab.records import (
    Accuracy,
    Boundary,
    Capture,
    Int64Array,
    MeterIdentity,
    MeterSetup,
    MeterTrace,
    SampleFlag,
    TargetFacts,
    Timebase,
    Truth,
    VoltageSense,
    Wiring,
)
from powerlab.units import NS_PER_S, nanoseconds

SERIAL = "EMULATED-1"
ORIGIN_NS = 1_000_000 * NS_PER_S
_POLL_S = 0.25
_ASKING_S = {"serial": 0.02}  # one way to the meter; other links take the default
_ASKING_DEFAULT_S = 0.0005


@dataclass(frozen=True, slots=True)
class Setup:
    """How a virtual bench departs from the device's ``[emulation]``; None takes what stands there.

    ``supply_origin`` "bench" lets this meter read the volts at the board under load, "nominal"
    takes the adapter's label, and the true supply lies within the label's rectangular limits.
    ``full_scales`` fixes ranges by quantity, ``world`` sets fields of World, ``law`` says how
    the errors lie within their limits, ``inference_s`` is an inference's mean duration.
    """

    boundary: Boundary = Boundary.BOARD
    voltage_sense: VoltageSense = VoltageSense.METER
    source_v: float | None = None
    cable_ohm: float | None = None
    u_cable_ohm: float | None = None
    supply_origin: str = "bench"
    full_scales: Mapping[str, float] = field(default_factory=dict)
    world: Mapping[str, float] = field(default_factory=dict)
    law: ErrorLaw = ErrorLaw.UNIFORM
    inference_s: float = 0.001
    origin_ns: int = ORIGIN_NS


def virtual_measurement(
    device: DeviceProfile,
    instrument: InstrumentProfile,
    protocol: ProtocolPreset,
    seed: int,
    setup: Setup | None = None,
) -> tuple[Capture, Truth]:
    """Run one measurement in the world of ``seed`` and get its record and its truth.

    The meter's ranges are chosen for the active load. Raises ConfigError where the device
    has no emulation, no range serves, or the supply cannot carry the board.
    """
    setup = setup or Setup()
    world = build_world(device, seed, **setup.world)
    path = build_path(
        device,
        seed,
        source_v=_source_v(device, seed, setup),
        cable_ohm=setup.cable_ohm,
        u_cable_ohm=setup.u_cable_ohm,
        law=setup.law,
    )
    meter = build_meter(
        instrument,
        world,
        path,
        origin_ns=_meter_origin_ns(instrument, setup.origin_ns),
        serial=SERIAL,
        full_scales=setup.full_scales,
        sense=setup.voltage_sense,
        law=setup.law,
    )
    sampling = instrument.sampling
    guard_s = max(protocol.guard_s, 3 * sampling.interval_s + sampling.latency_limit_s)
    table = lay_out(protocol, guard_s, seed, setup.origin_ns, setup.inference_s)
    clock = draw_clock(emulation_of(device), seed, setup.origin_ns)
    capture = Capture(
        timebase=_timebase(seed, setup.origin_ns),
        trace=_trace(instrument, meter, table, seed),
        exchanges=exchanges(table, clock),
        phases=phases(table, clock),
        wiring=_wiring(device, meter, setup),
        target=_target(),
        batch=1,
    )
    inferences = {run.index: run.done_ns.size for run in table.runs}
    return capture, truth(world, table.edges, inferences, setup.boundary, meter.path)


def meter_setup(instrument: InstrumentProfile, meter: VirtualMeter) -> MeterSetup:
    """Get what a driver would report of this meter: its model's facts, none of its errors.

    The burden is half of the current range's limit, known to ± that half.
    """
    sampling = instrument.sampling
    limit_ohm = 0.0 if meter.ammeter is None else meter.ammeter.burden_limit_ohm
    return MeterSetup(
        channels=tuple(channel.quantity for channel in meter.channels),
        accuracy=tuple(
            Accuracy(
                quantity=channel.quantity,
                full_scale=channel.range.full_scale,
                gain_limit=channel.range.gain_percent / 100,
                offset_limit=channel.range.offset_limit + channel.range.resolution / 2,
                source=channel.range.source,
                retrieved=channel.range.retrieved,
                estimated=channel.range.estimated,
            )
            for channel in meter.channels
        ),
        averaging=sampling.averaging,
        aperture_s=sampling.aperture_s,
        interval_s=sampling.interval_s,
        timestamp=sampling.timestamp,
        latency_s=sampling.latency_s,
        latency_limit_s=sampling.latency_limit_s,
        clock_limit_ppm=sampling.clock_limit_ppm,
        burden_ohm=0.5 * limit_ohm,
        burden_limit_ohm=0.5 * limit_ohm,
    )


def _source_v(device: DeviceProfile, seed: int, setup: Setup) -> float | None:
    """Get the true supply voltage, None for the emulation section's own."""
    if setup.source_v is not None or setup.supply_origin == "bench":
        return setup.source_v
    label = device.power.supply_voltage_v
    return label.value + sqrt(3) * label.u * draw_error(seed, "supply voltage", setup.law)


def _trace(
    instrument: InstrumentProfile, meter: VirtualMeter, table: Timetable, seed: int
) -> MeterTrace:
    """Poll the meter from the first exchange until it has told all of the last idle stretch.

    A meter with a clock hands out everything it has completed. One without hands out its
    newest reading at each poll, once more where it has no newer one; what it completed in
    between is lost, as it is on the wire.
    """
    interval_s = instrument.sampling.interval_s
    tells_time = _tells_time(instrument)
    spacing_s = max(_POLL_S, interval_s) if tells_time else interval_s
    until_ns = table.stop_ns + meter.lag_ns + nanoseconds(interval_s)
    polls = (until_ns - table.start_ns) // nanoseconds(spacing_s) + 2
    sent, formed, received = _poll_instants(instrument, seed, table.start_ns, spacing_s, polls)
    completed = meter.completed(formed)
    first = 0 if tells_time else int(completed[0]) - 1
    readings = meter.sample(table.edges, first, int(completed[-1]) - first)
    values, flags = readings.values, readings.flags
    if not tells_time:
        newest = completed - completed[0]
        repeated = np.diff(newest, prepend=-1) == 0
        values = values[newest]
        flags = flags[newest] | np.where(repeated, SampleFlag.REPEATED, 0).astype(np.uint8)
        completed = np.arange(1, polls + 1, dtype=np.int64)
    return MeterTrace(
        identity=_identity(instrument),
        setup=meter_setup(instrument, meter),
        values=values,
        device_ns=readings.device_ns if tells_time else None,
        flags=flags,
        poll_sent_ns=sent,
        poll_received_ns=received,
        poll_completed=completed,
    )


def _tells_time(instrument: InstrumentProfile) -> bool:
    return instrument.sampling.timestamp != "arrival"


def _meter_origin_ns(instrument: InstrumentProfile, origin_ns: int) -> int:
    """Get when the meter may start: a meter that only tells its newest reading always has one."""
    if _tells_time(instrument):
        return origin_ns
    sampling = instrument.sampling
    # Twice the latency's limit and four intervals outlast every law of errors.
    before_s = sampling.latency_s + 2 * sampling.latency_limit_s + sampling.aperture_s
    return origin_ns - nanoseconds(before_s + 4 * sampling.interval_s)


def _poll_instants(
    instrument: InstrumentProfile, seed: int, start_ns: int, spacing_s: float, polls: int
) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Get when each poll was sent, its answer formed, and received; int64 ``(polls,)`` each."""
    base_s = max(_ASKING_S.get(kind, _ASKING_DEFAULT_S) for kind in instrument.link.kinds)
    late, there, back = noise.exponentials(seed, "polls", 0, 3 * polls).reshape(3, polls)
    due_s = np.arange(polls) * spacing_s + 1e-4 * late
    formed_s = due_s + base_s * (1 + 0.3 * there)
    received_s = formed_s + base_s * (1 + 0.3 * back)
    sent, formed, received = (
        start_ns + np.rint(at_s * NS_PER_S).astype(np.int64)
        for at_s in (due_s, formed_s, received_s)
    )
    return sent, formed, received


def _wiring(device: DeviceProfile, meter: VirtualMeter, setup: Setup) -> Wiring:
    """State the wiring as the owner of the bench would, not as it truly is."""
    section = emulation_of(device)
    wiring = Wiring(
        boundary=setup.boundary,
        voltage_sense=setup.voltage_sense,
        cable_ohm=section.cable_ohm if setup.cable_ohm is None else setup.cable_ohm,
        u_cable_ohm=section.u_cable_ohm if setup.u_cable_ohm is None else setup.u_cable_ohm,
        supply_voltage_v=None,
        u_supply_voltage_v=0.0,
        supply_voltage_origin=setup.supply_origin,
        supply_lag_limit_s=device.power.supply_lag_limit_s,
    )
    if any(channel.quantity != "current" for channel in meter.channels):
        return wiring
    if setup.supply_origin == "bench":
        value, u = meter.read_voltage()
        return replace(
            wiring,
            voltage_sense=VoltageSense.BOARD,
            supply_voltage_v=value,
            u_supply_voltage_v=u,
        )
    label = device.power.supply_voltage_v
    return replace(wiring, supply_voltage_v=label.value, u_supply_voltage_v=label.u)


def _identity(instrument: InstrumentProfile) -> MeterIdentity:
    return MeterIdentity(
        model=instrument.id,
        manufacturer=instrument.manufacturer,
        name=instrument.name,
        serial=SERIAL,
        firmware="",
        resource="virtual",
        emulated=True,
    )


def _target() -> TargetFacts:
    return TargetFacts(
        hostname="virtual",
        machine="virtual",
        system="virtual time",
        python="",
        cpu="",
        runtime="virtual",
        runtime_module="",
        runtime_version="",
        numpy_version="",
        threads=1,
        emulated=True,
    )


def _timebase(seed: int, origin_ns: int) -> Timebase:
    return Timebase(
        clock="CLOCK_MONOTONIC_RAW",
        boot_id=f"virtual-{seed}",
        anchor_ns=origin_ns,
        anchor_utc="2000-01-01T00:00:00Z",
    )
