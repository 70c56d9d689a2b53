"""A certificate of every form of correction, and every word that it may need."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from powerlab.analysis.calibration.fitting import fit_correction
from powerlab.analysis.conformity import Verdict
from powerlab.findings import Finding, Severity
from powerlab.records.calibration import CalibrationRecord, Direction
from powerlab.records.correction import CorrectionModel, Span
from powerlab.report.certificate.charts import draw_curves
from powerlab.report.certificate.elements import CertificateModel
from powerlab.report.certificate.model import build_certificate
from powerlab.report.numbers import MINUS
from powerlab.report.texts import load_texts, templates_dir
from tests.store.calibrated import REFERENCE, calibration_record

RANGES = "current range 3 A: "


@pytest.fixture(scope="module")
def record() -> CalibrationRecord:
    """Get a record with everything in it."""
    return calibration_record()


def modelled(record: CalibrationRecord, lang: str = "en") -> CertificateModel:
    """Decide the certificate of a record."""
    return build_certificate(record, lang, "digest")


FORMS = [
    (model, temperature)
    for model, temperature in product(CorrectionModel, (False, True))
    if model is not CorrectionModel.PER_RANGE
]


def fitted(record: CalibrationRecord, model: CorrectionModel, *, temperature: bool):
    """Get the record with its first correction fitted in a form of one's own choice."""
    points = [
        replace(point, temperature_c=20.0 + 8.0 * (index % 2))
        for index, point in enumerate(record.points)
        if point.quantity == "current"
    ]
    fit = fit_correction(model, points, temperature=temperature, knots=(1.2,))
    correction = replace(record.corrections[0], chosen=fit)
    return replace(record, points=tuple(points), corrections=(correction,))


@pytest.mark.parametrize(("model", "temperature"), FORMS)
def test_every_form_can_be_certified(record, model, temperature) -> None:
    """Equation, parameters and charts exist for each form, with and without temperature."""
    made = modelled(fitted(record, model, temperature=temperature))
    (fit,) = made.fits
    assert ("\u03b1" in fit.equation) is temperature
    assert fit.equation.startswith("x = ")
    assert all(row[1].lstrip(MINUS)[:1].isdigit() for row in fit.parameters.rows)
    drawn = draw_curves(made, ("DejaVu Sans",))
    assert set(drawn) == {"curve-0", "residual-0"}


def test_a_correction_over_several_ranges_has_a_section_for_each(record) -> None:
    """Two ranges of one fit: two tables, each with its own points, and parameters by range."""
    low = [point for point in record.points if point.quantity == "current"]
    high = [
        replace(
            point,
            full_scale=10.0,
            nominal=point.nominal * 3,
            reference=point.reference * 3,
            reading=point.reading * 3,
        )
        for point in low
    ]
    points = (*low, *high)
    fit = fit_correction(CorrectionModel.PER_RANGE, points)
    spans = tuple(
        Span(
            full_scale=full_scale,
            low=min(point.reading for point in part),
            high=max(point.reading for point in part),
            coldest_c=22.0,
            warmest_c=23.0,
        )
        for full_scale, part in ((3.0, low), (10.0, high))
    )
    correction = replace(record.corrections[0], chosen=fit, wider=fit, spans=spans)
    model = modelled(replace(record, points=points, corrections=(correction,)))
    titles = ["3\u00a0A range (current)", "10\u00a0A range (current)"]
    assert [part.title for part in model.ranges] == titles
    assert [row[0] for row in model.fits[0].parameters.rows] == [
        *("offset a of range 3", "gain b of range 3"),
        *("offset a of range 10", "gain b of range 10"),
    ]
    assert all(len(part.found.rows) == len(low) for part in model.ranges)


def test_the_names_of_one_range_among_several_are_translated(record) -> None:
    """Findings, terms and certificates that name their range keep their numbers in order."""
    several = replace(
        record,
        findings=(
            Finding(
                "calibration-scatter",
                Severity.WARNING,
                f"{RANGES}the points scatter 2.4 times their uncertainty around the gain "
                "correction; its u was widened by that",
                "look",
            ),
        ),
        terms=(replace(record.terms[2], name="tare-current-3"),),
        references=(
            replace(
                REFERENCE,
                errors=(replace(REFERENCE.errors[0], certificate="LAB-1, 3 A range"),),
            ),
        ),
    )
    model = modelled(several, "zh")
    name = "3\u00a0A 量程\uff08电流\uff09"
    assert model.findings[0].message.startswith(f"{name}\uff1a各点围绕")
    assert "2.4" in model.findings[0].message
    assert model.terms is not None
    assert model.terms.rows[0][0] == f"零电流时的示值, {name}"
    assert model.references.rows[0][-1].startswith(f"{name}\uff1a数值的")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_word_that_a_certificate_may_need_exists(lang) -> None:
    """Names that are put together in the code are in the locale."""
    sentences = load_texts(lang).sentences
    for model in CorrectionModel:
        assert f"certificate_form.{model}" in sentences
        assert f"certificate_equation.{model}" in sentences
    for verdict in Verdict:
        assert f"certificate_verdict.{verdict.name}" in sentences
    for direction in Direction:
        assert f"certificate_chart.{direction}" in sentences


def test_no_key_of_a_locale_is_given_twice() -> None:
    """The certificate's sentences do not replace those of the report."""
    folder = templates_dir() / "locales"
    for lang in ("en", "zh"):
        heads = [
            set(re.findall(r"^\[([^\]]+)\]", (folder / name).read_text("utf-8"), re.MULTILINE))
            for name in (f"{lang}.toml", f"certificate.{lang}.toml")
        ]
        assert {head for head in heads[0] & heads[1] if not head.startswith("finding.")} == set()


def test_the_findings_of_a_calibration_are_in_chinese(record) -> None:
    """What the analysis and the store may find is translated."""
    root = Path(__file__).resolve().parents[2] / "powerlab"
    sources = [*(root / "analysis" / "calibration").glob("*.py"), *(root / "store").glob("*.py")]
    pattern = re.compile(r'"((?:calibration|reference)-[a-z-]+)"')
    codes = {code for path in sources for code in pattern.findall(path.read_text("utf-8"))}
    sentences = load_texts("zh").sentences
    missing = {code for code in codes if f"finding.{code}.message" not in sentences}
    assert len(codes) > 15
    assert missing == set()
