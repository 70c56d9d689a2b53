"""A whole measurement in virtual time: what a bench would have recorded, and the truth of it.

No process, no socket and no waiting: some milliseconds of computing for a minute of
measurement. Tests use it, and the coverage benchmark runs it over thousands of worlds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import sqrt

from powerlab.analysis.codes import plan_marker
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.protocol_preset import ProtocolPreset
from powerlab.emulation.clock import draw_clock
from powerlab.emulation.metering import VirtualMeter, build_meter
from powerlab.emulation.polling import SECOND_SERIAL, SERIAL, meter_origin_ns, polled_trace
from powerlab.emulation.timetable import Network, Timetable, exchanges, lay_out, phases
from powerlab.emulation.truth import truth
from powerlab.emulation.wiring import ErrorLaw, build_path, draw_error
from powerlab.emulation.world import build_world, emulation_of
from powerlab.records import (
    Boundary,
    Capture,
    MeterTrace,
    TargetFacts,
    Timebase,
    Truth,
    VoltageSense,
    Wiring,
)
from powerlab.units import NS_PER_S

ORIGIN_NS = 1_000_000 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Setup:
    """How a virtual bench departs from the device's ``[emulation]``; None takes what stands there.

    ``supply_origin`` "bench" lets an ammeter read the volts at the board under load, taken out of
    the circuit for it, "circuit" a second one of its kind while the first one stays, and
    "nominal" takes the adapter's label: the true supply lies within its rectangular limits.
    ``full_scales`` fixes ranges by quantity, ``world`` sets fields of World, ``law`` says how
    the errors lie within their limits, ``inference_s`` is an inference's mean duration.
    """

    boundary: Boundary = Boundary.BOARD
    voltage_sense: VoltageSense = VoltageSense.METER
    source_v: float | None = None
    cable_ohm: float | None = None
    u_cable_ohm: float | None = None
    source_ohm: float | None = None
    u_source_ohm: float | None = None
    supply_origin: str = "bench"
    full_scales: Mapping[str, float] = field(default_factory=dict)
    world: Mapping[str, float] = field(default_factory=dict)
    law: ErrorLaw = ErrorLaw.UNIFORM
    inference_s: float = 0.001
    network: Network = field(default_factory=Network)
    origin_ns: int = ORIGIN_NS
    voltmeter: InstrumentProfile | None = None


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
        source_ohm=setup.source_ohm,
        u_source_ohm=setup.u_source_ohm,
        law=setup.law,
    )
    meter = build_meter(
        instrument,
        world,
        path,
        origin_ns=meter_origin_ns(instrument, setup.origin_ns),
        serial=SERIAL,
        full_scales=setup.full_scales,
        sense=setup.voltage_sense,
        law=setup.law,
    )
    table = _timetable(instrument, protocol, seed, setup)
    clock = draw_clock(emulation_of(device), seed, setup.origin_ns)
    capture = Capture(
        timebase=_timebase(seed, setup.origin_ns),
        trace=polled_trace(instrument, meter, table, seed),
        exchanges=exchanges(table, clock),
        phases=phases(table, clock),
        wiring=_wiring(device, meter, setup),
        target=_target(),
        batch=1,
        voltmeter=_volts(setup, meter, table, seed),
    )
    return capture, truth(
        world,
        table.edges,
        {run.index: run.passes for run in table.runs},
        setup.boundary,
        meter.path,
        inference_s=setup.inference_s,
    )


def _volts(setup: Setup, meter: VirtualMeter, table: Timetable, seed: int) -> MeterTrace | None:
    """Let a second meter read the volts in the same circuit: the first one's burden is in it."""
    if setup.voltmeter is None:
        return None
    voltmeter = build_meter(
        setup.voltmeter,
        meter.world,
        meter.path,
        origin_ns=meter_origin_ns(setup.voltmeter, setup.origin_ns),
        serial=SECOND_SERIAL,
        channels=("voltage",),
        sense=setup.voltage_sense,
        law=setup.law,
    )
    return polled_trace(
        setup.voltmeter, replace(voltmeter, path=meter.path), table, seed, SECOND_SERIAL
    )


def _timetable(
    instrument: InstrumentProfile, protocol: ProtocolPreset, seed: int, setup: Setup
) -> Timetable:
    """Lay out what a session with this meter does: guards and markers depend on its pace."""
    sampling, marker = instrument.sampling, None
    if protocol.marker_s:
        marker = plan_marker(
            sampling.interval_s,
            sampling.aperture_s,
            budget_s=protocol.marker_s,
            shortest_chip_s=3 * setup.inference_s,
        )
    return lay_out(
        protocol,
        guard_s=max(protocol.guard_s, 3 * sampling.interval_s + sampling.latency_limit_s),
        marker=marker,
        seed=seed,
        origin_ns=setup.origin_ns,
        inference_s=setup.inference_s,
        network=setup.network,
    )


def _source_v(device: DeviceProfile, seed: int, setup: Setup) -> float | None:
    """Get the true supply voltage, None for the emulation section's own."""
    if setup.source_v is not None or setup.supply_origin != "nominal":
        return setup.source_v
    label = device.power.supply_voltage_v
    return label.value + sqrt(3) * label.u * draw_error(seed, "supply voltage", setup.law)


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
        source_ohm=section.source_ohm if setup.source_ohm is None else setup.source_ohm,
        u_source_ohm=section.u_source_ohm if setup.u_source_ohm is None else setup.u_source_ohm,
    )
    names = {channel.quantity for channel in meter.channels}
    if "voltage" in names or setup.voltmeter is not None:
        return wiring
    if setup.supply_origin != "nominal" and "current" in names:
        value, u = meter.read_voltage(in_circuit=setup.supply_origin == "circuit")
        return replace(
            wiring,
            voltage_sense=VoltageSense.BOARD,
            supply_voltage_v=value,
            u_supply_voltage_v=u,
        )
    label = device.power.supply_voltage_v
    return replace(
        wiring,
        supply_voltage_v=label.value,
        u_supply_voltage_v=label.u,
        supply_voltage_origin="nominal",
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
