"""A calibration under way: a journal that loses no point."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from powerlab.errors import ConfigError, SetupError
from powerlab.records.calibration import CalibrationPoint, CalibrationRecord
from powerlab.store.calibrations import CalibrationStore
from powerlab.store.serial import from_plain, to_plain
from tests.store.calibrated import METER, calibration_record


@pytest.fixture(scope="module")
def record() -> CalibrationRecord:
    """Get a record with points to keep."""
    return calibration_record()


def points_of(record: CalibrationRecord) -> list[str]:
    """Get points in a form that compares NaN as equal."""
    return [str(to_plain(point)) for point in record]


def test_a_calibration_is_resumed_without_losing_a_point(tmp_path, record):
    """Plan, points and terms are there again, and the next point goes behind them."""
    store = CalibrationStore(tmp_path)
    journal = store.journal(*METER, {"levels": [0.1, 0.3]})
    for point in record.points[:3]:
        journal.append(point)
    journal.note("term", record.terms[0])
    journal.close()
    assert store.under_way(*METER)
    again = store.journal(*METER)
    assert again.plan == {"levels": [0.1, 0.3]}
    assert points_of(again.points) == points_of(record.points[:3])
    assert again.notes("term") == (to_plain(record.terms[0]),)
    again.append(record.points[3])
    again.close()
    last = store.journal(*METER)
    assert points_of(last.points) == points_of(record.points[:4])
    last.discard()
    assert not store.under_way(*METER)
    assert store.of(*METER) == ()


@pytest.mark.parametrize("torn", [1, 40, 200])
def test_a_torn_last_line_is_passed_over(tmp_path, record, torn):
    """A plug that is pulled while a point is written costs that point and no other."""
    store = CalibrationStore(tmp_path)
    journal = store.journal(*METER, "plan")
    for point in record.points[:3]:
        journal.append(point)
    journal.close()
    (path,) = tmp_path.rglob("*.jsonl")
    path.write_bytes(path.read_bytes()[:-torn])
    again = store.journal(*METER)
    assert points_of(again.points) == points_of(record.points[:2])
    again.append(record.points[2])
    again.close()
    assert points_of(store.journal(*METER).points) == points_of(record.points[:3])


def test_a_damaged_line_in_the_middle_is_an_error(tmp_path, record):
    """A point that is lost elsewhere than at the end must not go unnoticed."""
    store = CalibrationStore(tmp_path)
    journal = store.journal(*METER, "plan")
    for point in record.points[:3]:
        journal.append(point)
    journal.close()
    (path,) = tmp_path.rglob("*.jsonl")
    lines = path.read_bytes().split(b"\n")
    for broken in ([*lines[:1], *lines[2:]], [*lines[:1], lines[1][:-5], *lines[2:]], lines[1:]):
        path.write_bytes(b"\n".join(broken))
        with pytest.raises(ConfigError, match="damaged"):
            store.journal(*METER)


def test_a_second_writer_is_refused(tmp_path):
    """Two sessions must not mix their points; the lock ends with the process that holds it."""
    store = CalibrationStore(tmp_path)
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from powerlab.store.calibrations import CalibrationStore
        journal = CalibrationStore(Path(sys.argv[1])).journal(*sys.argv[2:4], "plan")
        print("open", flush=True)
        sys.stdin.read()
        """
    )
    command = [sys.executable, "-c", script, str(tmp_path), *METER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        for plan in (None, "another plan"):
            with pytest.raises(ConfigError, match="another powerlab"):
                store.journal(*METER, plan)
        other.kill()
    journal = store.journal(*METER)
    assert journal.plan == "plan"
    journal.close()


def test_a_second_calibration_of_a_meter_waits_for_the_first(tmp_path):
    """Beginning anew would lose the points of the one under way."""
    store = CalibrationStore(tmp_path)
    store.journal(*METER, "plan").close()
    with pytest.raises(ConfigError, match="under way"):
        store.journal(*METER, "another plan")
    store.journal(METER[0], "another meter", "plan").close()


def test_there_is_nothing_to_resume_before_a_plan_is_kept(tmp_path):
    """A process killed before its first line leaves nothing that another has to clear up."""
    store = CalibrationStore(tmp_path)
    with pytest.raises(ConfigError, match="under way"):
        store.journal(*METER)
    store.journal(*METER, "plan").close()
    (path,) = tmp_path.rglob("*.jsonl")
    path.write_bytes(path.read_bytes()[:-3])
    assert not store.under_way(*METER)
    journal = store.journal(*METER, "new plan")
    journal.close()
    assert store.journal(*METER).plan == "new plan"


def test_points_that_cannot_be_written_are_told(tmp_path, record, monkeypatch):
    """A full disk stops the calibration with what is kept, and the journal stays whole."""
    store = CalibrationStore(tmp_path)
    journal = store.journal(*METER, "plan")
    journal.append(record.points[0])

    def refuse(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        with pytest.raises(SetupError, match="1 points are kept"):
            journal.append(record.points[1])
    journal.close()
    assert len(store.journal(*METER).points) == 1


def test_a_plan_may_be_any_record(tmp_path, record):
    """What the session plans comes back as the type that it was."""
    store = CalibrationStore(tmp_path)
    plan = record.points[0]
    store.journal(*METER, plan).close()
    assert from_plain(CalibrationPoint, store.journal(*METER).plan) == plan
