"""Which fonts the report is set in, and whether they hold every character of it.

Latin text is set in the DejaVu that matplotlib carries, so pages look alike on every
machine. Chinese needs a font of the system; without one a renderer prints empty boxes and
says nothing, so this module looks first.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from powerlab.errors import ReportError

LATIN = "DejaVu Sans"
CJK_FILES = (
    ("Noto Sans CJK SC", "NotoSansCJK-Regular"),
    ("Noto Sans CJK SC", "NotoSansCJKsc-Regular"),
    ("Noto Sans SC", "NotoSansSC-Regular"),
    ("Source Han Sans SC", "SourceHanSansSC-Regular"),
    ("Source Han Sans CN", "SourceHanSansCN-Regular"),
    ("WenQuanYi Micro Hei", "wqy-microhei"),
    ("WenQuanYi Zen Hei", "wqy-zenhei"),
    ("Droid Sans Fallback", "DroidSansFallbackFull"),
    ("Droid Sans Fallback", "DroidSansFallback"),
)
"""Sans-serif fonts of simplified Chinese by family and file name, the best first."""

FACES = (
    ("DejaVu Sans", "normal", "normal", "DejaVuSans.ttf"),
    ("DejaVu Sans", "bold", "normal", "DejaVuSans-Bold.ttf"),
    ("DejaVu Sans", "normal", "italic", "DejaVuSans-Oblique.ttf"),
    ("DejaVu Sans Mono", "normal", "normal", "DejaVuSansMono.ttf"),
)


@dataclass(frozen=True, slots=True)
class Face:
    """One font file for the style sheet: family, weight, style and where it is."""

    family: str
    weight: str
    style: str
    url: str


@dataclass(frozen=True, slots=True)
class Fonts:
    """The families of pages and of charts, the first preferred, and the files of the pages.

    The two differ for a collection of fonts, of which the charts see the first member.
    """

    families: tuple[str, ...]
    chart_families: tuple[str, ...]
    faces: tuple[Face, ...]


def choose_fonts(text: str) -> Fonts:
    """Get fonts that hold every character of ``text``.

    Raises ReportError naming Debian's package where no installed font does.
    """
    faces = _latin_faces()
    missing = {letter for letter in text if not letter.isspace()} - _latin_characters()
    if not missing:
        return Fonts((LATIN,), (LATIN,), faces)
    for family, path in installed_cjk():
        if missing <= _characters(path):
            chart_family = _known_to_charts(path)
            page_faces = (*faces, *_cjk_face(family, path))
            return Fonts((LATIN, family), (LATIN, chart_family), page_faces)
    sample = "".join(sorted(missing)[:6])
    raise ReportError(
        f"no installed font holds all characters of this report (such as {sample})",
        hint="install one: apt-get install fonts-droid-fallback "
        "(or fonts-noto-cjk), or write the report in English with --lang en",
    )


def installed_cjk() -> list[tuple[str, Path]]:
    """Get the known Chinese fonts of this machine as family and file, the best first.

    The folders are read each time: matplotlib's own list is a cache that a font installed
    a minute ago is not in.
    """
    from matplotlib.font_manager import findSystemFonts  # noqa: PLC0415

    files = {path.stem: path for path in map(Path, sorted(findSystemFonts()))}
    return [(family, files[stem]) for family, stem in CJK_FILES if stem in files]


def _known_to_charts(path: Path) -> str:
    """Get matplotlib's name of a font file, adding the file to its list where it is new."""
    from matplotlib.font_manager import fontManager  # noqa: PLC0415
    from matplotlib.ft2font import FT2Font  # noqa: PLC0415

    family = str(FT2Font(path).family_name)
    if family not in {entry.name for entry in fontManager.ttflist}:
        fontManager.addfont(path)
    return family


def _cjk_face(family: str, path: Path) -> tuple[Face, ...]:
    """Get the face of a single-font file; a collection is left to the system by its name."""
    if path.suffix.lower() == ".ttc":
        return ()
    return (Face(family, "normal", "normal", path.as_uri()),)


def _latin_faces() -> tuple[Face, ...]:
    folder = _matplotlib_fonts()
    return tuple(
        Face(family, weight, style, (folder / name).as_uri())
        for family, weight, style, name in FACES
    )


def _matplotlib_fonts() -> Path:
    import matplotlib as mpl  # noqa: PLC0415

    return Path(mpl.get_data_path()) / "fonts" / "ttf"


def _latin_characters() -> frozenset[str]:
    return _characters(_matplotlib_fonts() / FACES[0][3])


@cache
def _characters(path: Path) -> frozenset[str]:
    """Get every character a font file has a glyph for."""
    from matplotlib.ft2font import FT2Font  # noqa: PLC0415

    return frozenset(map(chr, FT2Font(path).get_charmap()))
