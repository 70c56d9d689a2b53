"""benchmark_app of OpenVINO, in C++ or Python: synchronous passes, the inputs filled before.

Lines as its documentation prints them (2021 to 2025, read 2026-11-21): one pass is made and
told, "First inference took", then the timed ones follow until "[Step 11/11]".
"""

from typing import List

from powerlab.agent.tools import Asked, Stated, labelled, number

PROGRAM = "benchmark_app"
START = "First inference took"
END = ("[Step 11/11]",)
BATCHES = True

_COUNT, _DURATION = labelled("Count", "iterations"), labelled("Duration", "ms")
_MEDIAN, _MEAN = labelled("Median", "ms"), labelled("(?:Average|Avg)", "ms")


def words(asked: Asked) -> List[str]:
    """Get the arguments that time so many passes, one after the other."""
    told = ["-m", asked.path, "-d", "CPU", "-api", "sync", "-hint", "latency", "-niter"]
    told += [str(asked.passes), "-nthreads", str(asked.threads)]
    return told + (["-b", str(asked.batch)] if asked.batch != 1 else [])


def parse(lines: List[str]) -> Stated:
    """Read the statistics; raises ValueError where there are none."""
    count, duration_ms = number(_COUNT, lines), number(_DURATION, lines)
    median_ms, mean_ms = number(_MEDIAN, lines), number(_MEAN, lines)
    if count is None or duration_ms is None:
        raise ValueError("no statistics")
    return Stated(
        passes=int(count),
        mean_s=None if mean_ms is None else mean_ms / 1e3,
        median_s=None if median_ms is None else median_ms / 1e3,
        duration_s=duration_ms / 1e3,
    )
