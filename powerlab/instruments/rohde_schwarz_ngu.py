"""Rohde & Schwarz NGU and NGM: their fast log of volts and amperes at up to 500 kS/s.

Protocol: user manual NGU 1179.2531.02 and R&S's own example programs for the NGM200. Never
tried on hardware: checked against the emulator. Quirks that shape this driver:

- Samples come in chunks of 0.25 s at every rate. A bit says that one is ready; one that is not
  fetched soon is skipped, which another bit says. So the bits are asked for every 10 ms, and a
  skipped chunk becomes as many lost rows as it held.
- A register is cleared by reading it, and a chunk is gone when it is fetched: neither is asked
  for twice.
- The range of amperes is fixed: a range that changes by itself clips samples while it does.
- The byte order is nowhere stated: see ``flog_records``.
- It supplies the board: nothing here switches its output or changes what it delivers.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import numpy as np

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile, Range
from powerlab.errors import ConfigError, InstrumentError
from powerlab.instruments.contract import (
    MeterRequest,
    accuracy_of,
    check_channels,
    range_or_error,
)
from powerlab.instruments.flog_records import ChunkCount, decode_chunk, decode_rate, rate_word
from powerlab.instruments.scpi import decode_count
from powerlab.instruments.scpi_block import ask_block
from powerlab.instruments.scpi_session import ask_number, check_errors, check_setting, identify
from powerlab.instruments.scpi_stream import ask_erasing, judged, polls
from powerlab.records import MeterSetup, SampleBlock, SampleFlag
from powerlab.transport.visa import BlockLink, open_visa
from powerlab.units import NS_PER_S, nanoseconds, now_ns

MODELS = ("NGU201", "NGU401", "NGU411", "NGM201", "NGM202")
CHANNELS = ("voltage", "current")
CHUNK_S = 0.25
POLL_S = 0.01
ERASING_LIMIT_S = 10.0
SILENCE_LIMIT_S = 5.0
READY = "STAT:OPER:INST:ISUM1:EVEN?"
SKIPPED = "STAT:QUES:INST:ISUM1:EVEN?"
DATA = "FLOG:DATA?"
CHUNK_READY = 1 << 12
CHUNK_SKIPPED = 1 << 11
ERRORS = "SYST:ERR?"


class Ngu:
    """One NGU or NGM on a link, its channel 1; satisfies ``contract.Meter``."""

    def __init__(self, link: BlockLink, profile: InstrumentProfile) -> None:
        self._link = link
        self._profile = profile
        self.identity = identify(link, profile, MODELS)
        self._interval_s = profile.sampling.interval_s

    def configure(self, request: MeterRequest) -> MeterSetup:
        """Fix the range of amperes, set the rate, read both back.

        ``ConfigError`` where the instrument has no such rate.
        """
        check_channels(request, CHANNELS, self._profile.name)
        current = range_or_error(self._profile, "current", request.expected_peak_a)
        voltage = self._profile.ranges("voltage")[-1]
        word = rate_word(1 / self._interval_s)
        if word is None:
            raise ConfigError(
                f"{self._profile.name} has no rate of {1 / self._interval_s:g} samples a second",
                hint="give the profile an interval_s of 1e-2, 1e-3, 1e-4, 2e-5, 4e-6 or 2e-6",
            )
        for command in (
            "FLOG 0",
            "*CLS",
            f"SENS:CURR:RANG {current.full_scale:g}",
            "FLOG:TARG SCPI",
            f"FLOG:SRAT {word}",
            f"STAT:OPER:INST:ISUM1:PTR {CHUNK_READY}",
            "STAT:OPER:INST:ISUM1:NTR 0",
            f"STAT:QUES:INST:ISUM1:PTR {CHUNK_SKIPPED}",
            "STAT:QUES:INST:ISUM1:NTR 0",
        ):
            self._link.write(command)
        check_errors(self._link, self._profile.name, command=ERRORS)
        told_a = ask_number(self._link, "SENS:CURR:RANG?")
        check_setting(self._profile.name, "SENS:CURR:RANG?", told_a, current.full_scale, 1e-9)
        told_hz = decode_rate("FLOG:SRAT?", self._link.query("FLOG:SRAT?"))
        check_setting(self._profile.name, "FLOG:SRAT?", told_hz, 1 / self._interval_s, 1e-9)
        return self._setup(voltage, current, word)

    def stream(self, stop: threading.Event) -> Iterator[SampleBlock]:
        """Start the log and get each chunk as it is ready, until ``stop``.

        Chunks that were skipped are rows of NaN marked ``LOST``.
        """
        self._events(READY)
        self._events(SKIPPED)
        self._link.write("FLOG 1")
        count = ChunkCount(CHUNK_S)
        delivered, heard_ns, idle_ns = 0, now_ns(), now_ns()
        for _ in polls(POLL_S, stop):
            sent_ns = now_ns()
            if not self._events(READY) & CHUNK_READY:
                idle_ns = sent_ns
                self._check_alive(sent_ns - heard_ns)
                continue
            block = self._chunk(delivered, count, idle_ns)
            delivered, heard_ns = block.completed, block.received_ns
            yield block

    def close(self) -> None:
        """Stop the log and disconnect; never raises. The output stays as it is."""
        with contextlib.suppress(Exception):
            self._link.write("FLOG 0")
        self._link.close()

    def _chunk(self, delivered: int, count: ChunkCount, idle_ns: int) -> SampleBlock:
        """Get the chunk that is ready, behind rows for those that were skipped before it."""
        skipped_before = self._skipped()
        asked_ns = now_ns()
        told = ask_erasing(lambda: ask_block(self._link, DATA, ERASING_LIMIT_S))
        samples, fetched_ns = decode_chunk(DATA, told), now_ns()
        # Soon after the question that can only mean that this chunk came in between, one later
        # than the one that was ready. After long, nobody knows which it is.
        overtaken = self._skipped()
        chunks = None
        if not overtaken or fetched_ns - asked_ns < nanoseconds(CHUNK_S / 2):
            at_ns = fetched_ns if overtaken else asked_ns
            chunks = count.lost(skipped=skipped_before or overtaken, idle_ns=idle_ns, at_ns=at_ns)
        if chunks is None:
            raise InstrumentError(
                f"the {self.identity.model} skipped samples, and how many cannot be told",
                hint="what came before is kept; measure again, at a lower rate, on a quiet "
                "network and computer",
            )
        if overtaken:
            self._events(READY)  # what was said of this chunk, which is here already
        lost = chunks * round(CHUNK_S / self._interval_s)
        values, flags = judged(samples)
        completed = delivered + lost + len(values)
        numbers = np.arange(delivered, completed, dtype=np.int64)
        missed = np.full(lost, SampleFlag.LOST, dtype=np.uint8)
        return SampleBlock(
            values=np.concatenate((np.full((lost, len(CHANNELS)), np.nan), values)),
            device_ns=np.rint(numbers * (self._interval_s * NS_PER_S)).astype(np.int64),
            flags=np.concatenate((missed, flags)),
            sent_ns=idle_ns,
            received_ns=fetched_ns,
            completed=completed,
        )

    def _skipped(self) -> bool:
        return bool(self._events(SKIPPED) & CHUNK_SKIPPED)

    def _events(self, command: str) -> int:
        reply = ask_erasing(lambda: self._link.query(command, ERASING_LIMIT_S))
        return decode_count(command, reply)

    def _check_alive(self, silent_ns: int) -> None:
        if silent_ns > nanoseconds(SILENCE_LIMIT_S):
            raise InstrumentError(
                f"the {self.identity.model}'s fast log has given nothing for {SILENCE_LIMIT_S:g} s",
                hint="check that its output is on, and that nobody stopped the log at its front "
                "panel",
            )

    def _setup(self, voltage: Range, current: Range, word: str) -> MeterSetup:
        """Get the facts of a set-up."""
        sampling = self._profile.sampling
        return MeterSetup(
            channels=CHANNELS,
            accuracy=(accuracy_of(voltage), accuracy_of(current)),
            averaging=sampling.averaging,
            aperture_s=sampling.aperture_s,
            interval_s=self._interval_s,
            timestamp=sampling.timestamp,
            latency_s=sampling.latency_s,
            latency_limit_s=sampling.latency_limit_s,
            clock_limit_ppm=sampling.clock_limit_ppm,
            burden_ohm=0.0,
            burden_limit_ohm=0.0,
            settings={
                "current_range": current.full_scale,
                "rate": word,
                "byte_order": "little-endian, not stated by the maker",
            },
        )


def open_session(profile: InstrumentProfile, bench_meter: BenchMeter) -> Ngu:
    """Open the meter of a bench; ``InstrumentError`` where it is not there or is another."""
    link = open_visa(bench_meter.resource)
    try:
        return Ngu(link, profile)
    except BaseException:
        link.close()
        raise
