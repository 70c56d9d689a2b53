"""Which calibrations a measurement takes from the lab by itself, and what they change."""

import math
from dataclasses import replace

import pytest

from powerlab.calibrated import Occasion, SetUp, calibrated
from powerlab.catalog.bench_profile import Bench, BenchCalibration, BenchMeter
from powerlab.catalog.layers import load_catalog
from powerlab.circumstances import wiring
from powerlab.records import Averaging, MeterIdentity, MeterSetup
from powerlab.store.calibrations import CalibrationStore
from tests.store.calibrated import CURRENT_LIMIT, METER, calibration_record

RECORD = calibration_record()
PROFILE = load_catalog().instrument(METER[0])
SETUP = MeterSetup(
    channels=("current",),
    accuracy=(CURRENT_LIMIT,),
    averaging=Averaging.BOXCAR,
    aperture_s=0.02,
    interval_s=0.02,
    timestamp="end",
    latency_s=0.002,
    latency_limit_s=0.002,
    clock_limit_ppm=100.0,
    burden_ohm=0.1,
    burden_limit_ohm=0.1,
)


@pytest.fixture
def store(tmp_path):
    """Get a lab's store that holds one calibration."""
    kept = CalibrationStore(tmp_path)
    kept.save(RECORD)
    return kept


def found(store, *, serial=METER[1], on="2027-01-15", setup=SETUP, **bench):
    """Set up a meter on a bench and get what calibrations know of it."""
    meter = BenchMeter(model=METER[0], resource="none", **bench.pop("meter", {}))
    facts = {"calibration": BenchCalibration(cable_set=RECORD.cable_set)}
    described = Bench(device="edgeboard", host="local", meter=(meter,), **{**facts, **bench})
    identity = MeterIdentity(METER[0], "Keithley", "DMM6500", serial, "1.7", "none")
    told = SetUp(setup, wiring(described, load_catalog().device("edgeboard")))
    return calibrated(store, Occasion(PROFILE, described, identity, on), told)


def codes(known):
    """Get the codes of all findings."""
    return [finding.code for item in known.channels for finding in item.findings]


def test_the_newest_calibration_of_the_unit_is_taken_with_its_dates(store):
    """By serial number and range, with the time that has passed since."""
    (channel,) = found(store).channels
    assert channel.correction.certificate == RECORD.certificate
    assert (channel.channel, channel.performed, channel.due) == (
        "current",
        "2026-11-20",
        RECORD.due,
    )
    assert channel.use.years == pytest.approx(56 / 365.25)
    assert codes(found(store)) == []


def test_what_was_measured_of_the_set_up_replaces_what_is_assumed(store):
    """Latency and burden by the record; each limit is that of its uncertainty."""
    known = found(store)
    assert known.setup.latency_s == 0.00132
    assert known.setup.latency_limit_s == pytest.approx(math.sqrt(3) * 0.00021)
    assert known.setup.burden_ohm == 0.1013
    assert known.wiring.cable_ohm == 0.0184
    assert known.wiring.u_cable_ohm == 6.1e-4


def test_a_bench_that_states_its_leads_is_believed(store):
    """Its own figure stands, and other leads than calibrated are no finding then."""
    known = found(store, meter={"cable_ohm": 0.3, "u_cable_ohm": 0.1}, calibration=None)
    assert known.wiring.cable_ohm == 0.3
    assert codes(known) == []


def test_other_leads_than_calibrated_are_a_finding(store):
    """Their resistance is not known by the record."""
    known = found(store, calibration=BenchCalibration(cable_set="blue"))
    assert codes(known) == ["calibration-cables"]
    assert known.wiring.cable_ohm == 0.0


def test_a_burden_is_not_taken_over_to_another_range(store):
    """Each range has a shunt of its own."""
    other = replace(SETUP, accuracy=(replace(CURRENT_LIMIT, full_scale=1.0),))
    known = found(store, setup=other)
    assert known.setup.burden_ohm == 0.1
    assert known.channels[0].correction is None
    assert codes(known) == ["calibration-range"]


def test_another_unit_of_the_model_is_noticed(store):
    """A calibration belongs to one serial number; nothing of it is applied to another."""
    known = found(store, serial="0815")
    assert codes(known) == ["calibration-other-serial"]
    assert known.setup == SETUP


def test_past_due_is_a_finding_and_the_time_counts(store):
    """It is still the best that is known, and drifts on."""
    known = found(store, on="2028-11-20")
    assert codes(known) == ["calibration-overdue"]
    assert known.channels[0].use.years == pytest.approx(2.0, abs=0.01)


def test_a_warmer_room_than_calibrated_is_a_finding(store):
    """Where the bench tells its temperature."""
    assert codes(found(store, room_temperature_c=35.0)) == ["calibration-warmth"]
    assert codes(found(store, room_temperature_c=23.0)) == []


def test_a_lab_without_calibrations_changes_nothing(tmp_path):
    """The specified limits count, and nothing is told."""
    known = found(CalibrationStore(tmp_path))
    assert known.channels == ()
    assert known.setup == SETUP
