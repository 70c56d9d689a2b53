"""The loop of a calibration: settling, saturation, drift and means, against plain integration."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from numpy.testing import assert_allclose

from powerlab.catalog.layers import load_catalog
from powerlab.emulation.circuit import Circuit, Course, History, draw_circuit
from powerlab.errors import ConfigError

S = 1_000_000_000
T0 = 7_000 * S
CALM = Circuit(
    seed=3,
    source_v=12.0,
    loop_ohm=0.5,
    on_ohm=0.1,
    settle_s=0.02,
    drift=0.0,
    drift_time_s=100.0,
    noise=0.0,
    source_settle_s=0.05,
)


def at(*seconds: float) -> np.ndarray:
    """Get host instants, in seconds after T0."""
    return T0 + np.rint(np.array(seconds) * S).astype(np.int64)


def steps(*aims: tuple[float, float]) -> list[tuple[int, float, float]]:
    """Get set-points ``(seconds after T0, aim)`` without a limit."""
    return [(T0 + round(when * S), aim, inf) for when, aim in aims]


def test_current_settles_exponentially() -> None:
    """Nothing before the first set-point, 63 % after a time constant, all of it after many."""
    history = History.of(steps((1.0, 2.0)), first_v=12.0)
    current = CALM.current(history, at(0.0, 0.999, 1.02, 2.0))
    assert_allclose(current, [0, 0, 2 * (1 - np.exp(-1)), 2.0], atol=1e-12)
    assert_allclose(CALM.voltage(history, at(0.5, 2.0), 0.3), [12.0, 12.0 - 0.6])


def test_an_input_that_is_off_draws_nothing_at_once() -> None:
    """An open switch leaves no tail, not even of a drift; another level does."""
    warm = replace(CALM, drift=0.01)
    history = History.of(steps((1, 2.0), (300, 0.0), (301, 1.0), (700, 0.5)), first_v=12.0)
    assert_allclose(warm.current(history, at(299.9)), 2.0 * (1 + 0.01 * (1 - np.exp(-2.989))))
    assert_allclose(warm.current(history, at(300, 300.5, 300.999)), 0.0)
    assert 0.5 < float(warm.current(history, at(700.02))[0]) < 0.8


@pytest.mark.parametrize("tap_ohm", [0.0, 0.4])
def test_means_are_integrals(tap_ohm: float) -> None:
    """Over stretches that hold steps of load and supply, to a part in a hundred thousand."""
    circuit = replace(CALM, drift=0.02, drift_time_s=3.0, source_v=0.0)
    history = History.of(
        steps((0.5, 1.0), (1.1, 0.0), (1.3, 3.0)), [(T0, 5.0, 3.0), (T0 + 2 * S, 9.0, 3.0)]
    )
    start, stop = at(0.45, 1.0, 1.9, 2.5), at(0.55, 1.5, 2.3, 4.0)
    current, voltage = circuit.means(history, start, stop, tap_ohm)
    for place in range(4):
        fine = np.linspace(start[place], stop[place], 40_001).astype(np.int64)
        middle = (fine[:-1] + fine[1:]) // 2
        assert_allclose(current[place], circuit.current(history, middle).mean(), rtol=1e-5)
        assert_allclose(voltage[place], circuit.voltage(history, middle, tap_ohm).mean(), rtol=1e-5)


def test_means_of_stretches_without_length_are_values() -> None:
    """A point meter reads what is there at the instant."""
    noisy = replace(CALM, noise=0.01)
    history = History.of(steps((0, 1.0)), first_v=12.0)
    instants = at(1.0, 2.0)
    current, voltage = noisy.means(history, instants, instants, 0.2)
    assert_allclose(current, noisy.current(history, instants))
    assert_allclose(voltage, noisy.voltage(history, instants, 0.2))


def test_noise_is_a_fraction_that_meters_in_series_share() -> None:
    """Its size is as stated, it is the same however it is looked at, and none flows when off."""
    noisy = replace(CALM, noise=1e-3)
    history = History.of(steps((0, 2.0), (900, 0.0)), first_v=12.0)
    start = at(*np.arange(5.0, 800.0, 0.1))
    current, _ = noisy.means(history, start, start + S // 10, 0.0)
    assert abs(np.std(current) / (2.0 * 1e-3) - 1) < 0.1
    middle, stop = start + S // 20, start + S // 10
    halves = [noisy.means(history, *ends, 0.0)[0] for ends in ((start, middle), (middle, stop))]
    assert_allclose(np.mean(halves, axis=0), current, rtol=1e-9)
    assert_allclose(noisy.current(history, at(950.0)), 0.0)


def test_a_source_that_is_too_weak_in_volts() -> None:
    """12 V through 0.6 ohm are 20 A at most: what is set beyond is not drawn."""
    history = History.of(steps((0, 30.0)), first_v=12.0)
    assert_allclose(CALM.current(history, at(5.0)), 20.0)
    assert_allclose(CALM.voltage(history, at(5.0), CALM.loop_ohm), 20.0 * CALM.on_ohm)


def test_a_source_that_limits_its_current() -> None:
    """The volts collapse to what the limit drives through the loop."""
    programmable = replace(CALM, source_v=0.0)
    history = History.of(steps((1, 5.0)), [(T0, 10.0, 3.0)])
    assert_allclose(programmable.current(history, at(5.0)), 3.0)
    assert_allclose(programmable.voltage(history, at(0.9), 0.0), 10.0, rtol=1e-6)
    assert_allclose(programmable.voltage(history, at(5.0), 0.0), 3.0 * 0.6)
    assert_allclose(programmable.voltage(history, at(-1.0), 0.0), 0.0)


def test_a_reference_that_is_taken_out_leaves_its_resistance() -> None:
    """From then on the load has more volts and the source drives more; what lies before not."""
    loop = replace(CALM, source_v=1.0, reference_ohm=0.3, source_settle_s=0.0)
    history = History.of(steps((0, 1.0), (20, 0.0), (30, 9.0)), first_v=1.0, bridged_ns=T0 + 10 * S)
    assert_allclose(loop.voltage(history, at(9, 11), loop.loop_ohm), [0.5, 0.8])
    assert_allclose(loop.voltage(history, at(9, 11), 0.1), [0.9, 0.9])
    _, volts = loop.means(history, at(8, 11), at(9, 12), loop.loop_ohm)
    assert_allclose(volts, [0.5, 0.8])
    assert_allclose(loop.current(history, at(31)), 1.0 / (0.2 + loop.on_ohm))


def test_a_history_joins_load_and_supply_in_time() -> None:
    """Each keeps what it was set to while the other changes."""
    history = History.of(steps((1, 0.5), (3, 0.7)), [(T0 + 2 * S, 5.0, 3.0)], first_v=0.0)
    assert history.load_a.tolist() == [0.5, 0.5, 0.7]
    assert history.source_v.tolist() == [0.0, 5.0, 5.0]
    assert history.limit_a.tolist() == [inf, 3.0, 3.0]
    assert history.first_draw_ns == T0 + S
    assert History.of(()).first_draw_ns is None


def test_a_course_without_instants_or_lag() -> None:
    """Constant where nothing happens; a step where nothing lags."""
    still = Course.of(np.empty(0, dtype=np.int64), np.array([4.0]), 1.0)
    assert_allclose(still.value(at(0, 9)), 4.0)
    prompt = Course.of(at(1.0), np.array([0.0, 2.0]), 0.0)
    assert_allclose(prompt.value(at(0.9, 1.0)), [0.0, 2.0])
    assert_allclose(prompt.integral(at(3.0)) - prompt.integral(at(0.0)), 4.0)


def test_the_circuit_of_a_world() -> None:
    """Drawn from the load's rating; a load without one is refused in words."""
    load = load_catalog().instrument("rigol-dl3021")
    circuit = draw_circuit(5, load, None, source_v=12.0, loop_ohm=0.3)
    assert abs(circuit.drift) <= load.load.drift_percent / 100
    assert circuit.drift != draw_circuit(6, load, None, source_v=12.0, loop_ohm=0.3).drift
    bare = load.model_copy(update={"load": None})
    with pytest.raises(ConfigError, match="does not say how the load draws"):
        draw_circuit(5, bare, None, source_v=12.0, loop_ohm=0.3)
