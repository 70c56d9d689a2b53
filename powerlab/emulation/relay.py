"""Passes a byte stream on, with the agent's frames in it rewritten."""

from __future__ import annotations

import json
from collections.abc import Callable

from powerlab.agent.protocol import HEADER, MAGIC, MAX_BLOB, MAX_JSON, pack


class FrameRelay:
    """Passes a byte stream on with its frames rewritten and everything between them untouched."""

    def __init__(self, rewrite: Callable[[object], object]) -> None:
        self._rewrite = rewrite
        self._buffer = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Take the next piece; get what can go out. An unfinished frame is held back."""
        self._buffer += data
        out = bytearray()
        while self._buffer:
            start = self._buffer.find(MAGIC)
            if start != 0:
                out += self._pass(start if start > 0 else self._free())
                if start < 0:
                    break
                continue
            frame = self._frame()
            if frame is None:
                break
            out += frame
        return bytes(out)

    def rest(self) -> bytes:
        """Get what was held back when the stream ends."""
        return self._pass(len(self._buffer))

    def _pass(self, count: int) -> bytes:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def _free(self) -> int:
        """Get how much cannot be the beginning of a magic that the next piece completes."""
        for held in range(min(len(MAGIC) - 1, len(self._buffer)), 0, -1):
            if self._buffer.endswith(MAGIC[:held]):
                return len(self._buffer) - held
        return len(self._buffer)

    def _frame(self) -> bytes | None:
        if len(self._buffer) < HEADER.size:
            return None
        _, text_size, blob_size = HEADER.unpack_from(self._buffer)
        text_end = HEADER.size + text_size
        if text_size > MAX_JSON or blob_size > MAX_BLOB:
            return self._pass(len(MAGIC))
        if len(self._buffer) < text_end + blob_size:
            return None
        frame = self._pass(text_end + blob_size)
        try:
            message = self._rewrite(json.loads(frame[HEADER.size : text_end]))
        except ValueError:
            return frame
        return pack(message, frame[text_end:]) if isinstance(message, dict) else frame
