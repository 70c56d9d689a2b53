"""The ST X-NUCLEO-LPM01A on the wire: text commands, samples as text or in binary.

Written from the firmware's public help text, not from the driver; nothing is shared with it.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from powerlab.emulation.faults import FaultWatch
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.site import profile_of
from powerlab.emulation.stream_link import StreamLink
from powerlab.emulation.streamed import LiveSamples
from powerlab.units import now_ns

STAMP_S = 0.1
STAMP_SAMPLES = 1000
"""Between two time stamps of the binary format, as a public program found it on a board."""

FIRMWARE = "mainProc_TagRev: 1.0.6"
KNOWN = (
    *("htc", "hrc", "powershield", "version", "status", "range", "volt", "freq", "acqtime"),
    *("acqmode", "funcmode", "output", "format", "trigsrc", "trigdelay", "eventsrc", "currthres"),
    *("pwr", "pwrend", "targrst", "temp", "calib", "autotest", "psrst"),
)
RATES_HZ = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)
VOLTS_MV = (1800, 3300)


class Lpm01a:
    """One board: its settings, and its samples while it acquires."""

    memory_bytes = 1 << 17
    tick_s = 0.002

    def __init__(self, context: EmulatorContext, watch: FaultWatch) -> None:
        profile = profile_of(context)
        self.serial = context.serial
        self._watch = watch
        self._live = LiveSamples(context, watch, (profile.quantities[0],))
        self._received = b""
        self._interval_s = profile.sampling.interval_s
        self.settings = {"freq": "5k", "output": "current", "format": "ascii_dec", "volt": "3300m"}
        self.controlled = False

    @property
    def running(self) -> bool:
        """Tell whether it sends samples."""
        return self._live.running

    def take(self, data: bytes) -> bytes:
        """Carry out whole lines."""
        *lines, self._received = (self._received + data).split(b"\n")
        answers = (self._carry_out(line.decode("ascii", "replace").strip()) for line in lines)
        return b"".join(answer.encode() for answer in answers)

    def _carry_out(self, line: str) -> str:
        word, _, value = line.partition(" ")
        if not word:
            return ""
        if word == "stop":
            answer = "Acquisition completed\r\n" if self.running else ""
            self._live.stop()
            return f"ack stop\r\n{answer}"
        if word == "htc":
            self.controlled = True
        elif word == "start" and self.controlled:
            return self._start()
        elif word not in KNOWN or not self.controlled:
            return f"error\r\nError detail: unknown command {word}\r\n"
        elif not self._accepts(word, value):
            return f"error\r\nError detail: parameter {value}\r\n"
        elif value:
            self.settings[word] = value
        told = {"powershield": self.serial, "version": FIRMWARE}.get(word, "")
        return f"PowerShield > ack {line} {told}".rstrip() + "\r\n"

    def _accepts(self, word: str, value: str) -> bool:
        if word == "freq":
            return _scaled(value) in RATES_HZ
        if word == "volt":
            return VOLTS_MV[0] <= 1000 * _scaled(value) <= VOLTS_MV[1]
        choices = {"format": ("ascii_dec", "bin_hexa"), "output": ("current", "energy")}
        return word not in choices or value in choices[word]

    def _start(self) -> str:
        self._interval_s = 1 / _scaled(self.settings["freq"])
        self._live.start(now_ns(), self._interval_s)
        return "ack start\r\n"

    def produce(self, at_ns: int) -> bytes:
        """Get the samples that have become available, with time stamps between them."""
        piece = self._live.due(at_ns)
        if piece is None:
            return b""
        values = piece.readings.values[:, 0]
        if self.settings["output"] == "energy":
            values = values * self._interval_s
        binary = self.settings["format"] == "bin_hexa"
        write, stamp = (_binary, _binary_stamp) if binary else (_text, _text_stamp)
        over = _BINARY_OVER if binary else b"Overcurrent detected\r\n"
        every = STAMP_SAMPLES if binary else round(STAMP_S / self._interval_s)
        stamps = range(-piece.first % every, len(values), every)
        out = b""
        for begin, end in pairwise(sorted({0, *stamps, len(values)})):
            if begin in stamps and piece.first + begin:
                out += stamp(round((piece.first + begin) * self._interval_s * 1000))
            sent = piece.sent[begin:end]
            chosen = np.nan_to_num(values[begin:end][sent])
            if piece.over[begin:end].any():
                out += over
            out += write(np.maximum(chosen, 0.0))
        return out


def _scaled(text: str) -> float:
    factor = {"k": 1e3, "m": 1e-3, "u": 1e-6}.get(text[-1:], 1.0)
    try:
        return float(text.rstrip("kmu")) * factor
    except ValueError:
        return math.nan


def _text(values: np.ndarray) -> bytes:
    return b"".join(_token(value) for value in values.tolist())


def _token(value: float) -> bytes:
    if value < 1e-30:
        return b"0000-00\r\n"
    exponent = math.floor(math.log10(value)) - 3
    digits = round(value / 10.0**exponent)
    if digits > 9999:
        digits, exponent = digits // 10, exponent + 1
    return f"{digits:04d}{exponent:+03d}\r\n".encode()


def _text_stamp(time_ms: int) -> bytes:
    return f"TimeStamp: {time_ms // 1000:03d}s {time_ms % 1000:03d}ms, buff 00%\r\n".encode()


_BINARY_OVER = b"\xf0\xf5\xff\xff"


def _binary(values: np.ndarray) -> bytes:
    power = np.zeros(len(values))
    some = values > 0
    power[some] = np.clip(np.floor(3 - np.log(values[some]) / np.log(16)), 0, 14)
    number = np.rint(values * 16.0**power)
    big = number > 0xFFF
    number, power = np.where(big, np.rint(number / 16), number), power - big
    words = power.astype(np.int64) << 12 | number.astype(np.int64)
    return bytes(words.astype(">u2").tobytes())


def _binary_stamp(time_ms: int) -> bytes:
    return b"\xf0\xf3" + time_ms.to_bytes(4, "big") + b"\x00\xff\xff"


def build(context: EmulatorContext) -> StreamLink:
    """Make one board and its pseudo-terminal."""
    watch = FaultWatch(context.faults)
    return StreamLink(Lpm01a(context, watch), watch)


def serve(context: EmulatorContext) -> None:
    """Serve one board on a pseudo-terminal until the parent wants an end."""
    link = build(context)
    context.ready({"resource": f"serial:{link.path}?volts=3.0", "serial": context.serial})
    link.serve()
