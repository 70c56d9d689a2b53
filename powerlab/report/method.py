"""The words behind the figures: money, method, wiring, versions, and what is attached."""

from __future__ import annotations

import math
from decimal import Decimal

from powerlab.records import MeterIdentity, Percentile, Price, Quantity
from powerlab.report.elements import Fact, PriceSection
from powerlab.report.headline import ABSENT
from powerlab.report.numbers import (
    NO_BREAK,
    given,
    percent,
    shown,
    significant,
    tidy,
    with_unit,
)
from powerlab.report.subject import Subject
from powerlab.units import NS_PER_S


def price_section(subject: Subject) -> PriceSection | None:
    """Get the money section; None where the device has no price."""
    price, texts = subject.result.price, subject.texts
    if price is None:
        return None
    facts = {
        "amount": _money(price.money.amount, price.money.currency),
        "u": given(price.u_relative * 100, "%") if price.u_relative else ABSENT,
        "date": price.money.date,
        "basis": price.basis,
        "life": texts.say("unit.years", years=f"{price.life_years:g}"),
        "source": price.source,
    }
    quantity = subject.quantity("performance_per_cost")
    sentences = [texts.say("price.assumption")]
    if subject.emulated:
        sentences.append(texts.say("price.emulated", device=subject.device.name))
    note = (
        ""
        if quantity is None
        else texts.say(
            "price.interval",
            interval=subject.interval(quantity),
            p=significant(quantity.p * 100, 2),
        )
    )
    return PriceSection(
        tuple(Fact(texts.say(f"price.{key}"), text) for key, text in facts.items()),
        subject.shown("performance_per_cost"),
        note,
        "" if quantity is None or quantity.value <= 0 else _per_million(subject, quantity, price),
        tuple(sentences),
    )


def _per_million(subject: Subject, quantity: Quantity, price: Price) -> str:
    """Say the reciprocal: capital per million inferences, its interval from the other's ends."""
    low = 1e6 / quantity.high if quantity.high else math.nan
    high = 1e6 / quantity.low if quantity.low is not None and quantity.low > 0 else math.inf
    value = 1e6 / quantity.value
    return subject.texts.say(
        "price.per_million",
        value=significant(value, 3),
        low=significant(low, 3),
        high=significant(high, 3) if math.isfinite(high) else "∞",
        currency=price.money.currency,
        p=significant(quantity.p * 100, 2),
    )


def _money(amount: Decimal, currency: str) -> str:
    return f"{tidy(f'{amount:f}')} {currency}"


def method_facts(subject: Subject) -> tuple[Fact, ...]:
    """Get the method in short paragraphs, each with the figures of this measurement."""
    builders = {
        "energy": _energy,
        "latency": _latency,
        "clocks": _clocks,
        "uncertainty": _uncertainty,
    }
    return tuple(
        Fact(subject.texts.say(f"method.{key}_title"), build(subject))
        for key, build in builders.items()
    )


def _clocks(subject: Subject) -> str:
    texts, fit, clock = subject.texts, subject.aligned.board_clock, subject.aligned.clock
    skew = shown(fit.skew_ppm, fit.u_skew_ppm, "")
    text = texts.say(
        "method.clocks",
        exchanges=fit.exchanges,
        round_trip=with_unit(fit.round_trip_min_ns / NS_PER_S, "s"),
        offset=f"{tidy(f'{fit.offset_ns / NS_PER_S:.6f}')}{NO_BREAK}s",
        skew=skew.value,
        u_skew=skew.plus_minus or ABSENT,
        u_offset=with_unit(fit.u_offset_ns / NS_PER_S, "s", 2),
        u_samples=with_unit(clock.u_ns / NS_PER_S, "s", 2),
    )
    text += _over_the_runs(subject)
    if subject.capture.trace.device_ns is None:
        text += texts.say("method.meter_arrival")
    else:
        rate = shown(clock.rate_ppm, clock.u_rate_ppm, "")
        u_rate = rate.plus_minus or ABSENT
        text += texts.say("method.meter_clock", rate=rate.value, u_rate=u_rate)
    residual = subject.result.sync.marker_residual_ns
    if residual is not None:
        way = "later" if residual >= 0 else "earlier"
        apart = with_unit(abs(residual) / NS_PER_S, "s", 2)
        text += texts.say(f"method.marker_{way}", residual=apart)
    return text


def _over_the_runs(subject: Subject) -> str:
    """Say how far the board's clock moved from the first run to the last, and u of its rate."""
    clocks = [run.clock for run in subject.result.runs if run.clock is not None]
    if len(clocks) < 2:
        return ""
    moved_ns = clocks[-1].offset_ns - clocks[0].offset_ns
    return subject.texts.say(
        "method.clock_moved",
        moved=with_unit(moved_ns / NS_PER_S, "s", 3),
        u_least=with_unit(min(clock.u_offset_ns for clock in clocks) / NS_PER_S, "s", 2),
        u_most=with_unit(max(clock.u_offset_ns for clock in clocks) / NS_PER_S, "s", 2),
    )


