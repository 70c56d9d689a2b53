"""A stream from bytes to blocks: counts, losses, a meter that stops or sends at another rate."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from powerlab.errors import InstrumentError, SetupError
from powerlab.instruments import read_ahead, streaming
from powerlab.instruments.rows import Rows
from powerlab.instruments.streaming import Stream
from tests.instruments.logger_rig import check

INTERVAL_NS = 1_000_000


class Feed:
    """A link that hands over these pieces, one at a time, then nothing."""

    resource = "serial:/dev/feed"

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)

    def arrived(self, deadline_ns: int) -> bytes:
        """Get the next piece."""
        return self._pieces.pop(0) if self._pieces else b""


class Counted:
    """A source that makes one row of each byte."""

    def __init__(self) -> None:
        self.taken = 0

    def feed(self, data: bytes) -> Rows:
        """Take bytes."""
        index = np.arange(self.taken, self.taken + len(data), dtype=np.int64)
        self.taken += len(data)
        values = np.frombuffer(data, dtype=np.uint8).astype(float)[:, np.newaxis]
        return Rows(values, np.zeros(len(data), dtype=np.uint8), index * INTERVAL_NS)


def stream(*pieces: bytes, turn_ns: int = 0) -> Stream:
    """Get a stream of these pieces at 1 kHz."""
    return Stream(Feed(*pieces), Counted(), INTERVAL_NS, "the meter", turn_ns=turn_ns)


def test_everything_that_came_is_in_the_blocks(monkeypatch) -> None:
    """Whatever the pieces: each byte is a row, counted, and the stop ends it."""
    monkeypatch.setattr(streaming, "BLOCK_S", 0.0)
    stop = threading.Event()
    blocks = []
    for block in stream(*[bytes(range(10))] * 8).blocks(stop):
        blocks.append(block)
        if blocks[-1].completed == 80:
            stop.set()
    values, flags, device_ns = check(blocks)
    assert values[:, 0].tolist() == list(range(10)) * 8
    assert not flags.any()
    assert np.all(np.diff(device_ns) == INTERVAL_NS)


def test_a_meter_that_falls_silent(monkeypatch) -> None:
    """What came is delivered, then the stream ends in an error that says what to check."""
    monkeypatch.setattr(streaming, "SILENCE_S", 0.3)
    blocks = []
    with pytest.raises(InstrumentError, match="sent no sample") as caught:
        blocks.extend(stream(b"abc").blocks(threading.Event()))
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("device_s", "elapsed_s", "right"),
    [
        (0.31, 9.9, True),
        (10.0, 10.1, True),
        (6.0, 11.0, True),
        (0.31, 10.1, False),
        (30.0, 10.1, False),
    ],
)
def test_a_meter_at_another_rate(device_s: float, elapsed_s: float, *, right: bool) -> None:
    """A device that sends a thirtieth of what it should, or thrice, is no meter of that rate."""
    meter, times = stream(), (round(device_s * 1e9), round(elapsed_s * 1e9))
    if right:
        meter._check_pace(*times)
        return
    with pytest.raises(InstrumentError, match="samples a second, not 1e") as caught:
        meter._check_pace(*times)
    assert "hub" in caught.value.hint


def test_a_computer_that_cannot_keep_up(monkeypatch) -> None:
    """Bytes beyond what is kept for a slow consumer end the stream, with the cause."""
    monkeypatch.setattr(read_ahead, "MOST_BYTES", 10)
    with pytest.raises(SetupError, match="fell behind"):
        list(stream(b"0123456789ab").blocks(threading.Event()))
