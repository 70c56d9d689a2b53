"""A profile as text: dotted keys, and for each sourced fact its origin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_ORIGIN = ("source", "retrieved", "estimated")


def facts_of(profile: Mapping[str, Any]) -> dict[str, str]:
    """Get what a profile says, as text by dotted key, in its own order."""
    return dict(_facts(profile, ""))


def _facts(section: Mapping[str, Any], lead: str) -> Iterator[tuple[str, str]]:
    for key, value in section.items():
        if key in _ORIGIN and "source" in section:
            continue
        name = f"{lead}{key}"
        if isinstance(value, Mapping) and "value" in value:
            yield name, f"{value['value']:g} ± {value['u']:g}  {_origin(value)}".rstrip()
        elif isinstance(value, Mapping):
            yield from _facts(value, f"{name}.")
        elif isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
            for index, item in enumerate(value, start=1):
                yield from _facts(item, f"{name}[{index}].")
        elif value not in (None, "", (), []):
            yield name, _text(value)
    if "source" in section:
        yield f"{lead}source", _origin(section)


def _origin(fact: Mapping[str, Any]) -> str:
    """Get "(estimate; source, date)"."""
    lead = "estimate; " if fact.get("estimated") else ""
    return f"({lead}{fact['source']}, {fact['retrieved']})" if "source" in fact else ""


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value:,}" if type(value) is int and value > 9999 else str(value)
