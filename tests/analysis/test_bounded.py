"""Lines through values that are only known within bounds."""

import numpy as np
import pytest

from powerlab.analysis.bounded import fit_bounded

COUNT = 140


def drawn(seed, width, scatter):
    """Get x, both bounds and the truth at x = 0: values on a grid of a random phase each."""
    random = np.random.default_rng(seed)
    x = np.sort(random.uniform(-1e10, 1e10, COUNT))
    truth = random.uniform(-1e6, 1e6)
    values = truth + 1e-6 * x + random.normal(0, scatter, COUNT)
    low = values - random.uniform(0, width, COUNT)
    return x, low, low + width, truth


@pytest.mark.parametrize(
    ("width", "scatter", "most"),
    [
        (0.0, 1_000.0, 1.3 * 1_000 / np.sqrt(COUNT)),
        (1e6, 0.0, 1e6 / COUNT * 2),
        (1e6, 1_000.0, 1e6 / COUNT * 2),
        (1e6, 1e6, 1.3e6 * np.sqrt((1 + 1 / 12) / COUNT)),
    ],
    ids=["values", "bounds", "both", "wide scatter"],
)
def test_the_stated_uncertainty_is_the_error(width, scatter, most) -> None:
    """Errors are as large as u says, and as small as such values allow.

    Bounds of random phases narrow a level down to about their width over their number, not
    over its square root.
    """
    errors = []
    for seed in range(25):
        x, low, high, truth = drawn(seed, width, scatter)
        line = fit_bounded(x, low, high, finest=50.0)
        errors.append((line.intercept - truth) / line.u_intercept)
        assert line.u_intercept < most
        assert line.slope == pytest.approx(1e-6, abs=10 * line.u_intercept / 1e10)
    assert 0.6 < np.sqrt(np.mean(np.square(errors))) < 1.4
    assert np.max(np.abs(errors)) < 4


def test_values_without_scatter_are_met() -> None:
    """An exact line is found to within what the values are rounded by."""
    x = np.linspace(-1e9, 1e9, 11)
    line = fit_bounded(x, 5e6 + 2e-6 * x, 5e6 + 2e-6 * x, finest=50.0)
    assert line.intercept == pytest.approx(5e6, abs=20)
    assert line.slope == pytest.approx(2e-6, abs=1e-7)
    assert line.u_intercept < 50


def test_values_at_one_place_have_a_level() -> None:
    """Without a lever the level is found and the slope is none."""
    line = fit_bounded(np.zeros(5), np.full(5, 3.0), np.full(5, 5.0), finest=0.1)
    assert line.intercept == pytest.approx(4.0, abs=0.2)