def _energy(subject: Subject) -> str:
    texts, setup = subject.texts, subject.capture.trace.setup
    meter = subject.result.meter
    runs = subject.result.runs
    energy = sum(run.energy_j for run in runs)
    tail = sum(run.tail_j for run in runs)
    text = texts.say(
        "method.energy",
        averaging=texts.say(f"averaging.{setup.averaging}"),
        aperture=given(setup.aperture_s, "s"),
        rate=with_unit(meter.rate_hz, "Hz"),
        samples=tidy(str(meter.samples)),
        lost=meter.lost,
        gap=with_unit(meter.gap_s, "s") if meter.gap_s else "0 s",
    )
    if not runs or energy == 0:
        return text
    return text + texts.say(
        "method.tail",
        tail=with_unit(tail / len(runs), "J", 2),
        relative=percent(tail / energy),
    )


def _uncertainty(subject: Subject) -> str:
    quantity = subject.quantity("energy_per_inference")
    p = quantity.p if quantity is not None else 0.95
    return subject.texts.say("method.uncertainty", p=significant(p * 100, 2))


def _latency(subject: Subject) -> str:
    if not subject.capture.target.passes_timed:
        return subject.texts.say("method.latency_untimed")
    runs = [window for window in subject.aligned.windows if window.kind == "run"]
    passes, batch = sum(len(window.latency_s) for window in runs), subject.result.request.batch
    text = subject.texts.say(
        f"method.latency_{'one' if batch == 1 else 'batch'}",
        n=tidy(str(passes)),
        runs=len(runs),
        batch=batch,
    )
    return text + _over_all_passes(subject)


def _over_all_passes(subject: Subject) -> str:
    """Say the percentiles over all passes with interval and bound, and what was far out."""
    latency, texts = subject.result.latency, subject.texts
    bounded = [item for item in latency.percentiles if item.bound is not None] if latency else []
    if latency is None or not bounded:
        return ""
    highest = bounded[-1]
    text = texts.say(
        "method.latency_percentiles",
        listed=", ".join(_percentile(item) for item in latency.percentiles),
        percent=f"{highest.percent:g}",
        bound=with_unit(highest.bound or math.nan, "s", 3),
    )
    if not latency.outliers:
        return text
    return text + texts.say(
        "method.latency_outliers",
        n=tidy(str(latency.outliers)),
        limit=with_unit(latency.outlier_limit_s, "s", 3),
        longest=with_unit(latency.longest_s, "s", 3),
    )


def _percentile(item: Percentile) -> str:
    text = f"p{item.percent:g} {with_unit(item.value, 's', 3)}"
    if item.low is None or item.high is None:
        return text
    return f"{text} ({with_unit(item.low, 's', 3)} … {with_unit(item.high, 's', 3)})"


def wiring_facts(subject: Subject) -> tuple[Fact, ...]:
    """Get the meter's identity, its settings, and what lies between it and the board."""
    texts, trace, wiring = subject.texts, subject.capture.trace, subject.capture.wiring
    setup, identity = trace.setup, trace.identity
    settings = ", ".join(f"{key} {_setting(value)}" for key, value in setup.settings.items())
    rows = {
        "meter": f"{identity.manufacturer} {identity.model}".strip(),
        "firmware": identity.firmware or ABSENT,
        "resource": identity.resource,
        "settings": settings or ABSENT,
        **({} if setup.joined is None else {"voltmeter": _named(setup.joined.identity)}),
        "latency": _limited(subject, setup.latency_s, setup.latency_limit_s, "s"),
        "burden": _limited(subject, setup.burden_ohm, setup.burden_limit_ohm, "Ω"),
        "cable": texts.say(
            "wiring.with_u",
            value=given(wiring.cable_ohm, "Ω"),
            u=given(wiring.u_cable_ohm, "Ω"),
        ),
        "voltage": _voltage(subject),
        "lag": f"0 … {given(wiring.supply_lag_limit_s, 's')}",
    }
    return tuple(Fact(texts.say(f"wiring.{key}"), text) for key, text in rows.items())


def _named(identity: MeterIdentity) -> str:
    """Get a second meter in one line: model, serial number, where it is reached."""
    known = (f"{identity.manufacturer} {identity.name}".strip(), identity.serial, identity.resource)
    return ", ".join(part for part in known if part)


def _limited(subject: Subject, value: float, limit: float, unit: str) -> str:
    """Get a stated figure with the half-width of its limits, which is no uncertainty."""
    return subject.texts.say(
        "wiring.with_limit", value=given(value, unit), limit=given(limit, unit)
    )


def _setting(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.12g}"


def _voltage(subject: Subject) -> str:
    texts, wiring = subject.texts, subject.capture.wiring
    if "voltage" in subject.capture.trace.setup.channels:
        return texts.say(f"wiring.voltage_{wiring.voltage_sense}")
    if wiring.supply_voltage_v is None:
        return ABSENT
    origin = "bench" if wiring.supply_voltage_origin == "bench" else "nominal"
    volts = shown(wiring.supply_voltage_v, wiring.u_supply_voltage_v, "V")
    value, u = f"{volts.value} {volts.unit}", f"{volts.plus_minus or ABSENT} {volts.unit}"
    figure = texts.say("wiring.with_u", value=value, u=u)
    return figure + texts.say(f"wiring.origin_{origin}")


def version_facts(subject: Subject) -> tuple[Fact, ...]:
    """Get the versions of everything that took part, the board's side last."""
    target = subject.capture.target
    board = {
        target.runtime_module: target.runtime_version,
        subject.texts.say("versions.board_python"): target.python,
        subject.texts.say("versions.board_numpy"): target.numpy_version,
    }
    pairs = [*subject.versions.items(), *board.items()]
    return tuple(Fact(name, version) for name, version in pairs if name and version)
