"""When a warm-up may end: on latencies and powers like those of real boards."""

from dataclasses import replace

import numpy as np
import pytest

from powerlab.analysis.align import align
from powerlab.analysis.warm import warm_up_state
from powerlab.records import Phase, SampleFlag
from tests.analysis.factories import BOARD_OFFSET_NS, SECOND, capture, setup, wiring

SAMPLE_S = 0.02


def warmed(
    *, seed=0, length_s=6.0, slices=1, pass_s=0.005, latency=None, power=None, ripple=0.0, **changes
):
    """Get a capture whose warm-up has the given relative latency and power over its time.

    Both are functions of the part of the warm-up that has passed, 0 to 1; ``ripple`` is added
    to the power by turns of half a pass.
    """
    rng = np.random.default_rng(seed)
    base = capture(seed=seed, **changes)
    part_s = length_s / slices
    count = round(part_s / pass_s)
    phases, stops = [], []
    for index in range(slices):
        at = (index + np.arange(count) / count) / slices
        took = pass_s * (1 + 0.003 * rng.normal(size=count) + (latency(at) if latency else 0))
        took[rng.random(count) < 0.01] *= 3
        start = round((0.3 + index * (part_s * 1.5 + 0.3)) * SECOND) + BOARD_OFFSET_NS
        done = start + np.rint(np.cumsum(took) * SECOND).astype(np.int64)
        phases.append(Phase("warm-up", index, start, int(done[-1]), count, done))
        samples = np.arange(round(took.sum() / SAMPLE_S)) + 1
        stops.append((start - BOARD_OFFSET_NS) / SECOND + SAMPLE_S * samples)
    stop_s = np.concatenate(stops)
    at = np.arange(len(stop_s)) / len(stop_s)
    watts = 8 * (1 + 0.002 * rng.normal(size=len(stop_s)) + (power(at) if power else 0))
    watts += 8 * ripple * (stop_s % pass_s < pass_s / 2)
    device = np.rint(stop_s * SECOND).astype(np.int64)
    trace = replace(
        base.trace,
        values=watts[:, None] / 10,
        device_ns=device,
        flags=np.zeros(len(device), dtype=np.uint8),
        poll_sent_ns=device[9::10],
        poll_received_ns=device[9::10] + 100_000,
        poll_completed=np.arange(10, len(device) + 1, 10, dtype=np.int64),
    )
    return replace(base, trace=trace, phases=tuple(phases))


def state_of(made):
    """Get the state of the warm-up in a capture."""
    return warm_up_state(made, align(made))


@pytest.mark.parametrize("slices", [1, 4])
def test_a_settled_warm_up(slices):
    """Steady latency and power, spikes and all, are steady early; slices are joined."""
    for seed in range(20):
        made = warmed(seed=seed, slices=slices)
        state = state_of(made)
        assert state.judged == ("latency", "power")
        assert state.unsteady == ()
        phases = made.phases
        middle = (phases[0].start_board_ns + phases[-1].stop_board_ns) // 2 - BOARD_OFFSET_NS
        assert state.steady_since_ns < middle + 0.2 * SECOND
        assert state.passes == 1200
        assert state.power_samples == pytest.approx(300, rel=0.06)


@pytest.mark.parametrize(
    ("latency", "power", "unsteady"),
    [
        (lambda t: 0.05 * np.exp(-t / 0.5), None, ("latency",)),
        (None, lambda t: -0.05 * np.exp(-t / 0.5), ("power",)),
        (lambda t: 0.01 * (t > 0.7), lambda t: -0.02 * (t > 0.7), ("latency", "power")),
        (None, lambda t: 0.03 * t, ("power",)),
    ],
)
def test_a_warm_up_that_goes_on(latency, power, unsteady):
    """A rise, a step or a drift in either of the two keeps it from being steady."""
    for seed in range(20):
        state = state_of(warmed(seed=seed, latency=latency, power=power))
        assert state.steady_since_ns is None
        assert state.unsteady == unsteady


def test_the_later_of_both_counts():
    """With power settled from a third on, the warm-up is steady from there, not before."""
    found = [
        state_of(warmed(seed=seed, power=lambda t: -0.05 * (t < 0.33))).steady_since_ns
        for seed in range(20)
    ]
    assert np.median(found) == pytest.approx((0.3 + 0.33 * 6) * SECOND, abs=0.2 * SECOND)


def test_a_meter_too_slow_to_tell_is_left_out():
    """Power of a few samples is not judged, and the record says so; latency decides alone."""
    made = warmed(length_s=0.5, power=lambda t: t)
    state = state_of(made)
    assert state.judged == ("latency",)
    assert state.power_samples < 40
    assert state.steady_since_ns is not None


def test_too_few_passes_tell_nothing():
    """Without enough of either, nothing is known and nothing is claimed."""
    state = state_of(warmed(length_s=0.3, pass_s=0.02))
    assert (state.steady_since_ns, state.judged, state.unsteady) == (None, (), ())
    assert state_of(capture()).passes == 0


def test_what_happens_within_a_pass_is_no_change():
    """A meter that sees the two halves of each slow pass judges passes, not halves."""
    for seed in range(20):
        made = warmed(seed=seed, length_s=24.0, pass_s=0.3, ripple=0.3)
        assert state_of(made).unsteady == ()


def test_other_channels_and_bad_samples_do_not_count():
    """The reading that follows the load is judged, whatever stands beside it in the samples."""
    made = warmed(power=lambda t: 0.05 * t)
    current = made.trace.values[:, 0]
    values = np.column_stack([current, 12 + 0 * current, np.linspace(0, 1, len(current))])
    values[50, 0], values[60, 0] = np.nan, 1e6
    flags = made.trace.flags.copy()
    flags[60] = SampleFlag.LOST
    trace = replace(
        made.trace,
        values=values,
        flags=flags,
        setup=setup(
            channels=("current", "voltage", "line"), accuracy=made.trace.setup.accuracy * 3
        ),
    )
    state = state_of(replace(made, trace=trace))
    assert state.unsteady == ("power",)
    assert state.power_samples == state_of(made).power_samples - 2


def test_supply_lag_is_no_change():
    """What the board's input filter smears at the edges of every slice is left out."""
    made = warmed(slices=6, wiring=wiring(supply_lag_limit_s=0.02))
    values = made.trace.values.copy()
    starts = np.array([phase.start_board_ns - BOARD_OFFSET_NS for phase in made.phases])
    first = np.searchsorted(made.trace.device_ns, starts)
    for late in range(4):
        values[first + late] *= 0.5
    smeared = replace(made, trace=replace(made.trace, values=values))
    assert state_of(smeared).unsteady == ()
    assert state_of(smeared).power_samples < len(values) - 24
