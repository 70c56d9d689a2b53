"""The wire format of protocol buffers, read field by field.

After "Encoding" of the Protocol Buffers documentation: a key is a varint of field number and
wire type; 0 is a varint, 1 and 5 are 8 and 4 bytes, 2 has its length before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

Value = int | memoryview

_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5
_MOST_SHIFT = 63


def message(content: memoryview) -> dict[int, list[Value]]:
    """Get all values of a message by field number, in their order.

    Raises ValueError where the bytes are no message.
    """
    found: dict[int, list[Value]] = defaultdict(list)
    for number, value in fields(content):
        found[number].append(value)
    return found


def fields(content: memoryview) -> Iterator[tuple[int, Value]]:
    """Yield each field's number and its value: a whole number, or the bytes of what it holds."""
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(content, at)
            yield number, value
            continue
        if wire == _LENGTH:
            length, at = _varint(content, at)
        elif wire in (_EIGHT, _FOUR):
            length = 8 if wire == _EIGHT else 4
        else:
            raise ValueError(f"a field has the wire type {wire}")
        if number == 0 or at + length > len(content):
            raise ValueError("a field goes beyond its message")
        yield number, content[at : at + length]
        at += length


def whole_numbers(values: Sequence[Value]) -> list[int]:
    """Get a repeated field of signed 64-bit numbers, packed or not."""
    numbers: list[int] = []
    for value in values:
        if isinstance(value, int):
            numbers.append(value)
            continue
        at = 0
        while at < len(value):
            number, at = _varint(value, at)
            numbers.append(number)
    return [number - (1 << 64) if number >> 63 else number for number in numbers]


def text(values: Sequence[Value]) -> str:
    """Get a field of text, the last one where it is repeated, "" without one."""
    return _bytes(values).decode("utf-8", "replace")


def one(values: Sequence[Value]) -> memoryview:
    """Get the bytes of a field that holds a message, none where it is absent."""
    last = values[-1] if values else memoryview(b"")
    if isinstance(last, int):
        raise ValueError("a number stands where a message should")  # noqa: TRY004
    return last


def _bytes(values: Sequence[Value]) -> bytes:
    return bytes(one(values))


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(content) or shift > _MOST_SHIFT:
            raise ValueError("a number does not end")
        group = content[at]
        value |= (group & 0x7F) << shift
        at += 1
        if group < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
