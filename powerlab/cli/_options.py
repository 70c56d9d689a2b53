"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

lab_option: Decorator = click.option(
    "--lab",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A lab directory; its files win over the nearest powerlab.toml upwards.",
)
json_option: Decorator = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document instead of a table."
)
lang_option: Decorator = click.option(
    "--lang",
    type=click.Choice(["en", "zh"]),
    default="en",
    show_default=True,
    help="Language of the report.",
)


def is_quiet() -> bool:
    """Tell whether the user asked for no progress, before the verb or after it."""
    context = click.get_current_context()
    return bool(context.find_root().params.get("quiet") or context.params.get("quiet"))


def whole_numbers(_ctx: click.Context, _option: click.Parameter, text: str) -> tuple[int, ...]:
    """Read ``1`` or ``1,2,4``: positive whole numbers, each once."""
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1 or len(set(numbers)) < len(numbers):
        raise click.BadParameter("write whole numbers above 0, each once, such as 1 or 1,2,4")
    return numbers


def fraction(_ctx: click.Context, _option: click.Parameter, text: str | None) -> float:
    """Read ``1%`` or ``0.01``: a fraction above 0 and below 1; 0 where nothing was given."""
    if text is None:
        return 0.0
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise click.BadParameter("write a relative half-width such as 1% or 0.01")
    return value
