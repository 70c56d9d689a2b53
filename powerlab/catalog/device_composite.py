"""Devices made of others: an accelerator on its host, whose powers and prices add up."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.facts import Model, Quantified
from powerlab.catalog.lookup import nearest
from powerlab.catalog.reading import Table

COMPOSITE = "composite"

HOST_SHARE = 0.5
"""Of the host's own rise under load while its accelerator works: between none and all of it."""

Problems = list[tuple[str, str]]


def completed(table: Table, profiles: Mapping[str, Model]) -> tuple[Table, Problems]:
    """Get a device's table with what it does not say itself taken from its parts.

    Power: idle is the sum; under load the accelerators' and the host's idle power add up, with
    half of the host's own rise, known to its half (rectangular). The supply is the host's. Peaks
    are the accelerators'; the price is the sum where all have one in one currency. Problems are
    (dotted key, message); a table without ``[composite]`` comes back as it is.
    """
    section = table.get(COMPOSITE)
    if not isinstance(section, dict):
        return table, []
    devices = {key: each for key, each in profiles.items() if isinstance(each, DeviceProfile)}
    problems = list(_unknown(section, devices))
    if problems:
        return table, problems
    host, parts = devices[section["host"]], [devices[name] for name in section["parts"]]
    own_power = table.get("power")
    power = own_power if isinstance(own_power, dict) else {}
    made: Table = {"power": {**_power(host, parts), **power}}
    if (peaks := _peaks(parts)) is not None:
        made["peaks"] = peaks
    if (price := _price([host, *parts])) is not None:
        made["price"] = [price]
    theirs = list(dict.fromkeys(each.id for part in parts for each in part.runtime))
    made[COMPOSITE] = {"runtimes": theirs, **section}
    return {**made, **table, "power": made["power"], COMPOSITE: made[COMPOSITE]}, []


def _unknown(
    section: Mapping[str, Any], devices: Mapping[str, DeviceProfile]
) -> Iterator[tuple[str, str]]:
    parts = section.get("parts")
    named = [("host", section.get("host"))]
    named += [(f"parts[{n + 1}]", part) for n, part in enumerate(parts or ())]
    if not isinstance(parts, list) or not parts:
        yield f"{COMPOSITE}.parts", "must be a list of the accelerators' ids"
    for key, name in named:
        if not isinstance(name, str) or name not in devices:
            near = nearest(str(name), devices)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            yield f"{COMPOSITE}.{key}", f"there is no usable device {name!r}{meant}"
        elif devices[name].composite is not None:
            yield f"{COMPOSITE}.{key}", f"{name!r} is made of others itself: name those"


def _power(host: DeviceProfile, parts: Sequence[DeviceProfile]) -> dict[str, object]:
    idle = [host.power.idle_w, *(part.power.idle_w for part in parts)]
    rise_w = host.power.active_w.value - host.power.idle_w.value
    active_w = host.power.idle_w.value + HOST_SHARE * rise_w
    active_w += math.fsum(part.power.active_w.value for part in parts)
    u_active_w = math.hypot(
        host.power.idle_w.u,
        HOST_SHARE * rise_w / math.sqrt(3),
        *(part.power.active_w.u for part in parts),
    )
    active = [host.power.idle_w, host.power.active_w, *(part.power.active_w for part in parts)]
    power: dict[str, object] = {
        "idle_w": _sum(math.fsum(each.value for each in idle), _u(idle), idle),
        "active_w": _sum(active_w, u_active_w, active),
        "supply_voltage_v": host.power.supply_voltage_v.model_dump(mode="json"),
        "supply_lag_limit_s": host.power.supply_lag_limit_s,
    }
    if host.power.supply_current_a is not None:
        power["supply_current_a"] = host.power.supply_current_a
    return power


def _u(facts: Sequence[Quantified]) -> float:
    return math.hypot(*(each.u for each in facts))


def _sum(value: float, u: float, facts: Sequence[Quantified]) -> dict[str, object]:
    """Get a sum as a fact of its own; it is an estimate, whatever its terms are."""
    sources = "; ".join(dict.fromkeys(each.source for each in facts))
    return {
        "value": round(value, 6),
        "u": round(u, 6),
        "source": f"sum of the parts: {sources}",
        "retrieved": max(each.retrieved for each in facts),
        "estimated": True,
    }


def _peaks(parts: Sequence[DeviceProfile]) -> dict[str, object] | None:
    """Get the arithmetic of the accelerators together; their memories are each their own."""
    known = [part.peaks for part in parts if part.peaks is not None]
    if len(known) < len(parts):
        return None
    peaks: dict[str, object] = {
        "u_relative": max(peak.u_relative for peak in known),
        "source": "; ".join(dict.fromkeys(peak.source for peak in known)),
        "retrieved": max(peak.retrieved for peak in known),
        "estimated": any(peak.estimated for peak in known),
    }
    for key in ("float32_gflops", "int8_gops"):
        values = [getattr(peak, key) for peak in known]
        if None not in values:
            peaks[key] = math.fsum(values)
    if len(known) == 1 and known[0].memory_bandwidth_gb_s is not None:
        peaks["memory_bandwidth_gb_s"] = known[0].memory_bandwidth_gb_s
    return peaks


def _price(devices: Sequence[DeviceProfile]) -> dict[str, object] | None:
    """Get the sum of the newest prices, as old as the oldest of them."""
    newest = [max(device.price, key=lambda each: each.date) for device in devices if device.price]
    if len(newest) < len(devices) or len({price.currency for price in newest}) > 1:
        return None
    amount = sum(price.amount for price in newest)
    u = math.hypot(*(float(price.amount) * price.u_relative for price in newest))
    return {
        "amount": str(amount),
        "currency": newest[0].currency,
        "date": min(price.date for price in newest),
        "u_relative": u / float(amount),
        "life_years": min(price.life_years for price in newest),
        "basis": "; ".join(dict.fromkeys(price.basis for price in newest)),
        "source": "sum of the parts: " + "; ".join(price.source for price in newest),
        "retrieved": max(price.retrieved for price in newest),
        "estimated": any(price.estimated for price in newest),
    }
