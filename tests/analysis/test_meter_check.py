"""Each check of a meter finds its own fault, and leaves a good stream alone."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from powerlab.analysis.meter_check import (
    Expected,
    Verdict,
    meter_checks,
    without_start,
    worst,
)
from powerlab.records import MeterTrace, SampleFlag
from tests.analysis.factories import IDENTITY, accuracy, setup

S = 1_000_000_000
INTERVAL_S, POLL_S = 0.01, 0.04
EXPECTED = Expected({"voltage": 1e-3, "current": 1e-3}, {"voltage": 1e-4, "current": 1e-4}, 5.0)


def stream(
    *, seconds: float = 10.0, device_clock: bool = True, rate_ppm: float = 0.0, seed: int = 1
) -> MeterTrace:
    """Get what a good meter of 100 readings a second delivers at 5 V and 1 A."""
    rng = np.random.default_rng(seed)
    count = round(seconds / INTERVAL_S)
    device_ns = np.arange(count, dtype=np.int64) * round(INTERVAL_S * S)
    taken_ns = 7 * S + device_ns / (1 + rate_ppm * 1e-6)
    sent = 7 * S + np.cumsum(rng.uniform(0.9, 1.1, round(seconds / POLL_S)) * POLL_S * S)
    sent = sent.astype(np.int64)
    received = sent + rng.integers(100_000, 900_000, len(sent))
    completed = np.searchsorted(taken_ns, sent + 50_000, side="right")
    values = np.column_stack([rng.normal(5, 1e-3, count), rng.normal(1, 1e-3, count)])
    return MeterTrace(
        identity=IDENTITY,
        setup=setup(
            channels=("voltage", "current"),
            accuracy=(accuracy("voltage"), accuracy("current", offset_limit=0.002)),
            interval_s=INTERVAL_S,
            aperture_s=INTERVAL_S,
        ),
        values=np.round(values, 4),
        device_ns=device_ns if device_clock else None,
        flags=np.zeros(count, dtype=np.uint8),
        poll_sent_ns=sent,
        poll_received_ns=received,
        poll_completed=completed,
    )


def polled(*, seconds: float = 10.0) -> MeterTrace:
    """Get what a good meter without a clock delivers, one reading a poll."""
    whole = stream(seconds=seconds, device_clock=False)
    count = len(whole.flags)
    sent = 7 * S + np.arange(count, dtype=np.int64) * round(INTERVAL_S * S)
    return replace(
        whole,
        poll_sent_ns=sent,
        poll_received_ns=sent + 300_000,
        poll_completed=np.arange(1, count + 1),
    )


def verdicts(trace: MeterTrace, expected: Expected = EXPECTED) -> dict[str, str]:
    """Get how each check ended."""
    return {check.name: str(check.verdict) for check in meter_checks(trace, expected)}


def one(trace: MeterTrace, name: str, expected: Expected = EXPECTED):
    """Get one check."""
    return next(check for check in meter_checks(trace, expected) if check.name == name)


def flagged(trace: MeterTrace, flag: SampleFlag, *rows: int) -> MeterTrace:
    """Get a trace with a flag on some rows."""
    flags = trace.flags.copy()
    flags[list(rows)] |= int(flag)
    return replace(trace, flags=flags)


@pytest.mark.parametrize("made", [stream, polled])
def test_a_good_stream_passes_every_check(made):
    """With a clock of its own or without; a check of that clock only where it has one."""
    found = verdicts(made())
    assert set(found.values()) == {"pass"}
    assert {"rate", "renewal", "time", "gaps", "saturation", "range", "sign", "volts"} <= set(found)
    assert ("clock" in found) == (made is stream)


@pytest.mark.parametrize(("declared", "verdict"), [(1.05, "warn"), (1.3, "fail"), (0.5, "fail")])
def test_another_rate_than_the_declared_one(declared, verdict):
    """Slower and faster; the figures are told."""
    trace = stream()
    slow = replace(trace, setup=replace(trace.setup, interval_s=INTERVAL_S / declared))
    check = one(slow, "rate")
    assert check.verdict == verdict
    assert check.evidence["rate_hz"] == pytest.approx(100, rel=0.01)
    assert check.advice


@pytest.mark.parametrize("kind", ["repeated", "straight lines"])
def test_readings_that_are_not_new(kind):
    """Their true rate is told."""
    trace = stream()
    values = trace.values.copy()
    for column in values.T:
        knots = column[::4].copy()
        at = np.arange(len(column)) / 4
        column[:] = (
            knots[at.astype(int)]
            if kind == "repeated"
            else np.interp(at, np.arange(len(knots)), knots)
        )
    check = one(replace(trace, values=values), "renewal", Expected())
    assert check.verdict is Verdict.FAIL
    assert kind in check.found
    assert check.evidence["renewals_hz"] == pytest.approx(25, rel=0.05)


def test_one_channel_that_renews_slower_is_told():
    """As of a logger that reads volts less often than amperes."""
    trace = stream()
    values = trace.values.copy()
    values[:, 0] = np.repeat(values[::4, 0], 4)
    check = one(replace(trace, values=values), "renewal")
    assert check.verdict is Verdict.WARN
    assert "voltage is repeated" in check.found
    assert check.evidence["renewals_hz"] == pytest.approx(100, rel=0.05)


def test_readings_that_never_change_tell_nothing():
    """Nobody is accused."""
    trace = stream()
    still = replace(trace, values=np.ones_like(trace.values))
    assert one(still, "renewal").verdict is Verdict.WARN


def test_time_that_runs_backwards():
    """A meter whose buffer was overwritten, and a reply before its request."""
    trace = stream()
    device_ns = trace.device_ns.copy()
    device_ns[500:] -= S
    check = one(replace(trace, device_ns=device_ns), "time")
    assert check.verdict is Verdict.FAIL
    assert check.evidence["largest_s"] == pytest.approx(0.99)
    assert "clock" not in verdicts(replace(trace, device_ns=device_ns))
    early = replace(trace, poll_received_ns=trace.poll_sent_ns - 1)
    assert one(early, "time").verdict is Verdict.FAIL


def test_an_instant_that_repeats_is_no_time():
    """Two readings cannot be taken at once."""
    trace = stream()
    device_ns = trace.device_ns.copy()
    device_ns[10] = device_ns[9]
    assert one(replace(trace, device_ns=device_ns), "time").verdict is Verdict.FAIL


@pytest.mark.parametrize(("missing", "verdict"), [(3, "warn"), (40, "fail")])
def test_a_hole_in_the_meters_time_is_a_gap(missing, verdict):
    """Counted and measured."""
    trace = stream()
    device_ns = trace.device_ns.copy()
    device_ns[600:] += missing * round(INTERVAL_S * S)
    check = one(replace(trace, device_ns=device_ns), "gaps")
    assert (check.verdict, check.evidence["gaps"]) == (verdict, 1)
    assert check.evidence["gap_s"] == pytest.approx(missing * INTERVAL_S)


def test_a_poll_that_was_left_out_is_a_gap():
    """Of a meter without a clock the host's time tells."""
    trace = polled()
    late = np.where(np.arange(len(trace.flags)) >= 500, S // 4, 0)
    held = replace(
        trace,
        poll_sent_ns=trace.poll_sent_ns + late,
        poll_received_ns=trace.poll_received_ns + late,
    )
    assert one(held, "gaps").evidence["gap_s"] == pytest.approx(0.25)


@pytest.mark.parametrize("flag", [SampleFlag.LOST, SampleFlag.NOT_AVAILABLE])
def test_lost_readings_are_gaps(flag):
    """And their values enter no other check."""
    trace = stream()
    values = trace.values.copy()
    values[100:120] = math.nan
    lost = flagged(replace(trace, values=values), flag, *range(100, 120))
    found = verdicts(lost)
    assert found["gaps"] == "fail"
    assert {name for name, verdict in found.items() if verdict != "pass"} == {"gaps"}


@pytest.mark.parametrize(
    ("flag", "name"), [(SampleFlag.SATURATED, "saturation"), (SampleFlag.OVERRANGE, "range")]
)
def test_readings_at_the_end_of_the_range(flag, name):
    """One is enough."""
    check = one(flagged(stream(), flag, 17), name)
    assert check.verdict is Verdict.FAIL
    assert check.found.startswith("1 of 1000")


def test_a_meter_the_wrong_way_round():
    """Below zero by more than its offset may be; an offset alone is none."""
    trace = stream()
    assert one(replace(trace, values=trace.values * [1, -1]), "sign").verdict is Verdict.FAIL
    nothing = replace(trace, values=trace.values * [1, 0] - [0, 0.0015])
    assert one(nothing, "sign").verdict is Verdict.PASS


def test_more_noise_than_its_own():
    """A warning: a working board looks like that."""
    expected = Expected({"current": 1e-4}, {"current": 1e-4})
    check = one(stream(), "noise of current", expected)
    assert check.verdict is Verdict.WARN
    assert check.evidence["noise"] == pytest.approx(1e-3, rel=0.2)


@pytest.mark.parametrize(
    ("supply_v", "verdict"), [(5.1, "pass"), (4.4, "warn"), (12.0, "fail"), (None, None)]
)
def test_volts_against_the_supplys_label(supply_v, verdict):
    """Another supply is no trifle; without a label nothing is said."""
    assert verdicts(stream(), replace(EXPECTED, supply_v=supply_v)).get("volts") == verdict


@pytest.mark.parametrize(
    ("rate_ppm", "verdict"), [(-150.0, "pass"), (1500.0, "fail"), (-4000.0, "fail")]
)
def test_the_meters_clock_against_the_hosts(rate_ppm, verdict):
    """Within both limits or not, and by how much."""
    check = one(stream(seconds=30, rate_ppm=rate_ppm), "clock")
    assert check.verdict == verdict
    assert check.evidence["rate_ppm"] == pytest.approx(rate_ppm, abs=100)


def test_too_short_a_stream_does_not_tell_of_the_clock():
    """It says so instead of passing."""
    assert one(stream(seconds=0.5), "clock").verdict is Verdict.WARN


def test_the_gravest_verdict_counts():
    """Fail over warn over pass."""
    assert worst(meter_checks(stream(), EXPECTED)) is Verdict.PASS
    assert worst(()) is Verdict.PASS
    lost = flagged(stream(), SampleFlag.OVERRANGE, 1)
    assert worst(meter_checks(lost, EXPECTED)) is Verdict.FAIL


def test_the_first_seconds_can_be_left_out():
    """Readings and polls go together; so little is left alone."""
    trace = stream()
    rest = without_start(trace, 2.0)
    assert rest.poll_sent_ns[0] >= trace.poll_sent_ns[0] + 2 * S
    assert len(rest.flags) == len(rest.values) == len(rest.device_ns)
    assert rest.device_ns[0] == pytest.approx(2.04 * S, abs=0.06 * S)
    assert set(verdicts(rest).values()) == {"pass"}
    assert without_start(trace, 9.97) is trace


@pytest.mark.parametrize("polls", [1, 2])
def test_a_stream_of_next_to_nothing_is_told_as_such(polls):
    """No check breaks on it."""
    trace = stream(seconds=1)
    count = int(trace.poll_completed[polls - 1])
    short = replace(
        trace,
        values=trace.values[:count],
        device_ns=trace.device_ns[:count],
        flags=trace.flags[:count],
        poll_sent_ns=trace.poll_sent_ns[:polls],
        poll_received_ns=trace.poll_received_ns[:polls],
        poll_completed=trace.poll_completed[:polls],
    )
    assert "rate" in verdicts(short)
