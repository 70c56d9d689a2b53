"""Run identifiers: UUID version 7, which sort by the time of their making."""

from __future__ import annotations

import os
import time
import uuid


def uuid7(unix_ms: int | None = None) -> str:
    """Get a new UUIDv7 as text: 48 bits of Unix milliseconds, then 74 random bits.

    Layout: RFC 9562 section 5.7. ``unix_ms`` replaces the clock.
    """
    stamp = time.time_ns() // 1_000_000 if unix_ms is None else unix_ms
    random = int.from_bytes(os.urandom(10))
    value = (stamp & (1 << 48) - 1) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))
