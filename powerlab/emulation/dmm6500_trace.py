"""The reading buffers of the emulated DMM6500: the TRACe and FORMat commands."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from powerlab.emulation.reading_buffer import ReadingBuffer
from powerlab.emulation.scpi import (
    ILLEGAL_VALUE,
    OUT_OF_RANGE,
    Command,
    CommandTable,
    ScpiError,
    definite_block,
)
from powerlab.records import FloatArray

NO_BUFFER = (1115, "Parameter error: the buffer name is not known")
NAME_TAKEN = (1115, "Parameter error: the buffer name is in use")
NOT_IN_BINARY = (1133, "Parameter 4, Syntax error, expected READ, REL, SOUR or EXTR")
MIN_CAPACITY, MAX_CAPACITY = 10, 7_000_020
DEFAULT_CAPACITY = 100_000

_BINARY = {"READ", "REL"}
_DTYPES = {"REAL": "f8", "SRE": "f4"}
_ORDERS = {"NORM": ">", "SWAP": "<"}


class BufferStore:
    """The buffers by name, and how their readings are written out.

    ``advance`` is called before any look at a buffer: it brings readings up to date.
    """

    DEFAULT = "defbuffer1"

    def __init__(self, advance: Callable[[], None]) -> None:
        self._advance = advance
        self._buffers: dict[str, ReadingBuffer] = {}
        self.format = "ASC"
        self.order = "SWAP"
        self.reset()

    def reset(self) -> None:
        """Delete all buffers but the two that are always there, and empty those."""
        names = (self.DEFAULT, "defbuffer2")
        self._buffers = {name: ReadingBuffer(DEFAULT_CAPACITY) for name in names}
        self.format, self.order = "ASC", "SWAP"

    def get(self, name: str) -> ReadingBuffer:
        """Get a buffer, up to date; error 1115 where there is none of that name."""
        self._advance()
        try:
            return self._buffers[name]
        except KeyError:
            raise ScpiError(NO_BUFFER) from None

    def make(self, command: Command) -> None:
        """Carry out ``:TRACe:MAKE``: a new buffer fills once until told otherwise."""
        name = command.string(0)
        if name in self._buffers:
            raise ScpiError(NAME_TAKEN)
        size = int(command.number(1, MIN_CAPACITY, MAX_CAPACITY))
        self._buffers[name] = ReadingBuffer(size, continuous=False)

    def delete(self, command: Command) -> None:
        """Carry out ``:TRACe:DELete``."""
        name = command.string(0)
        self.get(name)
        if name.startswith("defbuffer"):
            raise ScpiError(ILLEGAL_VALUE)
        del self._buffers[name]

    def resize(self, command: Command) -> None:
        """Carry out ``:TRACe:POINts``, which clears the buffer."""
        name = command.string(1, self.DEFAULT)
        old = self.get(name)
        size = int(command.number(0, MIN_CAPACITY, MAX_CAPACITY))
        self._buffers[name] = ReadingBuffer(size, continuous=old.continuous)

    def fill(self, command: Command) -> None:
        """Carry out ``:TRACe:FILL:MODE``."""
        mode = command.choice(0, "CONTinuous", "ONCE")
        self.get(command.string(1, self.DEFAULT)).continuous = mode == "CONT"

    def query(self, command: Command) -> str | bytes:
        """Carry out ``:TRACe:DATA? start, end[, "buffer"[, elements]]``."""
        buffer = self.get(command.string(2, self.DEFAULT))
        first = int(command.number(0, 1, MAX_CAPACITY))
        last = int(command.number(1, first, MAX_CAPACITY))
        if last > buffer.actual:
            raise ScpiError(OUT_OF_RANGE)
        return self.data(buffer, first, last, command.parameters[3:])

    def data(
        self, buffer: ReadingBuffer, first: int, last: int, words: Sequence[str]
    ) -> str | bytes:
        """Write readings ``first`` to ``last`` with the elements asked for, READ by default."""
        elements = [_element(word) for word in words] or ["READ"]
        values, relative_s = buffer.slice(first, last)
        if self.format != "ASC":
            if not _BINARY.issuperset(elements):
                raise ScpiError(NOT_IN_BINARY)
            columns = [values if element == "READ" else relative_s for element in elements]
            kind = _ORDERS[self.order] + _DTYPES[self.format]
            return definite_block(np.column_stack(columns).astype(kind).tobytes())
        columns_text = [_column(element, values, relative_s) for element in elements]
        return ",".join(item for row in zip(*columns_text, strict=True) for item in row)


def register_trace(table: CommandTable, store: BufferStore) -> None:
    """Add the commands of the buffers and of the data format."""

    def ask(header: str, answer: Callable[[ReadingBuffer], object]) -> None:
        table.on(
            header,
            lambda command: str(answer(store.get(command.string(0, BufferStore.DEFAULT)))),
        )

    table.on(":TRACe:MAKE", store.make)
    table.on(":TRACe:DELete", store.delete)
    table.on(":TRACe:POINts", store.resize)
    table.on(":TRACe:FILL:MODE", store.fill)
    table.on(":TRACe:CLEar", lambda command: _clear(store, command))
    table.on(":TRACe:DATA?", store.query)
    ask(":TRACe:POINts?", lambda buffer: buffer.capacity)
    ask(":TRACe:FILL:MODE?", lambda buffer: "CONT" if buffer.continuous else "ONCE")
    ask(":TRACe:ACTual?", lambda buffer: buffer.actual)
    ask(":TRACe:ACTual:STARt?", lambda buffer: buffer.first)
    ask(":TRACe:ACTual:END?", lambda buffer: buffer.last)
    table.on(":FORMat[:DATA]", lambda command: _set_format(store, command))
    table.on(":FORMat[:DATA]?", lambda _command: {"SRE": "SREAL"}.get(store.format, store.format))
    table.on(":FORMat:BORDer", lambda command: _set_order(store, command))
    table.on(":FORMat:BORDer?", lambda _command: store.order)


def _clear(store: BufferStore, command: Command) -> None:
    store.get(command.string(0, BufferStore.DEFAULT)).clear()


def _set_format(store: BufferStore, command: Command) -> None:
    store.format = command.choice(0, "ASCii", "REAL", "SREal")


def _set_order(store: BufferStore, command: Command) -> None:
    store.order = command.choice(0, "NORMal", "SWAPped")


def _element(word: str) -> str:
    short = word.strip("\"'").upper()
    for long in ("READING", "RELATIVE", "STATUS", "UNIT"):
        if len(short) >= 3 and long.startswith(short):
            return long[:4] if long != "RELATIVE" else "REL"
    raise ScpiError(ILLEGAL_VALUE)


def _column(element: str, values: FloatArray, relative_s: FloatArray) -> list[str]:
    if element == "READ":
        return [f"{value:.6E}" for value in values]
    if element == "REL":
        return [f"{instant:.6f}" for instant in relative_s]
    if element == "STAT":
        return ["0"] * values.size
    raise ScpiError(ILLEGAL_VALUE)
