"""How fast the PPK2's bytes become currents, against the plain way, sample by sample.

    python benchmarks/ppk2.py [--samples 1000000]

One thread; the shortest processor time of some repetitions. The plain way is the arithmetic that
is documented of the device, written for one sample and called for each: conversion and spike
filter, as readers of this device do it. Where the package ``ppk2_api`` is installed its own
``get_samples`` is timed beside it. Both ways must say the same before anything is timed. The
exit status is 1 where all at once is not ``BAR`` times as fast as one by one.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import importlib
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from powerlab.instruments.ppk2_filter import SpikeFilter
from powerlab.instruments.ppk2_metadata import current_table, parse_metadata
from powerlab.instruments.ppk2_samples import Conversion, SampleReader, currents, logic, ranges

BAR = 50
REPETITIONS = 5
ONE_BY_ONE = 20_000
PIECE_BYTES = 40_000
"""A tenth of a second of stream, which is what a session decodes at a time."""

VDD_V = 3.0
CONSTANTS = {
    "R": (1003.3506, 101.5865, 10.3027, 0.9636, 0.0564),
    "GS": (0.0, 112.789, 18.0115, 2.4217, 0.0729),
    "GI": (1.0, 0.9695, 0.9609, 0.9519, 0.9582),
    "O": (112.942, 75.4627, 64.602, 50.4983, 87.2177),
    "S": (0.000000048, 0.000000596, 0.000005281, 0.000062577, 0.002940743),
    "I": (-0.000000104, -0.000001443, 0.000036439, -0.000374119, -0.009388455),
    "UG": (1.0, 1.0, 1.0, 1.0, 1.0),
}


def metadata_text() -> str:
    """Get the constants as the device tells them."""
    lines = [
        f"{key}{number}: {value:.9f}"
        for key, values in CONSTANTS.items()
        for number, value in enumerate(values)
    ]
    return "\n".join([*lines, "VDD: 3000", "END", ""])


def recording(samples: int) -> bytes:
    """Get a stream of a load that changes its range some fifty times a second."""
    rng = np.random.default_rng(1)
    index = np.arange(samples, dtype=np.uint32)
    number = rng.integers(2, 5, samples // 2000 + 1).repeat(2000)[:samples].astype(np.uint32)
    code = (300 + 200 * rng.random(samples)).astype(np.uint32)
    return (code | number << 14 | (index % 64) << 18).astype("<u4").tobytes()


class OneByOne:
    """The documented arithmetic for one sample at a time, with the filter's state."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.second: float | None = None
        self.before: int | None = None
        self.expected: int | None = None
        self.left = self.consecutive = self.lost = 0

    def samples(self, data: bytes) -> list[tuple[float, float, int]]:
        """Convert and filter bytes in pieces of four; get filtered, unfiltered and logic."""
        told = []
        for at in range(0, len(data), 4):
            word = int.from_bytes(data[at : at + 4], "little")
            counter = word >> 18 & 63
            if self.expected is not None and counter != self.expected:
                self.lost += (counter - self.expected) % 64
            self.expected = (counter + 1) % 64
            number = word >> 14 & 7
            value = self.current(word & 0x3FFF, number)
            told.append((self.filtered(value, number), value, word >> 24))
        return told

    @staticmethod
    def current(code: int, number: int) -> float:
        """Convert one code of the converter [A]."""
        x = (code * 4 - CONSTANTS["O"][number]) * (1.8 / 163_840) / CONSTANTS["R"][number]
        return CONSTANTS["UG"][number] * (
            x * (CONSTANTS["GS"][number] * x + CONSTANTS["GI"][number])
            + CONSTANTS["S"][number] * VDD_V
            + CONSTANTS["I"][number]
        )

    def filtered(self, value: float, number: int) -> float:
        """Filter one current."""
        kept = self.first, self.second
        self.first = value if self.first is None else 0.18 * value + 0.82 * self.first
        self.second = value if self.second is None else 0.06 * value + 0.94 * self.second
        if self.before is None:
            self.before = number
        if self.before != number or self.left > 0:
            if self.before != number:
                self.consecutive, self.left = 0, 3
            else:
                self.consecutive += 1
            if number == 4 and self.consecutive < 2:
                self.first, self.second = kept
            value = (self.second if number == 4 else self.first) or 0.0
            self.left -= 1
        self.before = number
        return value


