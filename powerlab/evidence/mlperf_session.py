"""What an MLPerf power session says beside its samples: clocks, zone, analyser, uncertainty.

``client.json`` and ``server.json`` hold the same messages stamped on both sides, so each gives
a bracket of the clocks' offset; ``ptd_logs.txt`` has the analyser's identity, its ranges and
what PTDaemon said of the uncertainty of every sample.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from powerlab.errors import ConfigError
from powerlab.evidence.contract import ClockCheck, MeterFacts
from powerlab.evidence.files import numbered_lines, read_json
from powerlab.evidence.mlperf_spl import STAMP_BYTES, stamp_ns, stamps_ns
from powerlab.units import NS_PER_S

QUARTER_S = 900
"""Zones differ by multiples of this."""

LONGEST_EXCHANGE_S = 0.25
"""A longer exchange brackets nothing: the server was at work before it answered."""

LATEST_S = 4e9
"""The year 2096: a later stamp is none of a session."""

UNCERTAINTY_LIMIT = 1.0
"""Percent: the most that SPEC and MLPerf accept of a sample (power_measurement.adoc)."""

_RANGE = re.compile(
    r"in range (-?[\d.]+) ?(ms|s)\s*\.\.\s*(-?[\d.]+) ?(ms|s)|"
    r"within range (-?[\d.]+) ?(ms|s)\s*\.\.\s*(-?[\d.]+) ?(ms|s)"
)
_IDENTITY = re.compile(r"identity response[^:]*: *([^\r\n]+)")
_SET = re.compile(r"(Volt|Amp)\w* range set to ([\d.]+) ?[VA]")
_UNCERTAINTY = re.compile(r"[Uu]ncertainty\s+(?:of\s+)?([\d.]+) ?%")
_CALIBRATED = re.compile(r",(no_cal_date|\d{1,4}[-/]\d{1,2}[-/]\d{1,4}),[A-Z]+;")


@dataclass(frozen=True, slots=True)
class Session:
    """One session as its ``power`` folder tells it; what is absent stays empty.

    ``phases`` maps "client" and "server" to the epoch seconds between which the testing run was
    under way.
    """

    files: tuple[Path, ...]
    clocks: tuple[ClockCheck, ...]
    phases: Mapping[str, tuple[float, float]]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DaemonLog:
    """What PTDaemon's log says of its analyser in the window of the run."""

    path: Path
    meter: str
    serial: str
    calibration: str
    volt_range: float
    amp_range: float
    unknown: int
    above: int
    worst_percent: float


def read_session(folder: Path) -> Session:
    """Read the client's and server's records; a damaged one becomes a note, not an error."""
    documents: dict[str, Any] = {}
    files, notes = [], []
    for side in ("client", "server"):
        path = folder / f"{side}.json"
        if not path.is_file():
            continue
        files.append(path)
        try:
            documents[side] = read_json(path)
        except ConfigError as error:
            notes.append(error.message)
    phases = {}
    for side, document in documents.items():
        span = _testing(document)
        if span is not None:
            phases[side] = span
    clocks = tuple(_brackets(documents.get("client"), documents.get("server")))
    log = folder / "client.log"
    if log.is_file():
        files.append(log)
        if not clocks:
            clocks = tuple(_logged(log))
    return Session(tuple(files), clocks, phases, tuple(notes))


def _testing(document: Any) -> tuple[float, float] | None:
    """Get the epoch seconds of the second and third stamp of the testing phase."""
    try:
        stamps = document["phases"]["testing"]
        begin, end = float(stamps[1][0]), float(stamps[2][0])
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        return None
    return (begin, end) if 0 <= begin <= end < LATEST_S else None


def _brackets(client: Any, server: Any) -> Iterator[ClockCheck]:
    """Yield server less client, from every message that both sides stamped."""
    try:
        pairs = list(zip(client["messages"], server["messages"], strict=False))
    except (KeyError, TypeError):
        return
    for number, (mine, theirs) in enumerate(pairs, start=1):
        try:
            sent, got = float(mine["cmd_time"]), float(mine["reply_time"])
            received, answered = float(theirs["cmd_time"]), float(theirs["reply_time"])
            same = mine["cmd"] == theirs["cmd"]
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
        if not all(0 <= each < LATEST_S for each in (sent, got, received, answered)):
            continue
        # both ends bracket alike; an exchange as long as a phase does not
        if same and got - sent <= LONGEST_EXCHANGE_S:
            yield ClockCheck(answered - got, received - sent, f"exchange {number}, {mine['cmd']}")


