"""The rules that SCPI instruments share: headers in short and long form, paths, values, errors.

IEEE 488.2 and SCPI-99 volume 1. A header pattern is written as in manuals:
``[:SENSe]:CURRent[:DC]:NPLCycles`` accepts ``SENS:CURR:NPLC`` and ``:sense:current:dc:nplc``.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

OVERLOAD = 9.9e37
NO_ERROR = 0
COMMAND_ERROR = (-100, "Command error")
MISSING_PARAMETER = (-109, "Missing parameter")
UNDEFINED_HEADER = (-113, "Undefined header")
EXECUTION_ERROR = (-200, "Execution error")
SETTINGS_CONFLICT = (-221, "Settings conflict")
OUT_OF_RANGE = (-222, "Parameter data out of range")
ILLEGAL_VALUE = (-224, "Illegal parameter value")
QUEUE_OVERFLOW = (-350, "Queue overflow")

_NODE = re.compile(r"(?P<optional>\[)?:?(?P<short>[A-Z0-9*]+)(?P<rest>[a-z]*)(?P<number>\d*)\]?")
_BOOLEANS = {"1": True, "ON": True, "0": False, "OFF": False}
_QUEUE_LENGTH = 20


class ScpiError(Exception):
    """A command that cannot be carried out: goes to the error queue, never to the client."""

    def __init__(self, error: tuple[int, str]) -> None:
        super().__init__(error[1])
        self.code, self.text = error


@dataclass(frozen=True, slots=True)
class Command:
    """One program message unit: its header from the root, in capitals, and its parameters."""

    header: str
    query: bool
    parameters: tuple[str, ...]

    def parameter(self, index: int, default: str | None = None) -> str:
        """Get one parameter as text; error -109 where it is missing and has no default."""
        if index < len(self.parameters) and self.parameters[index]:
            return self.parameters[index]
        if default is None:
            raise ScpiError(MISSING_PARAMETER)
        return default

    def string(self, index: int, default: str | None = None) -> str:
        """Get a quoted (or bare) string parameter without its quotes."""
        return self.parameter(index, default).strip("\"'")

    def number(
        self,
        index: int,
        low: float,
        high: float,
        default: float | None = None,
        *,
        optional: bool = False,
    ) -> float:
        """Get a number within its limits; MIN, MAX and DEF are understood.

        Only an ``optional`` parameter that is missing takes the default.
        """
        text = self.parameter(index, "DEF" if optional else None).upper()
        words = {"MIN": low, "MINIMUM": low, "MAX": high, "MAXIMUM": high}
        words |= {} if default is None else {"DEF": default, "DEFAULT": default}
        named = words.get(text)
        try:
            value = float(text) if named is None else named
        except ValueError:
            raise ScpiError(ILLEGAL_VALUE) from None
        if not low <= value <= high:
            raise ScpiError(OUT_OF_RANGE)
        return value

    def boolean(self, index: int) -> bool:
        """Get an ON|OFF|1|0 parameter."""
        try:
            return _BOOLEANS[self.parameter(index).upper()]
        except KeyError:
            raise ScpiError(ILLEGAL_VALUE) from None

    def choice(self, index: int, *patterns: str) -> str:
        """Get the short form of the keyword given, out of patterns such as ``CONTinuous``."""
        word = self.parameter(index).strip("\"'").upper()
        for pattern in patterns:
            if header_pattern(pattern).fullmatch(":" + word):
                return "".join(letter for letter in pattern if not letter.islower())
        raise ScpiError(ILLEGAL_VALUE)


def parse(line: str) -> Iterator[Command]:
    """Split one program message into commands, keeping SCPI's path from unit to unit."""
    path: list[str] = []
    for unit in split_outside_quotes(line, ";"):
        text = unit.strip()
        if not text:
            continue
        word, _, rest = text.partition(" ")
        query = word.endswith("?")
        header = word.rstrip("?").upper()
        parameters = tuple(item.strip() for item in split_outside_quotes(rest, ","))
        parameters = () if parameters == ("",) else parameters
        if not header.startswith("*"):
            nodes = header.lstrip(":").split(":")
            nodes = nodes if header.startswith(":") else [*path, *nodes]
            path = nodes[:-1]
            header = ":".join(nodes)
        yield Command(header, query, parameters)


def split_outside_quotes(text: str, separator: str) -> list[str]:
    """Split at a separator that stands in no quoted string."""
    parts, quote = [""], ""
    for letter in text:
        if letter == separator and not quote:
            parts.append("")
            continue
        if letter in "\"'":
            quote = "" if quote == letter else quote or letter
        parts[-1] += letter
    return parts


@lru_cache(maxsize=512)
def header_pattern(pattern: str) -> re.Pattern[str]:
    """Compile a header pattern of a manual into one for a header in capitals from the root."""
    expression = ""
    for node in _NODE.finditer(pattern):
        long = node["short"] + node["rest"].upper()
        both = dict.fromkeys((node["short"], long))
        names = "|".join(re.escape(name + node["number"]) for name in both)
        expression += f"(?::(?:{names}))" + ("?" if node["optional"] else "")
    return re.compile(expression)


class CommandTable:
    """Header patterns and what they do; a handler gets the command, a query returns its reply."""

    def __init__(self) -> None:
        self._entries: list[tuple[re.Pattern[str], bool, Callable[[Command], str | bytes | None]]]
        self._entries = []

    def on(self, pattern: str, handler: Callable[[Command], str | bytes | None]) -> None:
        """Add a command, or a query where the pattern ends with a question mark."""
        self._entries.append((header_pattern(pattern.rstrip("?")), pattern.endswith("?"), handler))

    def run(self, command: Command) -> str | bytes | None:
        """Carry a command out; error -113 where no pattern fits its header."""
        header = ":" + command.header
        for expression, query, handler in self._entries:
            if query == command.query and expression.fullmatch(header):
                return handler(command)
        raise ScpiError(UNDEFINED_HEADER)


class ErrorQueue:
    """First in, first out; when it is full the last entry becomes -350."""

    def __init__(self) -> None:
        self._entries: deque[tuple[int, str]] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def push(self, code: int, text: str) -> None:
        """Append an error."""
        if len(self._entries) == _QUEUE_LENGTH:
            self._entries[-1] = QUEUE_OVERFLOW
            return
        self._entries.append((code, text))

    def pop(self) -> tuple[int, str]:
        """Take the oldest error, or ``(0, "No error")``."""
        return self._entries.popleft() if self._entries else (NO_ERROR, "No error")

    def clear(self) -> None:
        """Forget all of them."""
        self._entries.clear()


def number_text(value: float) -> str:
    """Write a setting as instruments do: ``1``, ``0.02``, ``1E+07``."""
    return f"{value:.10G}"


def definite_block(payload: bytes) -> bytes:
    """Wrap bytes into a definite-length block (IEEE 488.2 section 8.7.9)."""
    length = str(len(payload)).encode()
    return b"#" + str(len(length)).encode() + length + payload
