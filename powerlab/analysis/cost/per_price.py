"""From throughput and a dated price to inferences per unit of money."""

from __future__ import annotations

import math
from dataclasses import replace

from powerlab.analysis.uncertainty import component, quantity
from powerlab.records import Price, Quantity
from powerlab.units import SECONDS_PER_YEAR


def performance_per_cost(throughput: Quantity, price: Price) -> Quantity:
    """Get the inferences per unit of currency over the device's life, in use all the time.

    Straight-line: throughput times life over price; energy is not in it. The price enters
    with its stated relative standard uncertainty.
    """
    value = throughput.value * price.life_years * SECONDS_PER_YEAR / float(price.money.amount)
    scale = value / throughput.value if throughput.value else math.nan
    budget = [replace(line, u=line.u * scale) for line in throughput.budget]
    if price.u_relative > 0:
        money, u = price.money, price.u_relative * value
        tag = f"{money.amount} {money.currency} {money.date} {price.source}/price"
        source = f"{price.basis}, {money.date}"
        budget.append(component("price", "B", -u, source=source, input_=tag))
    return quantity("performance_per_cost", f"1/{price.money.currency}", value, budget)
