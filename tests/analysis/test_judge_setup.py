"""Hum in the readings of a meter, told from its set-up."""

from __future__ import annotations

import pytest

from powerlab.analysis.judge_setup import setup_findings
from powerlab.records import Averaging
from powerlab.report.texts import load_texts
from tests.analysis.factories import setup


@pytest.mark.parametrize(
    ("aperture_s", "settings", "mains_hz", "hums"),
    [
        (0.02, {"line_frequency_hz": 50.0}, 60.0, False),
        (0.02, {}, 60.0, True),
        (1 / 60, {}, 60.0, False),
        (0.1, {}, 60.0, False),
        (0.1, {}, 50.0, False),
        (0.0002, {}, 50.0, False),
        (0.015, {}, 50.0, True),
        (1.01, {}, 50.0, False),
    ],
)
def test_an_aperture_that_holds_no_whole_periods_hums(aperture_s, settings, mains_hz, hums):
    """What the meter says of the mains counts over what is assumed."""
    made = setup(averaging=Averaging.GATED, aperture_s=aperture_s, settings=settings)
    told = setup_findings(made, mains_hz)
    assert [each.code for each in told] == (["hum"] if hums else [])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "0.75 periods if the mains is 50 Hz:"),
        ({"line_frequency_hz": 60.0}, "0.9 periods of the 60 Hz mains:"),
    ],
)
def test_a_frequency_that_nobody_told_is_an_if(settings, words):
    """In Chinese as well, where it is a message of its own."""
    made = setup(averaging=Averaging.GATED, aperture_s=0.015, settings=settings)
    (finding,) = setup_findings(made)
    assert words in finding.message
    assert ("若市电为 50 Hz" in load_texts("zh").finding(finding)[0]) is not bool(settings)


@pytest.mark.parametrize(
    "changes",
    [{"averaging": Averaging.BOXCAR}, {"averaging": Averaging.COUNTER}, {"mains": True}],
)
def test_what_is_seen_without_a_break_does_not_hum(changes):
    """Nor does a meter that measures the mains themselves."""
    made = {"averaging": Averaging.GATED, "aperture_s": 0.013}
    assert setup_findings(setup(**made))
    assert not setup_findings(setup(**{**made, **changes}))
