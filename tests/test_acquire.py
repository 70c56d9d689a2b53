"""A meter's stream kept in memory: what is seen of it while it grows."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from powerlab.acquire import NEWEST, Acquisition, SampleStore, Tee
from powerlab.errors import InstrumentError, SetupError
from powerlab.records import SampleBlock
from tests.analysis.factories import setup


def block(first, count, *, timed=True, value=None):
    """Get a block of samples numbered from ``first``, one channel."""
    numbers = np.arange(first, first + count)
    values = numbers.astype(np.float64) if value is None else np.full(count, value)
    return SampleBlock(
        values=values.reshape(-1, 1),
        device_ns=numbers * 1000 if timed else None,
        flags=np.zeros(count, dtype=np.uint8),
        sent_ns=first + 1,
        received_ns=first + 2,
        completed=first + count,
    )


METER = SimpleNamespace(identity=SimpleNamespace(name="meter"))


def filled(*blocks, limit_bytes=1e9):
    """Get a store that holds some blocks."""
    store = SampleStore(limit_bytes)
    for each in blocks:
        store.append(each)
    return store


@pytest.mark.parametrize("timed", [True, False])
def test_blocks_are_joined_in_their_order(timed):
    """Samples, flags, times and polls, whatever the sizes; an empty poll counts as a poll."""
    sizes = [3, 0, 100_000, 1, 70_000]
    starts = np.cumsum([0, *sizes])
    blocks = [block(first, size, timed=timed) for first, size in zip(starts, sizes, strict=False)]
    trace = filled(*blocks).trace(METER, setup())
    count = sum(sizes)
    assert np.array_equal(trace.values, np.arange(count, dtype=np.float64).reshape(-1, 1))
    assert len(trace.flags) == count
    assert trace.poll_completed.tolist() == starts[1:].tolist()
    assert trace.poll_sent_ns.tolist() == [each.sent_ns for each in blocks]
    if timed:
        assert np.array_equal(trace.device_ns, np.arange(count) * 1000)
    else:
        assert trace.device_ns is None


def test_a_look_copies_nothing_and_later_samples_do_not_change_it():
    """Two looks share their memory; one taken before stays as it was, and cannot be written."""
    store = filled(block(0, 1000))
    before = store.trace(METER, setup())
    assert np.shares_memory(before.values, store.trace(METER, setup()).values)
    for first in range(1000, 200_000, 5000):
        store.append(block(first, 5000))
    assert len(before.values) == 1000
    assert before.values[-1, 0] == 999
    with pytest.raises(ValueError, match="read-only"):
        before.values[0, 0] = 1.0


def test_samples_never_take_more_memory_than_allowed():
    """The limit is an error that can be acted upon, and what came before it stays."""
    store = filled(block(0, 1000), limit_bytes=17 * 100_000)
    for first in range(1000, 100_000, 1000):
        store.append(block(first, 1000))
    with pytest.raises(SetupError, match="memory") as caught:
        store.append(block(100_000, 1000))
    assert caught.value.hint
    assert len(store.trace(METER, setup()).values) == 100_000


class Meter:
    """A meter that delivers some blocks and then fails or waits for its end."""

    identity = SimpleNamespace(name="meter")

    def __init__(self, *blocks, error=None):
        self._blocks, self._error = blocks, error

    def stream(self, stop):
        """Get the blocks."""
        yield from self._blocks
        if self._error is not None:
            raise self._error
        stop.wait()


class Sink:
    """Counts what it is given."""

    def __init__(self):
        self.blocks, self.events = 0, 0

    def block(self, _):
        """Count a block."""
        self.blocks += 1

    def event(self, *_):
        """Count an event."""
        self.events += 1


def test_every_sink_gets_everything():
    """Options of one session each keep all samples."""
    sinks = [Sink(), Sink()]
    with Acquisition(Meter(block(0, 5), block(5, 5)), setup(), Tee(sinks)) as acquisition:
        pass
    assert len(acquisition.finish().values) == 10
    assert [sink.blocks for sink in sinks] == [2, 2]


def test_the_power_now_is_of_the_newest_second():
    """A mean over about a second, of good samples, and never of more than some."""
    interval_s = setup().interval_s
    count = min(NEWEST, round(1 / interval_s))
    blocks = (block(0, 5000, value=1.0), block(5000, count - 1, value=3.0))
    bad = block(5000 + count, 1, value=float("nan"))
    with Acquisition(Meter(*blocks, bad), setup(), Sink()) as acquisition:
        acquisition.finish()
        assert acquisition.latest().tolist() == [3.0]
    empty = Acquisition(Meter(), setup(), Sink())
    assert empty.latest() is None


def test_a_meter_that_fails_is_told_to_whoever_looks():
    """The error waits for the next look at the stream; no data is made up."""
    error = InstrumentError("unplugged", hint="plug it in")
    with Acquisition(Meter(block(0, 5), error=error), setup(), Sink()) as acquisition:
        with pytest.raises(InstrumentError, match="unplugged"):
            acquisition.finish()
        with pytest.raises(InstrumentError, match="unplugged"):
            acquisition.so_far()
