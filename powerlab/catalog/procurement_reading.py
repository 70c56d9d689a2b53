"""A ``procurement.toml`` read: its tables as far as they are usable, and what is wrong.

Short forms are written out before the check, and keys of problems are those of the file.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_origin

from powerlab.catalog.facts import Model
from powerlab.catalog.procurement_tables import Hourly, Procurement, Short
from powerlab.catalog.reading import Table, check, dotted, read_table
from powerlab.errors import Problem

EVERY_HOUR = "0-24"
"""The range that stands for a value without hours."""

_PUT_IN = frozenset({"each", "ranges"})
_LISTS_OF_TABLES = frozenset({"option", "rate", "requirement"})


@dataclass(frozen=True, slots=True)
class Reading:
    """A file as far as it goes: what was refused is left out, and named in the problems.

    ``content`` is None where nothing of it can be used: it is no TOML, or a key is too odd to
    be found. ``table`` is the file's own.
    """

    content: Procurement | None
    problems: tuple[Problem, ...]
    table: Table

    def key(self, key: str) -> str:
        """Get a key as the file has it: without what writing out its short forms has put in."""
        here: object = self.table
        kept: list[str | int] = []
        for part in _parts(key):
            if here is not None and not isinstance(here, dict | list):
                break
            below = _at(here, part)
            if below is None and part in _PUT_IN:
                continue
            kept.append(part)
            here = below
        return dotted(kept)


def read_procurement(path: Path) -> Reading:
    """Read a file as far as it goes."""
    table, unread = read_table(path)
    if unread:
        return Reading(None, tuple(unread), table)
    written = _written_out(Procurement, table)
    content, problems = check(Procurement, written, path)
    named = tuple(problems)
    while content is None:
        if not any(_removed(written, problem.key) for problem in problems):
            break
        content, problems = check(Procurement, written, path)
    reading = Reading(content, (), table)
    told = tuple(Problem(each.path, reading.key(each.key), each.message) for each in named)
    return replace(reading, problems=told)


def _written_out(model: type[Model], table: Mapping[str, object]) -> Table:
    """Replace the short forms that a model's keys allow by the tables they stand for."""
    fields = {item.alias or name: item.annotation for name, item in model.model_fields.items()}
    return {
        key: _value_written_out(fields.get(key), copy.deepcopy(value))
        for key, value in table.items()
    }


def _value_written_out(annotation: object, value: Any) -> Any:
    kinds = [each for each in get_args(annotation) if each is not type(None)] or [annotation]
    kind = kinds[-1] if get_origin(annotation) is dict else kinds[0]
    if get_origin(annotation) is tuple and isinstance(value, list):
        return [_value_written_out(kind, item) for item in value]
    if get_origin(annotation) is dict and isinstance(value, dict):
        return {key: _value_written_out(kind, item) for key, item in value.items()}
    if not (isinstance(kind, type) and issubclass(kind, Model)):
        return value
    if kind is Hourly:
        return _hours_written_out(value)
    if issubclass(kind, Short) and _is_scalar(value):
        return {kind.SHORT: value}
    return _written_out(kind, value) if isinstance(value, dict) else value


def _hours_written_out(value: Any) -> Any:
    if _is_scalar(value):
        return {"ranges": {EVERY_HOUR: value}}
    if isinstance(value, list):
        return {"each": value}
    if isinstance(value, dict) and value.keys().isdisjoint({"weekdays", "weekend"}):
        return {"ranges": value}
    return {key: {EVERY_HOUR: days} if _is_scalar(days) else days for key, days in value.items()}


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float)


def _parts(key: str) -> list[str | int]:
    """Split ``option[2].price`` into ``"option", 1, "price"``."""
    found = re.findall(r"([^.\[\]]+)|\[(\d+)\]", key)
    return [name or int(number) - 1 for name, number in found]


def _at(value: Any, part: str | int) -> Any:
    """Get what stands at one part of a key, None where nothing does."""
    if isinstance(part, int):
        return value[part] if isinstance(value, list) and part < len(value) else None
    return value.get(part) if isinstance(value, dict) else None


def _removed(table: Table, key: str) -> bool:
    """Take out what a key names, or the nearest above it; tell whether anything was there.

    A table of a list is emptied; a plain list goes as a whole.
    """
    parts = _parts(key)
    if len(parts) == 2 and parts[0] in _LISTS_OF_TABLES and isinstance(parts[1], int):
        items = table[parts[0]]
        if isinstance(items, list):
            items[parts[1]] = {}
        return True
    while parts:
        *above, last = parts
        here: Any = table
        for part in above:
            here = _at(here, part)
        if isinstance(here, dict) and last in here:
            del here[last]
            return True
        parts = above
    return False
