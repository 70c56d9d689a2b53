"""The meter's stream, recorded while the board works: samples in, a trace out."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from powerlab.errors import InstrumentError
from powerlab.instruments.contract import Meter
from powerlab.records import MeterSetup, MeterTrace, SampleBlock
from powerlab.units import NS_PER_S, now_ns

START_LIMIT_S = 10.0
"""A meter that has delivered nothing by then is not running."""

LAST_POLL_LIMIT_S = 60.0
"""A driver that resynchronises after a time-out may need as long for its last poll."""

CHECK_S = 0.05


class Sink(Protocol):
    """Where recorded data goes as it comes: the run folder."""

    def block(self, block: SampleBlock) -> None:
        """Keep one block of samples."""

    def event(self, kind: str, payload: object) -> None:
        """Keep one event of the measurement."""


class Acquisition:
    """A meter being read in the background for the length of a ``with`` block.

    ``setup`` is what the driver set. Every block reaches the sink before anything else sees
    it. A failure of the meter is kept and raised by ``check``, ``wait_until``, ``finish``.
    """

    def __init__(self, meter: Meter, setup: MeterSetup, sink: Sink) -> None:
        self._meter = meter
        self.setup = setup
        self._sink = sink
        self._blocks: list[SampleBlock] = []
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
        while not any(len(block.values) for block in self._blocks):
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
                self._blocks.append(block)
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._failure = error

    def check(self) -> None:
        """Raise what stopped the meter, if anything did."""
        if self._failure is not None:
            raise self._failure

    def latest(self) -> np.ndarray | None:
        """Get the mean of the newest good samples, float64 ``(channels,)``, or None without."""
        for block in reversed(self._blocks[-4:]):
            good = block.values[np.isfinite(block.values).all(axis=1)]
            if len(good):
                return np.asarray(good.mean(axis=0))
        return None

    def wait_until(self, instant_ns: int) -> None:
        """Wait until the meter has been read later than an instant plus its own delay."""
        delay_s = self.setup.latency_s + self.setup.latency_limit_s + 2 * self.setup.interval_s
        target = instant_ns + int(delay_s * NS_PER_S)
        deadline = target + int(START_LIMIT_S * NS_PER_S)
        while not self._blocks or self._blocks[-1].sent_ns < target:
            self.check()
            if now_ns() > deadline:
                raise InstrumentError(
                    f"{self._meter.identity.name} stopped delivering samples",
                    hint="what came until then is kept in the run folder",
                )
            time.sleep(CHECK_S)

    def so_far(self) -> MeterTrace:
        """Join what has come until now into one trace; reading goes on."""
        self.check()
        return join_blocks(self._meter, self.setup, list(self._blocks))

    def finish(self) -> MeterTrace:
        """Stop reading and join everything that came into one trace."""
        self._stop.set()
        self._thread.join(timeout=LAST_POLL_LIMIT_S)
        self.check()
        if self._thread.is_alive():
            raise InstrumentError(
                f"{self._meter.identity.name} did not answer its last poll",
                hint="what came until then is kept in the run folder; check the link",
            )
        return join_blocks(self._meter, self.setup, self._blocks)


def join_blocks(meter: Meter, setup: MeterSetup, blocks: list[SampleBlock]) -> MeterTrace:
    """Join blocks in their order into one trace."""
    timed = [block.device_ns for block in blocks if block.device_ns is not None]
    return MeterTrace(
        identity=meter.identity,
        setup=setup,
        values=np.concatenate([block.values for block in blocks]),
        device_ns=np.concatenate(timed) if timed else None,
        flags=np.concatenate([block.flags for block in blocks]),
        poll_sent_ns=np.array([block.sent_ns for block in blocks], dtype=np.int64),
        poll_received_ns=np.array([block.received_ns for block in blocks], dtype=np.int64),
        poll_completed=np.array([block.completed for block in blocks], dtype=np.int64),
    )
