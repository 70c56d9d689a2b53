"""A capture of known steps, from samples to the result and its findings."""

import dataclasses
import math
from decimal import Decimal

import numpy as np
import pytest

from powerlab.analysis.conclude import conclude
from powerlab.findings import Severity
from powerlab.records import (
    Boundary,
    ClockExchanges,
    Evidence,
    Price,
    Request,
    SampleFlag,
)
from powerlab.records.scenario import Scenario
from powerlab.units import Money
from tests.analysis.factories import BOARD_OFFSET_NS, accuracy, capture, setup, wiring

REQUEST = Request("board", "bench", "meter", "net", "tflite", 1, 1, "quick")
PRICE = Price(Money(Decimal(5000), "CNY", "2019-01-01"), 0.1, 3.0, "list", "a source")


def concluded(recorded, price=PRICE):
    """Get the result of a capture."""
    return conclude(recorded, run="r", request=REQUEST, price=price)[0]


def with_trace(recorded, **changes):
    """Get a capture whose trace has some fields replaced."""
    return dataclasses.replace(recorded, trace=dataclasses.replace(recorded.trace, **changes))


def codes(result):
    """Get the finding codes of a result."""
    return {finding.code for finding in result.findings}


def test_known_steps_give_known_energy():
    """8 W over 2 s and 100 inferences are 0.16 J each, 0.12 J above 2 W idle."""
    result = concluded(capture())
    values = {name: item.value for name, item in result.quantities.items()}
    assert values["energy_per_inference"] == pytest.approx(0.16, rel=1e-6)
    assert values["energy_of_these_runs"] == pytest.approx(0.16, rel=1e-6)
    assert values["energy_per_inference_net"] == pytest.approx(0.12, rel=1e-6)
    assert values["power_active"] == pytest.approx(8.0, rel=1e-6)
    assert values["power_idle"] == pytest.approx(2.0, rel=1e-6)
    assert values["throughput"] == pytest.approx(50.0, rel=1e-6)
    assert values["latency_p99"] == pytest.approx(0.02, rel=1e-6)
    assert values["performance_per_watt"] == pytest.approx(6.25, rel=1e-6)
    assert values["performance_per_cost"] == pytest.approx(50 * 3 * 365.25 * 86400 / 5000, rel=1e-6)
    assert result.valid


@pytest.mark.parametrize(("name", "timed"), [("single-stream", True), ("offline", False)])
def test_a_scenario_has_its_figures(name, timed):
    """A percentile of timed passes, and a rate of any."""
    recorded = capture(scenario=Scenario(name))
    target = dataclasses.replace(recorded.target, passes_timed=timed)
    figures = concluded(dataclasses.replace(recorded, target=target)).scenario
    assert figures.queries == 500
    assert (figures.latency_s is not None) is timed


@pytest.mark.parametrize("name", ["single-stream", "multi-stream", "server"])
def test_passes_that_were_not_timed_have_no_percentile(name):
    """Ends spread evenly over a run would make a figure by MLPerf's rule of a mean."""
    recorded = capture(scenario=Scenario(name))
    target = dataclasses.replace(recorded.target, passes_timed=False)
    assert concluded(dataclasses.replace(recorded, target=target)).scenario is None


def test_gain_limit_alone_makes_a_rectangle():
    """0.1 % of reading is the whole budget: k is that of a rectangle."""
    energy = concluded(capture()).quantities["energy_per_inference"]
    assert energy.u == pytest.approx(0.16 * 0.001 / math.sqrt(3), rel=0.02)
    assert energy.k == pytest.approx(1.65, abs=0.02)
    assert energy.budget[0].name == "meter current gain"


def test_offset_cancels_in_net_energy():
    """An offset common to idle and active power does not reach the energy above idle."""
    limit = accuracy("current", gain_limit=0.0, offset_limit=0.01)
    result = concluded(with_trace(capture(), setup=setup(accuracy=(limit,))))
    gross = result.quantities["energy_per_inference"]
    net = result.quantities["energy_per_inference_net"]
    assert gross.u == pytest.approx(0.01 * 10 * 0.02 / math.sqrt(3), rel=0.02)
    assert net.u < gross.u / 50


def test_burden_comes_off_a_voltage_read_without_the_meter():
    """With 0.5 ohm in the ammeter, 0.8 A costs the board 0.4 V."""
    result = concluded(with_trace(capture(), setup=setup(burden_ohm=0.5)))
    assert result.quantities["power_active"].value == pytest.approx(0.8 * (10 - 0.4), rel=1e-6)


def test_leads_count_at_the_dc_boundary_only():
    """At the supply's output the cable's loss is part of the energy."""
    board = concluded(capture(wiring=wiring(cable_ohm=0.5)))
    dc = concluded(capture(wiring=wiring(cable_ohm=0.5, boundary=Boundary.DC)))
    assert board.quantities["power_active"].value == pytest.approx(8.0, rel=1e-6)
    assert dc.quantities["power_active"].value == pytest.approx(8.0 + 0.8**2 * 0.5, rel=1e-6)


