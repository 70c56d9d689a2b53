"""Which fonts, and what happens without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from powerlab.errors import ReportError
from powerlab.report import fonts

CHINESE = "单次推理能耗"


def test_latin_text_needs_no_font_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """English reports are set in the font that matplotlib carries."""
    monkeypatch.setattr(fonts, "installed_cjk", list)
    chosen = fonts.choose_fonts("33.33 ± 0.14 mJ, \u03bd = ∞, k ≥ 2, Ω, µ, †")
    assert chosen.families == ("DejaVu Sans",)
    assert all(Path(face.url.removeprefix("file://")).is_file() for face in chosen.faces)


def test_chinese_without_a_font_is_refused_with_the_package(monkeypatch) -> None:
    """No report of empty boxes is ever written."""
    monkeypatch.setattr(fonts, "installed_cjk", list)
    with pytest.raises(ReportError) as caught:
        fonts.choose_fonts(CHINESE)
    assert "fonts-droid-fallback" in caught.value.hint


def test_a_font_that_lacks_a_character_is_passed_over(monkeypatch) -> None:
    """A font must hold every character, not most."""
    latin = fonts._matplotlib_fonts() / "DejaVuSans.ttf"
    monkeypatch.setattr(fonts, "installed_cjk", lambda: [("Noto Sans SC", latin)])
    with pytest.raises(ReportError):
        fonts.choose_fonts(CHINESE)


def test_an_installed_chinese_font_is_used() -> None:
    """The system's font is found by its file, new or old."""
    if not fonts.installed_cjk():
        pytest.skip("no known Chinese font on this machine (fonts-droid-fallback)")
    chosen = fonts.choose_fonts(CHINESE)
    assert chosen.families[0] == "DejaVu Sans"
    assert len(chosen.families) == len(chosen.chart_families) == 2
