"""One TOML file to one checked model, every problem of it at once and in plain words."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from powerlab.catalog.facts import Model
from powerlab.catalog.lookup import nearest
from powerlab.errors import Problem

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SCHEMA = 1

M = TypeVar("M", bound=Model)
Table = dict[str, object]

_PATTERNS = {
    r"^[a-z0-9]+(-[a-z0-9]+)*$": "lower-case letters and digits joined by single hyphens",
    r"^\d{4}-\d{2}-\d{2}$": "a date like 2026-11-21",
    r"^[A-Z]{3}$": "a currency code of three capital letters, like EUR",
}
_KINDS = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of usual size",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "decimal_type": 'an amount, best as text: amount = "5000"',
    "decimal_parsing": 'an amount, best as text: amount = "5000"',
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
}
_BOUNDS = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("below", "lt"),
    "less_than_equal": ("at most", "le"),
}


def read_table(path: Path) -> tuple[Table, list[Problem]]:
    """Get the content of a TOML file and the one problem that kept it from being read.

    Dates written without quotes become ISO text, as the models expect them.
    """
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        message, line = _syntax_error(str(error))
        return {}, [Problem(str(path), line, f"is not valid TOML: {message}")]
    except UnicodeDecodeError as error:
        return {}, [Problem(str(path), "", f"is not UTF-8 text (byte {error.start})")]
    except RecursionError:
        return {}, [Problem(str(path), "", "is nested too deeply")]
    except OSError as error:
        return {}, [Problem(str(path), "", f"cannot be read: {error.strerror or error}")]
    return _plain(table), []


def check(
    model: type[M], table: Mapping[str, object], path: Path
) -> tuple[M | None, list[Problem]]:
    """Validate a table strictly: the model's instance, or None and every problem.

    Strict JSON mode is used because it refuses numbers in quotes and the like, and yet
    takes lists for tuples and text for decimals and enumerations.
    """
    try:
        return model.model_validate_json(json.dumps(table), strict=True), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    problems = [
        Problem(str(path), dotted(detail["loc"]), _in_words(model, detail))
        for detail in details
        if not _echo(detail)
    ]
    return None, problems


def dotted(location: Sequence[int | str]) -> str:
    """Get a location as a dotted key; items of a list count from 1: ``price[1].amount``."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        elif part != "[key]":
            text += f".{part}" if text else part
    return text


def _plain(table: Mapping[str, object]) -> Table:
    return {key: _plain_value(value) for key, value in table.items()}


def _plain_value(value: object) -> object:
    if isinstance(value, dict):
        return _plain(value)
    if isinstance(value, list):
        return [_plain_value(item) for item in value]
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    return value


def _syntax_error(text: str) -> tuple[str, str]:
    """Split ``message (at line 3, column 5)`` into the message and the place."""
    found = re.fullmatch(r"(.*) \(at (line \d+, column \d+|end of document)\)", text, re.DOTALL)
    return (found[1], found[2]) if found else (text, "")


def _echo(detail: ErrorDetails) -> bool:
    """Tell whether a list is called too short only because its items were refused."""
    given, least = detail["input"], detail.get("ctx", {}).get("min_length")
    return detail["type"] == "too_short" and isinstance(given, list) and len(given) >= (least or 0)


def _in_words(model: type[Model], detail: ErrorDetails) -> str:
    """Rewrite one of pydantic's findings for someone who edits a TOML file."""
    kind, context = detail["type"], detail.get("ctx", {})
    shown = _shown(detail["input"])
    text = detail["msg"].removeprefix("Value error, ")
    if kind == "missing":
        text = "is missing"
    elif kind == "extra_forbidden":
        known = _keys_at(model, detail["loc"][:-1])
        text = "is no key of this file" + _suggest(str(detail["loc"][-1]), known)
    elif kind in ("literal_error", "enum"):
        text = _not_one_of(detail, str(context["expected"]))
    elif kind == "string_pattern_mismatch":
        text = f"must be {_PATTERNS.get(context['pattern'], context['pattern'])}, not {shown}"
    elif kind in ("string_too_short", "too_short"):
        least, things = context["min_length"], "characters" if kind[0] == "s" else "items"
        text = "must not be empty" if least == 1 else f"needs at least {least} {things}"
    elif kind == "too_long":
        text = f"must have at most {context['max_length']} items"
    elif kind in _BOUNDS:
        word, name = _BOUNDS[kind]
        text = f"must be {word} {context[name]:g}, not {shown}"
    elif kind in _KINDS:
        text = f"must be {_KINDS[kind]}, not {shown}"
    return text


def _not_one_of(detail: ErrorDetails, expected: str) -> str:
    given = detail["input"]
    if detail["loc"] == ("schema",):
        return f"must be {SCHEMA}, the version this powerlab reads, not {_shown(given)}"
    choices = re.findall(r"'([^']*)'", expected)
    suggestion = _suggest(given, choices) if isinstance(given, str) else ""
    return f"must be one of {expected}, not {_shown(given)}{suggestion}"


def _suggest(word: str, known: Sequence[str]) -> str:
    near = nearest(word, known)
    return f"; did you mean {near[0]!r}?" if near else ""


def _keys_at(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """Get the keys a model accepts at a location, none where it holds no table."""
    current: object = model
    for part in location:
        if isinstance(current, type) and issubclass(current, BaseModel):
            fields = {item.alias or name: item for name, item in current.model_fields.items()}
            current = fields[str(part)].annotation
        else:
            current = get_args(current)[-1 if isinstance(part, str) else 0]
        current = _without_none(current)
    if isinstance(current, type) and issubclass(current, BaseModel):
        return [item.alias or name for name, item in current.model_fields.items()]
    return []


def _without_none(annotation: object) -> object:
    choices = get_args(annotation)
    if type(None) in choices:
        return next(item for item in choices if item is not type(None))
    return annotation


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
