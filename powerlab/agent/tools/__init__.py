"""The benchmark programs of the runtimes' makers: how each is called, and what it prints.

One module for each, with ``PROGRAM`` (its usual name), ``words`` (the arguments for a number of
passes), ``START`` and ``END`` (what the lines contain between which the passes are made; START
is "" where a program prints nothing before them) and ``parse`` (lines to ``Stated``).
"""

import importlib
import re
from typing import Any, List, NamedTuple, Optional, Pattern

NAMES = ("benchmark-app", "benchmark-model", "benchncnn", "paddle-lite-benchmark", "trtexec")


class Asked(NamedTuple):
    """What a program is to do: the model's path, passes, threads, and the size of a batch."""

    path: str
    passes: int
    threads: int
    batch: int


class Stated(NamedTuple):
    """What a program says of its passes; times in seconds, None for what it does not say.

    ``passes`` counts forward passes, ``warm_ups`` those beforehand that are between the lines
    as well.
    """

    passes: int
    mean_s: Optional[float]
    median_s: Optional[float] = None
    p99_s: Optional[float] = None
    duration_s: Optional[float] = None
    warm_ups: int = 0

    def in_words(self) -> str:
        """Get it as one line for the facts of a result."""
        named = (("mean", self.mean_s), ("median", self.median_s), ("99 %", self.p99_s))
        told = ["%s %.6g ms" % (name, 1e3 * value) for name, value in named if value is not None]
        rate = None
        if self.duration_s:
            rate = self.passes / self.duration_s
        elif self.mean_s:
            rate = 1 / self.mean_s
        if rate is not None:
            told.insert(0, "%.6g passes/s" % rate)
        return "%d passes: %s" % (self.passes, ", ".join(told))


def find_tool(runtime: str) -> Any:
    """Get the module of a program by its runtime id."""
    return importlib.import_module("%s.%s" % (__name__, runtime.replace("-", "_")))


def number(pattern: Pattern[str], lines: List[str]) -> Optional[float]:
    """Get the number that the first group of a pattern holds in the last line that has one."""
    for line in reversed(lines):
        found = pattern.search(line)
        if found:
            return float(found.group(1))
    return None


NUMBER = r"([0-9.]+(?:[eE][-+]?[0-9]+)?)"
"""A number as these programs print it; some write large ones with an exponent."""


def labelled(label: str, unit: str = "") -> Pattern[str]:
    """Get the pattern of ``label: 12.3 unit`` or ``label = 12.3 unit`` somewhere in a line."""
    return re.compile(r"\b%s\s*[:=]\s*%s\s*%s" % (label, NUMBER, unit), re.IGNORECASE)
