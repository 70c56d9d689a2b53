"""What is wrong with evidence: each finding says what it is worth, in joules where it can."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from powerlab.evidence.contract import Evidence, Span, Trace
from powerlab.evidence.reckoning import Reckoned, clock_offset, samples_inside, slow_error
from powerlab.findings import Finding, Severity
from powerlab.units import NS_PER_S

MOST_SENTINELS = 0.01
GAP_SHARE = 0.001
"""Of the energy: beyond it a gap makes a run invalid (method section 2.2)."""

WORTH = 0.001
"""Of the energy: what a clock offset must be worth to be a warning."""

LOW_FACTOR = 0.6
STEADY = 0.005
"""Change of power over a window beyond which a run is not steady (method section 2.5)."""

REPEATED = 0.05
"""Difference of the ranging run beyond which the two were not the same work."""

FEW_SAMPLES = 10


def check(evidence: Evidence, done: Reckoned) -> tuple[Finding, ...]:
    """Get all findings of one evidence, its reader's first."""
    return (
        *evidence.findings,
        *_claims(evidence, done),
        *_unusable(evidence),
        *_gaps(done),
        *_clock(evidence, done),
        *_period(evidence),
        *_meter(evidence),
        *_factor(evidence),
        *_repeated(evidence, done),
        *_course(evidence),
    )


def _claims(evidence: Evidence, done: Reckoned) -> Iterator[Finding]:
    for claim in evidence.claims:
        if claim.agrees is not False:
            continue
        off = claim.difference / claim.published if claim.published else math.nan
        energy = done.quantities.get("energy_per_inference")
        within = energy is not None and abs(off) * energy.value <= energy.expanded
        yield Finding(
            "published-differs",
            Severity.WARNING if within else Severity.BLOCKING,
            f"{claim.quantity}: published {claim.published!r} {claim.unit}, its own rule gives "
            f"{claim.value!r} ({off:+.3%})",
            "ask the publisher which data and which rule the figure rests on",
            {
                "quantity": claim.quantity,
                "unit": claim.unit,
                "published": claim.published or 0.0,
                "recomputed": claim.value,
                "relative": off,
            },
        )
    for claim in evidence.claims:
        if claim.agrees and claim.rule.endswith("sentinels averaged in"):
            yield Finding(
                "sentinels-in-published-figure",
                Severity.WARNING,
                f"{claim.quantity}: the published figure averages the meter's error codes in",
                "take the figure recomputed without them",
                {"quantity": claim.quantity},
            )
        elif claim.agrees and claim.rule.endswith("line by line"):
            yield Finding(
                "published-joined-by-line",
                Severity.WARNING,
                f"{claim.quantity}: the published figure adds analysers line by line",
                "take the figure recomputed by time",
                {"quantity": claim.quantity},
            )


def _unusable(evidence: Evidence) -> Iterator[Finding]:
    for trace in evidence.traces:
        stamps = np.array(trace.unusable_ns, dtype=np.int64)
        inside = sum(
            int(np.count_nonzero((stamps > span.start_ns) & (stamps < span.stop_ns)))
            for span in evidence.windows
        )
        if not len(stamps):
            continue
        good = sum(len(samples_inside(trace, span)) for span in evidence.windows)
        share = inside / max(1, inside + good)
        level = Severity.WARNING if inside else Severity.INFO
        yield Finding(
            "sentinels",
            Severity.BLOCKING if share > MOST_SENTINELS else level,
            f"{trace.name}: {len(stamps)} readings are error codes or no numbers, {inside} of "
            "them in the windows",
            "they are left out here and their time is filled from both sides; find out why the "
            "meter failed",
            {"trace": trace.name, "readings": len(stamps), "inside": inside, "share": share},
        )


def _gaps(done: Reckoned) -> Iterator[Finding]:
    total_s, total_j = float(done.gap_s.sum()), float(done.gap_j.sum())
    if total_s <= 0:
        return
    share = total_j / float(done.energy_j.sum()) if done.energy_j.sum() else math.nan
    longest = float(done.gap_s.max())
    bad = not share <= GAP_SHARE
    yield Finding(
        "gaps",
        Severity.WARNING if bad else Severity.INFO,
        f"no sample covers {total_s:.3g} s of the windows (most in one window: {longest:.3g} s), "
        f"worth {total_j:.3g} J, {share:.2%} of the energy",
        "the gaps are filled from both sides and their swing is in the uncertainty",
        {"gap_s": total_s, "longest_s": longest, "gap_j": total_j, "share": share},
    )


def _clock(evidence: Evidence, done: Reckoned) -> Iterator[Finding]:
    worst = clock_offset(evidence.clocks)
    if worst is None:
        two_clocks = bool(evidence.windows and evidence.timebase) and not evidence.triggered
        if two_clocks and len(evidence.clocks) == 0 and done.step_w:
            yield Finding(
                "clock-offset-unknown",
                Severity.INFO,
                "nothing tells how the clock of the work stood to that of the samples; a second "
                f"between them is worth {abs(done.step_w):.3g} J",
                "record exchanges of both clocks, or a marker in the power",
                {"joule_per_second": abs(done.step_w)},
            )
        return
    worth_j = abs(done.step_w * worst.middle_s)
    total_j = float(done.energy_j.sum())
    share = worth_j / total_j if total_j else math.nan
    yield Finding(
        "clock-offset",
        Severity.WARNING if share > WORTH else Severity.INFO,
        f"the clocks of work and meter differ by {worst.middle_s * 1e3:+.2f} ms "
        f"(± {(worst.high_s - worst.low_s) / 2 * 1e3:.2f} ms, {worst.source}), worth "
        f"{worth_j:.3g} J or {share:.2g} of the energy",
        "the rule of the publisher does not correct it; here it is in the uncertainty",
        {
            "offset_s": worst.middle_s,
            "offset_ms": worst.middle_s * 1e3,
            "half_ms": (worst.high_s - worst.low_s) / 2 * 1e3,
            "source": worst.source,
            "worth_j": worth_j,
            "share": share,
        },
    )


