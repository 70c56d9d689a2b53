"""Commands of a profile's ``[scpi]`` section as an instrument understands them.

A template is a command with names in braces where values stand. Case and spaces do not count,
as in IEEE 488.2; short forms are not derived, since a profile does not tell the long ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from powerlab.emulation.scpi import Command, parse

_NAME = re.compile(r"\{(\w+)(?::[^}]*)?\}")


@dataclass(frozen=True, slots=True)
class Template:
    """One command or query, and patterns of its parameters."""

    header: str
    query: bool
    parameters: tuple[re.Pattern[str], ...]

    def match(self, command: Command) -> dict[str, str] | None:
        """Get the values in a command by their names, None where it is another command."""
        same = (self.header, self.query, len(self.parameters))
        if same != (command.header, command.query, len(command.parameters)):
            return None
        values: dict[str, str] = {}
        for pattern, text in zip(self.parameters, command.parameters, strict=True):
            found = pattern.fullmatch(text)
            if found is None:
                return None
            values.update(found.groupdict())
        return values


def templates(text: str) -> tuple[Template, ...]:
    """Get the templates of one line, of which it holds several where ``;`` joins commands."""
    return tuple(
        Template(item.header, item.query, tuple(map(_pattern, item.parameters)))
        for item in parse(text)
    )


def same_line(one: str, other: str) -> bool:
    """Tell whether two lines say the same."""
    return _normal(one) == _normal(other)


def _normal(line: str) -> str:
    return " ".join(line.upper().split()).lstrip(":")


def _pattern(parameter: str) -> re.Pattern[str]:
    literals = _NAME.split(parameter)
    parts = [
        f"(?P<{text}>[^,\"']+)" if number % 2 else re.escape(text)
        for number, text in enumerate(literals)
    ]
    return re.compile("".join(parts), re.IGNORECASE)
