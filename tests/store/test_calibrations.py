"""Calibrations of a lab: files that are never changed, journals that lose no point."""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import replace

import pytest

from powerlab.errors import ConfigError, SetupError
from powerlab.findings import Finding, Severity
from powerlab.records.calibration import CalibrationRecord
from powerlab.store.calibration_file import certificate_id, read_calibration
from powerlab.store.calibrations import CalibrationStore, newest_valid
from powerlab.store.serial import to_plain
from tests.store.calibrated import calibration_record

TODAY = "2026-11-21"
METER = ("keithley-dmm6500", "04412345")
EMPTY_SHA256 = hashlib.sha256(b"{}").hexdigest().encode()


@pytest.fixture(scope="module")
def record() -> CalibrationRecord:
    """Get a record with everything in it."""
    return calibration_record()


def dated(record: CalibrationRecord, performed: str, due: str, **changes) -> CalibrationRecord:
    """Get the record of another day."""
    facts = {"certificate": f"{performed.replace('-', '')}-{len(changes)}", **changes}
    return replace(record, performed=performed, due=due, **facts)


def test_a_record_is_read_back_exactly(tmp_path, record):
    """Every array and figure returns bit by bit, NaN too, and the arrays are frozen."""
    path = CalibrationStore(tmp_path).save(record)
    assert path == tmp_path / "calibrations" / METER[0] / METER[1] / f"{record.certificate}.json"
    read = CalibrationStore(tmp_path).load(path)
    assert to_plain(read) == to_plain(record)
    chosen, again = record.corrections[0].chosen, read.corrections[0].chosen
    assert again.covariance.tobytes() == chosen.covariance.tobytes()
    assert not again.parameters.flags.writeable
    assert list(path.parent.iterdir()) == [path]


def test_a_calibration_is_never_overwritten(tmp_path, record):
    """A second one of the same certificate is refused, and the first stays as it is."""
    store = CalibrationStore(tmp_path)
    path = store.save(record)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="already"):
        store.save(replace(record, operator="somebody else"))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('"performed": "2026-11-20"', '"performed": "2026-11-21"'),
        ('"serial": "04412345"', '"serial": "04412346"'),
        ('"operator": "A. Sauter"', '"operator": "A. Santer"'),
    ],
)
def test_an_edited_record_is_refused_by_its_hash(tmp_path, record, was, becomes):
    """One changed character is enough, and the hint names the file."""
    path = CalibrationStore(tmp_path).save(record)
    text = path.read_text("utf-8")
    assert was in text
    path.write_text(text.replace(was, becomes), "utf-8")
    with pytest.raises(ConfigError, match="sha256") as caught:
        read_calibration(path)
    assert path.name in caught.value.hint


def test_an_edited_figure_is_refused_by_its_hash(tmp_path, record):
    """The last digit of a parameter is part of what was signed."""
    path = CalibrationStore(tmp_path).save(record)
    document = json.loads(path.read_text("utf-8"))
    parameters = document["record"]["corrections"][0]["chosen"]["parameters"]
    parameters[0] = math.nextafter(parameters[0], math.inf)
    path.write_text(json.dumps(document), "utf-8")
    with pytest.raises(ConfigError, match="sha256"):
        read_calibration(path)


def test_another_layout_of_the_same_record_is_accepted(tmp_path, record):
    """A copy that lost its line breaks and its order of keys is the same calibration."""
    path = CalibrationStore(tmp_path).save(record)
    document = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(document, sort_keys=True), "utf-8")
    assert to_plain(read_calibration(path)) == to_plain(record)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"\xff\xfe", b"\x00" * 40, b"[" * 100_000, b'{"schema": 1}',
        b'{"schema": "powerlab.calibration/2", "sha256": "", "record": {}}',
        b'{"schema": "powerlab.calibration/1"}',
        b'{"schema": "powerlab.calibration/1", "sha256": "0", "record": {}}',
        # the hash of what is no record
        b'{"schema": "powerlab.calibration/1", "record": {}, "sha256": "%s"}' % EMPTY_SHA256,
    ],
)  # fmt: skip
def test_a_file_that_is_no_calibration_is_an_error_with_a_hint(tmp_path, content):
    """Whatever the bytes are, the error names the file."""
    path = tmp_path / "odd.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_calibration(path)
    assert "odd.json" in caught.value.message
    assert caught.value.hint


def test_a_missing_file_is_an_error_with_a_hint(tmp_path):
    """A path that leads nowhere is told as such."""
    with pytest.raises(ConfigError, match="No such file"):
        read_calibration(tmp_path / "absent.json")


def test_a_full_disk_leaves_no_half_of_a_file(tmp_path, record, monkeypatch):
    """What cannot be written whole is not there at all."""

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(SetupError, match="No space left"):
        CalibrationStore(tmp_path).save(record)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "serial",
    ["12/34", "..", ".", "a b", "№ 7", "C:\\x", "../../../etc/passwd", "x" * 400, "%2F", "Ä\n"],
)
def test_odd_serial_numbers_stay_inside_the_lab(tmp_path, record, serial):
    """Any serial number names one folder below the instrument's, and is found again."""
    store = CalibrationStore(tmp_path)
    path = store.save(replace(record, serial=serial))
    assert path.parent.parent == tmp_path / "calibrations" / METER[0]
    assert path.resolve().is_relative_to(tmp_path.resolve())
    assert [item.serial for item in store.of(METER[0], serial)] == [serial]


