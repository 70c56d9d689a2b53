"""Faults on request: ``unplug@12s`` and its like, parsed once and timed by every emulator.

The time counts from the first busy edge that an agent writes on the emulated board, which is
where its warm-up begins: the same instant for meter and board, whatever the set-up before it
took. Before an agent has worked, nothing fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from powerlab.errors import ConfigError
from powerlab.units import NS_PER_S, nanoseconds

KINDS = {
    "unplug": "the meter's link is cut in the middle of a reply, and stays cut",
    "late-reply": "one reply of the meter comes 6 s late",
    "gap": "the meter takes no reading for 2 s",
    "overrange": "the meter's input is overloaded for 1 s",
    "lost-samples": "the meter loses samples that its own counter cannot show",
    "clock-step": "the board's clock jumps ahead by 250 ms",
    "agent-crash": "the agent on the board is killed",
}
LATE_REPLY_S = 6.0
GAP_S = 2.0
OVERRANGE_S = 1.0
CLOCK_STEP_S = 0.25

_SYNTAX = re.compile(r"(?P<kind>[a-z-]+)@(?P<time>\d+(?:\.\d+)?)s?")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault and when it strikes, in seconds after the first busy edge of an agent."""

    kind: str
    at_s: float

    def __str__(self) -> str:
        return f"{self.kind}@{self.at_s:g}s"

    def start_ns(self, first_busy_ns: int | None) -> int | None:
        """Get the host instant at which it strikes, None while no agent has been busy."""
        return None if first_busy_ns is None else first_busy_ns + nanoseconds(self.at_s)


def parse_fault(text: str) -> Fault:
    """Read one ``KIND@SECONDSs``; ``ConfigError`` with the list of kinds where it is none."""
    match = _SYNTAX.fullmatch(text.strip())
    if match is None or match["kind"] not in KINDS:
        known = "; ".join(f"{kind} ({meaning})" for kind, meaning in KINDS.items())
        raise ConfigError(
            f"'{text}' is no fault of the emulation",
            hint=f"write KIND@SECONDSs, for example unplug@12s; the kinds are: {known}",
        )
    return Fault(kind=match["kind"], at_s=float(match["time"]))


def parse_faults(texts: Iterable[str]) -> tuple[Fault, ...]:
    """Read several faults, in the order of their times."""
    return tuple(sorted((parse_fault(text) for text in texts), key=lambda fault: fault.at_s))


class FaultWatch:
    """Which faults strike when, for one emulator; ``arm`` tells it the first busy edge."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self._faults = tuple(faults)
        self._spent: set[Fault] = set()
        self._first_busy_ns: int | None = None

    def arm(self, first_busy_ns: int | None) -> None:
        """Set the instant from which times count; the first one given stays."""
        if self._first_busy_ns is None:
            self._first_busy_ns = first_busy_ns

    def strikes(self, kind: str, now_ns: int) -> bool:
        """Tell, once for each fault of a kind, that its time has come."""
        for fault in self._of(kind):
            start_ns = fault.start_ns(self._first_busy_ns)
            if start_ns is not None and now_ns >= start_ns and fault not in self._spent:
                self._spent.add(fault)
                return True
        return False

    def windows(self, kind: str, duration_s: float) -> tuple[tuple[int, int], ...]:
        """Get ``(start_ns, stop_ns)`` of every fault of a kind that lasts ``duration_s``."""
        starts = (fault.start_ns(self._first_busy_ns) for fault in self._of(kind))
        length = round(duration_s * NS_PER_S)
        return tuple((start, start + length) for start in starts if start is not None)

    def _of(self, kind: str) -> tuple[Fault, ...]:
        return tuple(fault for fault in self._faults if fault.kind == kind)
