"""The meter's stream, recorded while the board works: samples in, a trace out."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from powerlab.errors import InstrumentError, SetupError
from powerlab.instruments.contract import Meter
from powerlab.records import MeterSetup, MeterTrace, SampleBlock
from powerlab.units import NS_PER_S, now_ns

START_LIMIT_S = 10.0
"""A meter that has delivered nothing by then is not running."""

LAST_POLL_LIMIT_S = 60.0
"""A driver that resynchronises after a time-out may need as long for its last poll."""

CHECK_S = 0.05

FEWEST_ROWS = 1 << 14
NEWEST_S, NEWEST = 1.0, 1000
"""The power shown now is the mean over so long, of so many samples at most."""

MEMORY_SHARE = 1 / 8
"""Of this computer's memory, what samples may take: their analysis takes several times that."""


class BlockSink(Protocol):
    """Where the samples of one meter go as they come."""

    def block(self, block: SampleBlock) -> None:
        """Keep one block of samples."""


class Sink(BlockSink, Protocol):
    """Where recorded data goes as it comes: the run folder."""

    def voltmeter_block(self, block: SampleBlock) -> None:
        """Keep one block of samples of a second meter, which reads the volts."""

    def event(self, kind: str, payload: object) -> None:
        """Keep one event of the measurement."""


class VoltmeterSink:
    """A sink in which the samples of a second meter go where those belong."""

    def __init__(self, sink: Sink) -> None:
        self.block = sink.voltmeter_block


