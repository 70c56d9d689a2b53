"""The calibration certificate: what it must say, from the record alone, in both languages."""

from __future__ import annotations

import logging
import math
import os
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pikepdf
import pytest

from powerlab.errors import ReportError
from powerlab.findings import Finding, Severity
from powerlab.records.calibration import (
    CalibrationRecord,
    Direction,
    Environment,
    Laboratory,
    Settling,
)
from powerlab.report.certificate import write_certificate
from powerlab.report.certificate.charts import draw_curves
from powerlab.report.certificate.elements import CertificateModel
from powerlab.report.certificate.model import build_certificate
from powerlab.report.certificate.subject import ABSENT
from powerlab.report.certificate.write import render_certificate
from powerlab.report.fonts import choose_fonts, installed_cjk
from powerlab.report.html import all_text
from powerlab.report.numbers import MINUS
from powerlab.report.texts import templates_dir
from powerlab.store.calibration_file import read_calibration, record_sha256
from powerlab.store.calibrations import CalibrationStore
from powerlab.store.dcc_read import read_dcc
from tests.report.test_pdf import page_texts
from tests.store.calibrated import ITEM, LABORATORY, REFERENCE, calibration_record

needs_chinese = pytest.mark.skipif(
    not installed_cjk(), reason="no known Chinese font on this machine (fonts-droid-fallback)"
)
RANGES = "current range 3 A: "


@pytest.fixture(scope="module")
def record() -> CalibrationRecord:
    """Get a record with everything in it."""
    return calibration_record()


def modelled(record: CalibrationRecord, lang: str = "en") -> CertificateModel:
    """Decide the certificate of a record."""
    return build_certificate(record, lang, "digest")


def html_of(model: CertificateModel) -> str:
    """Render a certificate's page."""
    return render_certificate(model, choose_fonts(all_text(model)))


def text_of(model: CertificateModel) -> str:
    """Get what a reader of the page sees."""
    return unescape(html_of(model))


def write(path: Path, record: CalibrationRecord, lang: str = "en") -> Path:
    """Write a certificate."""
    write_certificate(path, record=record, lang=lang)
    return path


# --- the file --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def english(record, tmp_path_factory) -> Path:
    """Get the English certificate."""
    return write(tmp_path_factory.mktemp("en") / "certificate.pdf", record)


def test_a_certificate_is_tagged_and_archival_and_carries_its_data(
    english, record, tmp_path
) -> None:
    """A4 and PDF/A-3a; inside, the calibration's own file and the DCC, both readable."""
    with pikepdf.open(english) as document:
        assert document.Root.MarkInfo.Marked
        assert "/Lang" in document.Root
        with document.open_metadata() as metadata:
            assert metadata["pdfaid:part"] == "3"
            assert metadata["pdfaid:conformance"] == "A"
            assert metadata["xmp:CreateDate"].startswith(record.performed)
        assert set(document.attachments) == {"calibration.json", "dcc.xml"}
        for name in document.attachments:
            content = document.attachments[name].get_file().read_bytes()
            (tmp_path / name).write_bytes(content)
    attached = read_calibration(tmp_path / "calibration.json")
    assert record_sha256(attached) == record_sha256(record)
    assert read_dcc(tmp_path / "dcc.xml").certificate == record.certificate


def test_every_page_names_the_certificate_and_its_place(english, record) -> None:
    """A loose sheet says which certificate it is of, and how many there are."""
    pages = page_texts(english)
    for number, text in enumerate(pages, start=1):
        assert f"Calibration certificate {record.certificate}" in text
        assert f"page {number} of {len(pages)}" in text
        assert "\ufffd" not in text


