"""The circumstances of a measurement as records: wiring, price, time base."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from pathlib import Path

from powerlab.catalog.bench_profile import Bench, BenchSupply
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.records import Boundary, Price, Timebase, VoltageSense, Wiring
from powerlab.units import NS_PER_S, Money, now_ns

NOMINAL_SUPPLY_LIMIT = 0.05
"""What an adapter's label is worth: ± 5 % (rectangular), an estimate."""


def wiring(bench: Bench, device: DeviceProfile) -> Wiring:
    """Get the electrical set-up from a bench; without a read voltage, the adapter's label."""
    meter, supply = bench.meter[0], bench.supply
    label = device.power.supply_voltage_v.value
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
    )


def _voltage_origin(supply: BenchSupply | None) -> str:
    if supply is None:
        return "nominal"
    return "circuit" if supply.read_with_meter else "bench"


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
