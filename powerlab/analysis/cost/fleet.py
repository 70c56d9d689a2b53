"""How many units a load takes (method section 5.3)."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from scipy import special

from powerlab.analysis.cost.numbers import Number, at_least, ceiling
from powerlab.records import FloatArray
from powerlab.records.procurement import FleetRule
from powerlab.units import SECONDS_PER_YEAR


def running_units(
    peak_per_s: Number, headroom: Number, throughput_per_s: Number, utilisation: Number
) -> Number:
    """Get ``ceil(peak * headroom / (throughput * utilisation))``, at least 1."""
    return at_least(ceiling(peak_per_s * headroom / (throughput_per_s * utilisation)), 1)


def hosts(units: Number, accelerators: int) -> Number:
    """Get how many hosts of ``accelerators`` places the units take."""
    return ceiling(units / accelerators)


def unavailability(failure_rate: float, repair_days: float) -> float:
    """Get the part of the time that a unit is away: ``m / (1 + m)``, m failures times repair.

    The steady state of an alternating renewal process, ``failure_rate`` per year up.
    """
    away = failure_rate * repair_days * 86_400 / SECONDS_PER_YEAR
    return away / (1 + away)


def spare_units(units: Number, rule: FleetRule, failure_rate: float) -> Number:
    """Get the units to keep beside those running.

    The least s with ``P(at most s of n + s are away) >= availability``, units failing
    independently (the binomial sum as an incomplete beta function), and at least the rule's own
    number.
    """
    if isinstance(units, Decimal):
        counted = _spares(np.array([float(units)]), rule, failure_rate)
        return Decimal(int(counted[0]))
    different, where = np.unique(units, return_inverse=True)
    return _spares(different, rule, failure_rate)[where]


def _spares(units: FloatArray, rule: FleetRule, failure_rate: float) -> FloatArray:
    least = np.full(len(units), float(rule.spare_units))
    away = unavailability(failure_rate, rule.repair_days)
    if rule.availability is None or away == 0:
        return least
    mean = units * away / (1 - away)
    # Nobody plans with more than ten standard deviations; found by halving the range.
    low, high = least - 1, np.maximum(least, np.ceil(mean + 10 * np.sqrt(mean) + 10))
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        enough = special.betainc(units, middle + 1, 1 - away) >= rule.availability
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.asarray(high, dtype=np.float64)
