"""Plans to decide on, plain unless a test makes them otherwise."""

from dataclasses import replace
from decimal import Decimal

from powerlab.records import Boundary, Evidence
from powerlab.records.procurement import (
    Amount,
    Load,
    Offer,
    Option,
    Plan,
    PriceBreak,
    Tariff,
    Uncertain,
)
from powerlab.units import Money

DATE = "2026-11-01"


def amount(value, currency="USD", **more):
    """Get an amount of money dated like the plan."""
    return Amount(Money(Decimal(str(value)), currency, DATE), **more)


def offer(price, currency="USD", *, u=0.0, **more):
    """Get a supplier's offer of one price, or of ``{from_units: price}``."""
    breaks = price if isinstance(price, dict) else {1: price}
    return Offer(
        supplier="A supplier",
        sku="SKU-1",
        breaks=tuple(
            PriceBreak(least, amount(value, currency, u_relative=u))
            for least, value in breaks.items()
        ),
        **more,
    )


def measured(value, u=0.0, **more):
    """Get a measured figure with a relative standard uncertainty."""
    return Uncertain(value, u * value, evidence=Evidence.MEASURED, source="run-1", **more)


def option(id_, throughput, power_w, price, *, idle_w=None, u=0.0, u_price=0.0, **more):
    """Get an option by its throughput and active power; idle power is the same unless given."""
    return Option(
        **{
            "id": id_,
            "name": id_.upper(),
            "workload": "resnet50",
            "boundary": Boundary.WALL,
            "energy_per_inference_j": measured(power_w / throughput, u),
            "power_idle_w": measured(power_w if idle_w is None else idle_w),
            "throughput_per_s": measured(throughput, u),
            "offer": offer(price, u=u_price),
            "life_years": Uncertain(3.0),
            **more,
        }
    )


def plan(*options, load=100.0, **more):
    """Get a plan of three years at 0.15 a kWh and a constant load, without interest."""
    hourly = load if isinstance(load, tuple) else (float(load),) * 24
    return Plan(
        **{
            "sha256": "5e" * 32,
            "title": "Boards for the line",
            "date": DATE,
            "currency": "USD",
            "options": options,
            "load": Load(hourly),
            "tariff": Tariff((Decimal("0.15"),) * 24, "USD", DATE),
            "horizon_years": 3,
            **more,
        }
    )


def boards(load=100.0, **more):
    """Get the three boards of MLPerf v2.1, whose powers are always on, at assumed prices."""
    return plan(
        option("rpi4", 3.12, 5.81, 75),
        option("rk3588s", 12.997487152, 7.546878333, 150),
        option("orin", 778.0, 18.2, 1999),
        load=load,
        **more,
    )


def changed(plan_, option_id, **changes):
    """Get a plan with one option changed."""
    return replace(
        plan_,
        options=tuple(
            replace(each, **changes) if each.id == option_id else each for each in plan_.options
        ),
    )
