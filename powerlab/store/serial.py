"""Records to plain JSON values and back, without loss.

One function for each direction serves every frozen dataclass of ``powerlab.records``:
fields by name, enumerations by value, decimals as text, arrays as lists, numbers that JSON
lacks as "NaN", "Infinity" and "-Infinity". The types come from the annotations.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any

import numpy as np

Plain = Any
"""What ``json`` reads and writes."""


def to_plain(value: object) -> Plain:
    """Get the JSON form of a record, or of any nesting of what records are made of.

    Raises TypeError for an object of another kind.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, np.ndarray | np.generic):
        return to_plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return _plain_scalar(value)


def _plain_scalar(value: object) -> Plain:
    """Get the JSON form of a number, text, truth value, decimal or enumeration."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return _spelled(value)
    if isinstance(value, Decimal):
        return str(value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(f"cannot store a {type(value).__name__} as JSON")


def from_plain(kind: Any, plain: Plain) -> Any:
    """Get the value of type ``kind`` (a record, or any annotation in one) from its JSON form.

    Raises KeyError, TypeError or ValueError where the form does not fit the type.
    """
    origin = typing.get_origin(kind)
    arguments = typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _from_union(arguments, plain)
    if origin is np.ndarray:
        return np.asarray(plain, dtype=typing.get_args(arguments[1])[0])
    if origin is tuple:
        return _from_sequence(arguments, plain)
    if origin is Mapping:
        return {key: from_plain(arguments[1], item) for key, item in plain.items()}
    return _from_record(kind, plain) if is_dataclass(kind) else _from_scalar(kind, plain)


def _from_record(kind: Any, plain: Plain) -> Any:
    """Read a dataclass; a field that has a default may be absent, as in an older file."""
    optional = {
        item.name
        for item in fields(kind)
        if item.default is not MISSING or item.default_factory is not MISSING
    }
    return kind(
        **{
            name: from_plain(hint, plain[name])
            for name, hint in _hints(kind).items()
            if name in plain or name not in optional
        }
    )


def _from_union(members: tuple[Any, ...], plain: Plain) -> Any:
    """Read ``X | None`` and unions of scalars, an exact type first."""
    if plain is None:
        return None
    choices = [item for item in members if item is not types.NoneType]
    if len(choices) == 1:
        return from_plain(choices[0], plain)
    if type(plain) in choices or (float in choices and isinstance(plain, int)):
        return plain
    raise TypeError(f"{plain!r} is none of {choices}")


def _from_sequence(members: tuple[Any, ...], plain: Plain) -> tuple[Any, ...]:
    """Read ``tuple[X, ...]`` or a tuple of fixed length."""
    if len(members) == 2 and members[1] is Ellipsis:
        return tuple(from_plain(members[0], item) for item in plain)
    return tuple(from_plain(member, item) for member, item in zip(members, plain, strict=True))


def _from_scalar(kind: Any, plain: Plain) -> Any:
    """Read a number, text, truth value, decimal or enumeration; refuse a near miss."""
    if kind is float and isinstance(plain, int | float | str) and not isinstance(plain, bool):
        return float(plain)
    if kind is Decimal or (isinstance(kind, type) and issubclass(kind, Enum)):
        return kind(plain)
    if kind in (int, str, bool) and type(plain) is kind:
        return plain
    raise TypeError(f"{plain!r} is not a {kind}")


def _spelled(value: float) -> str:
    """Get the text of a number that JSON lacks, as Python's ``float`` reads it back."""
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


@cache
def _hints(kind: type) -> dict[str, Any]:
    """Get the resolved annotations of a record's fields."""
    return typing.get_type_hints(kind)
