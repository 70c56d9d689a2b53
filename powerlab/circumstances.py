"""The circumstances of a measurement as records: wiring, what is possible, price, time base."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from powerlab.catalog.bench_profile import Bench, BenchSupply
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.workload_profile import WorkloadProfile
from powerlab.instruments.contract import MeterRequest
from powerlab.records import (
    Boundary,
    Figure,
    Price,
    Roofs,
    Timebase,
    VoltageSense,
    Wiring,
    Work,
)
from powerlab.units import NS_PER_S, Money, now_ns

NOMINAL_SUPPLY_LIMIT = 0.05
"""What an adapter's label is worth: ± 5 % (rectangular), an estimate."""

SAG_LIMIT = 0.05
"""By how much an adapter's volts fall from no load to its rated current: ± 5 %, rectangular,
the load regulation of the Raspberry Pi 15.3 W USB-C supply (product brief, June 2019) and of
EDATEC's 12 W adapter (specification ED-PSU1201), both read 2026-11-21."""

OVERLOAD = 0.5
"""A supply gives in somewhere between its rated current and half more: an estimate, taken as
two standard uncertainties of the rating."""

PEAK_MARGIN = 1.5
"""A meter's range carries this many times the profile's active current."""

VOLTS_MARGIN = 1.1
"""A voltmeter's range carries this many times the supply's label."""

ADAPTER_EFFICIENCY = 0.7
"""The least that a board's adapter passes on: an estimate, for the range on the mains side."""

BYTES_PER_PARAMETER = {"float32": 4, "int8": 1}


def wiring(bench: Bench, device: DeviceProfile) -> Wiring:
    """Get the electrical set-up from a bench; without a read voltage, the adapter's label.

    Where a second meter reads the volts, it is its tap that counts.
    """
    meter, supply = bench.meter[-1], bench.supply
    label = device.power.supply_voltage_v.value
    source_ohm, u_source_ohm = _source_ohm(bench, device)
    return Wiring(
        boundary=Boundary(bench.boundary),
        voltage_sense=VoltageSense(meter.voltage_sense),
        cable_ohm=meter.cable_ohm,
        u_cable_ohm=meter.u_cable_ohm,
        supply_voltage_v=supply.voltage_v if supply else label,
        u_supply_voltage_v=(
            supply.u_voltage_v if supply else NOMINAL_SUPPLY_LIMIT * label / math.sqrt(3)
        ),
        supply_voltage_origin=_voltage_origin(supply),
        supply_lag_limit_s=device.power.supply_lag_limit_s,
        source_ohm=source_ohm,
        u_source_ohm=u_source_ohm,
    )


def _voltage_origin(supply: BenchSupply | None) -> str:
    if supply is None:
        return "nominal"
    return "circuit" if supply.read_with_meter else "bench"


def _source_ohm(bench: Bench, device: DeviceProfile) -> tuple[float, float]:
    """Get the supply's own resistance and its u: as stated, else 0 ± what an adapter sags.

    Sag is not corrected by a guess, so its limit counts in full. A meter that reads volts
    sees it.
    """
    supply, power = bench.supply, device.power
    if supply is not None and supply.source_ohm is not None:
        return supply.source_ohm, supply.u_source_ohm or 0.0
    if any({"voltage", "power"} & set(meter.measures) for meter in bench.meter):
        return 0.0, 0.0
    label_v = power.supply_voltage_v.value
    rated_a = power.supply_current_a or power.active_w.value / label_v
    return 0.0, SAG_LIMIT * label_v / rated_a / math.sqrt(3)


def meter_request(device: DeviceProfile) -> MeterRequest:
    """Get what a measurement of a device asks of a meter: ranges that carry its load."""
    active_w = PEAK_MARGIN * device.power.active_w.value
    return MeterRequest(
        expected_peak_a=active_w / device.power.supply_voltage_v.value,
        expected_peak_w=active_w / ADAPTER_EFFICIENCY,
    )


def voltmeter_request(device: DeviceProfile) -> MeterRequest:
    """Get what a measurement asks of a meter that reads the volts for an ammeter."""
    return replace(
        meter_request(device),
        channels=("voltage",),
        expected_peak_v=VOLTS_MARGIN * device.power.supply_voltage_v.value,
    )


def work(workload: WorkloadProfile, batch: int) -> Work:
    """Get what one inference takes; the weights cross memory once for a whole batch."""
    weights = workload.parameters * BYTES_PER_PARAMETER[workload.precision]
    inputs = math.prod(workload.input_shape) * BYTES_PER_PARAMETER[workload.precision]
    return Work(macs=float(workload.macs), memory_bytes=weights / batch, link_bytes=float(inputs))


def roofs(device: DeviceProfile, precision: str, runtime: str = "") -> Roofs:
    """Get a device's physical limits at a precision ("float32" or "int8"), None where unknown.

    An idle power that no source gives is no limit; the link of a composite device is one for
    the runtimes of its accelerators.
    """
    power, peaks = device.power, device.peaks
    idle = power.idle_w
    supply_w = None
    if power.supply_current_a is not None:
        rated_w = power.supply_voltage_v.value * power.supply_current_a
        u_volts = power.supply_voltage_v.u * power.supply_current_a
        supply_w = Figure(rated_w, math.hypot(u_volts, OVERLOAD / 2 * rated_w))
    operations = bandwidth = None
    if peaks is not None:
        giga = {"float32": peaks.float32_gflops, "int8": peaks.int8_gops}[precision]
        operations = _peak(giga, peaks.u_relative)
        bandwidth = _peak(peaks.memory_bandwidth_gb_s, peaks.u_relative)
    return Roofs(
        operations_per_s=operations,
        memory_bytes_per_s=bandwidth,
        idle_w=None if idle.estimated else Figure(idle.value, idle.u),
        supply_w=supply_w,
        link_bytes_per_s=_link(device, runtime),
    )


def _link(device: DeviceProfile, runtime: str) -> Figure | None:
    parts = device.composite
    if parts is None or runtime not in parts.runtimes:
        return None
    return Figure(parts.link_gb_s * 1e9)


def _peak(giga: float | None, u_relative: float) -> Figure | None:
    return None if giga is None else Figure(giga * 1e9, giga * 1e9 * u_relative)


def latest_price(device: DeviceProfile) -> Price | None:
    """Get the newest price of a device, None where its profile has none."""
    if not device.price:
        return None
    newest = max(device.price, key=lambda price: price.date)
    return Price(
        money=Money(newest.amount, newest.currency, newest.date),
        u_relative=newest.u_relative,
        life_years=newest.life_years,
        basis=newest.basis,
        source=newest.source,
    )


def timebase() -> Timebase:
    """Get the host's clock: its name, this boot, and one anchor to UTC."""
    before = now_ns()
    utc_ns = time.time_ns()
    utc = datetime.fromtimestamp(utc_ns / NS_PER_S, UTC)
    boot = Path("/proc/sys/kernel/random/boot_id")
    return Timebase(
        clock="CLOCK_MONOTONIC_RAW",
        boot_id=boot.read_text().strip() if boot.exists() else "",
        anchor_ns=(before + now_ns()) // 2,
        anchor_utc=utc.isoformat(timespec="microseconds"),
    )