def test_passes_that_were_not_timed_have_no_latencies():
    """Throughput is told of runs, percentiles would be made up."""
    made = capture()
    untimed = dataclasses.replace(made.target, passes_timed=False)
    result = concluded(dataclasses.replace(made, target=untimed))
    assert "throughput" in result.quantities
    assert not [name for name in result.quantities if name.startswith("latency")]
    assert result.latency is None


def test_a_meter_on_the_mains_measures_at_the_wall_only():
    """What it reads is before the adapter, whatever the bench says."""
    made = capture(wiring=wiring(boundary=Boundary.BOARD))
    mains = dataclasses.replace(made.trace, setup=dataclasses.replace(made.trace.setup, mains=True))
    assert "boundary-not-wall" in codes(concluded(dataclasses.replace(made, trace=mains)))
    wall = dataclasses.replace(made, trace=mains, wiring=wiring(boundary=Boundary.WALL))
    assert not {"boundary-wall", "boundary-not-wall"} & set(codes(concluded(wall)))


def test_the_wall_is_no_boundary_for_a_dc_meter():
    """A bench that claims the mains with a DC meter is blocked."""
    result = concluded(capture(wiring=wiring(boundary=Boundary.WALL)))
    assert "boundary-wall" in codes(result)
    assert not result.valid


def test_a_label_in_place_of_a_reading_is_a_finding():
    """The nominal voltage is used, and said."""
    result = concluded(
        capture(wiring=wiring(supply_voltage_origin="nominal", u_supply_voltage_v=0.3))
    )
    assert "supply-voltage-nominal" in codes(result)
    assert result.quantities["energy_per_inference"].budget[0].name == "supply voltage"


def test_missing_samples_in_a_run_are_priced_and_block():
    """Half a second lost in a run makes the result not valid and widens its budget."""
    result = concluded(capture(drop=slice(220, 245)))
    gap = next(finding for finding in result.findings if finding.code == "gap")
    assert gap.severity is Severity.BLOCKING
    assert result.meter.gap_s == pytest.approx(0.5, abs=0.03)
    assert "gaps" in {line.name for line in result.quantities["energy_per_inference"].budget}


def test_over_range_samples_block():
    """A sample beyond the range is never taken for a value."""
    recorded = capture()
    flags = np.zeros(len(recorded.trace.flags), dtype=np.uint8)
    flags[300] = SampleFlag.OVERRANGE
    values = recorded.trace.values.copy()
    values[300] = np.nan
    result = concluded(with_trace(recorded, flags=flags, values=values))
    assert "over-range" in codes(result)
    assert not result.valid
    assert result.quantities["energy_per_inference"].value == pytest.approx(0.16, rel=1e-3)


def test_a_stepped_board_clock_blocks():
    """A clock that jumps between bursts is no crystal's drift."""
    recorded = capture()
    late = recorded.exchanges.t1_ns > np.median(recorded.exchanges.t1_ns)
    step = np.where(late, 50_000_000, 0)
    stepped = ClockExchanges(
        t1_ns=recorded.exchanges.t1_ns.copy(),
        t2_board_ns=recorded.exchanges.t2_board_ns + step,
        t3_board_ns=recorded.exchanges.t3_board_ns + step,
        t4_ns=recorded.exchanges.t4_ns.copy(),
    )
    result = concluded(dataclasses.replace(recorded, exchanges=stepped))
    assert "clock-step" in codes(result)


def test_runs_shorter_than_the_meter_can_see_block():
    """A run of three samples has no level."""
    result = concluded(capture(run_s=0.07))
    assert "meter-too-slow" in codes(result)


def test_emulated_is_never_called_measured():
    """One word of the board or of the meter is enough."""
    recorded = capture()
    board = dataclasses.replace(
        recorded, target=dataclasses.replace(recorded.target, emulated=True)
    )
    meter = with_trace(
        recorded, identity=dataclasses.replace(recorded.trace.identity, emulated=True)
    )
    assert concluded(recorded).evidence is Evidence.MEASURED
    assert concluded(board).evidence is Evidence.EMULATED
    assert concluded(meter).evidence is Evidence.EMULATED


def test_without_a_price_there_is_no_performance_per_cost():
    """The quantity is absent and the finding says why."""
    result = concluded(capture(), price=None)
    assert "performance_per_cost" not in result.quantities
    assert "price-missing" in codes(result)


def test_order_of_runs_changes_nothing_but_their_list():
    """A permutation of equal phases gives the same quantities."""
    recorded = capture()
    shuffled = dataclasses.replace(recorded, phases=tuple(reversed(recorded.phases)))
    first, second = concluded(recorded), concluded(shuffled)
    for name, item in first.quantities.items():
        assert second.quantities[name].value == pytest.approx(item.value, rel=1e-12)
        assert second.quantities[name].u == pytest.approx(item.u, rel=1e-9)