def test_made_again_from_its_file_a_certificate_is_the_same_bytes(
    english, record, tmp_path, monkeypatch
) -> None:
    """Neither the time of day, nor the place, nor the environment reaches the file."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    stored = read_calibration(CalibrationStore(tmp_path).save(record))
    again = write(tmp_path / "again.pdf", stored)
    assert again.read_bytes() == english.read_bytes()
    assert os.environ["SOURCE_DATE_EPOCH"] == "1"


@needs_chinese
def test_the_chinese_certificate_has_a_glyph_for_every_character(record, tmp_path, caplog) -> None:
    """No empty box on any page, no complaint of the writer, the same numbers."""
    with caplog.at_level(logging.WARNING, logger="weasyprint"):
        path = write(tmp_path / "zh.pdf", record, "zh")
    complaints = [item.getMessage() for item in caplog.records if item.name == "weasyprint"]
    assert [text for text in complaints if "HarfBuzz-Subset" not in text] == []
    pages = page_texts(path)
    assert "校准证书" in pages[0]
    for text in pages:
        assert "\ufffd" not in text
        assert "\x00" not in text
        assert record.certificate in text


def test_an_unwritable_place_is_told(record, tmp_path) -> None:
    """The message names the file, and nothing is left behind."""
    with pytest.raises(ReportError, match="absent"):
        write(tmp_path / "absent" / "c.pdf", record)
    assert list(tmp_path.iterdir()) == []


# --- what it says ----------------------------------------------------------------------------


def test_the_contents_that_17025_asks_for_are_there(record) -> None:
    """Title, laboratory, identity, method, item, condition, dates, reference, signatory."""
    text = text_of(modelled(record))
    for wanted in (
        "Calibration certificate",
        *(LABORATORY.name, LABORATORY.place, record.certificate),
        *(ITEM.manufacturer, ITEM.name, ITEM.link, record.serial, record.firmware, ITEM.condition),
        *(record.performed, record.due, record.operator, record.cable_set),
        *(REFERENCE.model, REFERENCE.serial, REFERENCE.certificate, REFERENCE.laboratory),
        *(REFERENCE.calibrated, REFERENCE.due, "22.9\u00a0°C", "41 %", "guard band w = U"),
        "relate only to the item calibrated",
        "claims no accreditation",
        "reproduced in full",
    ):
        assert wanted in text, wanted


def test_the_tables_repeat_the_record(record) -> None:
    """As found: every point, with the error and the verdict that its numbers give."""
    section = modelled(record).ranges[0]
    points = [point for point in record.points if point.quantity == "current"]
    assert len(section.found.rows) == len(points)
    for row, point in zip(section.found.rows, points, strict=True):
        reference, reading, error = (float(row[at].replace(MINUS, "-")) for at in (4, 5, 6))
        assert reference == pytest.approx(point.reference, abs=6e-6)
        assert reading == pytest.approx(point.reading, abs=6e-6)
        assert error == pytest.approx(1e3 * (point.reading - point.reference), abs=6e-4)
        assert row[1] == ("↑" if point.direction is Direction.UP else "↓")
        assert row[10] == "pass"


def test_a_corrected_reading_is_the_reading_and_its_correction(record) -> None:
    """Whoever adds the printed correction to the printed reading has the corrected value."""
    section = modelled(record).ranges[0]
    for row in section.corrected.rows:
        reading, correction, value, expanded, k = (float(cell.replace(MINUS, "-")) for cell in row)
        assert reading + correction / 1e3 == pytest.approx(value, abs=2e-6)
        assert 0 < expanded < 1
        assert 1.6 < k < 2.3


def test_the_choice_of_the_form_is_explained(record) -> None:
    """The chosen form, the one that gives the uncertainty, and why others are not there."""
    current, voltage = modelled(record).fits
    assert [row[-1] for row in current.candidates.rows].count("chosen") == 1
    assert current.candidates.rows[0][0] == "quadratic"
    assert "there is only one range" in current.refused
    assert "“quadratic”" in voltage.sentences[2]
    assert [row[-1] for row in voltage.candidates.rows] == ["chosen", "", "uncertainty", ""]


def test_without_limits_nothing_is_said_of_conformity(record) -> None:
    """A range that no limit is specified for has no verdict."""
    model = modelled(replace(record, item=replace(ITEM, ranges=())))
    assert {row[10] for row in model.ranges[0].found.rows} == {ABSENT}
    assert "no statement of conformity" in model.ranges[0].verdict
    assert np.isnan(model.ranges[0].curve.limit).all()


def test_an_estimated_limit_is_marked(record) -> None:
    """Conformity to a figure that no source gives is not sold as conformity to a data sheet."""
    ranges = tuple(replace(part, limit=replace(part.limit, estimated=True)) for part in ITEM.ranges)
    model = modelled(replace(record, item=replace(ITEM, ranges=ranges)))
    assert "estimate" in model.ranges[0].verdict


def test_a_source_that_ends_in_a_full_stop_gets_no_second_one(record) -> None:
    """Some sources are whole sentences."""
    ranges = tuple(
        replace(part, limit=replace(part.limit, source="An estimate.")) for part in ITEM.ranges
    )
    model = modelled(replace(record, item=replace(ITEM, ranges=ranges)))
    assert model.ranges[0].verdict.endswith("Specified limit: An estimate.")


def test_a_reference_without_certificate_breaks_traceability(record) -> None:
    """No certificate, no claim."""
    uncertified = replace(REFERENCE, certificate="", calibrated="")
    for references in ((uncertified,), (), (REFERENCE, uncertified)):
        text = text_of(modelled(replace(record, references=references)))
        assert "traceability is not established" in text
    assert "traceability is not established" not in text_of(modelled(record))


def test_points_that_did_not_settle_are_told(record) -> None:
    """In the method, and at each such point."""
    points = [replace(point, settling=Settling.UNSETTLED) for point in record.points[:2]]
    model = modelled(replace(record, points=(*points, *record.points[2:])))
    assert "2 points were taken before" in model.method[0].text
    assert [row[0] for row in model.ranges[0].found.rows[:3]] == ["1*", "2*", "3"]


def test_an_invalid_and_an_emulated_certificate_say_so_on_every_page(record) -> None:
    """The flags stand in the running head, which every page repeats."""
    notes = (
        Finding("emulated", Severity.INFO, "EMULATED: models", "attach a meter"),
        Finding("calibration-implausible", Severity.BLOCKING, "wired wrongly", "look"),
    )
    header = html_of(modelled(replace(record, findings=notes)))
    header, body = header.split('id="page-header"')[1].split("</div>", 1)
    assert "EMULATED" in header
    assert "NOT VALID" in header
    assert "Nothing here was measured" in body
    header = html_of(modelled(record)).split('id="page-header"')[1].split("</div>")[0]
    assert "EMULATED" not in header
    assert "NOT VALID" not in header


def test_a_customer_is_named_and_agrees_to_the_date(record) -> None:
    """Only for its own meter does the laboratory set the date by itself."""
    text = text_of(modelled(replace(record, customer="Board Works Ltd")))
    assert "Board Works Ltd" in text
    assert "was agreed with the customer" in text
    assert "its own instrument" not in text
    assert "calibrated its own instrument" in text_of(modelled(record))


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_bare_record_still_makes_a_certificate(record, lang) -> None:
    """What nobody noted is said to be unknown, and empty sections are left out."""
    bare = replace(
        record,
        firmware="",
        operator="",
        item=replace(ITEM, condition=""),
        laboratory=Laboratory("", "", ""),
        cable_set="",
        environment=Environment(math.nan, math.nan, math.nan),
        references=(),
        terms=(),
        step=None,
        history=(),
        findings=(),
    )
    model = build_certificate(bare, lang, "digest")
    assert model.terms is None
    assert model.history is None
    assert model.step == ()
    if lang == "en":
        assert "Earlier calibrations" not in html_of(model)
        assert "Set-up" not in html_of(model)


# --- the page ------------------------------------------------------------------------------------


def test_no_text_of_a_record_becomes_markup(record) -> None:
    """A serial number with angle brackets is printed, not interpreted."""
    html = html_of(modelled(replace(record, serial="<img src=x> & Co")))
    assert "<img src=x>" not in html
    assert "&lt;img src=x&gt; &amp; Co" in html


def test_the_page_fetches_nothing_and_its_template_types_no_number(record) -> None:
    """Every figure comes from the model, and nothing from a network."""
    assert not re.search(r"https?:", html_of(modelled(record)))
    source = (templates_dir() / "certificate" / "certificate.html").read_text("utf-8")
    words = re.sub(r"\{[{%].*?[%}]\}|<[^>]*>", "", source, flags=re.DOTALL)
    assert not re.search(r"\d", words)


def test_the_charts_are_the_same_bytes_every_time(record) -> None:
    """Nor do they depend on the order in which they are drawn."""
    model = modelled(record)
    first, second = (draw_curves(model, ("DejaVu Sans",)) for _ in range(2))
    assert first == second
    assert len(first) == 4
    assert all(b"<svg" in content for content in first.values())
