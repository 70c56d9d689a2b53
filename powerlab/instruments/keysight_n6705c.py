"""Keysight N6705 with a source/measure module N6781A: its external data log of volts and amperes.

Protocol: N6700/N6705 programming guide. Never tried on hardware: checked against blocks computed
from the guide and the emulator. Quirks that shape this driver:

- The period is rounded to steps of 20.48 µs: it is read back, and that is what counts.
- Records carry no time: a record's is its number times the period, as long as none is lost.
- About 20 s of records are kept, then overwritten without a word. They are fetched twice a
  second, and their number is compared with the time.
- A fetched record is gone, so its answer is waited for much longer than others.
- Only N676x and N678x modules measure volts and amperes at the same time.
- It supplies the board: nothing here switches its outputs or changes what they deliver.

A resource ending in ``?outputs=2`` means output 2, ``?outputs=1,2`` the two in parallel.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile, Range
from powerlab.errors import ConfigError, InstrumentError
from powerlab.instruments.contract import (
    MeterRequest,
    accuracy_of,
    check_channels,
    largest_magnitude,
    range_or_error,
)
from powerlab.instruments.elog_records import Recorded, columns, decode_period, decode_records
from powerlab.instruments.resource_options import split_options
from powerlab.instruments.scpi import broken, decode_number
from powerlab.instruments.scpi_block import ask_blocks
from powerlab.instruments.scpi_session import check_errors, check_setting, identify
from powerlab.instruments.scpi_stream import CountCheck, ask_erasing, counted_block, polls
from powerlab.records import FloatArray, MeterSetup, SampleBlock
from powerlab.transport.visa import BlockLink, open_visa
from powerlab.units import nanoseconds, now_ns

MODELS = ("N6705", "N6700", "N6701", "N6702")
MODULES = ("N6781A", "N6782A", "N6784A", "N6785A", "N6786A")
CHANNELS = ("voltage", "current")
RECORDED = Recorded()
FETCHED_AT_ONCE = 4096
POLL_S = 0.5
ERASING_LIMIT_S = 10.0
LATE_S = 0.5
SURELY_KEPT_S = 10.0
"""For so long after it was empty the log has overwritten nothing; it keeps about 20 s."""

SILENCE_LIMIT_S = 5.0
ERRORS = "SYST:ERR?"


@dataclass(frozen=True, slots=True)
class _Piece:
    """Volts and amperes of one answer, ``(n, 2)``, and when it was asked for and came."""

    values: FloatArray
    sent_ns: int
    received_ns: int
    last: bool


class N6705:
    """One N6705 on a link, of which ``outputs`` are recorded; satisfies ``contract.Meter``."""

    def __init__(
        self, link: BlockLink, profile: InstrumentProfile, outputs: tuple[int, ...] = (1,)
    ) -> None:
        self._link = link
        self._profile = profile
        self._outputs = outputs
        self._list = f"(@{','.join(str(output) for output in outputs)})"
        self.identity = identify(link, profile, MODELS, trim="ABC")
        self._check_modules()
        self._period_s = profile.sampling.interval_s

    def configure(self, request: MeterRequest) -> MeterSetup:
        """Set ranges, what is recorded, period and format; read back what decides a figure."""
        check_channels(request, CHANNELS, self._profile.name)
        voltage, current = self._ranges(request)
        where = self._list
        for command in (
            f"ABOR:ELOG {where}",
            "*CLS",
            "FORM REAL",
            "FORM:BORD SWAP",
            f"SENS:ELOG:FUNC:CURR ON,{where}",
            f"SENS:ELOG:FUNC:VOLT ON,{where}",
            f"SENS:ELOG:FUNC:CURR:MINM OFF,{where}",
            f"SENS:ELOG:FUNC:VOLT:MINM OFF,{where}",
            f"SENS:ELOG:CURR:RANG {current.full_scale:g},{where}",
            f"SENS:ELOG:VOLT:RANG {voltage.full_scale:g},{where}",
            f"SENS:ELOG:PER {self._profile.sampling.interval_s:g},{where}",
            f"TRIG:ELOG:SOUR BUS,{where}",
        ):
            self._link.write(command)
        check_errors(self._link, self._profile.name, command=ERRORS)
        self._confirm_words()
        self._confirm(f"SENS:ELOG:CURR:RANG? {where}", current.full_scale)
        self._confirm(f"SENS:ELOG:VOLT:RANG? {where}", voltage.full_scale)
        command = f"SENS:ELOG:PER? {where}"
        self._period_s = decode_period(command, self._link.query(command), len(self._outputs))
        wanted_s = self._profile.sampling.interval_s
        if not 0.4 <= self._period_s / wanted_s <= 2.5:
            raise broken(command, f"{self._period_s:g}", f"is far from {wanted_s:g}, as was set")
        return self._setup(voltage, current)

    def stream(self, stop: threading.Event) -> Iterator[SampleBlock]:
        """Start the log and get what each poll brings, until ``stop`` and once after."""
        sampling = self._profile.sampling
        check = CountCheck(
            self._profile.name,
            self._period_s,
            slack_s=LATE_S + sampling.latency_limit_s,
            clock_limit_ppm=sampling.clock_limit_ppm,
        )
        delivered, emptied_ns = 0, now_ns()
        news_ns = emptied_ns
        self._link.write(f"INIT:ELOG {self._list}")
        self._link.write(f"TRIG:ELOG {self._list}")
        for _ in polls(POLL_S, stop):
            pieces = self._pieces()
            if now_ns() - emptied_ns > nanoseconds(SURELY_KEPT_S):
                # Some may have been overwritten: all are counted before any is believed.
                pieces = iter([_joined(list(pieces))])
            for piece in pieces:
                count = len(piece.values)
                if piece.last:
                    emptied_ns = piece.sent_ns
                if piece.last and count:
                    check.check(delivered + count, piece.sent_ns, piece.received_ns)
                if count:
                    yield counted_block(
                        piece.values,
                        delivered=delivered,
                        interval_s=self._period_s,
                        polled_ns=(emptied_ns, piece.received_ns),
                    )
                    delivered, news_ns = delivered + count, piece.received_ns
            if emptied_ns - news_ns > nanoseconds(SILENCE_LIMIT_S):
                raise InstrumentError(
                    f"the {self.identity.model} has recorded nothing for {SILENCE_LIMIT_S:g} s",
                    hint="its data logger was stopped, perhaps at the front panel; measure again",
                )

    def close(self) -> None:
        """Stop the log, go back to text, disconnect; never raises. Outputs stay as they are."""
        with contextlib.suppress(Exception):
            self._link.write(f"ABOR:ELOG {self._list}")
            self._link.write("FORM ASC")
        self._link.close()

    def _check_modules(self) -> None:
        """Raise ``InstrumentError`` where an output is of another module than the profile's."""
        wanted = [name for name in MODULES if name.lower() in self._profile.id] or list(MODULES)
        command = f"SYST:CHAN:MOD? {self._list}"
        told = [word.strip().strip('"') for word in self._link.query(command).split(",")]
        for output, module in zip(self._outputs, told, strict=False):
            if module not in wanted:
                raise InstrumentError(
                    f"output {output} of the {self.identity.model} is a {module}, "
                    f"not a {' or '.join(wanted)}",
                    hint="write the output behind the resource, as in …::SOCKET?outputs=2, or use "
                    "the profile of that module",
                )
        if len(told) != len(self._outputs):
            raise broken(command, ",".join(told), f"does not name {len(self._outputs)} modules")

    def _ranges(self, request: MeterRequest) -> tuple[Range, Range]:
        """Get the ranges of volts, the largest where nobody says how many, and of amperes."""
        # Outputs in parallel need not share: one may carry nearly all that it can.
        one_s_most_a = largest_magnitude(self._profile, "current")
        peak_a = request.expected_peak_a
        carried_a = max(min(peak_a, one_s_most_a), peak_a / len(self._outputs))
        current = range_or_error(self._profile, "current", carried_a)
        if not request.expected_peak_v:
            return self._profile.ranges("voltage")[-1], current
        return range_or_error(self._profile, "voltage", request.expected_peak_v), current

    def _confirm_words(self) -> None:
        for command, wanted in (("FORM?", "REAL"), ("FORM:BORD?", "SWAP")):
            told = self._link.query(command).upper()
            if not told.startswith(wanted):
                raise broken(command, told, f"is not {wanted}, which was set")

    def _confirm(self, command: str, wanted: float) -> None:
        for field in self._link.query(command).split(","):
            told = decode_number(command, field)
            check_setting(self._profile.name, command, told, wanted, wanted * 0.05)

    def _setup(self, voltage: Range, current: Range) -> MeterSetup:
        """Get the facts of a set-up on two ranges; outputs in parallel are told as their sum."""
        sampling, outputs = self._profile.sampling, len(self._outputs)
        one = accuracy_of(current)
        amperes = replace(
            one, full_scale=one.full_scale * outputs, offset_limit=one.offset_limit * outputs
        )
        return MeterSetup(
            channels=CHANNELS,
            accuracy=(accuracy_of(voltage), amperes),
            averaging=sampling.averaging,
            aperture_s=self._period_s,
            interval_s=self._period_s,
            timestamp=sampling.timestamp,
            latency_s=sampling.latency_s,
            latency_limit_s=sampling.latency_limit_s,
            clock_limit_ppm=sampling.clock_limit_ppm,
            burden_ohm=0.0,
            burden_limit_ohm=0.0,
            settings={
                "outputs": self._list,
                "voltage_range": voltage.full_scale,
                "current_range": current.full_scale,
                "period_s": self._period_s,
                "record": ", ".join(RECORDED.fields),
                "format": "REAL, SWAP",
            },
        )

    def _pieces(self) -> Iterator[_Piece]:
        """Get, and erase, all records there are; a piece that is not full is the last."""
        command = f"FETC:ELOG? {FETCHED_AT_ONCE},{self._list}"
        last = False
        while not last:
            sent_ns = now_ns()
            blocks = ask_erasing(lambda: ask_blocks(self._link, command, ERASING_LIMIT_S))
            received_ns = now_ns()
            if len(blocks) != len(self._outputs):
                why = f"holds {len(blocks)} blocks for {len(self._outputs)} outputs"
                raise broken(command, "", why)
            values = columns(decode_records(command, blocks, RECORDED), RECORDED)
            last = len(values) < FETCHED_AT_ONCE
            yield _Piece(values, sent_ns, received_ns, last=last)


def _joined(pieces: list[_Piece]) -> _Piece:
    values = np.concatenate([piece.values for piece in pieces])
    return replace(pieces[-1], values=values)


def split_outputs(resource: str) -> tuple[str, tuple[int, ...]]:
    """Get the VISA resource and its option ``outputs``, output 1 where nothing is said."""
    options = split_options(resource, ("outputs",))
    listed = options.values.get("outputs", "1")
    if not re.fullmatch(r"[1-9](,[1-9])*", listed, re.ASCII):
        raise ConfigError(
            f"'outputs={listed}' in the meter's resource names no outputs",
            hint=f"write one, {options.place}?outputs=2, or those in parallel, "
            f"{options.place}?outputs=1,2",
        )
    return options.place, tuple(int(output) for output in listed.split(","))


def open_session(profile: InstrumentProfile, bench_meter: BenchMeter) -> N6705:
    """Open the meter of a bench; ``InstrumentError`` where it is not there or is another."""
    resource, outputs = split_outputs(bench_meter.resource)
    link = open_visa(resource)
    try:
        return N6705(link, profile, outputs)
    except BaseException:
        link.close()
        raise
