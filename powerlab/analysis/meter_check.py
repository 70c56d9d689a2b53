"""What a stream of readings says of the meter itself: each check a function of the trace.

The questions are those that owners of such meters had to ask: does it deliver what it promises,
when, without holes, in range, the right way round, and by a clock that keeps time?
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from powerlab.analysis.judge_samples import UNSEEN_LIMIT
from powerlab.analysis.meter_clock import clock_gain
from powerlab.analysis.renewal import Pattern, find_renewal
from powerlab.analysis.sample_clock import HOST_LIMIT_PPM
from powerlab.records import FloatArray, MeterTrace, SampleFlag
from powerlab.units import NS_PER_S

RATE_WARNS, RATE_FAILS = 0.02, 0.10
"""Relative difference from the declared rate; the ends of a short stream come on top."""

NOISE_FACTOR = 3.0
"""Above the profile's own noise by so much, something else is seen."""

SUPPLY_WARNS, SUPPLY_FAILS = 0.10, 0.20
"""Volts off the supply's label: an adapter with cable and burden stays within the first, and
nothing that the board is made for is beyond the second."""

LOST = SampleFlag.LOST | SampleFlag.NOT_AVAILABLE
UNITS = {"current": "A", "voltage": "V", "power": "W"}
NORMAL_MEDIAN = 0.6745
"""Half of a normal distribution lies within so many standard deviations."""


