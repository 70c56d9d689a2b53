"""A calibration conducted over fakes of its instruments: points, journal, resuming, set-up."""

from __future__ import annotations

import math

import pytest

from powerlab.calibration import points as calibration_points
from powerlab.calibration.conduct import (
    TAKE_OUT,
    Occasion,
    Progress,
    conduct,
    journal_plan,
    remaining_s,
    resumed_plan,
    steps_taken,
)
from powerlab.calibration.record import build_record
from powerlab.calibration.reference import believed
from powerlab.calibration.subject import Subject
from powerlab.calibration.worth import worths
from powerlab.errors import ConfigError, InstrumentError, SetupError
from powerlab.findings import Severity
from powerlab.records.calibration import Direction, Environment, Laboratory, Settling
from powerlab.store.calibrations import CalibrationStore
from tests.calibration.bench_of_fakes import FakeLoad, made_bench, with_load

LEVELS = (0.3, 0.6, 0.9)


@pytest.fixture
def store(tmp_path):
    """Get an empty store."""
    return CalibrationStore(tmp_path)


def occasion(*, steps=0, cable=False, show=lambda _: None, say=lambda _: None):
    """Get an occasion without a word about the temperature."""
    return Occasion(math.nan, steps, cable, show, say)


def planned(made, quantities=("current",), fractions=LEVELS, only=(1.0,), readings=20):
    """Plan the amperes of the 1 A range."""
    return made.named.plan(quantities=quantities, fractions=fractions, readings=readings, only=only)


def walked(made, store, *, bench=None, plan=None, **how):
    """Calibrate with a new journal, which is left open; get journal and what was found."""
    plan = plan or planned(made)
    journal = store.journal("m", "1", journal_plan(plan, bench or made.bench))
    try:
        found = conduct(bench or made.bench, plan, journal, occasion(**how))
    finally:
        journal.close()
    return plan, found


def recorded(made, plan, found):
    """Make the record of what was found."""
    subject = Subject(
        profile=made.named.meter.profile,
        serial="M1",
        firmware="1.0",
        resource="TCPIP0::10.0.0.5::5025::SOCKET",
        condition="",
        emulated=False,
        performed="2026-11-21",
        due="2027-11-21",
        operator="Ada",
        laboratory=Laboratory("Bench 3", "", ""),
        customer="",
        environment=Environment(math.nan, math.nan, math.nan),
        cable_set="red",
    )
    profile = made.named.references[0].profile
    rests = believed(profile, "R1", None, plan.legs, on="2026-11-21", temperature_c=math.nan)
    return build_record(subject, found, [rests], [])


def test_every_point_of_the_plan_is_kept_and_the_errors_of_the_meter_come_out(store):
    """Up and down, in the order of the plan; the correction undoes gain and offset."""
    made, shown = made_bench(), []
    plan, found = walked(made, store, show=shown.append)
    steps = plan.legs[0].steps
    assert [(p.nominal, p.direction) for p in found.points] == [
        (s.nominal, s.direction) for s in steps
    ]
    assert all(p.settling is Settling.SETTLED for p in found.points)
    assert [item.number for item in shown] == list(range(1, 8))
    assert isinstance(shown[0], Progress)
    assert shown[-1].remaining_s == 0.0
    for point in found.points:
        error = point.reading - point.reference
        assert error == pytest.approx(0.002 * point.nominal + 1e-3, abs=6 * point.u_reading)
    record = recorded(made, plan, found)
    fit = record.corrections[0].chosen
    assert fit.form.model.value == "gain-offset"
    (worth,) = worths(record)
    assert worth.quantity == "current"
    assert worth.after < worth.before < worth.at_due
    assert record.item.link == "TCPIP SOCKET"
    assert not made.load.on


def test_what_a_session_could_not_take_the_next_one_does(store):
    """A load that breaks loses no point, is switched off, and what is taken is taken once."""
    made = made_bench(breaks=4)
    plan = planned(made)
    with pytest.raises(InstrumentError, match="the load does not answer"):
        walked(made, store, plan=plan)
    assert not made.load.on
    journal = store.journal("m", "1")
    before = journal.points
    assert len(before) == 4
    again = with_load(made)
    assert resumed_plan(journal, again) == plan
    found = conduct(again, plan, journal, occasion())
    assert found.points[:4] == before
    assert [p.nominal for p in found.points] == [s.nominal for s in plan.legs[0].steps]
    journal.discard()


