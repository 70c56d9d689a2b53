"""What the user is told while a measurement runs."""

import numpy as np
import pytest

from powerlab.catalog.layers import load_catalog
from powerlab.progress import Watch
from tests.analysis.factories import setup, wiring


class Trace:
    """An acquisition that has one newest reading, or none."""

    def __init__(self, amperes):
        self.amperes = amperes

    def latest(self):
        """Get the newest reading."""
        return None if self.amperes is None else np.array([self.amperes])


def watch(said, amperes=0.5, options=1):
    """Get a watch that says what it has to say to a list, without its own ticking."""
    return Watch(
        protocol=load_catalog().protocol("quick"),
        wiring=wiring(),
        setup=setup(),
        acquisition=Trace(amperes),
        progress=said.append,
        options=options,
    )


def told(amperes=0.5, phases=()):
    """Get what a watch says as phases are entered."""
    said = []
    watching = watch(said, amperes)
    for phase in phases:
        watching.enter(*phase)
    return said


def test_time_left_falls_from_phase_to_phase_to_the_last_idle():
    """Each phase entered leaves what lies ahead; the last one leaves itself."""
    order = [("idle", 0, 2), ("warm-up", 0, 1), *[("run", k, 5) for k in range(5)], ("idle", 1, 2)]
    left = [item.remaining_s for item in told(phases=order)]
    assert left == sorted(left, reverse=True)
    assert 40 < left[0] < 60
    assert left[-1] == pytest.approx(5.25, abs=0.1)


def test_every_option_has_its_warm_up_and_its_runs():
    """Twice the options take two warm-ups and twice the runs; the phase says whose it is."""
    said = []
    watching = watch(said, options=2)
    watching.enter("warm-up", 0, 2, "batch 1")
    watching.enter("warm-up", 1, 2, "batch 2")
    for number in range(10):
        watching.enter("run", number, 10, f"batch {1 + number % 2}")
    assert said[0].remaining_s - said[1].remaining_s == pytest.approx(5.5, abs=0.1)
    assert said[2].remaining_s - said[11].remaining_s == pytest.approx(9 * 6.75, abs=0.2)
    assert [item.option for item in said[1:4]] == ["batch 2", "batch 1", "batch 2"]


def test_runs_that_a_precision_asks_for_lengthen_what_is_left():
    """A decision is told once, in words, with the time that it costs."""
    said = []
    watching = watch(said)
    watching.enter("run", 4, 5)
    before_s = watching.remaining_s()
    watching.more_runs(3)
    assert watching.remaining_s() - before_s == pytest.approx(3 * 6.75, abs=0.1)
    watching.say("8 runs in all")
    watching.enter("run", 5, 8)
    assert [item.note for item in said] == ["", "8 runs in all", ""]


def test_what_is_left_goes_by_how_long_runs_took():
    """A board that has become faster or slower since its warm-up is believed."""
    said = []
    watching = watch(said)
    watching.enter("run", 0, 5)
    before_s = watching.remaining_s()
    watching.took(3.0)
    watching.took(4.0)
    watching.enter("run", 1, 5)
    assert before_s - watching.remaining_s() == pytest.approx(6.75 + 4 * 3.25, abs=0.1)


def test_the_power_now_is_volts_times_amperes():
    """A current meter's reading is shown as watts at the bench's voltage."""
    assert told(0.5, [("idle", 0, 2)])[0].power_w == pytest.approx(5.0)


@pytest.mark.parametrize("amperes", [None, float("nan")])
def test_no_usable_reading_is_no_power(amperes):
    """Before the first reading, and over range, nothing is invented."""
    assert told(amperes, [("idle", 0, 2)])[0].power_w is None
