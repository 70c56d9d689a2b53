"""What a calibration leaves: its record, its certificates, and the check of a known load."""

from __future__ import annotations

from pathlib import Path

import pytest

from powerlab.cli import main
from powerlab.records.calibration import Laboratory
from powerlab.store.calibration_file import read_calibration
from tests.cli.calibrating import WHO, emulated, new_certificate, new_lab


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Calibrate once, with both certificates; get the lab and the record's file."""
    place = tmp_path_factory.mktemp("calibrated")
    lab, reference = new_lab(place), new_certificate(place)
    more = ("--lab", lab, "--operator", "Ada", "--dcc", place / "c.xml", *WHO)
    more = (*more, "--certificate", place / "c.pdf", "--reference-certificate", reference)
    assert main(emulated(*more)) == 0
    (path,) = lab.glob("calibrations/*/*/*.json")
    return lab, path


def test_a_calibration_is_a_record_and_both_certificates(calibrated):
    """Everything that was asked for is there, and the record says that it was emulated."""
    lab, path = calibrated
    record = read_calibration(path)
    assert record.operator == "Ada"
    assert record.environment.temperature_c == 23.0
    assert record.environment.humidity_percent == 45.0
    assert record.laboratory == Laboratory("Bench 3", "Room 2", "DE")
    assert (record.customer, record.item.condition) == ("Board Works", "no damage")
    assert record.item.manufacturer == "Keithley"
    assert record.item.link == "TCPIP SOCKET"
    assert len(record.item.ranges) > 5
    assert record.references[0].certificate == "K-2026-08-15"
    assert [p.nominal for p in record.points] == [0, 0.2, 0.5, 0.8, 0.5, 0.2, 0]
    assert record.findings[0].code == "emulated"
    assert (lab.parent / "c.pdf").read_bytes().startswith(b"%PDF")
    assert "digitalCalibrationCertificate" in (lab.parent / "c.xml").read_text()
    assert not list(lab.glob("calibrations/*/*/under-way.jsonl"))


def test_a_known_load_is_compared_with_the_calibration_and_charted(run, calibrated):
    """E_n agrees, and the second check is the second of its chart."""
    lab, path = calibrated
    reference = lab.parent / "reference.toml"
    words = emulated("--lab", lab, "--reference-certificate", reference, "--check")
    first, second = run(*words), run(*words, "--json")
    assert first.code == second.code == 0
    assert "agrees" in first.out
    (document,) = second.json
    assert document["certificate"] == read_calibration(path).certificate
    assert abs(document["e_n"]) < 1
    assert document["checks"] == 2
    assert len((path.parent / "checks.jsonl").read_text().splitlines()) == 2


def test_a_meter_without_a_calibration_has_nothing_to_check(run, calibrated):
    """Of another one of its model there is one, which is said."""
    lab, _ = calibrated
    ran = run(*emulated("--lab", lab, "--check", seed=9))
    assert ran.code == 2
    words = " ".join(ran.err.split())
    assert "no calibration of keithley-dmm6500 EMULATED-00000009" in words
    assert "EMULATED-00000007" in words


def test_calibrations_are_listed_and_shown(run, calibrated):
    """By identifier or by its end; a path serves as well."""
    lab, path = calibrated
    listed = run("calibrate", "--list", "--lab", lab)
    assert listed.code == 0
    assert path.stem in listed.out
    assert "emulated" in listed.out
    assert run("calibrate", "--list", "--lab", lab, "--json").json["calibrations"]
    for name in (path.stem, path.stem[-6:], path):
        shown = run("calibrate", "--show", name, "--lab", lab)
        assert shown.code == 0
        assert f"calibration {path.stem} of keithley-dmm6500" in shown.out
    assert run("calibrate", "--show", "nothing", "--lab", lab).code == 2


def test_a_certificate_is_made_again_byte_by_byte(run, calibrated, tmp_path):
    """Its numbers come from the record alone."""
    lab, path = calibrated
    again = ("--certificate", tmp_path / "again.pdf", "--dcc", tmp_path / "again.xml")
    assert run("calibrate", "--show", path.stem, "--lab", lab, *again).code == 0
    assert (tmp_path / "again.pdf").read_bytes() == (lab.parent / "c.pdf").read_bytes()
    assert (tmp_path / "again.xml").read_bytes() == (lab.parent / "c.xml").read_bytes()


def test_a_certificate_needs_nothing_but_the_file_of_its_record(
    run, calibrated, tmp_path, monkeypatch
):
    """No lab, no catalogue: another computer makes the same one, and one in Chinese."""
    lab, path = calibrated
    file = tmp_path / "record.json"
    file.write_bytes(path.read_bytes())
    monkeypatch.setenv("POWERLAB_LAB", "")
    monkeypatch.setattr("powerlab.catalog.layers.load_catalog", None)
    papers = {lang: tmp_path / f"{lang}.pdf" for lang in ("en", "zh")}
    for lang, paper in papers.items():
        shown = run("calibrate", "--show", file, "--lang", lang, "--certificate", paper)
        assert shown.code == 0
    assert papers["en"].read_bytes() == (lab.parent / "c.pdf").read_bytes()
    assert papers["zh"].read_bytes() != papers["en"].read_bytes()


def test_an_edited_record_is_told_and_not_shown(run, calibrated, tmp_path):
    """Its hash does not fit any more; the list warns and goes on."""
    _, path = calibrated
    place = tmp_path / "copy" / "calibrations" / "keithley-dmm6500" / "EMULATED-00000007"
    place.mkdir(parents=True)
    (tmp_path / "copy" / "powerlab.toml").write_text("schema = 1\n")
    (place / path.name).write_text(path.read_text().replace('"Ada"', '"Bob"'))
    shown = run("calibrate", "--show", path.stem, "--lab", tmp_path / "copy")
    assert shown.code == 2
    assert "sha256" in shown.err
    listed = run("calibrate", "--list", "--lab", tmp_path / "copy")
    assert listed.code == 0
    assert "damaged" in listed.err
    assert "No calibration" in listed.out
