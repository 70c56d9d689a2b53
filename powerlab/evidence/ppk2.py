"""Nordic PPK2's CSV: ``Timestamp(ms),Current(uA)`` and digital inputs; no voltage is recorded.

Voltage comes from a mapping (``voltage_v``). A digital input that switches marks the windows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from powerlab.evidence.contract import Evidence, MeterFacts, Span
from powerlab.evidence.files import damaged
from powerlab.evidence.recording import level_windows, needs_voltage, recording
from powerlab.evidence.samples import trace
from powerlab.evidence.tables import Header, header_of, parse_column, read_rows, seconds_ns

METER = MeterFacts(
    model="Nordic PPK2",
    gain_limit=0.2,
    source="better than ± 20 % is what the maker states",
    assumed=False,
)


class Ppk2:
    """Reader of CSV of the Power Profiler Kit II."""

    name = "ppk2"
    title = "Nordic PPK2 CSV"

    def recognises(self, path: Path) -> bool:
        """Tell by the header whether a file is an export of the Power Profiler."""
        header = header_of(path) if path.is_file() else None
        return header is not None and _signature(header)

    def read(self, path: Path) -> tuple[Evidence, ...]:
        """Refuse: there is no power in a recording without volts."""
        raise needs_voltage(path)


def _signature(header: Header) -> bool:
    names = [name.lower().replace(" ", "") for name in header.names[:2]]
    return names == ["timestamp(ms)", "current(ua)"]


def read_with_voltage(path: Path, voltage_v: float) -> Evidence:
    """Read a recording at a supply voltage that the user states."""
    header = header_of(path)
    if header is None or not _signature(header):
        raise damaged(path, "has no Timestamp(ms) and Current(uA)")
    time, current = (parse_column(i, header.names[i]) for i in (0, 1))
    lines = [i for i, name in enumerate(header.names) if name.strip().upper() in _LINES]
    rows = read_rows(path, header, [0, 1, *lines], last=(0, *range(2, 2 + len(lines))))
    stamp_ns = seconds_ns(rows.values[0], time.scale)
    watts = rows.values[1] * (current.scale * voltage_v)
    windows: tuple[Span, ...] = ()
    for level in rows.values[2:]:
        windows = windows or level_windows(stamp_ns, np.asarray(level))
    return recording(
        Ppk2.name,
        path,
        (trace("PPK2", stamp_ns, watts),),
        meter=METER,
        timebase="milliseconds since the recording began",
        windows=windows,
        assumptions=(
            *rows.assumed,
            f"{voltage_v:g} V all along, as the mapping states",
            *(("one inference in each stretch of the first digital input that switches",)
              if windows else ()),
        ),
    )  # fmt: skip


_LINES = {f"D{i}" for i in range(8)}