def test_different_serial_numbers_never_share_a_folder(tmp_path, record):
    """Neither an escaped character nor a shortened name makes two meters one."""
    serials = ["a/b", "a%2Fb", "a_b", "x" * 400, "x" * 401]
    store = CalibrationStore(tmp_path)
    folders = {store.save(replace(record, serial=serial)).parent for serial in serials}
    assert len(folders) == len(serials)


@pytest.mark.parametrize("serial", ["", "  "])
def test_a_meter_without_a_serial_number_cannot_be_calibrated(tmp_path, record, serial):
    """A swapped meter could not be told; there are no calibrations of it to be found either."""
    store = CalibrationStore(tmp_path)
    with pytest.raises(ConfigError, match="serial number"):
        store.save(replace(record, serial=serial))
    assert store.of(METER[0], serial) == ()


def test_identifiers_differ_with_the_points_and_sort_by_date(record):
    """Two calibrations of one day differ; the same points give the same identifier."""
    first = certificate_id(*METER, "2026-11-20", record.points)
    assert first == certificate_id(*METER, "2026-11-20", record.points)
    second = certificate_id(*METER, "2026-11-20", record.points[1:])
    later = certificate_id(*METER, "2026-11-21", record.points)
    assert first != second
    assert max(first, second) < later
    assert first.startswith("20261120-")


# --- which one applies -----------------------------------------------------------------------


def test_calibrations_are_listed_oldest_first_and_damaged_ones_told(tmp_path, record):
    """One damaged file hides no other."""
    store = CalibrationStore(tmp_path)
    for performed in ("2026-03-01", "2024-03-01", "2025-03-01"):
        path = store.save(dated(record, performed, "2027-01-01"))
    path.write_text("{", "utf-8")
    assert [item.performed for item in store.of(*METER)] == ["2024-03-01", "2026-03-01"]
    (finding,) = store.damaged(*METER)
    assert finding.code == "calibration-damaged"
    assert path.name in finding.message


def test_a_file_of_another_meter_is_told_and_not_used(tmp_path, record):
    """A record copied into the folder of another serial number does not become its own."""
    store = CalibrationStore(tmp_path)
    path = store.save(record)
    other = path.parent.with_name("999")
    other.mkdir()
    (other / path.name).write_bytes(path.read_bytes())
    assert store.of(METER[0], "999") == ()
    assert "another meter" in store.damaged(METER[0], "999")[0].message


def test_the_newest_calibration_that_is_in_time_applies(record):
    """An older one is not asked, one dated after today waits."""
    old = dated(record, "2025-11-01", "2026-11-01")
    new = dated(record, "2026-11-01", "2027-11-01")
    ahead = dated(record, "2026-12-01", "2027-12-01")
    found = newest_valid([old, new, ahead], "current", 3.0, TODAY)
    assert found.record is new
    assert found.correction is new.corrections[0]
    assert found.findings == ()


def test_one_past_due_applies_with_a_finding_where_no_other_is_left(record):
    """It is better than the data sheet, and its uncertainty has grown."""
    old = dated(record, "2024-11-01", "2025-11-01")
    found = newest_valid([old], "current", 3.0, TODAY)
    assert found.record is old
    assert [item.code for item in found.findings] == ["calibration-overdue"]


def test_another_range_is_a_finding_and_no_correction(record):
    """A calibrated 3 A range says nothing of the 10 A range."""
    found = newest_valid([record], "current", 10.0, TODAY)
    assert (found.record, found.correction) == (None, None)
    assert [item.code for item in found.findings] == ["calibration-range"]


def test_a_calibration_with_a_blocking_finding_is_not_used(record):
    """The one before it applies, and the reason is told."""
    bad = Finding("calibration-implausible", Severity.BLOCKING, "wired wrongly", "look")
    new = dated(record, "2026-11-20", "2027-11-20", findings=(bad,))
    old = dated(record, "2026-01-20", "2027-01-20")
    found = newest_valid([old, new], "current", 3.0, TODAY)
    assert found.record is old
    assert [item.code for item in found.findings] == ["calibration-refused"]
    assert "calibration-implausible" in found.findings[0].message
    assert newest_valid([new], "current", 3.0, TODAY).record is None


def test_one_dated_after_today_is_a_finding(record):
    """A clock that was wrong once is noticed."""
    found = newest_valid([dated(record, "2027-01-01", "2028-01-01")], "current", 3.0, TODAY)
    assert found.record is None
    assert [item.code for item in found.findings] == ["calibration-later"]


def test_a_swapped_meter_is_noticed_by_its_serial_number(tmp_path, record):
    """A meter of the same model that was not calibrated does not get the other's correction."""
    store = CalibrationStore(tmp_path)
    store.save(record)
    found = store.applicable(METER[0], "04499999", "current", 3.0, TODAY)
    assert found.correction is None
    assert [item.code for item in found.findings] == ["calibration-other-serial"]
    assert METER[1] in found.findings[0].message
    assert store.applicable(*METER, "current", 3.0, TODAY).correction is not None


def test_a_lab_without_calibrations_says_nothing(tmp_path):
    """An uncalibrated meter is the usual case, and no finding."""
    found = CalibrationStore(tmp_path).applicable(*METER, "current", 3.0, TODAY)
    assert (found.record, found.findings) == (None, ())
