"""The page: structure, languages, escaping."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from powerlab.report.fonts import choose_fonts, installed_cjk
from powerlab.report.html import all_text, render_html


class Outline(HTMLParser):
    """Collects headings, images and the document's language and title."""

    def __init__(self) -> None:
        super().__init__()
        self.lang = self.title = ""
        self.headings: list[tuple[str, str]] = []
        self.images: list[dict[str, str | None]] = []
        self._open = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag opens."""
        if tag == "html":
            self.lang = dict(attrs)["lang"] or ""
        if tag == "img":
            self.images.append(dict(attrs))
        self._open = tag

    def handle_endtag(self, tag: str) -> None:
        """Forget what a tag opened."""
        self._open = ""

    def handle_data(self, data: str) -> None:
        """Note titles and headings."""
        if self._open == "title":
            self.title += data
        if self._open in ("h1", "h2", "h3"):
            self.headings.append((self._open, data))


@pytest.fixture(scope="module")
def page(measurement, modelled):
    """Get a function that renders a measurement and returns its HTML."""

    def render(lang: str = "en", subject=measurement) -> str:
        model = modelled(subject, lang)
        return render_html(model, choose_fonts(all_text(model)))

    return render


@pytest.mark.parametrize(("lang", "tag"), [("en", "en"), ("zh", "zh-Hans")])
def test_the_page_has_language_title_headings_and_alternative_texts(page, lang, tag) -> None:
    """What a screen reader needs is there, in both languages."""
    if lang == "zh" and not installed_cjk():
        pytest.skip("no known Chinese font on this machine (fonts-droid-fallback)")
    outline = Outline()
    outline.feed(page(lang))
    assert outline.lang == tag
    assert "EdgeBoard" in outline.title
    assert outline.headings[0] == ("h1", "EdgeBoard")
    assert len([level for level, _ in outline.headings if level == "h2"]) == 15
    assert len(outline.images) == 4
    assert all(len(image["alt"] or "") > 20 for image in outline.images)


def test_every_page_is_headed_emulated(page) -> None:
    """The flag stands in the running head, which every page repeats."""
    header = page().split('id="page-header"')[1].split("</div>")[0]
    assert "EMULATED" in header


def test_no_text_of_a_profile_becomes_markup(page, measurement) -> None:
    """A name with angle brackets is printed, not interpreted."""
    hostile = measurement.device.model_copy(update={"name": "<img src=x> & Co"})
    html = page("en", replace(measurement, device=hostile))
    assert "<img src=x>" not in html
    assert "&lt;img src=x&gt; &amp; Co" in html


def test_the_template_types_no_number(page) -> None:
    """Every figure comes from the model: the template's own text holds no digit."""
    from powerlab.report.texts import templates_dir  # noqa: PLC0415

    source = (templates_dir() / "default" / "report.html").read_text(encoding="utf-8")
    words = re.sub(r"\{[{%].*?[%}]\}|<[^>]*>", "", source, flags=re.DOTALL)
    assert not re.search(r"\d", words)


def test_the_page_fetches_nothing(page) -> None:
    """Neither style nor picture comes from a network."""
    assert not re.search(r"https?:", page())
