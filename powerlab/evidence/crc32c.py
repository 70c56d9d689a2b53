"""CRC-32C (Castagnoli) of long byte strings, many lanes at a time.

Reflected polynomial 0x82F63B78, register begun and ended with all ones (RFC 3720, appendix
B.4). A remainder is linear over GF(2): the bytes are cut into lanes of equal length, whose
remainders are taken side by side and joined by the operator that appends zero bytes.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

POLYNOMIAL = 0x82F63B78
LANE = 64
"""Bytes of a lane: long enough to repay the joining, short enough to make many lanes."""

ONES = 0xFFFFFFFF

Words = NDArray[np.uint32]


def crc32c(data: bytes | memoryview) -> int:
    """Get the CRC-32C of ``data``: that of ``b"123456789"`` is 0xE3069283."""
    register = ONES
    lanes = len(data) // LANE
    if lanes > 1:
        register = _joined(np.frombuffer(data, np.uint8, lanes * LANE).reshape(lanes, LANE))
        data = data[lanes * LANE :]
    table = _listed()
    for byte in data:
        register = table[(register ^ byte) & 0xFF] ^ (register >> 8)
    return register ^ ONES


@lru_cache(maxsize=1)
def _table() -> Words:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(POLYNOMIAL), table >> 1)
    return np.asarray(table, dtype=np.uint32)


@lru_cache(maxsize=1)
def _listed() -> list[int]:
    return [int(each) for each in _table()]


def _joined(lanes: NDArray[np.uint8]) -> int:
    """Get the register after all lanes, begun with ones."""
    table = _table()
    registers = np.zeros(len(lanes), dtype=np.uint32)
    registers[0] = ONES
    for column in np.ascontiguousarray(lanes.T):
        registers = table[(registers ^ column) & np.uint32(0xFF)] ^ (registers >> np.uint32(8))
    # a lane of nothing before the first changes nothing
    size = 1 << (len(registers) - 1).bit_length()
    registers = np.concatenate((np.zeros(size - len(registers), dtype=np.uint32), registers))
    level = 0
    while len(registers) > 1:
        registers = _appended(registers[0::2], level) ^ registers[1::2]
        level += 1
    return int(registers[0])


def _appended(registers: Words, level: int) -> Words:
    """Get registers after a further ``LANE << level`` zero bytes."""
    tables = _operator(level)
    total: Words = tables[0][registers & np.uint32(0xFF)]
    for place in (1, 2, 3):
        total = total ^ tables[place][(registers >> np.uint32(8 * place)) & np.uint32(0xFF)]
    return total


@lru_cache(maxsize=32)
def _operator(level: int) -> tuple[Words, Words, Words, Words]:
    """Get four tables, one per byte of a register, of the operator of ``LANE << level`` zeros."""
    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    if level:
        bits = _appended(_appended(bits, level - 1), level - 1)
    else:
        table = _table()
        for _ in range(LANE):
            bits = table[bits & np.uint32(0xFF)] ^ (bits >> np.uint32(8))
    bytes_ = np.arange(256, dtype=np.uint32)
    tables = []
    for place in range(4):
        total = np.zeros(256, dtype=np.uint32)
        for bit in range(8):
            chosen = (bytes_ >> np.uint32(bit)) & np.uint32(1)
            total ^= np.where(chosen, bits[8 * place + bit], np.uint32(0)).astype(np.uint32)
        tables.append(total)
    return tables[0], tables[1], tables[2], tables[3]