def _logged(path: Path) -> Iterator[ClockCheck]:
    """Yield the ranges that the client's log states, as server less client."""
    try:
        for number, line in numbered_lines(path):
            match = _RANGE.search(line)
            if match and "difference" in line:
                low, low_unit, high, high_unit = [each for each in match.groups() if each]
                ends = sorted(
                    -float(value) * (1e-3 if unit == "ms" else 1.0)
                    for value, unit in ((low, low_unit), (high, high_unit))
                )
                yield ClockCheck(ends[0], ends[1], f"client.log, line {number}")
    except ConfigError:
        return


def zone_s(begin_ns: int, end_ns: int, phase: tuple[float, float]) -> int:
    """Get the zone of a clock's text: its middle less that of the phase, in whole quarters."""
    middle_s = (begin_ns + end_ns) / 2 / NS_PER_S
    return round((middle_s - (phase[0] + phase[1]) / 2) / QUARTER_S) * QUARTER_S


def read_daemon(path: Path, begin_ns: int, end_ns: int) -> DaemonLog:
    """Read PTDaemon's own log; only what it says between the two instants is counted."""
    meter = serial = calibration = ""
    ranges: list[tuple[int, str, float]] = []
    doubts: list[tuple[str, str]] = []
    for _, line in numbered_lines(path):
        if "ncertainty" in line:
            doubts.append((line[:STAMP_BYTES], line))
        elif "identity" in line and (match := _IDENTITY.search(line)):
            parts = [part.strip() for part in match[1].split(",")]
            meter = " ".join(parts[:2])
            serial = parts[2] if len(parts) > 2 else ""
        elif ";" in line and (match := _CALIBRATED.search(line)):
            calibration = "" if match[1] == "no_cal_date" else match[1]
        elif "range set" in line and (match := _SET.search(line)):
            ranges += [(at, match[1], float(match[2])) for at in _stamps([line[:STAMP_BYTES]])]
    stamps = _stamps([text for text, _ in doubts])
    inside = [line for at, (_, line) in zip(stamps, doubts, strict=False) if begin_ns < at < end_ns]
    percents = [float(match[1]) for line in inside if (match := _UNCERTAINTY.search(line))]
    before = {what: value for at, what, value in ranges if at <= begin_ns}
    return DaemonLog(
        path=path,
        meter=meter,
        serial=serial,
        calibration=calibration,
        volt_range=before.get("Volt", 0.0),
        amp_range=before.get("Amp", 0.0),
        unknown=sum("ncertainty unknown" in line for line in inside),
        above=sum(percent > UNCERTAINTY_LIMIT for percent in percents),
        worst_percent=max(percents, default=0.0),
    )


def _stamps(texts: list[str]) -> list[int]:
    """Get the instants of clock texts, all at once; -1 for each that is none."""
    try:
        return [int(at) for at in stamps_ns([text.encode() for text in texts])]
    except ValueError:
        return [_stamp_or_none(text) for text in texts]


def _stamp_or_none(text: str) -> int:
    try:
        return stamp_ns(text)
    except ValueError:
        return -1


_LIMITS = {
    "WT310": (0.001, 0.0005),
    "WT33": (0.001, 0.0005),
    "WT210": (0.001, 0.001),
    "WT500": (0.001, 0.001),
}
"""Power accuracy at 45 to 66 Hz by the data sheets, as fractions of reading and of range."""


def meter_facts(logs: tuple[DaemonLog, ...], apparent_ratio: float) -> MeterFacts:
    """Get the analysers' limits; ``apparent_ratio`` is the mean of VA over W, 1 where unknown.

    Limits are those of the data sheets at mains frequency, with 0.1 % of VA times the root of
    1 less PF squared for the phase error (IM WT310E, power factor influence).
    """
    named = [log for log in logs if log.meter]
    if not named:
        return MeterFacts(model="", source="no log of PTDaemon names the analyser; 5 % is taken")
    model = " and ".join(dict.fromkeys(log.meter for log in named))
    limits = [
        next((value for key, value in _LIMITS.items() if key in log.meter), None) for log in named
    ]
    known = [limit for limit in limits if limit is not None]
    calibration = ", ".join(dict.fromkeys(log.calibration for log in named if log.calibration))
    serial = ", ".join(dict.fromkeys(log.serial for log in named if log.serial))
    if len(known) < len(named):
        return MeterFacts(
            model=model,
            serial=serial,
            gain_limit=0.01,
            source="1 % of the reading, the most that SPEC accepts of an analyser",
            calibration=calibration,
        )
    reactive = 0.001 * max(apparent_ratio**2 - 1, 0.0) ** 0.5
    range_w = max(log.volt_range * log.amp_range for log in named)
    return MeterFacts(
        model=model,
        serial=serial,
        gain_limit=max(limit[0] for limit in known) + reactive,
        offset_limit_w=max(limit[1] for limit in known) * range_w,
        source="data sheet at 45 to 66 Hz: 0.1 % of reading + 0.05 % of range, and the phase "
        "error at the power factor found",
        assumed=False,
        calibration=calibration,
    )
