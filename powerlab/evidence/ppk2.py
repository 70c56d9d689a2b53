"""Nordic PPK2: ``.ppk2`` recordings, and CSV of ``Timestamp(ms),Current(uA)``; no voltage in them.

Voltage comes from a mapping (``voltage_v``). A digital input that switches marks the windows.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from powerlab.evidence.contract import Evidence, MeterFacts, Span
from powerlab.evidence.files import damaged
from powerlab.evidence.ppk2_file import LINES, Session, is_archive, read_session
from powerlab.evidence.recording import MEAN_TAKEN, level_windows, needs_voltage, recording
from powerlab.evidence.samples import regular_stamps, trace
from powerlab.evidence.tables import Header, header_of, parse_column, read_rows, seconds_ns

METER = MeterFacts(
    model="Nordic PPK2",
    gain_limit=0.2,
    source="better than ± 20 % is what the maker states",
    assumed=False,
)

ONE_EACH = "one inference in each stretch of the first digital input that switches"


class Ppk2:
    """Reader of recordings of the Power Profiler Kit II."""

    name = "ppk2"
    title = "Nordic PPK2 recording"

    def recognises(self, path: Path) -> bool:
        """Tell by the archive's members, or by the header of a table."""
        if not path.is_file():
            return False
        if is_archive(path):
            return True
        header = header_of(path)
        return header is not None and _signature(header)

    def read(self, path: Path) -> tuple[Evidence, ...]:
        """Refuse: there is no power in a recording without volts."""
        raise needs_voltage(path)


def _signature(header: Header) -> bool:
    names = [name.lower().replace(" ", "") for name in header.names[:2]]
    return names == ["timestamp(ms)", "current(ua)"]


def read_with_voltage(path: Path, voltage_v: float) -> Evidence:
    """Read a recording at a supply voltage that the user states.

    Raises ConfigError for what is damaged.
    """
    if is_archive(path):
        return _of_session(path, read_session(path), voltage_v)
    return _of_table(path, voltage_v)


def _of_session(path: Path, session: Session, voltage_v: float) -> Evidence:
    rate = session.rate_hz / session.averaged
    known = math.isfinite(session.started_ms)
    origin_ns = round(session.started_ms * 1e6) if known else 0
    stamp_ns = regular_stamps(len(session.ampere), rate, origin_ns)
    windows: tuple[Span, ...] = ()
    for line in range(LINES):
        windows = windows or level_windows(stamp_ns, session.level(line).astype(np.float64))
    told = [f"{voltage_v:g} V all along, as the mapping states", MEAN_TAKEN]
    if session.averaged > 1:
        told.append(f"{session.averaged} samples are averaged into one, to hold them all")
    return recording(
        Ppk2.name,
        path,
        (trace("PPK2", stamp_ns, session.ampere * voltage_v, interval_ns=round(1e9 / rate)),),
        meter=METER,
        timebase="UTC by the computer's clock when the recording began, samples by the rate stated"
        if known
        else "seconds since the recording began",
        windows=windows,
        assumptions=(*told, *((ONE_EACH,) if windows else ())),
    )


def _of_table(path: Path, voltage_v: float) -> Evidence:
    header = header_of(path)
    if header is None or not _signature(header):
        raise damaged(path, "has no Timestamp(ms) and Current(uA)")
    time, current = (parse_column(i, header.names[i]) for i in (0, 1))
    lines = [i for i, name in enumerate(header.names) if name.strip().upper() in _LINES]
    rows = read_rows(path, header, [0, 1, *lines], last=(0, *range(2, 2 + len(lines))))
    stamp_ns = seconds_ns(rows.values[0], time.scale)
    stamped = stamp_ns > np.iinfo(np.int64).min
    watts = rows.values[1] * (current.scale * voltage_v)
    windows: tuple[Span, ...] = ()
    for level in rows.values[2:]:
        windows = windows or level_windows(stamp_ns[stamped], np.asarray(level)[stamped])
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
            MEAN_TAKEN,
            *((ONE_EACH,) if windows else ()),
        ),
    )


_LINES = {f"D{i}" for i in range(8)}
