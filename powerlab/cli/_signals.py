"""Stopping on request: Ctrl-C, SIGTERM and a closed terminal all end a command cleanly."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

CLEAN_UP_S = 5.0
"""Further signals within this time do not disturb the clean-up that the first one began."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Turn these signals into KeyboardInterrupt in the main thread for a ``with`` block.

    A hang-up that the caller ignores (``nohup``) stays ignored. A signal that repeats the
    first, as ``timeout`` and terminals send them to a group, is passed over.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    last = -CLEAN_UP_S

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal last
        if time.monotonic() - last >= CLEAN_UP_S:
            last = time.monotonic()
            raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in _SIGNALS}
    if before[signal.SIGHUP] is signal.SIG_IGN:
        del before[signal.SIGHUP]
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
