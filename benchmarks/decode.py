"""How fast a meter's replies are decoded, against a plain read of the same bytes.

    python benchmarks/decode.py [--frames 1000000]

One thread; the shortest processor time of some repetitions, so that other programs count as
little as can be. A plain read is the sum of the same bytes as 64-bit integers. "One by one" is
the decoder that a session calls for each reply, the way that readers of these meters do it. Of a
POWER-Z KM003C, whose replies hold many samples each, the last figure is that of the whole way:
reply by reply to blocks of samples with their flags and instants.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from powerlab.emulation import rdtech_tc66, rdtech_um25c
from powerlab.emulation.power_z_km003c import put_data
from powerlab.instruments import km003c_frames, tc66_frames, um_arrays, um_frames
from powerlab.instruments.power_z_queue import QueueReader

REPETITIONS = 5
DIFFERENT = 2000  # frames that differ from each other; a recording repeats them
ONE_BY_ONE = 20_000
PER_REPLY = 40  # what a poll each 40 ms brings at 1000 samples a second
MS = 1_000_000


def best_s(work: Callable[[], Any]) -> float:
    """Get the shortest processor time of a call."""
    taken = []
    for _ in range(REPETITIONS):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return min(taken)


def loads(scale_v: int, scale_a: int, scale_w: int) -> list[dict[str, int]]:
    """Get raw volts, amperes and watts of a load that changes from reading to reading."""
    rng = np.random.default_rng(1)
    volts = np.rint((5 + 0.05 * rng.standard_normal(DIFFERENT)) * scale_v).astype(int)
    amperes = np.rint((0.2 + rng.random(DIFFERENT)) * scale_a).astype(int)
    watts = np.rint(volts / scale_v * (amperes / scale_a) * scale_w).astype(int)
    rows = zip(volts.tolist(), amperes.tolist(), watts.tolist(), strict=True)
    return [{"voltage": v, "current": a, "power": w} for v, a, w in rows]


def report(
    name: str,
    frames: list[bytes],
    wanted: int,
    batch: Callable[[bytes], tuple[np.ndarray, np.ndarray]],
    single: Callable[[bytes], Any],
) -> None:
    """Print one family's figures, after a check that both ways say the same."""
    readings, intact = batch(b"".join(frames))
    alone = [single(frame) for frame in frames]
    for key in ("voltage_raw", "current_raw", "power_raw"):
        if not intact.all() or readings[key].tolist() != [getattr(each, key) for each in alone]:
            sys.exit(f"{name}: {key} differs between the two decoders")
    recording = b"".join(frames) * (wanted // DIFFERENT)
    words = np.frombuffer(recording[: len(recording) // 8 * 8], dtype=np.int64)
    read_s = best_s(words.sum) / len(recording) * len(frames[0])
    batch_s = best_s(lambda: batch(recording)) / (len(recording) // len(frames[0]))
    some = (frames * (ONE_BY_ONE // DIFFERENT))[:ONE_BY_ONE]
    single_s = best_s(lambda: [single(frame) for frame in some]) / len(some)
    print(
        f"{name}, frames of {len(frames[0])} bytes\n"
        f"  plain read  {read_s * 1e9:8.1f} ns each\n"
        f"  all at once {batch_s * 1e9:8.1f} ns each  {1e-6 / batch_s:.2f} M samples/s  "
        f"{batch_s / read_s:.0f} plain reads\n"
        f"  one by one  {single_s * 1e9:8.1f} ns each  {1e-6 / single_s:.3f} M samples/s  "
        f"{single_s / batch_s:.0f} times as long as all at once"
    )


def queue_replies(samples: int) -> list[bytes]:
    """Get a KM003C's replies to polls of its queue: ``samples`` in all, without a gap."""
    queue = struct.Struct("<HHii4H")
    replies = []
    for first in range(0, samples, PER_REPLY):
        rows = [
            queue.pack(tick & 0xFFFF, 0, 5_000_000 + tick % 997, 400_000 + tick % 9973, 0, 0, 0, 0)
            for tick in range(first, first + PER_REPLY)
        ]
        replies.append(put_data(first & 0xFF, [(2, PER_REPLY, 20, b"".join(rows))]))
    return replies


def decode_replies(replies: list[bytes]) -> int:
    """Decode replies and get how many samples they held."""
    blocks = (km003c_frames.decode_blocks(reply)[0] for reply in replies)
    return sum(len(km003c_frames.decode_queue(block.payload)) for block in blocks)


def to_blocks(replies: list[bytes]) -> int:
    """Bring replies all the way to blocks of samples and get how many came out good."""
    reader, good = QueueReader(("voltage", "current"), np.array([50.0, 6.0]), 1), 0
    for number, reply in enumerate(replies):
        at_ns = number * PER_REPLY * MS
        block = reader.take(reply, at_ns, at_ns + MS)
        good += 0 if block is None else int(np.count_nonzero(block.flags == 0))
    return good


def report_queue(samples: int) -> None:
    """Print the figures of the KM003C."""
    replies = queue_replies(samples)
    if not decode_replies(replies) == to_blocks(replies) == samples:
        sys.exit("KM003C: samples are missing")
    data = b"".join(replies)
    words = np.frombuffer(data[: len(data) // 8 * 8], dtype=np.int64)
    read_s = best_s(words.sum) / samples
    codec_s = best_s(lambda: decode_replies(replies)) / samples
    whole_s = best_s(lambda: to_blocks(replies)) / samples
    print(
        f"KM003C, replies of {PER_REPLY} samples of 20 bytes\n"
        f"  plain read  {read_s * 1e9:8.1f} ns each\n"
        f"  decoded     {codec_s * 1e9:8.1f} ns each  {1e-6 / codec_s:.2f} M samples/s\n"
        f"  to blocks   {whole_s * 1e9:8.1f} ns each  {1e-6 / whole_s:.2f} M samples/s"
    )


def main() -> None:
    """Measure all three families."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=1_000_000)
    frames = parser.parse_args().frames
    tc66 = [rdtech_tc66.Frame(**each).encode() for each in loads(10_000, 100_000, 10_000)]
    report("TC66", tc66, frames, tc66_frames.decode_frames, tc66_frames.decode_frame)
    um25c = [rdtech_um25c.Frame(**each).encode() for each in loads(1000, 10_000, 1000)]
    report("UM25C", um25c, frames, um_arrays.decode_frames, um_frames.decode_frame)
    report_queue(frames // PER_REPLY * PER_REPLY)


if __name__ == "__main__":
    main()
