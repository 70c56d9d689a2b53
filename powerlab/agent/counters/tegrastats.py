"""NVIDIA's tegrastats: one line for each interval, with the rails of a Jetson in mW.

Old lines say ``POM_5V_IN 933/933``, new ones ``VDD_IN 4939mW/4939mW``, some with a third figure:
now, then the mean since the program began. Now is what is taken. Everything else in a line
changes from release to release and is passed over. The program is started for each session.
"""

import os
import re
import shutil
from typing import Any, Dict, List, Optional, Tuple

from powerlab.agent.child import Child
from powerlab.agent.clock import now_ns
from powerlab.agent.counters.rails import choose, facts_of
from powerlab.agent.faults import AgentError

OPTIONS = ("selector", "command")

PLACES = ("/usr/bin/tegrastats", "/home/nvidia/tegrastats", "/home/ubuntu/tegrastats")
FIRST_LINE_S = 10.0
SHORTEST_MS = 50
PROBE_MS = 100

# A unit other than mW ("RAM 330/3964MB"), or none of the slash, is no rail.
_RAIL = re.compile(r"(?<!\S)([A-Z][A-Z0-9_]*) (\d+)(mW)?/(\d+)(?:mW)?(?:/\d+(?:mW)?)?(?!\S)")


def parse_line(line: str) -> Dict[str, Tuple[int, int]]:
    """Get the rails of a line: power now and its mean since the program began, mW."""
    return {name: (int(now), int(mean)) for name, now, _, mean in _RAIL.findall(line)}


class Lines:
    """A running tegrastats, whose every line is a sample of watts."""

    def __init__(self, command: str, options: Dict[str, str]) -> None:
        """Start it once to see which rails there are."""
        self._command = command
        self._child: Optional[Child] = None
        self.start(PROBE_MS / 1000)
        first = self._first()
        self.stop()
        rails = list(first)
        choice = choose(rails, options.get("selector", ""))
        self._names = choice.names
        self.facts = dict(
            facts_of(choice, rails),
            quantity="power",
            unit_j=0.0,
            wraps_at=[0] * len(choice.names),
            chips=["tegrastats"],
            update_s=0.0,
            stands_for="power, as the board's chip last read it when tegrastats asked",
        )

    def start(self, interval_s: float) -> None:
        """Start it anew with this interval."""
        self.stop()
        milliseconds = max(SHORTEST_MS, round(interval_s * 1000))
        self._child = Child([self._command, "--interval", str(milliseconds)], b"")

    def stop(self) -> None:
        """End it, where it runs."""
        child, self._child = self._child, None
        if child is not None:
            child.close()

    def fileno(self) -> int:
        """Get the descriptor that is readable when a line has come."""
        return self._running.fileno()

    def take(self) -> List[Tuple[int, List[Optional[float]]]]:
        """Get the lines that have come: their instant of arrival and watts of each rail.

        Raises AgentError where it has ended and its last lines have been taken.
        """
        child = self._running
        child.receive(now_ns() + 1000000)
        lines, child.lines = child.lines, []
        told = [(at, parse_line(line.decode("utf-8", "replace"))) for line, at in lines]
        samples = [
            (at, [_watts(rails, name) for name in self._names]) for at, rails in told if rails
        ]
        if child.at_end and not samples:
            raise self._ended(child)
        return samples

    @property
    def _running(self) -> Child:
        if self._child is None:
            raise AgentError("bad-request", "tegrastats is not running", "start it before reading")
        return self._child

    def _first(self) -> Dict[str, Tuple[int, int]]:
        child, deadline_ns = self._running, now_ns() + round(FIRST_LINE_S * 1e9)
        while not child.at_end and child.receive(deadline_ns):
            for line, _ in child.lines:
                rails = parse_line(line.decode("utf-8", "replace"))
                if rails:
                    return rails
        if child.at_end:
            raise self._ended(child)
        lines = [line.decode("utf-8", "replace") for line, _ in child.lines]
        child.close()
        raise AgentError(
            "counter-missing",
            f"tegrastats tells no power rail: {(lines or ['no line came'])[-1][:120]}",
            "not every Jetson lets every login read its sensors: run tegrastats on the board by "
            "hand, and compare with `sudo tegrastats`",
        )

    def _ended(self, child: Child) -> AgentError:
        child.close()
        complained, said = child.words()
        last = complained.strip().splitlines() or said.strip().splitlines() or ["without a word"]
        return AgentError(
            "counter-gone",
            f"tegrastats ended: {last[-1][:200]}",
            "run it on the board by hand: tegrastats --interval 100",
        )


def open_source(options: Dict[str, str]) -> Any:
    """Find the program, by the option ``command`` or where NVIDIA puts it; raises AgentError."""
    named = options.get("command", "")
    found = shutil.which(named or "tegrastats")
    if not found and not named:
        found = next((path for path in PLACES if os.access(path, os.X_OK)), None)
    if not found:
        raise AgentError(
            "counter-missing",
            f"the board has no program {named or 'tegrastats'!r}",
            "it comes with a Jetson's own Linux; elsewhere use the counters of hwmon",
        )
    return Lines(found, options)


def _watts(rails: Dict[str, Tuple[int, int]], name: str) -> Optional[float]:
    told = rails.get(name)
    return None if told is None else told[0] / 1000
