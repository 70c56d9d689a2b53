"""Drift: from the data sheet, from the history, and whether it covers a meter that moves."""

import math

import numpy as np
import pytest

from powerlab.analysis.calibration.drift import (
    DAYS_PER_YEAR,
    drift_from_history,
    drift_from_limits,
    years_between,
)
from powerlab.records import Accuracy
from powerlab.records.calibration import PastCalibration


def limit(gain, offset):
    """Get a specified limit."""
    return Accuracy("current", 1.0, gain, offset, "a sheet", "2026-01-01", estimated=False)


def past(performed, gain, offset, u=1e-5, noise=(0.0, 0.0)):
    """Get a calibration that found a gain and an offset, with its own errors at both ends."""
    readings = np.array([0.0, 0.5, 1.0])
    wander = np.interp(readings, [0, 1], noise)
    return PastCalibration(
        performed, "C", "current", 1.0, readings, gain * readings + offset + wander, np.full(3, u)
    )


def test_years_between_dates():
    """Dates are told apart in years, backwards as negative ones."""
    assert years_between("2025-01-01", "2026-01-01") == pytest.approx(365 / DAYS_PER_YEAR)
    assert years_between("2026-01-01", "2025-01-01") < 0


def test_columns_of_a_data_sheet_give_the_steepest_rate():
    """24 h, 90 d and 1 y: the rise between neighbours, the larger one counts."""
    found = drift_from_limits({1: limit(1e-5, 1e-6), 90: limit(4e-5, 1e-6), 365: limit(5e-5, 5e-6)})
    assert found.gain == pytest.approx(3e-5 / (89 / DAYS_PER_YEAR))
    assert found.offset == pytest.approx(4e-6 / (275 / DAYS_PER_YEAR))
    assert "1, 90, 365 days" in found.source


def test_a_single_column_may_all_be_drift():
    """With a one-year figure alone, all of it may come in that year."""
    found = drift_from_limits({365.25: limit(5e-4, 1e-5)})
    assert (found.gain, found.offset) == pytest.approx((5e-4, 1e-5))
    with pytest.raises(ValueError, match="one specified limit"):
        drift_from_limits({})


def test_a_history_gives_the_rate_it_shows():
    """Two calibrations a year apart: the change of gain and offset, and their expanded u."""
    found = drift_from_history([past("2024-01-01", 0.0, 0.0), past("2025-01-01", 1e-3, -2e-4)])
    years = 366 / DAYS_PER_YEAR
    assert found.gain == pytest.approx((1e-3 + 1.96 * 2e-5) / years, rel=1e-3)
    assert found.offset == pytest.approx((2e-4 + 1.96 * 1e-5 * math.sqrt(2)) / years, rel=1e-3)


def test_a_history_that_scatters_excludes_less():
    """Three calibrations off their line by more than u leave a larger rate possible."""
    steady = [past(f"202{year}-01-01", year * 1e-3, 0.0) for year in (3, 4, 5)]
    jumpy = [past(f"202{year}-01-01", gain, 0.0) for year, gain in ((3, 0), (4, 3e-3), (5, 2e-3))]
    assert drift_from_history(jumpy).gain > 5 * drift_from_history(steady).gain


def test_one_calibration_is_no_history():
    """One date, or spans that do not meet, give no rate."""
    with pytest.raises(ValueError, match="different dates"):
        drift_from_history([past("2025-01-01", 0, 0), past("2025-01-01", 0, 0)])
    high = PastCalibration(
        "2026-01-01", "C", "current", 1.0, np.array([2.0, 3.0]), np.zeros(2), np.zeros(2)
    )
    with pytest.raises(ValueError, match="same span"):
        drift_from_history([past("2025-01-01", 0, 0), high])


@pytest.mark.parametrize("rate", [0.0, 2e-5, 2e-4])
def test_a_steady_drift_stays_within_its_limit(rate):
    """A meter that goes on as its history shows lies within rate times time, nearly always."""
    inside = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        history = [
            past(f"202{year}-01-01", rate * year, 0.0, noise=1e-5 * rng.normal(size=2))
            for year in (3, 5)
        ]
        inside += drift_from_history(history).gain >= rate
    assert inside >= 0.96 * 400
