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


def told(amperes=0.5, phases=()):
    """Get what a watch says as phases are entered, without its own ticking."""
    said = []
    watch = Watch(
        protocol=load_catalog().protocol("quick"),
        wiring=wiring(),
        setup=setup(),
        acquisition=Trace(amperes),
        progress=said.append,
    )
    for phase in phases:
        watch.enter(*phase)
    return said


def test_time_left_falls_from_phase_to_phase_to_the_last_idle():
    """Each phase entered leaves what lies ahead; the last one leaves itself."""
    order = [("idle", 0, 2), ("warm-up", 0, 1), *[("run", k, 5) for k in range(5)], ("idle", 1, 2)]
    left = [item.remaining_s for item in told(phases=order)]
    assert left == sorted(left, reverse=True)
    assert 40 < left[0] < 60
    assert left[-1] == pytest.approx(5.25, abs=0.1)


def test_the_power_now_is_volts_times_amperes():
    """A current meter's reading is shown as watts at the bench's voltage."""
    assert told(0.5, [("idle", 0, 2)])[0].power_w == pytest.approx(5.0)


@pytest.mark.parametrize("amperes", [None, float("nan")])
def test_no_usable_reading_is_no_power(amperes):
    """Before the first reading, and over range, nothing is invented."""
    assert told(amperes, [("idle", 0, 2)])[0].power_w is None
