"""Whether a calibration holds for a measurement, and the record that says so."""

import json
import math
from dataclasses import replace

import pytest

from powerlab.analysis.calibration.correction import past_calibration
from powerlab.analysis.calibration.selection import choose_correction
from powerlab.analysis.calibration.setup_terms import tare
from powerlab.analysis.calibration.validity import check_conditions, check_record
from powerlab.findings import Finding, Severity
from powerlab.records import Averaging, Figure
from powerlab.records.calibration import (
    CalibrationRecord,
    Environment,
    Item,
    Laboratory,
    Reference,
    StepResponse,
)
from powerlab.store.serial import from_plain, to_plain
from tests.analysis.calibration.worlds import COMMON, FULL_SCALE, drawn_world


@pytest.fixture(scope="module")
def record():
    """Get a whole record of one calibrated range."""
    points = drawn_world(1).points()
    correction = choose_correction(points, COMMON, certificate="C-1")
    zero = Figure(1e-4, 1e-5)
    return CalibrationRecord(
        certificate="C-1",
        instrument="test-meter",
        item=Item("A. Maker", "Test meter", "serial", "", ()),
        serial="123",
        firmware="1.0",
        performed="2026-01-15",
        due="2027-01-15",
        operator="A. Nyone",
        laboratory=Laboratory("", "", ""),
        customer="",
        software="powerlab 0.1.0",
        environment=Environment(23.0, 0.5, math.nan),
        cable_set="blue",
        references=(
            Reference("ref", "9", "REF-1", "a laboratory", "2025-06-01", "2026-06-01", (COMMON,)),
        ),
        points=tuple(points),
        corrections=(correction,),
        terms=(tare("current", "A", zero, zero),),
        step=StepResponse(0.1, 0.01, 0.5, 0.01, 0.5, 0.0, 0.5, Averaging.BOXCAR, 9, 1.0),
        history=(past_calibration(correction, FULL_SCALE, "2026-01-15"),),
        findings=(Finding("code", Severity.INFO, "message", "hint", {"x": 1.5}),),
    )


def test_a_record_survives_its_file(record):
    """Every number of a record comes back from JSON as it was, to the last digit."""
    again = from_plain(CalibrationRecord, json.loads(json.dumps(to_plain(record), allow_nan=False)))
    assert to_plain(again) == to_plain(record)
    assert again.points == record.points
    parameters = again.corrections[0].wider.parameters
    assert parameters.tolist() == record.corrections[0].wider.parameters.tolist()
    assert not parameters.flags.writeable


def codes(findings):
    """Get the codes of findings, with their severities."""
    return {finding.code: finding.severity for finding in findings}


def test_the_same_meter_in_time_is_told_nothing(record):
    """Between performed and due, the calibration simply holds."""
    assert check_record(record, serial="123", on="2026-06-30") == ()


def test_a_swapped_meter_is_told(record):
    """Another meter of the same model, or one without a number, is blocking."""
    for serial in ("124", ""):
        found = codes(check_record(record, serial=serial, on="2026-06-30"))
        assert found == {"calibration-other-meter": Severity.BLOCKING}


def test_dates_that_do_not_fit_are_told(record):
    """Past due, measured before the calibration, and a reference that was overdue itself."""
    assert set(codes(check_record(record, serial="123", on="2027-02-01"))) == {
        "calibration-overdue"
    }
    assert set(codes(check_record(record, serial="123", on="2026-01-01"))) == {"calibration-later"}
    (reference,) = record.references
    old = replace(record, references=(replace(reference, due="2025-12-31"),))
    assert set(codes(check_record(old, serial="123", on="2026-06-30"))) == {"reference-overdue"}


def conditions(record, *, correction=True, **facts):
    """Check conditions that fit but for what is given."""
    usual = {"full_scale": FULL_SCALE, "cable_set": "blue", "temperature_c": 24.0}
    used = record.corrections[0] if correction else None
    return set(codes(check_conditions(record, used, **{**usual, **facts})))


def test_conditions_that_fit_are_told_nothing(record):
    """The same range, leads and about the same temperature; one that is not known passes."""
    assert conditions(record) == set()
    assert conditions(record, temperature_c=math.nan) == set()


def test_other_conditions_are_told(record):
    """Another range, no correction of the quantity, other leads, a hot room."""
    assert conditions(record, full_scale=10.0) == {"calibration-range"}
    assert conditions(record, correction=False) == {"calibration-range"}
    assert conditions(record, cable_set="red") == {"calibration-cables"}
    assert conditions(record, temperature_c=29.0) == {"calibration-warmth"}
