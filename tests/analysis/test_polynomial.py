"""Polynomial fits against certified ones of the worst conditioning there is."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.analysis.lines import fit_line, predict
from powerlab.analysis.polynomial import evaluate, fit_polynomial


def numbers(text):
    """Read an array from its text."""
    return np.array(text.split(), dtype=float)


# NIST StRD Pontius: load cell calibration (x load, y deflection); US public domain.
PONTIUS_X = np.tile(np.arange(1, 21) * 150000.0, 2)
PONTIUS_Y = numbers(
    """.11019 .21956 .32949 .43899 .54803 .65694 .76562 .87487 .98292 1.09146 1.20001 1.30822
    1.41599 1.52399 1.63194 1.73947 1.84646 1.95392 2.06128 2.16844 .11052 .22018 .32939 .43886
    .54798 .65739 .76596 .87474 .98300 1.09150 1.20004 1.30818 1.41613 1.52408 1.63159 1.73965
    1.84696 1.95445 2.06177 2.16829"""
)

# NIST StRD Filip: degree 10 on an interval away from 0, the hardest of its linear problems.
FILIP_X = numbers(
    """-6.860120914 -4.324130045 -4.358625055 -4.358426747 -6.955852379 -6.661145254 -6.355462942
    -6.118102026 -7.115148017 -6.815308569 -6.519993057 -6.204119983 -5.853871964 -6.109523091
    -5.79832982 -5.482672118 -5.171791386 -4.851705903 -4.517126416 -4.143573228 -3.709075441
    -3.499489089 -6.300769497 -5.953504836 -5.642065153 -5.031376979 -4.680685696 -4.329846955
    -3.928486195 -8.56735134 -8.363211311 -8.107682739 -7.823908741 -7.522878745 -7.218819279
    -6.920818754 -6.628932138 -6.323946875 -5.991399828 -8.781464495 -8.663140179 -8.473531488
    -8.247337057 -7.971428747 -7.676129393 -7.352812702 -7.072065318 -6.774174009 -6.478861916
    -6.159517513 -6.835647144 -6.53165267 -6.224098421 -5.910094889 -5.598599459 -5.290645224
    -4.974284616 -4.64454848 -4.290560426 -3.885055584 -3.408378962 -3.13200249 -8.726767166
    -8.66695597 -8.511026475 -8.165388579 -7.886056648 -7.588043762 -7.283412422 -6.995678626
    -6.691862621 -6.392544977 -6.067374056 -6.684029655 -6.378719832 -6.065855188 -5.752272167
    -5.132414673 -4.811352704 -4.098269308 -3.66174277 -3.2644011"""
)
FILIP_Y = numbers(
    """.8116 .9072 .9052 .9039 .8053 .8377 .8667 .8809 .7975 .8162 .8515 .8766 .8885 .8859 .8959
    .8913 .8959 .8971 .9021 .909 .9139 .9199 .8692 .8872 .89 .891 .8977 .9035 .9078 .7675 .7705
    .7713 .7736 .7775 .7841 .7971 .8329 .8641 .8804 .7668 .7633 .7678 .7697 .77 .7749 .7796 .7897
    .8131 .8498 .8741 .8061 .846 .8751 .8856 .8919 .8934 .894 .8957 .9047 .9129 .9209 .9219 .7739
    .7681 .7665 .7703 .7702 .7761 .7809 .7961 .8253 .8602 .8809 .8301 .8664 .8834 .8898 .8964
    .8963 .9074 .9119 .9228"""
)


def test_pontius():
    """The certified quadratic of a load cell comes out to 12 digits."""
    found = fit_polynomial(PONTIUS_X, PONTIUS_Y, 2)
    assert found.coefficients == pytest.approx(
        [0.673565789473684e-03, 0.732059160401003e-06, -0.316081871345029e-14], rel=1e-12, abs=0
    )
    assert found.u_coefficients == pytest.approx(
        [0.107938612033077e-03, 0.157817399981659e-09, 0.486652849992036e-16], rel=1e-12, abs=0
    )
    assert found.chi_squared == pytest.approx(0.155761768796992e-05, rel=1e-12, abs=0)
    assert found.residual_sd == pytest.approx(0.205177424076185e-03, rel=1e-12, abs=0)


def test_pontius_with_unit_weights():
    """With stated uncertainties of 1 the covariance is the inverse of the normal matrix."""
    found = fit_polynomial(PONTIUS_X, PONTIUS_Y, 2, np.ones(40))
    expected = [
        [2.76754385964916e-01, -3.59649122807024e-07, 9.74658869395731e-14],
        [-3.59649122807024e-07, 5.91630591630603e-13, -1.77210703526497e-19],
        [9.74658869395731e-14, -1.77210703526497e-19, 5.62573661988878e-26],
    ]
    assert found.covariance == pytest.approx(np.array(expected), rel=1e-11, abs=0)


def test_filip():
    """Degree 10, where plain powers of x lose all digits, comes out to 12 of them."""
    found = fit_polynomial(FILIP_X, FILIP_Y, 10)
    coefficients = """-1467.48961422980 -2772.17959193342 -2316.37108160893 -1127.97394098372
    -354.478233703349 -75.1242017393757 -10.8753180355343 -1.06221498588947 -0.670191154593408E-01
    -0.246781078275479E-02 -0.402962525080404E-04"""
    deviations = """298.084530995537 559.779865474950 466.477572127796 227.204274477751
    71.6478660875927 15.2897178747400 2.23691159816033 0.221624321934227 0.142363763154724E-01
    0.535617408889821E-03 0.896632837373868E-05"""
    assert found.coefficients == pytest.approx(numbers(coefficients), rel=1e-12, abs=0)
    assert found.u_coefficients == pytest.approx(numbers(deviations), rel=1e-12, abs=0)
    assert found.chi_squared == pytest.approx(0.795851382172941e-03, rel=1e-12, abs=0)


@pytest.mark.parametrize("size", [0, 1, 100])
def test_wampler(size):
    """NIST's Wampler 1, 3 and 4: all six coefficients are 1 whatever the residuals."""
    x = np.arange(21.0)
    delta = """759 -2048 2048 -2048 2523 -2048 2048 -2048 1838 -2048 2048 -2048 1838 -2048 2048
    -2048 2523 -2048 2048 -2048 759"""
    residual = size * numbers(delta)
    found = fit_polynomial(x, sum(x**power for power in range(6)) + residual, 5)
    assert found.coefficients == pytest.approx(np.ones(6), rel=1e-9, abs=0)
    assert found.u_coefficients[0] == pytest.approx(size * 2152.32624678170, rel=1e-12, abs=1e-6)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), weighted=st.booleans())
