"""Coverage of the stated intervals over seeded worlds in virtual time, by class of meter.

Each world draws its own meter, board, clocks and noise, and knows its own truth. A method is
honest where nominal 95 % intervals hold the truth in 95 % of worlds, and useful where they
are not wider than that takes.

    python benchmarks/coverage.py [--worlds 2000] [--class NAME]... [--precision] [--law LAW]

With ``--precision`` the first five runs of each world fix the number of runs (two stages).
``--law`` breaks the assumption that errors lie evenly within their limits; no bar holds then.
Without ``--first-seed`` the seeds are drawn from the operating system: nobody chose them.
Exits with 1 where a class misses a bar.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from coverage_classes import classes
from coverage_worlds import NAMES, Outcome, one_world, summarise

from powerlab.emulation.wiring import ErrorLaw

HEAD = (
    f"{'class':24s} {'energy':21s} {'covered':>8s}  {'95 % band':13s} {'bias':>8s} {'mean U':>7s}"
    f" {'p95|e|':>7s} {'ratio':>5s} {'refused':>7s} {'runs':>5s}"
)


def report(name: str, outcomes: Sequence[Outcome], *, bars: bool) -> bool:
    """Print a class's lines; True where it holds its bars or has none."""
    meter_class, held = classes()[name], True
    for energy, label in enumerate(NAMES):
        found = summarise(outcomes, energy)
        missed = found.fails(meter_class) if bars else ()
        held &= not missed
        print(
            f"{name:24s} {label:21s} {found.covered:8.2%}  {found.low:6.2%}-{found.high:6.2%}"
            f" {found.bias:+8.3%} {found.mean_u:7.3%} {found.p95_error:7.3%} {found.width:5.2f}"
            f" {found.refused:7.2%} {found.runs:5.1f}  {'fails: ' if missed else ''}"
            + ", ".join(missed),
            flush=True,
        )
    codes = Counter(code for item in outcomes for code in item.codes)
    if codes:
        told = ", ".join(f"{code} {count}" for code, count in codes.most_common())
        print(f"{name:24s} blocking: {told}")
    return held


def main() -> None:
    """Run the worlds and print coverage, bias and width for both energies of each class."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=2000)
    parser.add_argument("--first-seed", type=int, default=None)
    parser.add_argument("--class", dest="names", action="append", choices=list(classes()))
    parser.add_argument("--precision", action="store_true")
    parser.add_argument("--law", type=ErrorLaw, choices=list(ErrorLaw), default=ErrorLaw.UNIFORM)
    options = parser.parse_args()
    first = secrets.randbelow(2**31) if options.first_seed is None else options.first_seed
    print(f"{options.worlds} worlds from seed {first}, errors {options.law}")
    print(HEAD)
    held = True
    with ProcessPoolExecutor() as pool:
        for name in options.names or classes():
            started = time.perf_counter()
            work = partial(one_world, name, options.law, options.precision)
            begin = first + options.worlds * list(classes()).index(name)
            seeds = range(begin, begin + options.worlds)
            outcomes = list(pool.map(work, seeds, chunksize=5))
            held &= report(name, outcomes, bars=options.law is ErrorLaw.UNIFORM)
            print(f"{name:24s} {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
