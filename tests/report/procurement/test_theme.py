"""A lab's own look and wording, without touching code."""

from __future__ import annotations

import pytest

from powerlab.errors import ProfileError
from powerlab.report.fonts import choose_fonts
from powerlab.report.html import all_text
from powerlab.report.procurement import ProcurementEvidence, procurement_model
from powerlab.report.procurement.theme import Theme, load_theme, themed_texts
from powerlab.report.procurement.write import render_procurement
from tests.report.procurement.decisions import decided


def page(lab) -> str:
    """Render the three boards with a lab's theme."""
    plan, decision = decided("boards")
    model = procurement_model(plan, decision, ProcurementEvidence(), themed_texts("en", [lab]))
    return render_procurement(model, choose_fonts(all_text(model)), load_theme([lab]))


@pytest.fixture
def lab(tmp_path):
    """Get a lab directory with empty folders for a theme."""
    (tmp_path / "templates" / "procurement").mkdir(parents=True)
    (tmp_path / "templates" / "locales").mkdir()
    return tmp_path


def test_a_lab_sets_colour_logo_and_wording(lab) -> None:
    """The accent, a logo and one sentence come from the lab, all else as shipped."""
    folder = lab / "templates"
    (folder / "procurement" / "theme.toml").write_text('accent = "#7a1f1f"\n')
    (folder / "procurement" / "logo.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "locales" / "procurement.en.toml").write_text(
        '[procurement_head]\nbrand = "Example Labs"\n'
    )
    made = page(lab)
    assert "#7a1f1f" in made
    assert "logo.svg" in made
    assert '<span class="brand">Example Labs</span>' in made
    assert "The options at a glance" in made
    assert load_theme([lab]).ink == Theme(()).ink


def test_a_lab_may_replace_a_whole_template(lab) -> None:
    """A file of the shipped name wins over the shipped one."""
    own = "<p>{{ model.box.headline }}</p>"
    (lab / "templates" / "procurement" / "procurement.html").write_text(own)
    assert page(lab) == "<p>Buy 8 \u00d7 RK3588S</p>"


def test_all_problems_of_a_theme_are_told_at_once(lab) -> None:
    """A colour that is none and one that does not exist stand in one error, with the file."""
    path = lab / "templates" / "procurement" / "theme.toml"
    path.write_text('accent = "blue"\nglow = "#ffffff"\n')
    with pytest.raises(ProfileError) as caught:
        load_theme([lab])
    assert [problem.key for problem in caught.value.problems] == ["accent", "glow"]
    assert str(path) in str(caught.value)


def test_a_sentence_that_does_not_exist_or_asks_for_more_is_refused(lab) -> None:
    """A slip of wording is found when the theme is read, not on the page."""
    (lab / "templates" / "locales" / "procurement.en.toml").write_text(
        '[procurement_box]\nbuy = "Take {count} of {option}"\nbye = "Farewell"\n'
    )
    with pytest.raises(ProfileError) as caught:
        themed_texts("en", [lab])
    assert [problem.key for problem in caught.value.problems] == [
        "procurement_box.buy",
        "procurement_box.bye",
    ]


def test_a_name_with_markup_is_printed_not_interpreted(lab) -> None:
    """What a plan or a lab says is text."""
    (lab / "templates" / "locales" / "procurement.en.toml").write_text(
        '[procurement_head]\nbrand = "<b>A & B</b>"\n'
    )
    assert "&lt;b&gt;A &amp; B&lt;/b&gt;" in page(lab)
