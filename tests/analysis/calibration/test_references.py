"""Published and certified lines, through the same functions that calibrate a meter."""

import json
import math

import numpy as np
import pytest

from powerlab.analysis.calibration.correction import corrected
from powerlab.analysis.calibration.fitting import fit_correction
from powerlab.analysis.calibration.forms import physical
from powerlab.records import Accuracy
from powerlab.records.correction import CommonError, Correction, CorrectionModel, Drift, Span, Use
from tests.analysis.calibration.worlds import point_at
from tests.analysis.test_polynomial import PONTIUS_X, PONTIUS_Y


def points(x, y, u_x=None, u_y=None):
    """Get points that read ``x`` where the reference says ``y``."""
    zero = np.zeros(len(x))
    columns = zip(x, y, zero if u_x is None else u_x, zero if u_y is None else u_y, strict=True)
    return [point_at(*column, index=index) for index, column in enumerate(columns)]


def use_of(fit, common=None):
    """Get a correction made of one fit alone, and a use of it with nothing else to err."""
    exact = CommonError("current", 0.0, 0.0, "none")
    span = Span(10.0, 0.0, 100.0, 23.0, 23.0)
    correction = Correction("current", fit, fit, common or exact, (span,), (), "C-1")
    limit = Accuracy("current", 10.0, 0.0, 0.0, "none", "2026-01-01", estimated=False)
    return correction, Use(limit, Drift(0.0, 0.0, ""), 0.0, 23.0)


def test_norris(shared):
    """NIST's ozone monitor: gain, offset, their u and covariance to 10 digits and more."""
    data = json.loads(shared("references/nist_strd_norris.json").read_text())
    certified = data["certified"]
    fit = fit_correction(CorrectionModel.GAIN_OFFSET, points(data["x"], data["y"]))
    names, found = physical(fit)
    assert names == ("offset", "gain")
    expected = [certified[key] for key in ("b0", "b1", "sd_b0", "sd_b1")]
    assert [*found.values, *found.u] == pytest.approx(expected, rel=1e-11, abs=0)
    assert found.covariance[0, 1] == pytest.approx(certified["cov_b0_b1"], rel=1e-10)
    assert fit.chi_squared == pytest.approx(certified["residual_ss"], rel=1e-11)
    assert fit.residual_sd == pytest.approx(certified["residual_sd"], rel=1e-11)
    assert (fit.dof, fit.stated) == (34, False)


def test_gain_without_offset(shared):
    """NIST's NoInt1: a gain through zero to 13 digits."""
    data = json.loads(shared("references/nist_strd_noint1.json").read_text())
    certified = data["certified"]
    fit = fit_correction(CorrectionModel.GAIN, points(data["x"], data["y"]))
    names, found = physical(fit)
    assert names == ("gain",)
    assert found.values[0] == pytest.approx(certified["b1"], rel=1e-13, abs=0)
    assert found.u[0] == pytest.approx(certified["sd_b1"], rel=1e-13, abs=0)
    assert (fit.dof, fit.chi_squared) == (10, pytest.approx(certified["residual_ss"], rel=1e-13))


def test_pontius():
    """NIST's load cell: a quadratic on loads of millions to 12 digits."""
    names, found = physical(fit_correction(CorrectionModel.QUADRATIC, points(PONTIUS_X, PONTIUS_Y)))
    assert names == ("offset", "gain", "curvature")
    assert found.values == pytest.approx(
        [0.673565789473684e-03, 0.732059160401003e-06, -0.316081871345029e-14], rel=1e-12, abs=0
    )
    assert found.u == pytest.approx(
        [0.107938612033077e-03, 0.157817399981659e-09, 0.486652849992036e-16], rel=1e-12, abs=0
    )


def test_york_pearson(shared):
    """Errors in both coordinates: Pearson's data with York's weights, u of York 2004."""
    data = json.loads(shared("references/york_pearson.json").read_text())
    expected = data["recomputed"]
    u_x, u_y = (np.array(data[key]) ** -0.5 for key in ("weight_x", "weight_y"))
    fit = fit_correction(CorrectionModel.GAIN_OFFSET, points(data["x"], data["y"], u_x, u_y))
    _, found = physical(fit)
    assert found.values == pytest.approx([expected["a"], expected["b"]], rel=1e-13)
    assert found.u == pytest.approx([expected["sa"], expected["sb"]], rel=1e-12)
    assert found.covariance[0, 1] == pytest.approx(expected["cov"], rel=1e-12)
    assert fit.chi_squared == pytest.approx(expected["S"], rel=1e-12)
    assert fit.stated


@pytest.mark.parametrize("number", [0, 1])
def test_iso_ts_28037(shared, number):
    """Stated uncertainties: parameters, covariance, chi-squared and a corrected reading."""
    data = json.loads(shared("references/iso_ts_28037_ex1_ex2.json").read_text())
    data = data["examples"][number]
    digits = data["digits"]
    made = points(data["x"], data["y"], u_y=data["u_y"])
    fit = fit_correction(CorrectionModel.GAIN_OFFSET, made)
    _, found = physical(fit)
    assert [*found.values, *found.u, found.covariance[0, 1], fit.chi_squared] == pytest.approx(
        [digits[key] for key in ("a", "b", "u_a", "u_b", "cov_ab", "chi2")], rel=1e-12
    )
    if "forward" in data:
        wanted = data["forward"]
        correction, use = use_of(fit)
        there = corrected(correction, np.array([wanted["x2"]]), use, wanted["u_x2"])
        assert (there.value[0], there.u[0]) == pytest.approx(
            (wanted["y2"], wanted["u_y2"]), rel=1e-12
        )


def test_gum_h3(shared):
    """The thermometer's correction at 30 °C, and the common error of H.3.6 added after the fit."""
    data = json.loads(shared("references/gum_h3_thermometer_line.json").read_text())
    expected = data["recomputed"]
    reading = np.array(data["t"])
    fit = fit_correction(CorrectionModel.GAIN_OFFSET, points(reading, reading + data["b"]))
    _, found = physical(fit)
    assert found.values[1] - 1 == pytest.approx(expected["y2"], rel=1e-4)
    assert found.u[1] == pytest.approx(expected["s_y2"], rel=1e-5)
    assert (fit.dof, fit.residual_sd) == (9, pytest.approx(expected["s"], rel=1e-5))
    correction, use = use_of(fit)
    at_30 = corrected(correction, np.array([30.0]), use)
    assert at_30.value[0] - 30 == pytest.approx(expected["b_30"], rel=1e-5)
    assert at_30.u[0] == pytest.approx(expected["u_b_30"], rel=1e-5)
    correction, use = use_of(fit, CommonError("current", 0.0, 0.01, "REF"))
    together = corrected(correction, np.array([30.0]), use)
    assert together.value[0] == at_30.value[0]
    assert together.u[0] == pytest.approx(math.hypot(at_30.u[0], 0.01))
