"""Some seconds of a meter's stream and what they say of it: as a table and as JSON."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from powerlab.acquire import Acquisition
from powerlab.analysis.meter_check import Expected, MeterCheck, meter_checks, without_start, worst
from powerlab.cli._meter_source import Source
from powerlab.records import MeterTrace, SampleBlock
from powerlab.units import NS_PER_S, now_ns

LOOK_S = 0.05
LEAD_S, LEAD_INTERVALS = 1.0, 2.0
"""At the beginning of a stream, not looked at: a polled meter finds its pace in it."""


class _Nowhere:
    """A sink for samples that are only looked at."""

    def block(self, block: SampleBlock) -> None:
        """Pass over a block: the acquisition keeps it."""

    def voltmeter_block(self, block: SampleBlock) -> None:
        """Pass over a second meter: there is one."""

    def event(self, kind: str, payload: object) -> None:
        """Pass over an event."""


def streamed(source: Source, seconds: float) -> MeterTrace:
    """Read a meter for so long after it has found its pace. Raises what stops it."""
    lead_s = LEAD_S + LEAD_INTERVALS * source.setup.interval_s
    with Acquisition(source.meter, source.setup, _Nowhere()) as acquisition:
        end_ns = now_ns() + (lead_s + seconds) * NS_PER_S
        while now_ns() < end_ns:
            acquisition.check()
            time.sleep(LOOK_S)
        return without_start(acquisition.finish(), lead_s)


def expected_of(source: Source) -> Expected:
    """Get what profile and board say beforehand of the ranges that were set."""
    noise, resolution = dict[str, float](), dict[str, float]()
    for limit in source.setup.accuracy:
        for item in source.profile.ranges(limit.quantity):
            if math.isclose(item.full_scale, limit.full_scale):
                noise[limit.quantity] = item.noise
                resolution[limit.quantity] = item.resolution
    known = math.isfinite(source.supply_v)
    return Expected(noise, resolution, source.supply_v if known else None)


def checked(source: Source, seconds: float) -> tuple[MeterTrace, tuple[MeterCheck, ...]]:
    """Read a meter and check what came."""
    trace = streamed(source, seconds)
    return trace, meter_checks(trace, expected_of(source))


def check_document(
    source: Source, seconds: float, trace: MeterTrace, checks: Sequence[MeterCheck]
) -> dict[str, Any]:
    """Get the checks for JSON."""
    identity = trace.identity
    return {
        "schema": "powerlab.meter-check/1",
        "instrument": source.profile.id,
        "serial": identity.serial,
        "firmware": identity.firmware,
        "resource": identity.resource,
        "emulated": identity.emulated,
        "seconds": seconds,
        "samples": len(trace.flags),
        "settings": dict(trace.setup.settings),
        "verdict": str(worst(tuple(checks))),
        "checks": [
            {
                "name": check.name,
                "verdict": str(check.verdict),
                "found": check.found,
                "advice": check.advice,
                "evidence": _finite(check.evidence),
            }
            for check in checks
        ],
    }


def found_text(check: MeterCheck) -> str:
    """Get what a check found; of a rate with what counting its ends may be off by."""
    count = check.evidence.get("readings", 0.0)
    if check.name != "rate" or not count:
        return check.found
    counting = f"counting to ± 1.5 of {count:,.0f} readings, {1.5 / count:.1%}, is allowed for"
    return f"{check.found}; {counting}"


def _finite(evidence: Mapping[str, float]) -> dict[str, float | None]:
    return {key: value if math.isfinite(value) else None for key, value in evidence.items()}
