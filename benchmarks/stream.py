"""Whether fast streams are kept up with: decoded, joined and on the disk, with nothing lost.

    python benchmarks/stream.py [--seconds 20] [--minutes 1]

First an emulated source of 2 million samples a second for ``--seconds``: a process of its own
sends samples in the PPK2's layout through a pipe, at their pace; this process decodes them,
joins them in memory as an acquisition does and writes every block to the disk as a recording
does. The processor time is that of this process alone; the bar is half of one core. Then an
emulated PPK2 at its own 100,000 a second, on a pseudo-terminal, through its driver, for
``--minutes``. The exit status is 1 where a sample is lost or a bar missed.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import fcntl
import math
import multiprocessing
import select
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from powerlab.acquire import SampleStore
from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.emulation.nordic_ppk2 import CONSTANTS
from powerlab.emulation.process import EmulatorContext, EmulatorProcess
from powerlab.instruments.contract import MeterRequest
from powerlab.instruments.nordic_ppk2 import open_session
from powerlab.instruments.ppk2_metadata import current_table, parse_metadata
from powerlab.instruments.ppk2_samples import Conversion, SampleReader, currents
from powerlab.instruments.streaming import Rows, Stream
from powerlab.records import SampleBlock, SampleFlag
from powerlab.store.recording import BlockStream
from powerlab.units import NS_PER_S, now_ns

ROOT = Path(__file__).resolve().parents[1]
RATE_HZ = 2_000_000
INTERVAL_NS = NS_PER_S // RATE_HZ
CORE_BAR = 0.5
PIPE_BYTES = 1 << 20
STEP_S = 0.005
KINDS = 64 * 1024  # samples that differ; whole turns of the counter
MEMORY_BYTES = 4 << 30


def source(descriptor: int, seconds: float) -> None:
    """Send samples at their pace until their number is complete."""
    index = np.arange(KINDS, dtype=np.uint32)
    code = (1000 + 500 * np.sin(index / 300)).astype(np.uint32)
    ring = (code | np.uint32(2 << 14) | (index % 64) << 18).astype("<u4").tobytes() * 2
    total, sent, begun = round(seconds * RATE_HZ), 0, time.monotonic()
    while sent < total:
        due = min(total, round((time.monotonic() - begun) * RATE_HZ))
        while sent < due:
            at = sent % KINDS
            count = min(due - sent, KINDS)
            view = memoryview(ring)[4 * at : 4 * (at + count)]
            while view:
                view = view[os.write(descriptor, view) :]
            sent += count
        time.sleep(STEP_S)
    os.close(descriptor)


class Pipe:
    """The reading end of a pipe, as a stream link."""

    resource = "pipe"

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.ended = threading.Event()

    def arrived(self, deadline_ns: int) -> bytes:
        """Wait for bytes until the deadline; get what is there."""
        wait_s = max(0.0, (deadline_ns - now_ns()) / NS_PER_S)
        if self.ended.is_set() or not select.select([self._descriptor], [], [], wait_s)[0]:
            return b""
        data = os.read(self._descriptor, PIPE_BYTES)
        if not data:
            self.ended.set()
        return data

    def write(self, data: bytes) -> None:
        """Nothing is sent."""

    def read(self, count: int, deadline_ns: int) -> bytes:
        """Get what is there."""
        return self.arrived(deadline_ns)[:count]

    def drain(self) -> bytes:
        """Nothing waits."""
        return b""

    def close(self) -> None:
        """Close it."""
        os.close(self._descriptor)


class FastRows:
    """Samples of the PPK2's layout at another rate."""

    def __init__(self) -> None:
        lines = [
            f"{key}{number}: {value:.9f}"
            for key, values in CONSTANTS.items()
            for number, value in enumerate(values)
        ]
        metadata = parse_metadata("\n".join([*lines, "END", ""]).encode())
        self._conversion = Conversion.of(current_table(metadata, 3.0), math.inf)
        self._reader = SampleReader()
        self._taken = 0

    def feed(self, data: bytes) -> Rows:
        """Take bytes; get rows."""
        samples = self._reader.feed(data)
        current, flags = currents(samples, self._conversion)
        index = np.arange(self._taken, self._taken + len(current), dtype=np.int64)
        self._taken += len(current)
        return Rows(current[:, np.newaxis], flags, INTERVAL_NS * index)


