"""How fast a meter's replies are decoded, against a plain read of the same bytes.

    python benchmarks/decode.py [--frames 1000000]

One thread; the shortest processor time of some repetitions, so that other programs count as
little as can be. A plain read is the sum of the same bytes as 64-bit integers. "One by one" is
the decoder that a session calls for each reply, the way that readers of these meters do it.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from powerlab.emulation import rdtech_tc66, rdtech_um25c
from powerlab.instruments import tc66_frames, um_arrays, um_frames

REPETITIONS = 5
DIFFERENT = 2000  # frames that differ from each other; a recording repeats them
ONE_BY_ONE = 20_000


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


def main() -> None:
    """Measure both families."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=1_000_000)
    frames = parser.parse_args().frames
    tc66 = [rdtech_tc66.Frame(**each).encode() for each in loads(10_000, 100_000, 10_000)]
    report("TC66", tc66, frames, tc66_frames.decode_frames, tc66_frames.decode_frame)
    um25c = [rdtech_um25c.Frame(**each).encode() for each in loads(1000, 10_000, 1000)]
    report("UM25C", um25c, frames, um_arrays.decode_frames, um_frames.decode_frame)


if __name__ == "__main__":
    main()
