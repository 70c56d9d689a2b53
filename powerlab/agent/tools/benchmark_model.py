"""benchmark_model of TensorFlow Lite: warm-up passes, then timed ones, each with a line of counts.

Lines as its users' logs show them (2019 to 2025, read 2026-11-21): the timed passes lie between
the second "Running benchmark for at least" and the second "count=", in microseconds.
"""

import re
from typing import List, Optional

from powerlab.agent.tools import NUMBER, Asked, Stated

PROGRAM = "benchmark_model"
START = "Running benchmark for at least"
START_AT = 2
END = ("count=",)
BATCHES = False

_COUNTS = re.compile(r"count=(\d+) (.*)")


def words(asked: Asked) -> List[str]:
    """Get the arguments that time so many passes after one to warm up."""
    return [
        "--graph=" + asked.path,
        "--num_threads=%d" % asked.threads,
        "--num_runs=%d" % asked.passes,
        "--min_secs=0",
        "--max_secs=86400",
        "--warmup_runs=1",
        "--warmup_min_secs=0",
    ]


def parse(lines: List[str]) -> Stated:
    """Read the counts of the timed passes; raises ValueError where they are not there."""
    found = [match for match in map(_COUNTS.search, lines) if match]
    if len(found) < 2:
        raise ValueError("no counts of the timed passes")
    passes, rest = int(found[1].group(1)), found[1].group(2)

    def part(name: str) -> Optional[float]:
        told = re.search(r"\b%s=%s" % (name, NUMBER), rest)
        return float(told.group(1)) / 1e6 if told else None

    # A single pass is told by "curr" alone.
    return Stated(passes=passes, mean_s=part("avg") or part("curr"), median_s=part("median"))
