"""benchmark_bin of Paddle Lite: repeats of an optimised model, told at the end.

Layout from its documentation (PaddlePaddle/Paddle-Lite, benchmark tools, read 2026-11-21). What
it prints while it loads says nothing of when the passes begin, so the whole of it is the window.
The shape of the input is one of its arguments: name it with the program, as in
``--command "benchmark_bin --input_shape=1,3,224,224"``.
"""

import re
from typing import List

from powerlab.agent.tools import Asked, Stated, labelled, number

PROGRAM = "benchmark_bin"
START = ""
END = ("======= Perf Info =======",)
BATCHES = False

_REPEATS = re.compile(r"^repeats:\s*(\d+)")
_WARM_UPS = re.compile(r"^warmup:\s*(\d+)")
_AVERAGE = labelled("avg")
_PERF = re.compile(r"Perf Info")


def words(asked: Asked) -> List[str]:
    """Get the arguments for so many repeats without any to warm up."""
    told = ["--optimized_model_file=" + asked.path, "--repeats=%d" % asked.passes, "--warmup=0"]
    return told + ["--threads=%d" % asked.threads]


def parse(lines: List[str]) -> Stated:
    """Read the averages; raises ValueError where they are not there."""
    heads = [place for place, line in enumerate(lines) if _PERF.search(line)]
    repeats, warm_ups = number(_REPEATS, lines), number(_WARM_UPS, lines)
    mean_ms = number(_AVERAGE, lines[heads[-1] : heads[-1] + 8]) if heads else None
    if repeats is None or mean_ms is None:
        raise ValueError("no table of times")
    return Stated(passes=int(repeats), mean_s=mean_ms / 1e3, warm_ups=int(warm_ups or 0))
