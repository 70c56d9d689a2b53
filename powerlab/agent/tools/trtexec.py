"""trtexec of TensorRT 7 to 10: an ONNX model becomes an engine once, which is then timed.

Lines as its own logs show them (issues and samples of NVIDIA/TensorRT, read 2026-11-21): the
passes lie between "Starting inference" and the first of the averages or the summary.
"""

import re
from typing import List, Optional

from powerlab.agent.tools import NUMBER, Asked, Stated, number

PROGRAM = "trtexec"
START = "Starting inference"
END = ("Trace averages of", "=== Trace details ===", "=== Performance summary ===", "Average on ")

ENGINES = (".engine", ".plan", ".trt")
BATCHES = False

_WALL = re.compile(r"(?:Total Host Walltime|Host Walltime): " + NUMBER + r" s")
_RATE = re.compile(r"Throughput: " + NUMBER + r" qps")
_LATENCY = re.compile(r"\] (?:Latency|Host Latency): (.*)|^(?:Latency): (.*)")
_PART = r"%s ?[=:] " + NUMBER + " ms"


def words(asked: Asked) -> List[str]:
    """Get the arguments that time so many passes and no fewer."""
    model = "--loadEngine=" if asked.path.endswith(ENGINES) else "--onnx="
    return [model + asked.path, "--iterations=%d" % asked.passes, "--duration=0", "--warmUp=0"]


def build_words(path: str, engine: str) -> List[str]:
    """Get the arguments that make an engine of a model, which takes minutes on a small board."""
    return ["--onnx=" + path, "--saveEngine=" + engine, "--iterations=1", "--duration=0"]


def parse(lines: List[str]) -> Stated:
    """Read the summary; raises ValueError where there is none.

    The number of passes is the throughput times the walltime, both of which are printed to six
    digits: it is a whole number.
    """
    wall_s, rate = number(_WALL, lines), number(_RATE, lines)
    latency = [found.group(1) or found.group(2) for found in map(_LATENCY.search, lines) if found]
    if wall_s is None or rate is None or not latency:
        raise ValueError("no performance summary")
    parts = latency[-1:]
    return Stated(
        passes=round(rate * wall_s),
        mean_s=_ms(number(re.compile(_PART % "mean"), parts)),
        median_s=_ms(number(re.compile(_PART % "median"), parts)),
        p99_s=_ms(number(re.compile(_PART % r"percentile\(99%\)"), parts)),
        duration_s=wall_s,
    )


def _ms(value: Optional[float]) -> Optional[float]:
    return None if value is None else value / 1e3
