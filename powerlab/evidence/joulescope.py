"""Joulescope's CSV: ``time, current, voltage`` with or without power, charge and energy, in SI."""

from __future__ import annotations

from powerlab.evidence.contract import MeterFacts
from powerlab.evidence.loggers import Logger

_BASE = {"time", "current", "voltage"}
_ALL = {*_BASE, "power", "charge", "energy", "current_range", "gpi0", "gpi1", "i_range"}


def _bare(names: tuple[str, ...]) -> set[str]:
    return {name.split("(")[0].split("[")[0].strip() for name in names}


READER = Logger(
    name="joulescope",
    title="Joulescope CSV",
    signature=lambda names: _BASE <= _bare(names) <= _ALL,
    meter=MeterFacts(
        model="Joulescope",
        gain_limit=0.005,
        source="0.5 % of the reading; the file does not say whether a JS110 or a JS220 wrote it",
    ),
    timebase="seconds since the export began",
    fixed={
        "time": ("time", 1.0),
        "current": ("current", 1.0),
        "voltage": ("voltage", 1.0),
        "power": ("power", 1.0),
        "energy": ("energy", 1.0),
    },
)


def reader() -> Logger:
    """Get the reader."""
    return READER
