"""One thing that was looked at on a board, and how it was found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Good; good to mend or to know; in the way of a measurement."""

    OK = "ok"
    ADVICE = "advice"
    BLOCKING = "blocking"


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing looked at: its state, what was found, and what to do (empty where good)."""

    name: str
    state: State
    found: str
    advice: str = ""