def all_at_once(data: bytes, conversion: Conversion) -> list[tuple[np.ndarray, ...]]:
    """Decode as a session does: filtered and unfiltered currents [A] and a logic input."""
    reader, filtering = SampleReader(), SpikeFilter()
    pieces = []
    for at in range(0, len(data), PIECE_BYTES):
        samples = reader.feed(data[at : at + PIECE_BYTES])
        current, _ = currents(samples, conversion)
        shown = filtering.apply(current, ranges(samples.words))
        pieces.append((shown, current, logic(samples.words, 0)))
    return pieces


def best_s(work: Callable[[], Any], repetitions: int = REPETITIONS) -> float:
    """Get the shortest processor time of a call."""
    taken = []
    for _ in range(repetitions):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return min(taken)


def package_s(data: bytes) -> float | None:
    """Get the time that ``ppk2_api`` takes for the bytes, None where it is not installed."""
    try:
        module = importlib.import_module("ppk2_api.ppk2_api")
    except ImportError:
        return None
    device = module.PPK2_API.__new__(module.PPK2_API)
    device.ser = None
    device.modifiers = {
        key: {str(number): value for number, value in enumerate(values)}
        for key, values in CONSTANTS.items()
    }
    module.PPK2_API.__del__ = lambda _self: None  # there is no port that it could reset
    device.adc_mult = 1.8 / 163_840
    device.current_vdd = VDD_V * 1000
    device.rolling_avg = device.rolling_avg4 = device.prev_range = None
    device.consecutive_range_samples = device.after_spike = 0
    device.spike_filter_alpha, device.spike_filter_alpha5 = 0.18, 0.06
    device.spike_filter_samples = 3
    device.MEAS_ADC = {"mask": 0x3FFF, "pos": 0}
    device.MEAS_RANGE = {"mask": 0x7 << 14, "pos": 14}
    device.MEAS_LOGIC = {"mask": 0xFF << 24, "pos": 24}
    device.remainder = {"sequence": b"", "len": 0}
    return best_s(lambda: device.get_samples(data), 3)


def main() -> None:
    """Compare, then measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=1_000_000)
    data = recording(parser.parse_args().samples)
    metadata = parse_metadata(metadata_text().encode())
    conversion = Conversion.of(current_table(metadata, VDD_V), math.inf)
    some = data[: 4 * ONE_BY_ONE]
    got = np.concatenate([np.stack(piece, axis=1) for piece in all_at_once(some, conversion)])
    if not np.allclose(got, OneByOne().samples(some)[: len(got)], rtol=1e-9):
        sys.exit("the two ways differ")
    words = np.frombuffer(data, dtype=np.int64)
    read_s = best_s(words.sum) / (len(data) / 4)
    batch_s = best_s(lambda: all_at_once(data, conversion)) / (len(data) / 4)
    single_s = best_s(lambda: OneByOne().samples(some), 3) / ONE_BY_ONE
    ratio = single_s / batch_s
    print(
        f"plain read   {read_s * 1e9:8.2f} ns a sample\n"
        f"all at once  {batch_s * 1e9:8.2f} ns a sample  {1e-6 / batch_s:.1f} M samples/s, "
        f"{1e-5 / batch_s:.0f} devices at 100 kS/s on one core\n"
        f"one by one   {single_s * 1e9:8.0f} ns a sample  {ratio:.0f} times as long"
    )
    package = package_s(some)
    if package is None:
        print("ppk2_api     not installed, not timed")
    else:
        each_s = package / ONE_BY_ONE
        print(f"ppk2_api     {each_s * 1e9:8.0f} ns a sample  {each_s / batch_s:.0f} times as long")
    if ratio < BAR:
        sys.exit(f"the bar is {BAR} times")


if __name__ == "__main__":
    main()
