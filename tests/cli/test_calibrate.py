"""``powerlab calibrate`` over the emulated calibration bench, and everything that it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from powerlab.cli import _calibration_options
from powerlab.store.calibration_file import read_calibration
from tests.cli.calibrating import CERTIFICATE, SHORT, emulated, new_certificate, new_lab


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """Get an empty lab."""
    return new_lab(tmp_path)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Get the file of a reference's certificate that is in time."""
    return new_certificate(tmp_path)


def journal_of(lab: Path) -> list[dict]:
    """Get the lines of the only journal of a lab."""
    (path,) = lab.glob("calibrations/*/*/under-way.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_points_are_shown_as_they_come_and_the_gain_is_told(run, lab, certificate):
    """Progress is on stderr, the answer on stdout: before, after, the form and why."""
    ran = run(*emulated("--lab", lab, "--reference-certificate", certificate))
    assert ran.code == 0
    lines = [line for line in ran.err.splitlines() if "reference" in line and "error" in line]
    assert len(lines) == 7
    assert lines[1].split()[:4] == ["2/7", "↑", "0.2", "A"]
    assert "±" in lines[1]
    assert "EMULATED" in ran.out
    assert "times less" in ran.out
    assert "corrected for gain and offset" in ran.out
    assert "chosen because" in ran.out
    assert "tare-current" in ran.out


def test_a_killed_calibration_goes_on_with_the_next_point(lab):
    """SIGKILL loses nothing; --resume takes what is left, once; nothing of it stays behind."""
    words = emulated("--lab", lab, "--json")
    begun = [sys.executable, "-m", "powerlab.cli", *words]
    with subprocess.Popen(begun, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        for line in child.stderr:
            if line.lstrip().startswith(b"3/7"):
                break
        child.kill()
        child.wait()
    before = [line["data"] for line in journal_of(lab) if line["kind"] == "point"]
    assert 3 <= len(before) < 7
    done = subprocess.run([*begun, "--resume"], capture_output=True, check=True)
    document = json.loads(done.stdout)
    record = read_calibration(Path(document["file"]))
    assert len(record.points) == document["points"] == 7
    assert [p.at_utc_ns for p in record.points[: len(before)]] == [p["at_utc_ns"] for p in before]
    assert b"taken already" in done.stderr
    assert not list(lab.glob("calibrations/*/*/under-way.jsonl"))


def test_ctrl_c_keeps_the_points_and_says_how_to_go_on(lab):
    """Exit code 130, with the number of points that are kept."""
    begun = [sys.executable, "-m", "powerlab.cli", *emulated("--lab", lab)]
    with subprocess.Popen(begun, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        for line in child.stderr:
            if line.lstrip().startswith(b"2/7"):
                break
        os.kill(child.pid, signal.SIGINT)
        told = child.stderr.read().decode()
        assert child.wait() == 130
    assert "points are kept: the same command with --resume goes on" in told
    assert sum(line["kind"] == "point" for line in journal_of(lab)) >= 2


@pytest.mark.slow
def test_what_was_begun_is_neither_forgotten_nor_overwritten(run, lab):
    """A second begin is refused; --restart sets the first aside; another meter is told."""
    begun = run(*emulated("--lab", lab, "--fault", "unplug@1.5s"))
    assert begun.code == 4
    assert "points are kept" in begun.err
    kept = journal_of(lab)
    again = run(*emulated("--lab", lab))
    assert again.code == 2
    assert "was begun and not finished" in again.err
    assert "--resume" in again.err
    assert "--restart" in again.err
    assert journal_of(lab) == kept
    swapped = run(*emulated("--lab", lab, "--resume", seed=8))
    assert swapped.code == 2
    words = " ".join(swapped.err.split())
    assert "no calibration of keithley-dmm6500 EMULATED-00000008 is under way" in words
    assert "attach EMULATED-00000007" in words
    restarted = run(*emulated("--lab", lab, "--restart", "--quiet"))
    assert restarted.code == 0
    (aside,) = lab.glob("calibrations/*/*/given-up-*.jsonl")
    assert [json.loads(line) for line in aside.read_text().splitlines()] == kept


def test_a_load_that_saturates_is_told_with_what_it_drew(run, lab):
    """The points below are kept, none is taken of what was not there."""
    ran = run(*emulated("--lab", lab, "--supply", "0.4V"))
    assert ran.code == 4
    assert "the load was set to 0.8 A and draws" in ran.err or "set to 0.5 A" in ran.err
    assert "points are kept" in ran.err
    taken = [line["data"]["nominal"] for line in journal_of(lab) if line["kind"] == "point"]
    assert taken in ([0.0, 0.2], [0.0, 0.2, 0.5])


def test_a_reference_past_its_due_date_is_a_warning_of_the_record(run, lab, tmp_path):
    """Nothing is hidden: the finding names its certificate and the date."""
    path = tmp_path / "old.toml"
    path.write_text(CERTIFICATE.format(due="2026-03-02"))
    ran = run(*emulated("--lab", lab, "--reference-certificate", path, "--json"))
    assert ran.code == 0
    (late,) = [f for f in ran.json["findings"] if f["code"] == "reference-overdue"]
    assert "K-2026-08-15" in late["message"]
    assert "2026-03-02" in late["message"]


def test_a_reference_that_is_worse_than_the_meter_is_refused_before_any_point(run, lab):
    """It would make the meter worse."""
    words = ("calibrate", *SHORT, "--reference", "rdtech-um25c", "--emulate", "--lab", lab)
    ran = run(*words)
    assert ran.code == 2
    assert "times worse than the meter's own limit" in " ".join(ran.err.split())
    assert not list(lab.glob("calibrations/*/*/*"))


def test_a_blocking_finding_saves_nothing_and_exits_6(run, lab, monkeypatch):
    """The points stay for whoever looks into it."""
    monkeypatch.setattr(
        "powerlab.analysis.calibration.points.OVERDONE", 1e-6
    )  # any error is implausible then
    ran = run(*emulated("--lab", lab, "--quiet"))
    assert ran.code == 6
    assert "was not saved" in ran.err
    assert "--restart" in ran.err
    assert ran.out == ""
    assert not list(lab.glob("calibrations/*/*/*.json"))
    assert sum(line["kind"] == "point" for line in journal_of(lab)) == 7


def test_a_full_disk_at_the_end_costs_no_point(run, lab, monkeypatch):
    """The points are there, nothing else is; with room again --resume saves them as they are."""

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("powerlab.store.calibrations.write_new", full)
    ran = run(*emulated("--lab", lab))
    assert ran.code == 3
    assert "No space left on device" in ran.err
    assert "7 points are kept" in ran.err
    assert not list(lab.glob("calibrations/*/*/*.json"))
    before = [line["data"] for line in journal_of(lab) if line["kind"] == "point"]
    monkeypatch.undo()
    ran = run(*emulated("--lab", lab, "--resume", "--json"))
    assert ran.code == 0
    record = read_calibration(Path(ran.json["file"]))
    assert [p.at_utc_ns for p in record.points] == [p["at_utc_ns"] for p in before]


# --- what is refused before anything is touched ----------------------------------------------


REAL = ("calibrate", "--instrument", "rdtech-um25c@serial:/dev/rfcomm9")
WITH = ("--reference", "keithley-dmm6500@TCPIP0::127.0.0.1::9::SOCKET")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((*REAL,), 2, "--reference ID@RESOURCE"),
        ((*REAL, *WITH), 3, "no load, and no terminal to ask at"),
        ((*REAL, *WITH, "--load", "rigol-dl3021@x", "--supply", "5V"), 3, "wired anew"),
        ((*REAL, *WITH, "--load", "rigol-dl3021"), 2, "--load rigol-dl3021@RESOURCE"),
        ((*REAL, *WITH, "--load", "rigol-dl2021@x"), 2, "rigol-dl3021"),
        ((*REAL, *WITH, "--load", "rigol-dl3021@x", "--bench", "desk"), 2, "there is no bench"),
        ((*REAL, *WITH, "--fault", "unplug@1s"), 2, "--fault needs --emulate"),
        ((*REAL, *WITH, "--emulate"), 2, "name models alone"),
        ((*REAL, *WITH, "--resume", "--restart"), 2, "one of the two"),
        ((*REAL, *WITH, "--check", "--certificate", "c.pdf"), 2, "no certificate"),
        ((*REAL, *WITH, "--check", "--resume"), 2, "never resumed"),
        ((*REAL, *WITH, "--points", "10,10"), 2, "each once"),
        ((*REAL, *WITH, "--points", "10,110"), 2, "per cent"),
        ((*REAL, *WITH, "--quantity", "power"), 2, "current, voltage"),
        ((*REAL, *WITH, "--readings", "2"), 2, "4"),
        ((*REAL, *WITH, "--due", "yesterday"), 2, "2027-06-30"),
        ((*REAL, *WITH, "--country", "Germany"), 2, "ISO 3166-1"),
        ((*REAL, *WITH, "--humidity", "145"), 2, "145"),
        ((*REAL, *WITH, "--load", "rigol-dl3021@x", "--range", "9"), 2, "its ranges"),
        ((*REAL, *WITH, "--cable-ohm", "0.1"), 2, "0.1±0.02"),
        (("calibrate",), 2, "--instrument"),
        (("calibrate", "--show", "x"), 2, "there is no calibration 'x'"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_can(run, words, code, told):
    """Each refusal names the option to give; no instrument was asked."""
    ran = run(*words)
    assert ran.code == code
    assert told in " ".join(ran.err.split())


def test_a_temperature_that_is_none_is_refused(run):
    """Degrees with or without their uncertainty."""
    ran = run(
        *REAL, *WITH, "--load", "rigol-dl3021@x", "--quantity", "current", "--temperature", "warm"
    )
    assert ran.code == 2
    assert "23.5±0.5" in ran.err


@pytest.mark.parametrize(
    ("content", "name", "told"),
    [
        ("\x00\x01 garbage", "c.toml", "is not valid TOML"),
        ("schema = 1\ncertificate = 'x'\n", "c.toml", "is missing"),
        (CERTIFICATE.format(due="2020-01-01"), "c.toml", "which is not after"),
        (CERTIFICATE.format(due="2036-01-01").replace("1.0", "3.0"), "c.toml", "range of 1 A"),
        ("<?xml version='1.0'?><a/>", "c.xml", "not a DCC 3"),
        ("garbage", "c.xml", "no XML"),
        (None, "c.toml", "cannot be read"),
    ],
)
def test_a_garbage_certificate_is_refused_before_anything_starts(run, lab, content, name, told):
    """Every problem of the file, with its name; nothing was emulated or measured."""
    path = lab.parent / name
    if content is not None:
        path.write_text(content)
    ran = run(*emulated("--lab", lab, "--reference-certificate", path))
    assert ran.code == 2
    words = " ".join(ran.err.split())
    assert name in words
    assert told in words
    assert "starting the emulated bench" not in words
    assert not (lab / "calibrations").exists()


def test_the_bench_says_where_instruments_are(tmp_path):
    """A model alone is looked for in powerlab.toml: meters, references, load, operator."""
    from powerlab.catalog.layers import load_catalog  # noqa: PLC0415

    place = tmp_path / "lab"
    place.mkdir()
    (place / "powerlab.toml").write_text("""
schema = 1
[bench.desk]
device = "edgeboard"
host = "nowhere"
[[bench.desk.meter]]
model = "rdtech-um25c"
resource = "serial:/dev/rfcomm3"
serial = "label 12"
[bench.desk.calibration]
operator = "Ada"
cable_set = "red"
[[bench.desk.calibration.reference]]
model = "keithley-dmm6500"
resource = "TCPIP0::10.0.0.5::5025::SOCKET"
[bench.desk.calibration.load]
model = "rigol-dl3021"
resource = "TCPIP0::10.0.0.6::5555::SOCKET"
""")
    catalog = load_catalog(place, cwd=tmp_path)
    wanted = _calibration_options.Wanted(
        **{
            **dict.fromkeys(_calibration_options.Wanted.__dataclass_fields__),
            "instrument": "rdtech-um25c",
            "references": ("keithley-dmm6500",),
            "load": "rigol-dl3021",
            "least_voltage": 0.0,
        }
    )
    named = _calibration_options.find_instruments(catalog, wanted, None)
    assert named.meter.at.serial == "label 12"
    assert named.references[0].at.resource == "TCPIP0::10.0.0.5::5025::SOCKET"
    assert named.load.at.resource == "TCPIP0::10.0.0.6::5555::SOCKET"
    assert _calibration_options.defaults(catalog, wanted).operator == "Ada"