def test_a_load_that_is_lost_under_current_is_to_be_switched_off_by_hand(store):
    """Nobody else can, and the message says so."""
    made = made_bench(breaks=4)

    def gone(on):
        if len(made.load.sets) > 4:
            raise InstrumentError("the load's link is cut", hint="look at its plug")
        FakeLoad.input(made.load, on)

    made.load.input = gone
    with pytest.raises(InstrumentError, match="link is cut") as caught:
        walked(made, store)
    assert any("switch it off by hand" in note for note in caught.value.__notes__)


def test_a_resumed_range_goes_on_from_the_level_at_which_it_was_left(store):
    """The next point is come to from the same side as without the interruption."""
    made = made_bench(breaks=5)
    with pytest.raises(InstrumentError):
        walked(made, store)
    again = with_load(made)
    journal = store.journal("m", "1")
    conduct(again, planned(made), journal, occasion())
    assert again.load.sets[:2] == [0.6, 0.3]
    assert journal.points[5].direction is Direction.DOWN
    journal.discard()


def test_an_interruption_leaves_nothing_under_current(store):
    """Ctrl-C between two points: both are kept, the load is off."""
    made = made_bench()

    def stop(progress):
        if progress.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        walked(made, store, show=stop)
    assert not made.load.on
    assert len(store.journal("m", "1").points) == 2


def test_a_meter_that_is_lost_is_told_and_its_points_are_kept(store):
    """Its own error comes through."""
    made = made_bench(meter={"fails_after": 1000})
    with pytest.raises(InstrumentError, match="the meter does not answer"):
        walked(made, store)
    assert not made.load.on
    assert 0 < len(store.journal("m", "1").points) < 7


def test_a_load_that_saturates_ends_the_session_at_that_level(store):
    """No point is taken of a level that was not there."""
    made = made_bench(most=0.5)
    with pytest.raises(InstrumentError, match=r"set to 0.6 A and draws 0.5 A"):
        walked(made, store)
    assert [point.nominal for point in store.journal("m", "1").points] == [0.0, 0.3]
    assert not made.load.on


def test_a_meter_beyond_its_range_says_which_level_to_leave_out(store):
    """What it cannot read is no reading."""
    made = made_bench(meter={"gain": 0.5})
    with pytest.raises(InstrumentError, match=r"beyond its current range of 1\.2 A") as caught:
        walked(made, store)
    assert "--points" in caught.value.hint
    assert not made.load.on


def test_a_point_that_does_not_settle_is_taken_and_says_so(store, monkeypatch):
    """It is a warning of the record, not a silent point."""
    monkeypatch.setattr(calibration_points, "SETTLE_LIMIT_S", 0.3)
    made = made_bench(meter={"creep_per_s": 0.01})
    plan, found = walked(made, store)
    assert any(p.settling is Settling.UNSETTLED for p in found.points)
    codes = {f.code for f in recorded(made, plan, found).findings}
    assert "calibration-unsettled" in codes


def test_points_against_one_reference_are_not_continued_against_another(store):
    """Their common error would be none."""
    made = made_bench(breaks=4)
    with pytest.raises(InstrumentError):
        walked(made, store)
    other = made_bench(reference={"serial": "R2"})
    with pytest.raises(ConfigError, match="read against R1, attached is R2"):
        resumed_plan(store.journal("m", "1"), other.bench)


def test_a_journal_of_another_kind_is_not_resumed(store):
    """A plan that cannot be read is told, not guessed."""
    made = made_bench()
    journal = store.journal("m", "1", {"plan": {"legs": "none"}, "references": []})
    with pytest.raises(ConfigError, match="cannot be read"):
        resumed_plan(journal, made.bench)


def test_the_zero_of_a_meter_without_a_sign_is_no_point(store):
    """It is cut off at 0; the steps that are left out are not taken again on resumption."""
    made = made_bench(meter={"signed": False, "noise": 1e-4, "offset": -1e-3})
    plan, found = walked(made, store)
    assert [p.nominal for p in found.points] == [0.3, 0.6, 0.9, 0.6, 0.3]
    assert [f.code for f in found.findings].count("zero-one-sided") == 1
    journal = store.journal("m", "1")
    assert steps_taken(journal) == plan.points
    assert remaining_s(plan, steps_taken(journal)) == 0.0


