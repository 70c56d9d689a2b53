"""Whole turns of a counter that were lost, told from hosts that are only late."""

from __future__ import annotations

import numpy as np
import pytest

from powerlab.instruments.count_watch import CountWatch

TURN_NS = 640_000
MS = 1_000_000


def looked(
    jitter_ms: np.ndarray, lost_from: int | None = None, turns: int = 1, ppm: float = 0.0
) -> list[int | None]:
    """Look at an arrival each 5 ms, late by the jitter; from one of them on turns are missing."""
    watch = CountWatch(TURN_NS)
    verdicts = []
    known = 0
    for number, late_ms in enumerate(jitter_ms):
        true_ns = number * 5 * MS
        missing = turns if lost_from is not None and number >= lost_from else 0
        counted_ns = round(true_ns * (1 + ppm * 1e-6)) - (missing - known) * TURN_NS
        verdict = watch.look(counted_ns, true_ns + round(late_ms * MS))
        known += verdict or 0
        verdicts.append(verdict)
    return verdicts


def jitter(count: int, seed: int = 1) -> np.ndarray:
    """Get delays of a busy host [ms]: exponential, some of them long."""
    rng = np.random.default_rng(seed)
    return rng.exponential(0.3, count) + np.where(rng.random(count) < 0.05, 8.0, 0.0)


@pytest.mark.parametrize("turns", [1, 2, 7, 3125])
@pytest.mark.parametrize("ppm", [-80, 0, 80])
def test_a_loss_is_found_at_its_place(turns: int, ppm: float) -> None:
    """However many turns: the first arrival after the last good one is the first unclear one."""
    verdicts = looked(jitter(1200), lost_from=600, turns=turns, ppm=ppm)
    (at,) = (number for number, verdict in enumerate(verdicts) if verdict)
    assert verdicts[at] == turns
    unclear = [number for number, verdict in enumerate(verdicts) if verdict is None]
    assert {600, 601, 602} <= set(unclear)
    last_good = max(number for number in range(at) if verdicts[number] == 0)
    assert last_good < 600
    assert all(verdict == 0 for verdict in verdicts[at + 1 :] if verdict is not None)


@pytest.mark.parametrize("seed", range(8))
def test_a_busy_host_is_no_loss(seed: int) -> None:
    """Delays of every length, and one stall of 400 ms: nothing is said to be lost."""
    late = jitter(2000, seed)
    late[700:780] += np.linspace(400, 5, 80)
    assert not any(looked(late))


@pytest.mark.parametrize(("later", "turns"), [(0.34, 1), (0.96, 2), (1.58, 2)])
def test_a_host_that_stays_late_is_a_loss_in_the_end(later: float, turns: int) -> None:
    """Late by no whole number of turns, for good: after seconds it is the nearest."""
    late = np.concatenate((np.full(400, 0.1), np.full(3000, 0.1 + later)))
    verdicts = looked(late)
    assert [verdict for verdict in verdicts if verdict] == [turns]
    assert verdicts[-1] == 0


@pytest.mark.parametrize("turns", [1, 2, 7])
def test_a_loss_on_a_busy_host_is_found_in_the_end(turns: int) -> None:
    """Stretches that disagree for seconds, since each is late by another time."""
    late = np.full(3400, 0.1)
    late[600:] += 0.45 * TURN_NS / MS * (np.arange(2800) // 40 % 2)
    verdicts = looked(late, lost_from=600, turns=turns)
    assert sum(verdict or 0 for verdict in verdicts) == turns
    assert verdicts[-1] == 0
