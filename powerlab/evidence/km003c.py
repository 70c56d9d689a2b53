"""POWER-Z KM003C's CSV: a time, ``VBUS`` and ``IBUS`` with their units in the names."""

from __future__ import annotations

from powerlab.evidence.contract import MeterFacts
from powerlab.evidence.loggers import Logger


def _signature(names: tuple[str, ...]) -> bool:
    return all(any(name.startswith(what) for name in names) for what in ("vbus", "ibus"))


READER = Logger(
    name="km003c",
    title="POWER-Z KM003C CSV",
    signature=_signature,
    meter=MeterFacts(
        model="POWER-Z KM003C",
        gain_limit=0.01,
        source="estimate of 1 % of power: volts and amperes to 0.5 % each, uncalibrated",
    ),
    timebase="as the meter's application wrote it",
    fixed={"time": ("time", 1.0), "timestamp": ("time", 1.0)},
)


def reader() -> Logger:
    """Get the reader."""
    return READER