def test_degree_one_is_the_line(seed, weighted):
    """A polynomial of degree 1 is the straight line, with its uncertainties."""
    rng = np.random.default_rng(seed)
    x = np.arange(9.0) + rng.uniform(0, 0.5, 9)
    y, u = 5 - x + rng.normal(size=9), rng.uniform(0.5, 2, 9) if weighted else None
    curve, line = fit_polynomial(x, y, 1, u), fit_line(x, y, u)
    assert curve.coefficients == pytest.approx([line.intercept, line.slope], rel=1e-9)
    assert curve.covariance[0, 1] == pytest.approx(line.covariance, rel=1e-9)
    assert curve.chi_squared == pytest.approx(line.chi_squared, rel=1e-9)
    assert evaluate(curve, 20.0) == pytest.approx(predict(line, 20.0), rel=1e-9)


def test_evaluation_keeps_the_digits_that_powers_would_lose():
    """Value and u on the curve of degree 10 are those of the points' scatter, not of rounding."""
    found = fit_polynomial(FILIP_X, FILIP_Y, 10)
    residual = [evaluate(found, x)[0] - y for x, y in zip(FILIP_X, FILIP_Y, strict=True)]
    assert math.fsum(r * r for r in residual) == pytest.approx(found.chi_squared, rel=1e-9)
    assert 0 < evaluate(found, -6.0)[1] < found.residual_sd


def test_too_few_points_are_refused():
    """A parabola needs three different abscissas, and every point a positive u."""
    with pytest.raises(ValueError, match="3 different"):
        fit_polynomial([1, 1, 2], [1, 2, 3], 2)
    with pytest.raises(ValueError, match="above 0"):
        fit_polynomial([1, 2, 3], [1, 2, 3], 1, [1, 1, math.inf])
    assert np.isinf(fit_polynomial([1, 2], [1, 3], 1).u_coefficients).all()
