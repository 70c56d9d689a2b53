"""benchncnn of NCNN: eight passes to warm up and the timed ones, told by one line at the end.

Layout from its own README and source (Tencent/ncnn, benchmark/benchncnn.cpp, read 2026-11-21).
It prints nothing between loading and that line, so the whole of it is the window.
"""

import re
from typing import List

from powerlab.agent.tools import NUMBER, Asked, Stated

PROGRAM = "benchncnn"
START = ""
END = ("min =",)
BATCHES = False
WARM_UPS = 8

_LINE = re.compile(r"min = +%s +max = +%s +avg = +%s" % (NUMBER, NUMBER, NUMBER))
_LOOPS = re.compile(r"loop_count = (\d+)")
_INPUT = re.compile(r"^Input\s+\S+\s+0\s+1\s+\S+((?:\s+\d=\d+)+)", re.MULTILINE)


def words(asked: Asked) -> List[str]:
    """Get the arguments for so many passes; raises ValueError for a file without its shape."""
    told = [str(asked.passes), str(asked.threads), "0", "-1", "0"]
    return told + ["param=" + asked.path, "shape=[%s]" % ",".join(_shape(asked.path))]


def _shape(path: str) -> List[str]:
    """Get width, height and channels, which the first layer of a .param file holds."""
    with open(path, encoding="utf-8", errors="replace") as stream:
        found = _INPUT.search(stream.read(1 << 16))
    sizes = dict(part.split("=") for part in found.group(1).split()) if found else {}
    if not {"0", "1", "2"} <= set(sizes):
        raise ValueError("its first layer is no Input that holds width, height and channels")
    return [sizes[key] for key in ("0", "1", "2")]


def parse(lines: List[str]) -> Stated:
    """Read the one line; raises ValueError where it is not there."""
    told = [match for match in map(_LINE.search, lines) if match]
    loops = [match for match in map(_LOOPS.search, lines) if match]
    if not told or not loops:
        raise ValueError("no line of times")
    passes, mean_s = int(loops[0].group(1)), float(told[-1].group(3)) / 1e3
    return Stated(passes=passes, mean_s=mean_s, warm_ups=WARM_UPS)