class Tee:
    """A sink that passes everything on to several, one after another."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = tuple(sinks)

    def block(self, block: SampleBlock) -> None:
        """Keep one block in each."""
        for sink in self._sinks:
            sink.block(block)

    def voltmeter_block(self, block: SampleBlock) -> None:
        """Keep one block of a second meter in each."""
        for sink in self._sinks:
            sink.voltmeter_block(block)

    def event(self, kind: str, payload: object) -> None:
        """Keep one event in each."""
        for sink in self._sinks:
            sink.event(kind, payload)


class SampleStore:
    """The samples of a trace as they come: one thread appends, any thread looks.

    They lie in arrays that double as they fill, so that each sample is copied twice on
    average and looking at all of them copies none. ``limit_bytes`` bounds the memory taken.
    """

    def __init__(self, limit_bytes: float) -> None:
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._arrays: tuple[np.ndarray, ...] = ()
        self._polls: list[tuple[int, int, int]] = []
        self.count = 0

    @property
    def last_sent_ns(self) -> int:
        """Get when the newest poll was sent, 0 before the first."""
        return self._polls[-1][0] if self._polls else 0

    def append(self, block: SampleBlock) -> None:
        """Add a block. Raises SetupError where all samples together take too much memory."""
        times = () if block.device_ns is None else (block.device_ns,)
        columns = (block.values, block.flags, *times)
        with self._lock:
            count = self.count + len(block.flags)
            self._make_room(count, columns)
            for array, column in zip(self._arrays, columns, strict=True):
                array[self.count : count] = column
            self.count = count
            self._polls.append((block.sent_ns, block.received_ns, block.completed))

    def _make_room(self, count: int, columns: Sequence[np.ndarray]) -> None:
        held = len(self._arrays[0]) if self._arrays else 0
        if self._arrays and count <= held:
            return
        row_bytes = sum(column.itemsize * math.prod(column.shape[1:]) for column in columns)
        most = int(self._limit_bytes / row_bytes)
        if count > most:
            raise SetupError(
                f"{count:,} samples are more than this computer's memory is good for",
                hint="take a shorter protocol, or a lower sample rate of the meter",
            )
        rows = min(max(count, 2 * held, FEWEST_ROWS), most)
        grown = tuple(np.empty((rows, *column.shape[1:]), column.dtype) for column in columns)
        for old, new in zip(self._arrays, grown, strict=False):
            new[:held] = old
        self._arrays = grown

    def newest(self, count: int) -> np.ndarray:
        """Get the values of the newest samples, float64 ``(n, channels)``, n up to ``count``."""
        with self._lock:
            if not self._arrays:
                return np.empty((0, 1))
            return self._arrays[0][max(0, self.count - count) : self.count]

    def trace(self, meter: Meter, setup: MeterSetup) -> MeterTrace:
        """Get all samples so far as a trace, which later ones do not change."""
        with self._lock:
            values, flags, *times = (array[: self.count] for array in self._arrays)
            sent, received, completed = np.array(self._polls, dtype=np.int64).reshape(-1, 3).T
        return MeterTrace(
            identity=meter.identity,
            setup=setup,
            values=values,
            device_ns=times[0] if times else None,
            flags=flags,
            poll_sent_ns=sent.copy(),
            poll_received_ns=received.copy(),
            poll_completed=completed.copy(),
        )


class Acquisition:
    """A meter being read in the background for the length of a ``with`` block.

    ``setup`` is what the driver set. Every block reaches the sink before anything else sees
    it. A failure of the meter is kept and raised by ``check``, ``wait_until``, ``finish``.
    """

    def __init__(self, meter: Meter, setup: MeterSetup, sink: BlockSink) -> None:
        self._meter = meter
        self.setup = setup
        self._sink = sink
        self._samples = SampleStore(MEMORY_SHARE * _memory_bytes())
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._read, name="meter", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._wait_for_samples()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _wait_for_samples(self) -> None:
        deadline = now_ns() + int(START_LIMIT_S * NS_PER_S)
        while not self._samples.count:
            self.check()
            if now_ns() > deadline:
                raise InstrumentError(
                    f"{self._meter.identity.name} delivered no sample in {START_LIMIT_S:g} s",
                    hint="look at its display: is it triggered, in range, in remote mode?",
                )
            time.sleep(CHECK_S)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=START_LIMIT_S)

    def _read(self) -> None:
        try:
            for block in self._meter.stream(self._stop):
                self._sink.block(block)
                self._samples.append(block)
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._failure = error

    def check(self) -> None:
        """Raise what stopped the meter, if anything did."""
        if self._failure is not None:
            raise self._failure

    def latest(self) -> np.ndarray | None:
        """Get the mean of the newest good samples, float64 ``(channels,)``, or None without."""
        count = round(NEWEST_S / self.setup.interval_s)
        newest = self._samples.newest(min(max(count, 1), NEWEST))
        good = newest[np.isfinite(newest).all(axis=1)]
        return np.asarray(good.mean(axis=0)) if len(good) else None

    def wait_until(self, instant_ns: int) -> None:
        """Wait until the meter has been read later than an instant plus its own delay."""
        delay_s = self.setup.latency_s + self.setup.latency_limit_s + 2 * self.setup.interval_s
        target = instant_ns + int(delay_s * NS_PER_S)
        deadline = target + int(START_LIMIT_S * NS_PER_S)
        while self._samples.last_sent_ns < target:
            self.check()
            if now_ns() > deadline:
                raise InstrumentError(
                    f"{self._meter.identity.name} stopped delivering samples",
                    hint="what came until then is kept in the run folder",
                )
            time.sleep(CHECK_S)

    def so_far(self) -> MeterTrace:
        """Get what has come until now as a trace, without a copy; reading goes on."""
        self.check()
        return self._samples.trace(self._meter, self.setup)

    def finish(self) -> MeterTrace:
        """Stop reading and get everything that came as a trace."""
        self._stop.set()
        self._thread.join(timeout=LAST_POLL_LIMIT_S)
        self.check()
        if self._thread.is_alive():
            raise InstrumentError(
                f"{self._meter.identity.name} did not answer its last poll",
                hint="what came until then is kept in the run folder; check the link",
            )
        return self._samples.trace(self._meter, self.setup)


class Meters:
    """The meters of one session, read side by side; the first one is the main meter.

    ``setup`` is the main meter's with the interval and latency of the slowest: what the pace of
    a session goes by. The same calls as of one ``Acquisition``.
    """

    def __init__(self, acquisitions: Sequence[Acquisition]) -> None:
        self._all = tuple(acquisitions)
        setups = [one.setup for one in self._all]
        slowest = max(setups, key=lambda setup: setup.interval_s)
        self.setup = replace(
            setups[0],
            interval_s=slowest.interval_s,
            aperture_s=max(setup.aperture_s for setup in setups),
            latency_s=max(setup.latency_s for setup in setups),
            latency_limit_s=max(setup.latency_limit_s for setup in setups),
        )

    def check(self) -> None:
        """Raise what stopped any of the meters."""
        for one in self._all:
            one.check()

    def latest(self) -> np.ndarray | None:
        """Get what the main meter read last, as ``Acquisition.latest`` does."""
        return self._all[0].latest()

    def wait_until(self, instant_ns: int) -> None:
        """Wait until all meters have been read later than an instant."""
        for one in self._all:
            one.wait_until(instant_ns)

    def so_far(self) -> MeterTrace:
        """Get the main meter's trace until now."""
        return self._all[0].so_far()


def _memory_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
