"""What a bench's meter, once it is reached, says of the bench."""

from __future__ import annotations

import math

from powerlab.catalog.bench_profile import Bench
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.findings import Finding, Severity
from powerlab.records import MeterSetup

REST = 0.1
"""Share of a board's idle current below which it is not fed through the meter."""


def rest_findings(
    idle_a: float, setup: MeterSetup, bench: Bench, device: DeviceProfile
) -> tuple[Finding, ...]:
    """Get what an answering board says that draws nothing through the meter.

    ``idle_a`` is the mean current that was read while the board answered.
    """
    limits = [limit.offset_limit for limit in setup.accuracy if limit.quantity == "current"]
    if bench.boundary == "wall" or not limits or not math.isfinite(idle_a):
        return ()
    usual_a = device.power.idle_w.value / device.power.supply_voltage_v.value
    if limits[0] > usual_a / 2 or abs(idle_a) > max(limits[0], REST * usual_a):
        return ()  # the first: such a meter cannot tell little from nothing
    return (
        Finding(
            code="fed-elsewhere",
            severity=Severity.WARNING,
            message=f"the board answers, but draws {idle_a * 1e3:.3g} mA through the meter, where "
            f"about {usual_a * 1e3:.3g} mA are usual",
            hint="something else feeds it: unplug USB, HDMI and serial leads from other computers; "
            "or the meter is not in this board's supply line",
            evidence={"idle_a": idle_a, "usual_a": usual_a},
        ),
    )
