"""Is it possible at all: throughput against the roofline, energy against its floor.

A device cannot do more operations per second than its peak, nor move more bytes than its
memory does, and while it works it draws at least its idle power. A claim beyond a roof,
outside both uncertainties, is impossible, whatever produced it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from powerlab.findings import Finding, Severity
from powerlab.records import Figure, Roofs, Work

OPERATIONS_PER_MAC = 2
"""A multiply and an add: how vendors count the operations of a peak."""

CERTAIN = 2.0
"""Standard uncertainties beyond a roof from which a claim counts as impossible."""


def least_time_s(work: Work, roofs: Roofs) -> float:
    """Get the time below which no inference fits under the roofs (Williams et al. 2009).

    ``max(2 MACs / peak, bytes / bandwidth)``; 0 without roofs.
    """
    return max((seconds for _, seconds, _ in _demands(work, roofs)), default=0.0)


def _demands(work: Work, roofs: Roofs) -> Iterable[tuple[str, float, Figure]]:
    """Yield each roof: its name, the least time per inference under it, and the roof."""
    if roofs.operations_per_s is not None:
        peak = roofs.operations_per_s
        yield "arithmetic", OPERATIONS_PER_MAC * work.macs / peak.value, peak
    if roofs.memory_bytes_per_s is not None:
        bandwidth = roofs.memory_bytes_per_s
        yield "memory", work.memory_bytes / bandwidth.value, bandwidth
    if roofs.link_bytes_per_s is not None:
        link = roofs.link_bytes_per_s
        yield "link", work.link_bytes / link.value, link


def throughput_findings(throughput: Figure, work: Work, roofs: Roofs) -> tuple[Finding, ...]:
    """Check inferences per second against the device's arithmetic and memory roofs.

    ``throughput * least time`` is the share of the roof used; more than 1 by two combined
    standard uncertainties is impossible (blocking), more than 1 within them is doubtful.
    """
    findings = []
    for name, least_s, roof in _demands(work, roofs):
        used = throughput.value * least_s
        u_used = used * math.hypot(throughput.u_relative, roof.u_relative)
        findings += _beyond(
            Figure(used - 1, u_used),
            code=f"{name}-roof",
            what=f"{throughput.value:.4g} inferences per second take {used:.3g} times the "
            f"device's peak of {name}",
            hint="check what was counted (inferences or batches), the model and its MACs, the "
            "precision the peak is stated for, and that every result was waited for",
            evidence={"ratio": used, "u_ratio": u_used},
        )
    return tuple(findings)


def energy_findings(
    energy_j: Figure, throughput: Figure, work: Work, roofs: Roofs
) -> tuple[Finding, ...]:
    """Check the gross energy of an inference against its floor and its ceiling.

    Floor: idle power times the time of an inference, which is ``1 / throughput`` and at
    least ``least_time_s``. Ceiling: the supply's most power times ``1 / throughput``.
    """
    findings: list[Finding] = []
    period = Figure(1 / throughput.value, throughput.u_relative / throughput.value)
    if roofs.idle_w is not None:
        slowest = max(period, Figure(least_time_s(work, roofs)), key=lambda time: time.value)
        floor = _product(roofs.idle_w, slowest)
        findings += _beyond(
            Figure(floor.value - energy_j.value, math.hypot(floor.u, energy_j.u)),
            code="energy-floor",
            what=f"{energy_j.value:.4g} J per inference is less than the {floor.value:.4g} J "
            "that the device draws idle in that time",
            hint="check the boundary, the count of inferences, and whether idle was subtracted",
            evidence={"energy_j": energy_j.value, "floor_j": floor.value},
        )
    if roofs.supply_w is not None:
        ceiling = _product(roofs.supply_w, period)
        findings += _beyond(
            Figure(energy_j.value - ceiling.value, math.hypot(ceiling.u, energy_j.u)),
            code="energy-ceiling",
            what=f"{energy_j.value:.4g} J per inference is more than the {ceiling.value:.4g} J "
            "that the supply delivers in that time",
            hint="check the meter's range and unit, the count of inferences, and the supply in "
            "the device profile",
            evidence={"energy_j": energy_j.value, "ceiling_j": ceiling.value},
        )
    return tuple(findings)


def _product(a: Figure, b: Figure) -> Figure:
    value = a.value * b.value
    return Figure(value, value * math.hypot(a.u_relative, b.u_relative))


def _beyond(
    excess: Figure, *, code: str, what: str, hint: str, evidence: Mapping[str, float]
) -> list[Finding]:
    """Make the finding for an excess over a limit: impossible, or doubtful within its u."""
    if excess.value <= 0:
        return []
    impossible = excess.value > CERTAIN * excess.u
    word = "impossible" if impossible else "doubtful"
    return [
        Finding(
            code=f"{word}-{code}",
            severity=Severity.BLOCKING if impossible else Severity.WARNING,
            message=f"{word}: {what}",
            hint=hint,
            evidence=dict(evidence),
        )
    ]
