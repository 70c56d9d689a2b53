"""Joulescope's JLS files of version 2: the power of every Joulescope in them, with its UTC.

Power is the recorded one, or else volts times amperes sample by sample. Samples are regular by
the meter's own clock; the host's UTC stamps place the whole of them in time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median_low

import numpy as np

from powerlab.evidence.contract import Evidence, MeterFacts, Trace
from powerlab.evidence.files import damaged, head
from powerlab.evidence.held import Held
from powerlab.evidence.jls_format import (
    IDENTIFICATION,
    IDENTIFICATION_V1,
    evidence_in,
    to_epoch_ns,
)
from powerlab.evidence.jls_read import JlsFile, Signal, open_jls, pieces, products
from powerlab.evidence.recording import EMULATED, MEAN_TAKEN, emulated_findings, recording
from powerlab.evidence.samples import trace
from powerlab.findings import Finding, Severity
from powerlab.records import FloatArray
from powerlab.units import NS_PER_S

GAIN_LIMIT = 0.005
CLOCK_PPM = 200.0
"""Beyond this the meter's rate and the host's UTC do not go together: a crystal is within 50."""

UNITS = {"W": "power", "V": "voltage", "A": "current"}


class Jls:
    """Reader of JLS files."""

    name = "jls"
    title = "Joulescope JLS"

    def recognises(self, path: Path) -> bool:
        """Tell by the first bytes whether a file is of JLS."""
        return head(path).startswith((IDENTIFICATION, IDENTIFICATION_V1))

    def read(self, path: Path) -> tuple[Evidence, ...]:
        """Read a recording of one or several Joulescopes."""
        return (_evidence(open_jls(path)),)


def reader() -> Jls:
    """Get the reader."""
    return Jls()


@dataclass(frozen=True, slots=True)
class _Read:
    """What was made of one source: its trace, and what is to be said of it."""

    trace: Trace
    told: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = field(default=())


def _evidence(file: JlsFile) -> Evidence:
    by_source: dict[int, dict[str, Signal]] = {}
    for signal in file.signals.values():
        role = UNITS.get(signal.unit)
        if role is not None and signal.places:
            by_source.setdefault(signal.source, {}).setdefault(role, signal)
    usable = {
        number: roles
        for number, roles in by_source.items()
        if "power" in roles or {"voltage", "current"} <= roles.keys()
    }
    if not usable:
        have = ", ".join(f"{each.name} ({each.unit})" for each in file.signals.values())
        raise damaged(
            file.path,
            f"holds neither power nor volts and amperes: {have or 'no signal'}",
            hint="record power, or current and voltage",
        )
    read = [_read(file, number, roles) for number, roles in usable.items()]
    with_utc = [bool(roles_utc(roles)) for roles in usable.values()]
    told = [text for each in read for text in each.told]
    if len(read) > 1:
        told.append(f"the power of {len(read)} meters is added")
        if not all(with_utc):
            told.append("not every meter has UTC: all begin with their sample 0 at one instant")
    return recording(
        Jls.name,
        file.path,
        tuple(each.trace for each in read),
        meter=_meter(file, tuple(usable)),
        timebase="UTC by the host's stamps in the file, samples by the meter's own rate"
        if all(with_utc)
        else "samples by the meter's own rate; no UTC is in the file",
        assumptions=(MEAN_TAKEN, *dict.fromkeys(told)),
        findings=(
            *emulated_findings(_told_evidence(file)),
            *(found for each in read for found in each.findings),
        ),
    )


def roles_utc(roles: dict[str, Signal]) -> list[tuple[int, int]]:
    """Get the pairs of sample and UTC of the signals that power is made of."""
    chosen = [roles["power"]] if "power" in roles else [roles["current"], roles["voltage"]]
    return next((each.utc for each in chosen if each.utc), [])


def _told_evidence(file: JlsFile) -> str:
    """Get "emulated" where any source of the file is, "" else."""
    told = {evidence_in(source.name) for source in file.sources.values()}
    return EMULATED if EMULATED in told else ""


def _meter(file: JlsFile, numbers: tuple[int, ...]) -> MeterFacts:
    sources = [file.sources[number] for number in numbers if number in file.sources]
    names = [f"{each.vendor} {each.model}".strip() or each.name for each in sources]
    return MeterFacts(
        model=" and ".join(dict.fromkeys(filter(None, names))) or "Joulescope",
        serial=", ".join(dict.fromkeys(each.serial for each in sources if each.serial)),
        gain_limit=GAIN_LIMIT,
        source="0.5 % of the reading is taken; the file states no limits of the meter",
    )


def _read(file: JlsFile, number: int, roles: dict[str, Signal]) -> _Read:
    signal, found, said = _power(file, roles)
    held = Held((0, 1), (0,))
    for start, watts in found:
        ends = np.arange(start + 1, start + 1 + len(watts), dtype=np.float64)
        held.add(np.column_stack((ends, watts)))
    if not held.pieces:
        raise damaged(file.path, "volts and amperes have no sample in common")
    table = np.concatenate(held.pieces)
    ends, watts = table[:, 0], table[:, 1].copy()
    origin, stamp_ns = _stamps(signal, roles_utc(roles), ends)
    source = file.sources.get(number)
    name = (source.name if source else "") or f"source {number}"
    if held.halvings:
        said = (*said, f"{1 << held.halvings} samples are averaged into one, to hold them all")
    interval_ns = max(1, round((1 << held.halvings) * NS_PER_S / signal.rate_hz))
    made = trace(name, stamp_ns, watts, interval_ns=interval_ns)
    return _Read(made, said, _clock_findings(name, signal, roles_utc(roles)) if origin else ())


def _power(
    file: JlsFile, roles: dict[str, Signal]
) -> tuple[Signal, Iterator[tuple[int, FloatArray]], tuple[str, ...]]:
    """Get the power of a source piece by piece, with the signal whose numbers it has."""
    if "power" in roles:
        return roles["power"], pieces(file, roles["power"]), ()
    volts, amps = roles["voltage"], roles["current"]
    if volts.rate_hz != amps.rate_hz:
        raise damaged(
            file.path,
            f"{amps.name} has {amps.rate_hz} Hz and {volts.name} has {volts.rate_hz} Hz",
            hint="record power, or both at one rate",
        )
    told = ("power is volts times amperes, sample by sample",)
    return amps, products(pieces(file, amps), pieces(file, volts)), told


def _stamps(
    signal: Signal, utc: list[tuple[int, int]], ends: FloatArray
) -> tuple[bool, np.ndarray]:
    """Get the stamps of samples in nanoseconds, and whether they are of UTC."""
    since = np.rint(ends * (NS_PER_S / signal.rate_hz)).astype(np.int64)
    if not utc:
        return False, since
    # all stamps of the host together: each one errs by its scheduling
    offsets = [to_epoch_ns(at) - round(sample * NS_PER_S / signal.rate_hz) for sample, at in utc]
    return True, since + median_low(offsets)


def _clock_findings(name: str, signal: Signal, utc: list[tuple[int, int]]) -> tuple[Finding, ...]:
    """Get the finding of a rate that UTC contradicts, over the whole recording."""
    if len(utc) < 2:
        return ()
    (first, at), (last, until) = utc[0], utc[-1]
    seconds = (to_epoch_ns(until) - to_epoch_ns(at)) / NS_PER_S
    stated_s = (last - first) / signal.rate_hz
    if stated_s <= 0 or not math.isfinite(seconds):
        return ()
    ppm = (seconds / stated_s - 1) * 1e6
    # a host stamps to some milliseconds
    if abs(ppm) < CLOCK_PPM + 1e4 / stated_s:
        return ()
    return (
        Finding(
            "rate-against-utc",
            Severity.WARNING,
            f"{name}: by the host's UTC its samples come {ppm:+.0f} ppm apart from the rate stated",
            "samples are missing without a mark, or the host's clock was set while recording",
            {"trace": name, "ppm": ppm},
        ),
    )