def kept(blocks: Iterable[SampleBlock], folder: Path) -> tuple[int, int]:
    """Join blocks in memory and write them to the disk; get how many rows came, and lost ones."""
    store, disk = SampleStore(MEMORY_BYTES), BlockStream(folder / "capture.arrows")
    lost = 0
    for block in blocks:
        disk.append(block)
        store.append(block)
        lost += int(np.count_nonzero(block.flags & SampleFlag.LOST))
    disk.close()
    return store.count, lost


def fast(seconds: float) -> bool:
    """Take the fast source in; tell whether the bars are met."""
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    sender = multiprocessing.get_context("fork").Process(target=source, args=(write_end, seconds))
    sender.start()
    os.close(write_end)
    pipe = Pipe(read_end)
    running = Stream(pipe, FastRows(), INTERVAL_NS, "the source")
    with tempfile.TemporaryDirectory() as folder:
        begun, used = time.monotonic(), time.process_time()
        rows, lost = kept(running.blocks(pipe.ended), Path(folder))
        took_s, used_s = time.monotonic() - begun, time.process_time() - used
        size = (Path(folder) / "capture.arrows").stat().st_size
    sender.join()
    wanted = round(seconds * RATE_HZ)
    missing = wanted - rows  # the reader keeps its newest two until they are sure
    share = used_s / took_s
    print(
        f"2 MS/s for {seconds:g} s: {rows:,} of {wanted:,} rows, {lost} lost, took {took_s:.1f} s\n"
        f"  {rows / took_s / 1e6:.2f} M samples/s, {size / took_s / 1e6:.0f} MB/s to the disk, "
        f"{share:.0%} of one core"
    )
    return lost == 0 and missing <= 2 and share < CORE_BAR


def terminal(minutes: float) -> bool:
    """Take an emulated PPK2 in through its driver; tell whether nothing was lost."""
    profile = InstrumentProfile.model_validate(
        tomllib.loads((ROOT / "instruments" / "nordic-ppk2.toml").read_text(encoding="utf-8"))
    )
    device = DeviceProfile.model_validate(
        tomllib.loads((ROOT / "devices" / "edgeboard.toml").read_text(encoding="utf-8"))
    )
    with tempfile.TemporaryDirectory() as folder:
        context = EmulatorContext(Path(folder), 1, device, profile)
        context.box.mkdir()
        context.edges.mkdir()
        process = EmulatorProcess("meter", "powerlab.emulation.nordic_ppk2:serve", context)
        try:
            process.wait_ready()
            bench = BenchMeter(model=profile.id, resource=f"{process.address['resource']}?volts=3")
            meter = open_session(profile, bench)
            meter.configure(MeterRequest(expected_peak_a=0.9))
            stop = threading.Event()
            timer = threading.Timer(60 * minutes, stop.set)
            timer.start()
            begun, used = time.monotonic(), time.process_time()
            rows, lost = kept(meter.stream(stop), Path(folder))
            took_s, used_s = time.monotonic() - begun, time.process_time() - used
            meter.close()
        finally:
            process.stop()
    print(
        f"100 kS/s on a pseudo-terminal for {minutes:g} min: {rows:,} rows, {lost} lost, "
        f"{rows / took_s / 1e3:.2f} k samples/s, {used_s / took_s:.0%} of one core"
    )
    return lost == 0


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--minutes", type=float, default=1)
    arguments = parser.parse_args()
    done = [fast(arguments.seconds), terminal(arguments.minutes)]
    if not all(done):
        sys.exit("a bar is missed")


if __name__ == "__main__":
    main()
