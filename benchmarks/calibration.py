"""What a calibration is worth: coverage and width over seeded emulated benches in virtual time.

Each bench draws its own meter, reference and load, at a temperature of its own. The meter reads a
load once, is calibrated as ``powerlab calibrate`` does it (the same plan, points, fit and
checks), and reads a load once more. A method is honest where nominal 95 % intervals hold the
truth in 93 % to 97 % of benches, and useful where they shrink as far as the reference allows.

    python benchmarks/calibration.py [--benches 2000] [--class NAME]... [--processes 1]

"before" is the share of readings before the calibration that the specified limits cover, "after"
that of corrected ones, with its 95 % band. "U spec" is what the limits give for the reading
after, "U" what the correction does, "factor" their ratio; "allowed" is the factor of a fit without
any error, which leaves the reference, the reading itself, drift and temperature. "bias" is the
mean error over the mean U. Without ``--first-seed`` the seeds are drawn from the operating
system: nobody chose them. Exits with 1 where a class misses a bar.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from calibration_benches import Outcome, one_bench
from calibration_classes import CLASSES, BenchClass
from scipy import stats

LOW, HIGH = 0.93, 0.97
"""The bar for the coverage of nominal 95 % intervals."""

WIDER = 1.1
"""The bar for mean U over that of a fit without any error."""

MOST_REFUSED = 0.02
"""Share of refused benches above which they count as not covered."""

HEAD = (
    f"{'class':24s} {'before':>7s} {'after':>7s}  {'95 % band':13s} {'bias':>7s} {'U spec':>9s}"
    f" {'U':>9s} {'p95|e|':>9s} {'factor':>6s} {'allowed':>7s} {'refused':>7s}"
)


@dataclass(frozen=True, slots=True)
class Summary:
    """What the benches of a class show; U and errors in the quantity's unit."""

    before: float
    after: float
    band: tuple[float, float]
    bias: float
    u_specified: float
    u: float
    u_allowed: float
    p95_error: float
    refused: float

    def fails(self, kind: BenchClass) -> tuple[str, ...]:
        """Get the bars that are missed, in words."""
        missed = {
            "coverage before": self.before < LOW,
            "coverage after": self.after < LOW,
            "coverage after is too high": kind.shown and self.after > HIGH,
            "factor": kind.shown and self.u > WIDER * self.u_allowed,
        }
        return tuple(name for name, is_missed in missed.items() if is_missed)


def summarise(outcomes: Sequence[Outcome]) -> Summary:
    """Summarise the benches of a class."""
    used = [item for item in outcomes if not item.refused]
    refused = 1 - len(used) / len(outcomes)
    before, after = (np.array([getattr(o, at) for o in used]).T for at in ("before", "after"))
    hits = int(np.count_nonzero(np.abs(after[0]) <= after[1]))
    trials = len(outcomes) if refused > MOST_REFUSED else len(used)
    band = stats.binomtest(hits, trials).proportion_ci(0.95)
    return Summary(
        before=float(np.mean(np.abs(before[0]) <= before[1])),
        after=hits / trials,
        band=(float(band.low), float(band.high)),
        bias=float(after[0].mean() / after[1].mean()),
        u_specified=float(np.mean([item.uncalibrated for item in used])),
        u=float(after[1].mean()),
        u_allowed=float(np.mean([item.floor for item in used])),
        p95_error=float(np.quantile(np.abs(after[0]), 0.95)),
        refused=refused,
    )


def report(name: str, outcomes: Sequence[Outcome]) -> bool:
    """Print the lines of a class; True where it holds its bars."""
    found = summarise(outcomes)
    missed = found.fails(CLASSES[name])
    low, high = found.band
    print(
        f"{name:24s} {found.before:7.2%} {found.after:7.2%}  {low:6.2%}-{high:6.2%}"
        f" {found.bias:+7.1%} {found.u_specified:9.3g} {found.u:9.3g} {found.p95_error:9.3g}"
        f" {found.u_specified / found.u:6.2f} {found.u_specified / found.u_allowed:7.2f}"
        f" {found.refused:7.2%}  {'fails: ' if missed else ''}{', '.join(missed)}"
    )
    for title, words in (
        ("chosen", [item.form for item in outcomes if item.form]),
        ("wider", [item.wider for item in outcomes if item.wider]),
        ("refused", [item.refused for item in outcomes if item.refused]),
        ("findings", [code for item in outcomes for code in item.codes]),
    ):
        told = ", ".join(f"{word} {count}" for word, count in Counter(words).most_common())
        if told:
            print(f"{'':24s} {title}: {told}", flush=True)
    return not missed


def main() -> None:
    """Run the benches and print coverage, widths, forms and findings of each class."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--benches", type=int, default=2000)
    parser.add_argument("--first-seed", type=int, default=None)
    parser.add_argument("--class", dest="names", action="append", choices=list(CLASSES))
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    first = secrets.randbelow(2**31) if options.first_seed is None else options.first_seed
    print(f"{options.benches} benches from seed {first}")
    print(HEAD)
    held = True
    with ProcessPoolExecutor(options.processes) as pool:
        for name in options.names or CLASSES:
            started = time.perf_counter()
            begin = first + options.benches * list(CLASSES).index(name)
            seeds = range(begin, begin + options.benches)
            outcomes = list(pool.map(partial(one_bench, name), seeds, chunksize=10))
            held &= report(name, outcomes)
            print(f"{name:24s} {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
