"""Meets, does not meet: decision rules, guard bands and the risk of a wrong decision.

The rule is agreed before the measurement (ISO/IEC 17025 7.8.6). A guard band moves the
acceptance limit inside the tolerance limit, so that measurement error alone seldom passes
what does not conform (JCGM 106, ILAC-G8:09/2019).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import special

from powerlab.analysis.uncertainty import student_t
from powerlab.records import FloatArray

TAIL = 9.0
"""Standard deviations beyond which a normal density holds nothing that counts (1e-19)."""

NODES = 40
PANEL = 0.5
"""Gauss-Legendre nodes on each panel, and the longest panel in units of the narrower density."""


@dataclass(frozen=True, slots=True)
class Limits:
    """An interval of permitted values; an end is infinite where there is no limit."""

    lower: float = -math.inf
    upper: float = math.inf

    def hold(self, value: float) -> bool:
        """Tell whether a value lies inside or on a limit."""
        return self.lower <= value <= self.upper

    def shrunk(self, width: float) -> Limits:
        """Get the limits moved inwards by ``width``, outwards where it is negative."""
        return Limits(self.lower + width, self.upper - width)


class Verdict(StrEnum):
    """A statement of conformity; the conditional ones lie within a guard band of the limit."""

    PASS = "pass"  # noqa: S105 - a verdict
    CONDITIONAL_PASS = "conditional pass"  # noqa: S105 - a verdict
    CONDITIONAL_FAIL = "conditional fail"
    FAIL = "fail"


class GuardBand(StrEnum):
    """How far inside the tolerance limit the acceptance limit lies, by the ratio TUR.

    TUR is the tolerance's half-width over the expanded uncertainty U at 95 %.
    """

    NONE = "none"
    EXPANDED = "expanded"
    RSS = "rss"
    DOBBERT = "dobbert"
    RP10 = "rp10"


def decide(value: float, limits: Limits, band: float) -> Verdict:
    """Decide by the non-binary rule of ILAC-G8:09/2019 section 4.2.3.

    ``band`` is the width w >= 0 of the guard band, as a rule U: pass at w or more inside
    the limits, fail at more than w outside, conditional between. With w = 0 simple
    acceptance. A binary rule passes what is ``Verdict.PASS`` and nothing else.
    """
    if limits.shrunk(band).hold(value):
        return Verdict.PASS
    if limits.hold(value):
        return Verdict.CONDITIONAL_PASS
    return Verdict.CONDITIONAL_FAIL if limits.shrunk(-band).hold(value) else Verdict.FAIL


def guard_band(half_width: float, expanded: float, rule: GuardBand) -> float:
    """Get the width of the guard band at each of two limits, 0 and up.

    ``half_width`` is T of the tolerance, TUR = T/U. ``expanded``: w = U, a specific risk
    below 2.5 % (ILAC-G8 4.2.2); ``rss``: acceptance at ``T sqrt(1 - 1/TUR²)``, w = T where
    TUR < 1; ``dobbert``: ``T - U M``, ``M = 1.04 - exp(0.38 ln TUR - 0.54)``, false
    acceptance at most 2 %; ``rp10``: ``T (1.25 - 1/TUR)``, none where that is above T
    (NCSL RP-10).
    """
    if expanded == 0 or rule is GuardBand.NONE:
        return 0.0
    ratio = half_width / expanded
    match rule:
        case GuardBand.RSS:
            width = half_width * (1 - math.sqrt(max(0.0, 1 - 1 / ratio**2)))
        case GuardBand.DOBBERT:
            width = expanded * (1.04 - math.exp(0.38 * math.log(ratio) - 0.54))
        case GuardBand.RP10:
            width = half_width * (1 / ratio - 0.25)
        case _:
            width = expanded
    return max(width, 0.0)


def guard_band_for(u: float, probability: float, dof: float | None = None) -> float:
    """Get the band that keeps a pass right with ``probability`` at one limit (JCGM 106 8.3.2).

    ``w = t u`` with the one-sided quantile: 1.64 u for 95 %, where U = 1.96 u gives 97.5 %.
    """
    return u * student_t(2 * probability - 1, dof)


def probability_of_conformity(
    value: float, u: float, limits: Limits, dof: float | None = None
) -> float:
    """Get the probability that the measured thing lies within the limits (JCGM 106 7.2).

    Normal around the value, or scaled t where ``dof`` is given; 0 or 1 for ``u = 0``. One
    minus it is the specific risk of a pass.
    """
    if u == 0:
        return float(limits.hold(value))
    above, below = (limits.upper - value) / u, (limits.lower - value) / u
    if below > 0:  # both in the upper tail, where differences from 1 would lose all digits
        above, below = -below, -above
    return _distribution(above, dof) - _distribution(below, dof)


def _distribution(z: float, dof: float | None) -> float:
    return float(special.ndtr(z) if dof is None else special.stdtr(dof, z))


def capability(mean: float, sd: float, limits: Limits) -> float:
    """Get the capability index ``cpk``: distance to the nearer limit in units of 3 sd."""
    return min(limits.upper - mean, mean - limits.lower) / (3 * sd)


@dataclass(frozen=True, slots=True)
class Risk:
    """The probabilities of a false pass and of a false fail, over all things measured."""

    false_accept: float
    false_reject: float


def global_risk(
    mean: float, sd: float, u: float, limits: Limits, acceptance: Limits | None = None
) -> Risk:
    """Get the global consumer's and producer's risk (JCGM 106 section 9.5).

    What is measured is normal (``mean``, ``sd``), each measurement normal around it with
    ``u``; a thing passes inside ``acceptance``, the tolerance limits themselves if None.
    ``PFA = integral over values outside of density * P(accepted)``, PFR likewise; panels of
    Gauss-Legendre, relative error below 1e-10.
    """
    accept = limits if acceptance is None else acceptance

    def accepted(values: FloatArray) -> FloatArray:
        upper, lower = (accept.upper - values) / u, (accept.lower - values) / u
        result: FloatArray = special.ndtr(upper) - special.ndtr(lower)
        return result

    def over(low: float, high: float, *, passing: bool) -> float:
        nodes, weights = _panels(
            max(low, mean - TAIL * sd), min(high, mean + TAIL * sd), PANEL * min(sd, u)
        )
        density = np.exp(-0.5 * ((nodes - mean) / sd) ** 2) / (sd * math.sqrt(2 * math.pi))
        chance = accepted(nodes) if passing else 1 - accepted(nodes)
        return float(np.dot(weights, density * chance))

    return Risk(
        false_accept=over(-math.inf, limits.lower, passing=True)
        + over(limits.upper, math.inf, passing=True),
        false_reject=over(limits.lower, limits.upper, passing=False),
    )


def _panels(low: float, high: float, longest: float) -> tuple[FloatArray, FloatArray]:
    """Get nodes and weights of Gauss-Legendre panels over an interval, none if it is empty."""
    if not high > low:
        return np.empty(0), np.empty(0)
    edges = np.linspace(low, high, math.ceil((high - low) / longest) + 1)
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    half = np.diff(edges)[:, None] / 2
    middle = (edges[1:] + edges[:-1])[:, None] / 2
    return (middle + half * nodes).ravel(), (half * weights).ravel()
