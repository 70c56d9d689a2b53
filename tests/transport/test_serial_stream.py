"""Ports that talk by themselves: every byte at once, silence, and ports that go away."""

from __future__ import annotations

import os
import threading
import tty
from collections.abc import Iterator
from contextlib import closing

import pytest

from powerlab.errors import InstrumentError
from powerlab.instruments.read_ahead import ReadAhead
from powerlab.transport.serial import wait_until
from powerlab.transport.serial_stream import SerialStream, open_stream, silence
from powerlab.units import now_ns


@pytest.fixture
def port() -> Iterator[tuple[int, SerialStream]]:
    """Get the instrument's end of a terminal, and the opened stream."""
    master, slave = os.openpty()
    tty.setraw(slave)
    link = open_stream(f"serial:{os.ttyname(slave)}", 3_686_400)
    ends = [master, slave]
    with closing(link):
        yield ends, link
    for end in ends:
        os.close(end)


def test_what_has_come_is_handed_over_at_once(port) -> None:
    """All of it, more than one read of a terminal brings, and nothing is waited for."""
    (master, _), link = port
    data = bytes(range(256)) * 40
    writer = threading.Thread(target=lambda: os.write(master, data))
    writer.start()
    got = b""
    while len(got) < len(data):
        got += link.arrived(wait_until(10))
    writer.join()
    assert got == data


def test_nothing_comes_until_the_deadline(port) -> None:
    """A deadline that has passed is a look, no wait."""
    _, link = port
    assert link.arrived(now_ns()) == b""


def test_silence_counts_what_it_drops(port) -> None:
    """What was on its way is dropped; a port that goes on talking never falls silent."""
    (master, _), link = port
    os.write(master, b"stale bytes")
    assert silence(link, 0.02) == 11
    link.arrived = lambda _: b"more"
    assert silence(link, 0.02, 0.05) is None


def test_a_port_that_goes_away(port) -> None:
    """What came before still counts; the next read tells."""
    ends, link = port
    for end in ends:
        os.close(end)
    ends.clear()
    with pytest.raises(InstrumentError, match="was disconnected"):
        link.arrived(wait_until(1))


def take_all(ahead: ReadAhead) -> None:
    """Take until the reading ends in its error."""
    while True:
        assert ahead.take().data == b""


def test_reading_ahead_keeps_everything_and_the_error_for_last(port) -> None:
    """Bytes are read while nobody asks; the failure comes after what was before it."""
    ends, link = port
    with ReadAhead(link) as ahead:
        os.write(ends[0], b"one")
        got = b""
        while len(got) < 3:
            arrival = ahead.take()
            got += arrival.data
        assert arrival.empty_ns <= arrival.arrived_ns
        for end in ends:
            os.close(end)
        ends.clear()
        with pytest.raises(InstrumentError, match="was disconnected"):
            take_all(ahead)
    assert got == b"one"
