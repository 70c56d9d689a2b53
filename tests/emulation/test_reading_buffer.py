"""Reading buffers of emulated meters."""

from __future__ import annotations

import numpy as np

from powerlab.emulation.reading_buffer import ReadingBuffer


def fill(buffer: ReadingBuffer, count: int, first: int = 0) -> None:
    """Append readings whose value is their number, one millisecond apart from 5 s on."""
    numbers = np.arange(first, first + count)
    buffer.append(numbers.astype(float), 5_000_000_000 + numbers * 1_000_000)


def test_times_count_from_the_first_reading():
    """The first reading is at time 0 whatever the meter's clock shows, and again after a clear."""
    buffer = ReadingBuffer(10)
    fill(buffer, 3)
    assert buffer.slice(1, 3)[1].tolist() == [0.0, 0.001, 0.002]
    buffer.clear()
    assert (buffer.actual, buffer.first, buffer.last) == (0, 0, 0)
    fill(buffer, 2, first=7)
    assert buffer.slice(1, 2)[1].tolist() == [0.0, 0.001]


def test_once_stops_when_full():
    """A buffer that fills once keeps its first readings."""
    buffer = ReadingBuffer(4, continuous=False)
    fill(buffer, 3)
    fill(buffer, 3, first=3)
    assert buffer.full
    assert buffer.slice(1, 4)[0].tolist() == [0, 1, 2, 3]


def test_continuous_wraps_and_says_where_it_begins():
    """A continuous buffer overwrites the oldest; its first index follows the last."""
    buffer = ReadingBuffer(4)
    fill(buffer, 6)
    assert (buffer.actual, buffer.stored, buffer.first, buffer.last) == (4, 6, 3, 2)
    assert buffer.slice(1, 4)[0].tolist() == [4, 5, 2, 3]