class Verdict(StrEnum):
    """How one check ended."""

    PASS = "pass"  # noqa: S105 - a verdict, no secret
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class MeterCheck:
    """One check: what was found in figures, and what to do (empty where it passed)."""

    name: str
    verdict: Verdict
    found: str
    advice: str = ""
    evidence: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the profile and the bench say beforehand, by channel, each in the channel's unit.

    ``noise`` is the standard deviation of one reading, ``resolution`` its step. ``supply_v`` is
    what the board's supply delivers, None where nobody says.
    """

    noise: Mapping[str, float] = field(default_factory=dict)
    resolution: Mapping[str, float] = field(default_factory=dict)
    supply_v: float | None = None


def without_start(trace: MeterTrace, lead_s: float) -> MeterTrace:
    """Get a trace without the polls of its first seconds, in which a driver finds its pace.

    All of it where less than three polls would be left.
    """
    late = int(np.searchsorted(trace.poll_sent_ns, trace.poll_sent_ns[0] + lead_s * NS_PER_S))
    if late == 0 or len(trace.poll_sent_ns) - late < 3:
        return trace
    first = min(int(trace.poll_completed[late - 1]), len(trace.flags))
    return replace(
        trace,
        values=trace.values[first:],
        device_ns=None if trace.device_ns is None else trace.device_ns[first:],
        flags=trace.flags[first:],
        poll_sent_ns=trace.poll_sent_ns[late:],
        poll_received_ns=trace.poll_received_ns[late:],
        poll_completed=trace.poll_completed[late:] - first,
    )


def meter_checks(trace: MeterTrace, expected: Expected) -> tuple[MeterCheck, ...]:
    """Check a stream; a check that has nothing to go by is left out."""
    checks: tuple[Callable[[MeterTrace, Expected], Iterator[MeterCheck]], ...] = (
        _rate,
        _renewal,
        _time,
        _gaps,
        _beyond,
        _sign,
        _noise,
        _volts,
        _clock,
    )
    return tuple(found for check in checks for found in check(trace, expected))


def worst(checks: tuple[MeterCheck, ...]) -> Verdict:
    """Get the gravest verdict of all."""
    order = list(Verdict)
    return max((check.verdict for check in checks), key=order.index, default=Verdict.PASS)


def _rate(trace: MeterTrace, _expected: Expected) -> Iterator[MeterCheck]:
    count, elapsed_s = _delivered(trace)
    declared_hz = 1 / trace.setup.interval_s
    if elapsed_s <= 0:
        yield MeterCheck(
            "rate",
            Verdict.FAIL,
            f"{len(trace.flags)} readings came at a single instant",
            "let it run for longer: --seconds 10",
        )
        return
    rate_hz = count / elapsed_s
    off, ends = abs(rate_hz / declared_hz - 1), 1.5 / max(count, 1)
    verdict = _verdict(off, RATE_WARNS + ends, RATE_FAILS + ends)
    yield MeterCheck(
        "rate",
        verdict,
        f"{_rate_text(rate_hz)} readings/s over {elapsed_s:.3g} s; its profile says "
        f"{_rate_text(declared_hz)}",
        _unless(
            verdict,
            "look for a slow link (hub, Bluetooth, another program on the port) or another "
            "setting at the meter; if it is always so, correct interval_s in a profile of yours",
        ),
        {"rate_hz": rate_hz, "declared_hz": declared_hz, "readings": count},
    )


def _renewal(trace: MeterTrace, expected: Expected) -> Iterator[MeterCheck]:
    count, elapsed_s = _delivered(trace)
    good = _good(trace)
    columns = _columns(trace)
    if good.sum() < 3 or not columns or elapsed_s <= 0:
        return
    found = {
        name: find_renewal(values[good], expected.resolution.get(name, 0.0))
        for name, values in columns.items()
    }
    name, best = min(found.items(), key=lambda item: item[1].readings)
    rate_hz = count / elapsed_s / best.readings
    proven = {Pattern.REPEATED: "repeated", Pattern.INTERPOLATED: "points on straight lines"}
    slower = [each for each in found if found[each].pattern in proven and each != name]
    evidence = {"renewals_hz": rate_hz, "repeats": best.repeats, "readings": best.readings}
    if best.pattern in proven:
        yield MeterCheck(
            "renewal",
            Verdict.FAIL,
            f"only {_rate_text(rate_hz)} readings/s are new: the others are "
            f"{proven[best.pattern]}, {best.readings:.3g} to each new {name}",
            "believe no time finer than that: put interval_s and aperture_s of the true rate into "
            "a profile of yours",
            evidence,
        )
    elif best.pattern is Pattern.CONSTANT:
        yield MeterCheck(
            "renewal",
            Verdict.WARN,
            "every reading is the same: nothing tells whether they are new",
            "let the load change while it is checked",
            evidence,
        )
    elif slower or best.repeats > 0.5:
        told = [f"{each} is {proven[found[each].pattern]}" for each in slower]
        told = told or [f"{best.repeats:.0%} of the readings repeat the one before"]
        yield MeterCheck(
            "renewal",
            Verdict.WARN,
            f"{', '.join(told)}; {_rate_text(rate_hz)} readings/s are new",
            "a load steadier than the resolution looks like that, a meter that renews slowly too: "
            "check again while the load changes",
            evidence,
        )
    else:
        yield MeterCheck(
            "renewal", Verdict.PASS, f"{_rate_text(rate_hz)} new readings/s in {name}", "", evidence
        )


def _time(trace: MeterTrace, _expected: Expected) -> Iterator[MeterCheck]:
    kinds = {"poll": trace.poll_sent_ns, "reply": trace.poll_received_ns}
    if trace.device_ns is not None:
        kinds["meter"] = trace.device_ns
    back = {
        name: _backwards(instants, strictly=name == "meter") for name, instants in kinds.items()
    }
    early = int(np.count_nonzero(trace.poll_received_ns < trace.poll_sent_ns))
    count = sum(steps for steps, _ in back.values()) + early
    worst_s = max(by_s for _, by_s in back.values())
    clock = "the meter's and the host's clock" if "meter" in kinds else "the host's clock"
    yield MeterCheck(
        "time",
        Verdict.FAIL if count else Verdict.PASS,
        f"{count} steps backwards or on the spot, the largest of {worst_s:.3g} s"
        if count
        else f"always forwards, by {clock}",
        "its buffer was overwritten or cleared, or two programs read it: close the other one"
        if count
        else "",
        {"steps": count, "largest_s": worst_s},
    )


def _gaps(trace: MeterTrace, _expected: Expected) -> Iterator[MeterCheck]:
    interval_s = trace.setup.interval_s
    lost = int(np.count_nonzero(trace.flags & int(LOST)))
    steps_s = np.zeros(0)
    if trace.device_ns is not None:
        steps_s = np.diff(trace.device_ns) / NS_PER_S
    elif np.median(np.diff(trace.poll_completed, prepend=0)) <= 1:
        steps_s = np.diff(trace.poll_sent_ns) / NS_PER_S  # one reading a poll
    long_s = steps_s[steps_s > 1.5 * interval_s]
    gap_s = float((long_s - interval_s).sum()) + lost * interval_s
    whole_s = max(_delivered(trace)[1], interval_s)
    count = lost + len(long_s)
    verdict = Verdict.PASS if not count else _verdict(gap_s / whole_s, 0.0, UNSEEN_LIMIT)
    yield MeterCheck(
        "gaps",
        verdict,
        f"{count} gaps, {gap_s:.3g} s together ({gap_s / whole_s:.2%}); {lost} readings lost",
        _unless(verdict, "look for a busy host, a hub, a loose link or another program on it"),
        {"gaps": count, "gap_s": gap_s, "lost": lost},
    )


def _beyond(trace: MeterTrace, _expected: Expected) -> Iterator[MeterCheck]:
    for name, flag, told, advice in (
        ("saturation", SampleFlag.SATURATED, "saturated", "take a larger range or lower the load"),
        (
            "range",
            SampleFlag.OVERRANGE,
            "beyond the range",
            "take a larger range, or another meter, and check that nothing is wired wrongly",
        ),
    ):
        count = int(np.count_nonzero(trace.flags & int(flag)))
        yield MeterCheck(
            name,
            Verdict.FAIL if count else Verdict.PASS,
            f"{count} of {len(trace.flags)} readings are {told}",
            advice if count else "",
            {"readings": count},
        )


def _sign(trace: MeterTrace, expected: Expected) -> Iterator[MeterCheck]:
    good = _good(trace)
    columns = _columns(trace)
    for limit in trace.setup.accuracy:
        name = limit.quantity
        if name not in columns or not good.any():
            continue
        mean = float(columns[name][good].mean())
        least = -(limit.offset_limit + 3 * expected.noise.get(name, 0.0) / math.sqrt(good.sum()))
        if mean < least:
            yield MeterCheck(
                "sign",
                Verdict.FAIL,
                f"{name} is negative: {mean:.4g} {UNITS[name]}, where nothing at all reads as "
                f"{least:.2g} {UNITS[name]} at most",
                "turn the meter round, or swap its leads: energy would come out negative",
                {name: mean},
            )
            return
    if good.any():
        yield MeterCheck("sign", Verdict.PASS, "no reading runs backwards")


def _noise(trace: MeterTrace, expected: Expected) -> Iterator[MeterCheck]:
    good = _good(trace)
    for name, values in _columns(trace).items():
        if name not in expected.noise or good.sum() < 5:
            continue
        seen = _scatter(values[good])
        own = math.hypot(expected.noise[name], expected.resolution.get(name, 0.0))
        verdict = Verdict.WARN if seen > NOISE_FACTOR * own else Verdict.PASS
        yield MeterCheck(
            f"noise of {name}",
            verdict,
            f"{seen:.3g} {UNITS[name]} from reading to reading; its own is {own:.3g} {UNITS[name]}",
            _unless(
                verdict,
                "a working board looks like that: check it at rest (board idle or off); if it "
                "stays, look for a switching supply, long leads or a missing ground",
            ),
            {"noise": seen, "declared": own},
        )


def _volts(trace: MeterTrace, expected: Expected) -> Iterator[MeterCheck]:
    good = _good(trace)
    columns = _columns(trace)
    supply_v = expected.supply_v
    if supply_v is None or "voltage" not in columns or not good.any() or trace.setup.mains:
        return
    volts = columns["voltage"][good]
    mean, low, high = float(volts.mean()), float(volts.min()), float(volts.max())
    off = max(abs(low / supply_v - 1), abs(high / supply_v - 1))
    verdict = _verdict(off, SUPPLY_WARNS, SUPPLY_FAILS)
    yield MeterCheck(
        "volts",
        verdict,
        f"{mean:.4g} V, from {low:.4g} V to {high:.4g} V; the supply's label says {supply_v:g} V",
        _unless(
            verdict,
            "check that the supply is on and is the board's own, and that the volts are taken "
            "where the bench says",
        ),
        {"mean_v": mean, "low_v": low, "high_v": high},
    )


def _clock(trace: MeterTrace, _expected: Expected) -> Iterator[MeterCheck]:
    if trace.device_ns is None or _backwards(trace.device_ns, strictly=True)[0]:
        return
    gain = clock_gain(trace)
    if gain is None:
        return
    limit_ppm = trace.setup.clock_limit_ppm + HOST_LIMIT_PPM
    doubt_ppm = 2 * gain.u_ppm
    verdict = Verdict.FAIL if abs(gain.gain_ppm) > limit_ppm + doubt_ppm else Verdict.PASS
    advice = "readings were lost that nothing counts, or its clock is out of specification"
    if verdict is Verdict.PASS and doubt_ppm > limit_ppm:
        verdict, advice = Verdict.WARN, "so short a stream tells no more: --seconds 60"
    yield MeterCheck(
        "clock",
        verdict,
        f"it gains {gain.gain_ppm:.0f} ppm ± {doubt_ppm:.0f} ppm on this computer's; both together "
        f"are good for {limit_ppm:.0f} ppm",
        _unless(verdict, advice),
        {"rate_ppm": gain.gain_ppm, "u_rate_ppm": gain.u_ppm, "limit_ppm": limit_ppm},
    )


def _delivered(trace: MeterTrace) -> tuple[int, float]:
    """Get how many readings came between the first reply and the last, and the time between."""
    if len(trace.poll_received_ns) < 2:
        return 0, 0.0
    count = int(trace.poll_completed[-1] - trace.poll_completed[0])
    return count, float(trace.poll_received_ns[-1] - trace.poll_received_ns[0]) / NS_PER_S


def _good(trace: MeterTrace) -> np.ndarray:
    return np.asarray(np.isfinite(trace.values).all(axis=1) & (trace.flags & int(LOST) == 0))


def _columns(trace: MeterTrace) -> dict[str, FloatArray]:
    """Get the values by channel, without the trigger line."""
    names = enumerate(trace.setup.channels)
    return {name: trace.values[:, index] for index, name in names if name != "line"}


def _backwards(instants: np.ndarray, *, strictly: bool) -> tuple[int, float]:
    """Get how many steps do not lead forwards, and by how much the largest leads back [s]."""
    steps = np.diff(instants)
    wrong = steps[steps <= 0 if strictly else steps < 0]
    return len(wrong), float(-wrong.min(initial=0)) / NS_PER_S


def _scatter(values: FloatArray) -> float:
    """Get the standard deviation of readings around a slow course, few jumps left aside."""
    return float(np.median(np.abs(np.diff(values)))) / (NORMAL_MEDIAN * math.sqrt(2))


def _verdict(figure: float, warns: float, fails: float) -> Verdict:
    if figure > fails:
        return Verdict.FAIL
    return Verdict.WARN if figure > warns else Verdict.PASS


def _unless(verdict: Verdict, advice: str) -> str:
    """Get the advice, nothing where all is well."""
    return "" if verdict is Verdict.PASS else advice


def _rate_text(rate_hz: float) -> str:
    """Get a rate in print: four digits, from ten thousand on all of them."""
    return f"{rate_hz:,.0f}" if rate_hz >= 1e4 else f"{rate_hz:.4g}"
