"""A plain recording of power, with or without windows, as evidence."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from powerlab.errors import ConfigError
from powerlab.evidence.contract import Claim, Evidence, MeterFacts, Span, Trace
from powerlab.evidence.files import damaged
from powerlab.findings import Finding, Severity
from powerlab.terms import Boundary

DC_TAKEN = "the meter is taken to sit at the output of a DC supply (boundary dc); no file says so"
MEAN_TAKEN = "a reading is taken as the mean of the time since the one before it"
POINT_TAKEN = "a reading is taken as the power at the instant of its stamp"


def recording(
    form: str,
    path: Path,
    traces: tuple[Trace, ...],
    *,
    meter: MeterFacts,
    timebase: str,
    windows: tuple[Span, ...] = (),
    claims: tuple[Claim, ...] = (),
    boundary: Boundary | None = None,
    device: str = "",
    workload: str = "",
    assumptions: tuple[str, ...] = (),
    findings: tuple[Finding, ...] = (),
    files: tuple[Path, ...] = (),
) -> Evidence:
    """Make evidence of a recording; without windows all of it is one, of nothing counted.

    ``boundary`` None is taken as dc, and the assumptions say so.
    Raises ConfigError where it holds no usable reading.
    """
    if not traces or not any(len(each.power.power_w) for each in traces):
        raise damaged(path, "holds no usable reading of power")
    said = list(findings)
    if not windows:
        start = min(int(each.power.start_ns[0]) for each in traces if len(each.power.start_ns))
        stop = max(int(each.power.stop_ns[-1]) for each in traces if len(each.power.stop_ns))
        windows = (Span(start, stop, 0),)
        said.append(
            Finding(
                "windows-missing",
                Severity.INFO,
                "the recording marks no inferences: its whole length is taken as one window",
                "name windows and inferences in a mapping (docs/how-to/audit.md)",
            )
        )
    return Evidence(
        format=form,
        path=path,
        title=path.name,
        device=device or path.stem,
        workload=workload or "recording",
        scenario="",
        boundary=boundary or Boundary.DC,
        claims=claims,
        traces=traces,
        windows=windows,
        meter=meter,
        files=files or (path,),
        timebase=timebase,
        assumptions=(*assumptions, *(() if boundary else (DC_TAKEN,))),
        findings=tuple(said),
    )


EMULATED = "emulated"
"""What an export of powerlab's says of its evidence where a model made the readings."""


def emulated_findings(evidence: str) -> tuple[Finding, ...]:
    """Get the finding of an export whose evidence is emulated, none for any other."""
    if evidence != EMULATED:
        return ()
    return (
        Finding(
            EMULATED,
            Severity.BLOCKING,
            "the readings are exported from an EMULATED run: a model made them, and they are no "
            "measurement of anything",
            "take the run that they come from (powerlab results list), or measure",
        ),
    )


def wraps(count: int, name: str) -> tuple[Finding, ...]:
    """Get the finding of an energy counter that fell back, none where it did not."""
    if not count:
        return ()
    return (
        Finding(
            "counter-fell-back",
            Severity.WARNING,
            f"{name}: the energy counter falls back {count} times; taken as energy that would be "
            "negative",
            "it wrapped or was reset: those intervals are left out and filled from both sides",
            {"counter": name, "times": count},
        ),
    )


def energy_claim(
    name: str, value_j: float, published_j: float, source: str, *, relative: float
) -> Claim:
    """Get the claim of an energy that the recording itself states, in joule."""
    return Claim(
        quantity=name,
        unit="J",
        value=value_j,
        rule="sum of power times interval, as the logger adds it",
        published=None if math.isnan(published_j) else published_j,
        source=source,
        relative=relative,
    )


def level_windows(stamp_ns: np.ndarray, level: np.ndarray) -> tuple[Span, ...]:
    """Get the stretches in which a line is high, without those that the recording cuts."""
    high = np.concatenate(([False], level > 0.5, [False]))
    rise = np.flatnonzero(~high[:-1] & high[1:])
    fall = np.flatnonzero(high[:-1] & ~high[1:])
    spans = []
    for first, last in zip(rise, fall, strict=True):
        # a sample is the mean of what ends with its stamp
        if first > 0 and last < len(stamp_ns) and stamp_ns[first - 1] < stamp_ns[last - 1]:
            spans.append(Span(int(stamp_ns[first - 1]), int(stamp_ns[last - 1]), 1))
    return tuple(spans)


def needs_voltage(path: Path) -> ConfigError:
    """Get the error of a recording of current alone."""
    return damaged(
        path,
        "records current and no voltage: there is no power in it",
        hint="give voltage_v in a mapping: powerlab audit FILE --mapping MAPPING.toml",
    )