def scattered(runs, relative, **changes):
    """Get a capture whose runs scatter: every run's current is off by its own share."""
    recorded = capture(runs=runs, **changes)
    values = recorded.trace.values.copy()
    device_s = recorded.trace.device_ns / 1e9
    for phase in recorded.phases:
        if phase.kind == "run":
            start = (phase.start_board_ns - BOARD_OFFSET_NS) / 1e9
            stop = (phase.stop_board_ns - BOARD_OFFSET_NS) / 1e9
            inside = (device_s > start) & (device_s <= stop + 0.02)
            values[inside] *= 1 + relative * (-1) ** phase.index
    return with_trace(recorded, values=values)


def test_two_stage_runs_keep_the_scatter_and_freedom_of_the_first_ones():
    """With a precision asked for, s and nu come from the first stage however many follow."""
    many = scattered(20, 0.01, first_stage=5, precision=0.02)
    result = concluded(many)
    line = next(
        item
        for item in result.quantities["energy_per_inference"].budget
        if item.name == "run to run"
    )
    first = scattered(5, 0.01)
    alone = next(
        item
        for item in concluded(first).quantities["energy_per_inference"].budget
        if item.name == "run to run"
    )
    assert line.dof == 4
    assert line.u == pytest.approx(alone.u * math.sqrt(5 / 20), rel=0.02)


def test_a_precision_below_the_meters_limit_is_said_to_be_out_of_reach():
    """0.1 % of reading cannot give 0.01 %: the finding names the meter's gain."""
    recorded = scattered(5, 0.001, first_stage=5, precision=0.0001)
    finding = next(
        item for item in concluded(recorded).findings if item.code == "precision-unreachable"
    )
    assert "gain" in finding.message
    assert "calibrate" in finding.hint


def test_a_capture_cut_short_before_its_second_run_concludes_nothing():
    """One run has no scatter: there is no result to invent."""
    with pytest.raises(ValueError, match="2 runs"):
        concluded(capture(runs=1))


def test_volts_read_with_the_ammeter_in_the_circuit_need_no_burden():
    """A second meter's reading holds the burden already: it is neither corrected nor budgeted."""
    result = concluded(
        with_trace(
            capture(wiring=wiring(supply_voltage_origin="circuit")),
            setup=setup(burden_ohm=0.5, burden_limit_ohm=0.5),
        )
    )
    energy = result.quantities["energy_per_inference"]
    assert result.quantities["power_active"].value == pytest.approx(8.0, rel=1e-6)
    shares = {line.name: line.share for line in energy.budget}
    assert shares.get("burden voltage", 0.0) < 0.01


def test_reversed_leads_and_a_meter_in_another_line_block():
    """Power of the wrong sign, or a trace without any step, is no measurement."""
    recorded = capture()
    reversed_leads = with_trace(recorded, values=-recorded.trace.values)
    flat = with_trace(recorded, values=np.full_like(recorded.trace.values, 0.3))
    zero = with_trace(recorded, values=np.zeros_like(recorded.trace.values))
    for wrong in (reversed_leads, flat, zero):
        result = concluded(wrong)
        assert not result.valid
        assert codes(result) & {"no-load-seen", "not-finite"}


def test_a_lost_idle_phase_blocks():
    """Without a single idle sample there is no level to subtract."""
    result = concluded(capture(drop=slice(0, 155)))
    assert "not-finite" in codes(result)
    assert math.isnan(result.quantities["energy_per_inference_net"].expanded)


def test_runs_that_scatter_to_zero_block_and_wide_ones_warn():
    """An interval that reaches zero is no result; one that is wide says why."""
    assert "interval-reaches-zero" in codes(concluded(scattered(2, 0.3)))
    assert "run-to-run-dominates" in codes(concluded(scattered(5, 0.06)))
    assert not codes(concluded(scattered(5, 0.001))) & {"run-to-run-dominates"}


def test_two_runs_carry_the_factor_of_one_degree_of_freedom():
    """The tails of t with one degree of freedom are not cut off: k is near 12.7."""
    energy = concluded(scattered(2, 0.01)).quantities["energy_per_inference"]
    assert energy.k == pytest.approx(12.7, rel=0.02)


def test_several_inferences_in_a_pass_share_its_energy():
    """With a batch of 4, a pass is four inferences."""
    one, four = concluded(capture()), concluded(capture(batch=4))
    for name, factor in (("energy_per_inference", 0.25), ("throughput", 4.0), ("latency_p50", 1.0)):
        expected = factor * one.quantities[name].value
        assert four.quantities[name].value == pytest.approx(expected, rel=1e-9)
