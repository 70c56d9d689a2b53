"""How fast and how exactly energy is integrated, against a plain read of the same memory.

    python benchmarks/integration.py [--samples 100000000] [--windows 10000]

One thread; the shortest processor time of some repetitions, so that other programs count as
little as can be. A plain read is the sum of the same arrays as 64-bit integers, which is the
fastest of numpy's passes over them.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from powerlab.analysis.dense import BLOCK, EvenSamples, product_sum, window_energies
from powerlab.units import NS_PER_S

INTERVAL_NS = 500  # 2 MS/s
CHECKED = 1 << 24  # samples whose sum is compared with the exact one, which takes long
REPETITIONS = 7


def best_s(*works: Callable[[], Any]) -> list[float]:
    """Get the shortest processor time of each call, made by turns."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(REPETITIONS):
        for work, taken in zip(works, times, strict=True):
            begun = time.process_time()
            work()
            taken.append(time.process_time() - begun)
    return [min(taken) for taken in times]


def readings(count: int, kind: type) -> tuple[np.ndarray, np.ndarray]:
    """Get volts with a ripple and amperes with a pulsed load; float32 numbers in either kind."""
    rng = np.random.default_rng(1)
    volts, amperes = np.empty(count, kind), np.empty(count, kind)
    for at in range(0, count, BLOCK):
        part = slice(at, min(at + BLOCK, count))
        size = part.stop - at
        pulsed = 0.2 + 0.6 * ((np.arange(at, at + size) // 700) % 3 > 0)
        volts[part] = (12 + 0.05 * rng.standard_normal(size)).astype(np.float32)
        amperes[part] = (pulsed + 0.01 * rng.standard_normal(size)).astype(np.float32)
    return volts, amperes


def exact_sum(volts: np.ndarray, amperes: np.ndarray) -> float:
    """Get the sum of products rounded once: float32 numbers have exact products in float64."""
    blocks = range(0, len(volts), BLOCK)
    products = (
        volts[at : at + BLOCK].astype(np.float64) * amperes[at : at + BLOCK].astype(np.float64)
        for at in blocks
    )
    return math.fsum(value for block in products for value in block.tolist())


def largest_error(samples: EvenSamples, edges_ns: np.ndarray, chosen: int = 50) -> float:
    """Get the largest relative error of some of the adjacent windows against exact sums."""
    energies = window_energies(samples, edges_ns[:-1], edges_ns[1:])
    volts, amperes = samples.factors
    errors = []
    for window in np.linspace(0, len(energies) - 1, chosen).astype(int):
        (first, into), (last, over) = (
            divmod(int(edge), INTERVAL_NS) for edge in edges_ns[window : window + 2]
        )
        power = volts[first : last + 1].astype(float) * amperes[first : last + 1].astype(float)
        ends = [-into * float(power[0])]
        if over:
            ends.append((over - INTERVAL_NS) * float(power[-1]))
        else:
            power = power[: last - first]
        exact = math.fsum([*(INTERVAL_NS * power).tolist(), *ends]) / NS_PER_S
        errors.append(abs(float(energies[window]) / exact - 1))
    return max(errors)


def measure(count: int, windows: int, kind: type) -> None:
    """Print the figures for one kind of float."""
    volts, amperes = readings(count, kind)
    gigabytes = (volts.nbytes + amperes.nbytes) / 1e9
    print(
        f"{np.dtype(kind).name}, {count / 1e6:g} M samples of volts and amperes, {gigabytes:.1f} GB"
    )
    words = [array[: count // 2 * 2].view(np.int64) for array in (volts, amperes)]
    # Edges anywhere within samples, each the end of one window and the begin of the next.
    span_ns = count * INTERVAL_NS
    edges_ns = np.linspace(0, span_ns - 1, windows + 1).astype(np.int64)
    samples = EvenSamples(0, span_ns, (volts, amperes))
    read_s, sum_s, windows_s = best_s(
        lambda: [word.sum() for word in words],
        lambda: product_sum(volts, amperes),
        lambda: window_energies(samples, edges_ns[:-1], edges_ns[1:]),
    )
    print(f"  {'plain read':15s} {read_s * 1e3:6.1f} ms  {gigabytes / read_s:.1f} GB/s")
    checked = volts[:CHECKED], amperes[:CHECKED]
    sum_error = abs(product_sum(*checked) / exact_sum(*checked) - 1)
    for name, taken_s, error in (
        ("sum of V·I", sum_s, sum_error),
        (f"{windows} windows", windows_s, largest_error(samples, edges_ns)),
    ):
        print(
            f"  {name:15s} {taken_s * 1e3:6.1f} ms  {count / taken_s / 1e9:.2f} GS/s per core  "
            f"{taken_s / read_s:.2f} plain reads  relative error {error:.0e} (math.fsum)"
        )


def main() -> None:
    """Measure with float32 and with float64 samples."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=100_000_000)
    parser.add_argument("--windows", type=int, default=10_000)
    options = parser.parse_args()
    print("one thread (OMP, OPENBLAS and MKL held to 1)")
    for kind in (np.float32, np.float64):
        measure(options.samples, options.windows, kind)


if __name__ == "__main__":
    main()
