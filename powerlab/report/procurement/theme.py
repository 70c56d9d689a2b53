"""A lab's own look: folders of templates that override the shipped ones, colours, a logo.

A lab may hold ``templates/procurement/`` with any of the shipped files, of which those found
replace the shipped ones, a ``theme.toml`` with colours and a ``logo.svg`` or ``logo.png``; and
``templates/locales/procurement.LANG.toml`` with the sentences that it words otherwise.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from powerlab.errors import Problem, ProfileError
from powerlab.report.html import THEME
from powerlab.report.texts import Texts, flat_sentences, load_texts, templates_dir

DOCUMENT = "procurement"
COLOURS = ("ink", "muted", "rule", "shade", "accent", "band")
HEX = re.compile(r"#[0-9a-fA-F]{6}")
LOGOS = ("logo.svg", "logo.png")


@dataclass(frozen=True, slots=True)
class Theme:
    """Folders of templates, the first preferred; colours as ``#rrggbb``; the logo's file."""

    folders: tuple[Path, ...]
    ink: str = "#1a1f24"
    muted: str = "#5d6770"
    rule: str = "#c3cad0"
    shade: str = "#e9edf0"
    accent: str = "#0f4c81"
    band: str = "#cfdce8"
    logo: Path | None = None


def load_theme(labs: Sequence[Path] = ()) -> Theme:
    """Get the look of the given labs, later ones win, over the shipped one.

    Raises ProfileError with every colour that is none and every key that is not known.
    """
    own = [lab / "templates" / DOCUMENT for lab in reversed(labs)]
    shipped = templates_dir()
    folders = (*(each for each in own if each.is_dir()), shipped / DOCUMENT, shipped / THEME)
    theme, problems = Theme(folders), []
    for folder in reversed(folders):
        colours, wrong = _colours(folder / "theme.toml")
        problems += wrong
        logo = next((folder / name for name in LOGOS if (folder / name).is_file()), theme.logo)
        theme = replace(theme, logo=logo, **colours)
    if problems:
        raise ProfileError(problems, hint=f"the colours are {', '.join(COLOURS)}, as #rrggbb")
    return theme


def themed_texts(lang: str, labs: Sequence[Path] = ()) -> Texts:
    """Get a locale with the sentences that labs word otherwise, later ones win.

    Raises ReportError for an unknown language, ProfileError where a lab words a sentence that
    does not exist or with a placeholder that it does not have.
    """
    texts = load_texts(lang)
    sentences, problems = dict(texts.sentences), []
    for lab in labs:
        path = lab / "templates" / "locales" / f"{DOCUMENT}.{lang}.toml"
        if path.is_file() and path.parent.resolve() != (templates_dir() / "locales").resolve():
            own, wrong = _sentences(path, texts.sentences)
            sentences |= own
            problems += wrong
    if problems:
        raise ProfileError(problems, hint="keys and placeholders are those of the shipped file")
    return replace(texts, sentences=sentences)


def _read(path: Path) -> tuple[dict[str, object], list[Problem]]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), []
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return {}, [Problem(str(path), "", str(error))]


def _colours(path: Path) -> tuple[dict[str, Any], list[Problem]]:
    """Get the colours of a theme's file, none where there is no file."""
    if not path.is_file():
        return {}, []
    table, problems = _read(path)
    found: dict[str, Any] = {}
    for key, value in table.items():
        if key not in COLOURS:
            problems.append(Problem(str(path), key, "there is no such colour"))
        elif not (isinstance(value, str) and HEX.fullmatch(value)):
            problems.append(Problem(str(path), key, f"{value!r} is not a colour"))
        else:
            found[key] = value
    return found, problems


def _sentences(path: Path, known: Mapping[str, str]) -> tuple[dict[str, str], list[Problem]]:
    from string import Formatter  # noqa: PLC0415

    table, problems = _read(path)
    found = dict(flat_sentences("", table))
    for key, sentence in found.items():
        if key not in known:
            problems.append(Problem(str(path), key, "there is no such sentence"))
            continue
        wanted = {name for _, name, _, _ in Formatter().parse(known[key])}
        try:
            more = {name for _, name, _, _ in Formatter().parse(sentence)} - wanted - {None}
        except ValueError as error:
            problems.append(Problem(str(path), key, str(error)))
            continue
        if more:
            problems.append(
                Problem(str(path), key, f"it has no {{{', '.join(sorted(map(str, more)))}}}")
            )
    wrong = {problem.key for problem in problems}
    return {key: text for key, text in found.items() if key not in wrong}, problems
