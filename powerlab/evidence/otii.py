"""Qoitech Otii's CSV: a time, and ``Main current``, ``Main voltage``, ``Main power`` in SI."""

from __future__ import annotations

from powerlab.evidence.contract import MeterFacts
from powerlab.evidence.loggers import Logger


def _signature(names: tuple[str, ...]) -> bool:
    joined = " ".join(names)
    return "time" in joined and any(
        f"main {what}" in joined for what in ("current", "voltage", "power")
    )


READER = Logger(
    name="otii",
    title="Qoitech Otii CSV",
    signature=_signature,
    meter=MeterFacts(
        model="Otii",
        gain_limit=0.005,
        source="0.5 % of the reading; the file does not say whether an Arc or an Ace wrote it",
    ),
    timebase="seconds since the recording began",
    fixed={
        "time": ("time", 1.0),
        "timestamp": ("time", 1.0),
        "main current": ("current", 1.0),
        "main voltage": ("voltage", 1.0),
        "main power": ("power", 1.0),
    },
)


def reader() -> Logger:
    """Get the reader."""
    return READER
