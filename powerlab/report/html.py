"""From the model to one HTML page: the theme's template, style sheet and the charts' places."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from markupsafe import Markup

from powerlab.report.elements import ReportModel
from powerlab.report.fonts import Fonts
from powerlab.report.texts import Texts, templates_dir

THEME = "default"
CHART_SCHEME = "powerlab-chart"
"""The charts stand in the page as ``powerlab-chart:NAME``; the PDF writer supplies them."""


class Worded(Protocol):
    """A model of any report: it has its texts."""

    @property
    def texts(self) -> Texts:
        """Get the texts in the report's language."""


def render_html(model: ReportModel, fonts: Fonts) -> str:
    """Get the whole document as HTML."""
    return render_page("report", [templates_dir() / THEME], model, fonts)


def render_page(
    name: str,
    folders: Sequence[Path],
    model: Worded,
    fonts: Fonts,
    *,
    filters: Mapping[str, Callable[..., Any]] | None = None,
    **known: Any,
) -> str:
    """Get ``NAME.html`` with the style of ``NAME.css``, from the first folder that has each.

    Both are given what is ``known``. An unknown name in a template is an error, not a blank.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=FileSystemLoader(folders),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters or {})
    # Macros that a template imports see these as well.
    environment.globals["chart"] = _place_of
    style = environment.get_template(f"{name}.css").render(fonts=fonts, quoted=quoted, **known)
    return environment.get_template(f"{name}.html").render(
        model=model,
        say=model.texts.say,
        style=Markup(style),  # noqa: S704  # the theme's own file, fonts quoted below
        **known,
    )


def _place_of(chart: str) -> str:
    return f"{CHART_SCHEME}:{chart}"


def quoted(families: tuple[str, ...]) -> Markup:
    """Get font families as CSS strings; they are names of files of this machine, not input."""
    names = ", ".join(f'"{family}"' for family in families if '"' not in family)
    return Markup(names)  # noqa: S704


def all_text(value: object) -> str:
    """Get every text inside a model, for the question whether a font holds it."""
    if isinstance(value, Enum) or value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, (tuple, list)):
        return "".join(all_text(item) for item in value)
    if isinstance(value, dict):
        return "".join(all_text(item) for item in value.values())
    if is_dataclass(value):
        return "".join(all_text(getattr(value, item.name)) for item in fields(value))
    return ""