def _period(evidence: Evidence) -> Iterator[Finding]:
    if not evidence.windows or not evidence.traces:
        return
    interval_s = max(trace.interval_ns for trace in evidence.traces) / NS_PER_S
    lengths = np.array([(each.stop_ns - each.start_ns) / NS_PER_S for each in evidence.windows])
    shortest = float(lengths.min())
    if shortest < FEW_SAMPLES * interval_s:
        yield Finding(
            "sample-period-long",
            Severity.WARNING,
            f"a sample stands for {interval_s:.3g} s, and the shortest window lasts "
            f"{shortest:.3g} s: single windows hold {shortest / interval_s:.2g} samples",
            "only the whole of many windows has a figure; measure longer windows or sample faster",
            {"interval_s": interval_s, "window_s": shortest, "samples": shortest / interval_s},
        )


def _meter(evidence: Evidence) -> Iterator[Finding]:
    meter = evidence.meter
    if not meter.calibration and meter.expects_calibration:
        yield Finding(
            "calibration-missing",
            Severity.WARNING,
            f"no date of a calibration is stated for {meter.model or 'the meter'}",
            "ask for the certificate: its limits hold for a meter that was calibrated in time",
            {"meter": meter.model},
        )
    if meter.assumed:
        yield Finding(
            "accuracy-assumed",
            Severity.WARNING,
            f"{meter.model or 'the meter'}: its limits are assumed: {meter.source}",
            "state the data sheet's limits of this meter",
            {"meter": meter.model, "gain_limit": meter.gain_limit},
        )


def _factor(evidence: Evidence) -> Iterator[Finding]:
    for trace in evidence.traces:
        if trace.power_factor < LOW_FACTOR:
            yield Finding(
                "power-factor-low",
                Severity.INFO,
                f"{trace.name}: the power factor is {trace.power_factor:.2f}, where errors of "
                "phase weigh most",
                "a meter of apparent power would be wrong by "
                f"{1 / trace.power_factor:.1f} times here",
                {
                    "trace": trace.name,
                    "power_factor": trace.power_factor,
                    "factor": 1 / trace.power_factor,
                },
            )


def _repeated(evidence: Evidence, done: Reckoned) -> Iterator[Finding]:
    energy = done.quantities.get("energy_per_inference")
    if energy is None:
        return
    if math.isfinite(evidence.second_j) and energy.value:
        drift = energy.value / evidence.second_j - 1
        yield Finding(
            "ranging-drift",
            Severity.WARNING if abs(drift) > REPEATED else Severity.INFO,
            f"the run took {drift:+.2%} of energy per inference against its ranging run",
            "two runs of the same work differ by 0.5 % in the median; more asks for a third",
            {"relative": drift},
        )
    if len(evidence.windows) == 1:
        yield Finding(
            "single-run",
            Severity.INFO,
            "one run: how far the next one would be is not measured",
            "the uncertainty takes what pairs of published runs show",
        )


def _course(evidence: Evidence) -> Iterator[Finding]:
    """Yield a trend of power in the longest window, and how much samples hang together."""
    if not evidence.windows or not evidence.traces:
        return
    span = max(evidence.windows, key=lambda each: each.stop_ns - each.start_ns)
    trace = max(evidence.traces, key=lambda each: float(each.power.power_w.sum() or 0))
    mean, error, count = slow_error(trace.power, span)
    if not math.isfinite(error) or count < FEW_SAMPLES or not mean:
        return
    change = _change(trace, span)
    if abs(change) > STEADY:
        yield Finding(
            "trend",
            Severity.WARNING if abs(change) > 10 * STEADY else Severity.INFO,
            f"{trace.name}: power changes by {change:+.2%} over the longest window",
            "the work was not in its steady state; warm up longer",
            {"trace": trace.name, "relative": change},
        )
    values = trace.power.power_w[trace.power.inside(span.start_ns, span.stop_ns)]
    plain = float(values.std(ddof=1)) / math.sqrt(count)
    if plain > 0 and error > 1.5 * plain:
        yield Finding(
            "autocorrelation",
            Severity.INFO,
            f"{trace.name}: samples hang together; the standard error of the mean power is "
            f"{error / plain:.1f} times s/sqrt(n), {error / mean:.2%}",
            "an error bar by s/sqrt(n) would be too small by that factor",
            {"trace": trace.name, "factor": error / plain, "relative": error / mean},
        )


def _change(trace: Trace, span: Span) -> float:
    """Get the relative change of power over a window by a straight line."""
    chosen = trace.power.inside(span.start_ns, span.stop_ns)
    middle = (trace.power.start_ns[chosen] + trace.power.stop_ns[chosen]) / 2
    values = trace.power.power_w[chosen]
    at = (middle - middle.mean()) / NS_PER_S
    slope = float(np.dot(at, values - values.mean()) / np.dot(at, at)) if np.dot(at, at) else 0.0
    length_s = (span.stop_ns - span.start_ns) / NS_PER_S
    return slope * length_s / float(values.mean())