def test_a_person_sets_resistors_and_is_asked_again_where_they_are_wrong(store):
    """Each level is asked for in ohms and watts; the level that came is what counts."""
    asked, told = [], []
    made = made_bench(load=False, supply=False, supply_v=5.0)

    def ask(text):
        asked.append(text)
        if text.startswith("Set about"):
            wanted = float(text.split()[2])
            tries = sum(text == other for other in asked)
            made.circuit.amperes = 0.02 if (wanted, tries) == (0.3, 1) else 1.06 * wanted
        elif text.startswith("Disconnect"):
            made.circuit.amperes = 0.0

    made = made_bench(load=False, supply=False, supply_v=5.0, ask=ask)
    plan, found = walked(made, store, say=told.append)
    assert asked[0].startswith("Amperes: supply, then")
    assert "Set about 0.3 A: 16.7 ohm at 5 V (1.5 W in the resistor); press Enter" in asked
    assert any("reads 0.02 A: once more" in line for line in told)
    assert [p.nominal for p in found.points] == [0.0, 0.32, 0.64, 0.95, 0.64, 0.32, 0.0]
    blocking = [f for f in recorded(made, plan, found).findings if f.severity is Severity.BLOCKING]
    assert blocking == []
    assert [f.code for f in found.findings] == ["setup-not-measured"]


def test_a_reference_s_own_offset_is_no_current_left_on(store):
    """With everything disconnected a person is asked once, whatever the reference shows."""
    asked = []

    def ask(text):
        asked.append(text)
        made.circuit.amperes = float(text.split()[2]) if text.startswith("Set about") else 0.0

    made = made_bench(
        load=False, supply=False, supply_v=5.0, ask=ask, reference={"offset": -1.2e-4}
    )
    _, found = walked(made, store)
    assert len(found.points) == 7
    assert len(asked) == 1 + 7


def test_a_range_that_the_meter_does_not_have_is_refused_by_name():
    """Even beside one that it has; its ranges are told."""
    with pytest.raises(ConfigError, match="has no current range of 5") as caught:
        planned(made_bench(), only=(1.0, 5.0))
    assert "3 A" in caught.value.hint


def test_without_a_person_nobody_is_asked():
    """No load and no terminal, or one reference for two quantities: said before anything."""
    lone = made_bench(load=False, supply=False)
    with pytest.raises(SetupError, match="no load, and no terminal"):
        planned(lone)
    with pytest.raises(SetupError, match="wired anew"):
        planned(made_bench(), quantities=("current", "voltage"), only=())


def test_volts_and_amperes_are_passes_with_a_word_on_the_wiring(store):
    """One reference: its leads are moved between, and each quantity gets its correction."""
    asked = []
    made = made_bench(ask=asked.append)
    plan = planned(made, quantities=("current", "voltage"), only=(1.0, 100.0), fractions=(0.2, 0.5))
    _, found = walked(made, store, plan=plan)
    assert [text.split(":")[0] for text in asked] == ["Volts", "Amperes"]
    assert [leg.quantity for leg in plan.legs] == ["voltage", "current"]
    record = recorded(made, plan, found)
    assert {c.quantity for c in record.corrections} == {"voltage", "current"}


def test_series_resistances_come_from_two_currents(store):
    """The cable lies behind the meter's volts, the burden before them."""
    asked = []
    made = made_bench(meter={"both": True, "gain": 5e-4}, ask=asked.append)
    _, found = walked(made, store, cable=True)
    assert asked[-1] == TAKE_OUT
    terms = {term.name: term for term in found.terms}
    cable, burden = terms["cable-loop"], terms["burden"]
    assert cable.value == pytest.approx(0.12, abs=3 * cable.u)
    assert cable.u < 0.002
    assert burden.value == pytest.approx(0.05 - 0.02, abs=1e-3)
    assert not made.load.on


def test_nobody_is_asked_to_wire_anew_where_nothing_reads_volts(store):
    """Without volts there is no resistance to find, and the reference stays where it is."""
    asked = []
    made = made_bench(ask=asked.append)
    _, found = walked(made, store, cable=True)
    assert TAKE_OUT not in asked
    assert [f.code for f in found.findings] == ["setup-not-measured"]


def test_the_set_up_is_measured_once_and_not_again_on_resumption(store):
    """A journal that has it is ready to be made a record of."""
    made = made_bench(meter={"both": True})
    plan, found = walked(made, store, cable=True)
    made.load.sets.clear()
    journal = store.journal("m", "1")
    assert conduct(made.bench, plan, journal, occasion()).terms == found.terms
    assert made.load.sets == []
