"""Claims beyond what a device can do."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.analysis.plausibility import (
    Figure,
    Roofs,
    Work,
    energy_findings,
    least_time_s,
    throughput_findings,
)
from powerlab.findings import Severity

RESNET50 = Work(macs=4.09e9, memory_bytes=51e6)
NANO = Roofs(
    operations_per_s=Figure(472e9, 0.02 * 472e9),
    memory_bytes_per_s=Figure(25.6e9),
    idle_w=Figure(1.5, 0.3),
    supply_w=Figure(12.5),
)


def test_published_claim_beyond_the_peak():
    """375 ResNet-50 per second on 0.472 TFLOP/s is 6.5 times the peak: impossible."""
    (finding,) = throughput_findings(Figure(375.0), RESNET50, NANO)
    assert finding.code == "impossible-arithmetic-roof"
    assert finding.severity is Severity.BLOCKING
    assert finding.evidence["ratio"] == pytest.approx(6.5, abs=0.01)


def test_possible_claims_pass():
    """30 per second at 5 W is nothing to remark on."""
    assert throughput_findings(Figure(30.0, 1.0), RESNET50, NANO) == ()
    assert energy_findings(Figure(0.17, 0.01), Figure(30.0, 1.0), RESNET50, NANO) == ()


def test_beyond_the_roof_within_the_uncertainty_is_doubtful():
    """3 % above a peak known to 2 % is doubtful, not impossible."""
    least = least_time_s(RESNET50, NANO)
    (finding,) = throughput_findings(Figure(1.03 / least), RESNET50, NANO)
    assert (finding.code, finding.severity) == ("doubtful-arithmetic-roof", Severity.WARNING)


def test_memory_roof():
    """Weights that must cross a slow memory bound the rate where arithmetic would not."""
    work = Work(macs=1e6, memory_bytes=1e9)
    assert least_time_s(work, NANO) == pytest.approx(1 / 25.6)
    (finding,) = throughput_findings(Figure(30.0), work, NANO)
    assert finding.code == "impossible-memory-roof"


def test_energy_below_idle_is_impossible():
    """Less than idle power draws in the time of an inference, or below 0, cannot be."""
    (finding,) = energy_findings(Figure(0.01, 0.001), Figure(30.0), RESNET50, NANO)
    assert finding.code == "impossible-energy-floor"
    (finding,) = energy_findings(Figure(-0.1, 0.001), Figure(30.0), RESNET50, NANO)
    assert finding.code == "impossible-energy-floor"
    (finding,) = energy_findings(Figure(0.045, 0.001), Figure(30.0), RESNET50, NANO)
    assert finding.code == "doubtful-energy-floor"


def test_energy_floor_of_an_impossible_rate_rests_on_the_roof():
    """A claimed rate beyond the roof does not lower the floor: the least time does."""
    claimed = energy_findings(Figure(0.01), Figure(375.0), RESNET50, NANO)
    floor = NANO.idle_w.value * least_time_s(RESNET50, NANO)
    assert claimed[0].evidence["floor_j"] == pytest.approx(floor)


def test_energy_beyond_the_supply_is_impossible():
    """More than the supply delivers in that time is impossible."""
    (finding,) = energy_findings(Figure(1.0, 0.01), Figure(30.0), RESNET50, NANO)
    assert finding.code == "impossible-energy-ceiling"


def test_unknown_roofs_say_nothing():
    """Where no source gives a limit nothing is flagged."""
    assert throughput_findings(Figure(1e9), RESNET50, Roofs()) == ()
    assert energy_findings(Figure(1e-9), Figure(1e9), RESNET50, Roofs()) == ()
    assert least_time_s(RESNET50, Roofs()) == 0.0


@given(st.floats(0.01, 100), st.floats(0, 0.3), st.floats(0, 0.3))
def test_flags_grow_with_the_excess_in_units_of_u(ratio, u_throughput, u_peak):
    """Nothing up to the roof, doubtful up to two combined u, impossible beyond."""
    roofs = Roofs(operations_per_s=Figure(1e9, u_peak * 1e9))
    rate = ratio * 1e9 / 2e6
    findings = throughput_findings(Figure(rate, u_throughput * rate), Work(1e6), roofs)
    used = 2e6 * rate / 1e9
    codes = [finding.code for finding in findings]
    if used <= 1:
        assert codes == []
    elif used - 1 > 2 * used * math.hypot(u_throughput, u_peak) * (1 + 1e-9):
        assert codes == ["impossible-arithmetic-roof"]
    elif used - 1 < 2 * used * math.hypot(u_throughput, u_peak) * (1 - 1e-9):
        assert codes == ["doubtful-arithmetic-roof"]
