"""Options of one instrument behind its resource: ``serial:/dev/ttyACM0?mode=source&volts=3.3``.

They say how a unit stands on this bench (which socket, which mode), where its model has several.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from powerlab.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ResourceOptions:
    """Where the instrument is, and what was said behind it; each option is read by name."""

    place: str
    values: Mapping[str, str]

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        """Get one of the allowed words; ``ConfigError`` for another."""
        word = self.values.get(name, default)
        if word not in allowed:
            raise ConfigError(
                f"'{name}={word}' in the meter's resource is none of {', '.join(allowed)}",
                hint=f"correct it in the bench: {self.place}?{name}={allowed[0]}",
            )
        return word

    def number(self, name: str, low: float, high: float) -> float | None:
        """Get a number within limits, None where it is not given; ``ConfigError`` beyond them."""
        text = self.values.get(name)
        if text is None:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise ConfigError(
                f"'{name}={text}' in the meter's resource is no number from {low:g} to {high:g}",
                hint=f"correct it in the bench: {self.place}?{name}={low:g}",
            )
        return value


def split_options(resource: str, known: tuple[str, ...]) -> ResourceOptions:
    """Split a resource from its options; ``ConfigError`` for one that is not ``known``."""
    place, _, query = resource.partition("?")
    values = dict(parse_qsl(query, keep_blank_values=True))
    for name in values:
        if name not in known:
            raise ConfigError(
                f"the meter's resource has an unknown option '{name}'",
                hint=f"known ones: {', '.join(known) or 'none'}; as in {place}?{known[0]}=..."
                if known
                else f"write {place} alone",
            )
    return ResourceOptions(place, values)
