"""EEMBC's EnergyRunner (MLPerf Tiny to v1.2): ``…-energy.bin``, ``…-timestamps.json``, results.

The trace is byte 0xF1, the sample rate as float32, then microjoule per sample as float32, little
endian. Sample time is added up in double precision, t += 1/fs, and a window holds the samples
with t0 <= t < t1: the rounding of that sum moves the ends of most windows by one sample.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from powerlab.evidence.contract import Claim, Evidence, MeterFacts, Span
from powerlab.evidence.files import damaged, head, read_bytes, read_json, read_text
from powerlab.evidence.samples import regular_stamps, trace
from powerlab.findings import Finding, Severity
from powerlab.records import FloatArray
from powerlab.terms import Boundary
from powerlab.units import nanoseconds

MAGIC = 0xF1
STAMP_NS = 500_000
"""Stamps are rounded to 1 ms."""

LONGEST_S = 1e9
WINDOW_UJ = 0.003
"""Energies are printed to 0.001 uJ, of float32 values."""

LPM01A = MeterFacts(
    model="energy monitor of EnergyRunner",
    gain_limit=0.02,
    source="2 % of the reading, as ST states it of an LPM01A; the trace does not name its meter",
)

_ENERGY = re.compile(r"Energy data for window (\d+) at time")
_VALUE = re.compile(r"Energy\s+:\s*([\d.]+) uJ")
_COUNT = re.compile(r"# Inferences :\s*(\d{1,15})\b")
_WINDOW = re.compile(r"Performance results for window (\d+)")
_MEDIAN = re.compile(r"Median energy cost is ([\d.]+) uJ/inf")


@dataclass(frozen=True, slots=True)
class _Results:
    energies_uj: dict[int, float]
    counts: dict[int, int]
    median_uj: float | None
    path: Path | None


class EnergyRunner:
    """Reader of energy traces of EEMBC's EnergyRunner."""

    name = "energyrunner"
    title = "MLPerf Tiny by EEMBC EnergyRunner"

    def recognises(self, path: Path) -> bool:
        """Tell whether a folder or file is an energy trace with its stamps."""
        return _trace_file(path) is not None

    def read(self, path: Path) -> tuple[Evidence, ...]:
        """Read trace, stamps and printed results."""
        found = _trace_file(path)
        if found is None:
            raise damaged(
                path, "holds no energy trace of EnergyRunner", hint="it is named …-energy.bin"
            )
        return (_evidence(found),)


def _stamps_of(binary: Path) -> Path:
    return binary.with_name(binary.name.replace("energy.bin", "timestamps.json"))


def _trace_file(path: Path) -> Path | None:
    places = sorted(path.glob("*energy.bin")) if path.is_dir() else [path]
    for each in places:
        if each.name.endswith("energy.bin") and head(each)[:1] == bytes([MAGIC]):
            return each
    return None


def _evidence(path: Path) -> Evidence:
    rate, microjoule = _read_trace(path)
    stamps = _read_stamps(_stamps_of(path))
    results = _read_results(path.with_name("results.txt"))
    rule_s = np.cumsum(np.concatenate(([0.0], np.full(max(0, len(microjoule) - 1), 1 / rate))))
    windows, exact = [], []
    for k in range(2, len(stamps), 2):
        begin, end = stamps[k - 1], stamps[k]
        chosen = microjoule[(rule_s >= begin) & (rule_s < end)]
        # one after the other in double precision, as the runner adds
        energy_uj = math.fsum(chosen.tolist())
        exact.append(_exact_uj(microjoule, rate, begin, end) / energy_uj - 1 if energy_uj else 0.0)
        windows.append(
            Span(
                start_ns=nanoseconds(begin),
                stop_ns=nanoseconds(end),
                inferences=results.counts.get(k, 0),
                energy_j=energy_uj * 1e-6,
                published_j=results.energies_uj.get(k, math.nan) * 1e-6,
                edge_ns=STAMP_NS,
            )
        )
    if not windows:
        raise damaged(_stamps_of(path), "holds no window: it needs three stamps or more")
    files = [path, _stamps_of(path), *([results.path] if results.path else [])]
    # the runner's sample k stands at k / fs and lasts until the next
    power = trace(
        "energy trace",
        regular_stamps(len(microjoule), rate),
        microjoule * 1e-6 * rate,
        interval_ns=round(1e9 / rate),
    )
    parts = path.absolute().parts
    return Evidence(
        format=EnergyRunner.name,
        path=path.parent,
        title=f"{path.parent.name}, {len(windows)} windows",
        device=parts[-4] if "energy" in parts[-2:-1] else path.parent.name,
        workload=parts[-3] if "energy" in parts[-2:-1] else "unknown workload",
        scenario="singlestream",
        boundary=Boundary.DC,
        claims=tuple(_claims(results, windows)),
        traces=(power,),
        windows=tuple(windows),
        meter=LPM01A,
        files=tuple(files),
        timebase=f"seconds since the trace began at {rate:g} Hz, as it states; stamps from the "
        "meter's own trigger input",
        assumptions=(
            "the monitor is taken to supply the board itself (boundary dc); no file says so",
        ),
        findings=tuple(_accumulation(exact)),
        triggered=True,
    )


def _read_trace(path: Path) -> tuple[float, FloatArray]:
    content = read_bytes(path)
    if len(content) < 9 or content[0] != MAGIC:
        raise damaged(path, f"is no energy trace: {len(content)} bytes")
    if (len(content) - 5) % 4:
        raise damaged(path, "is cut short: it ends within a sample")
    rate = float(np.frombuffer(content, "<f4", 1, 1)[0])
    if not 0 < rate <= 1e8:
        raise damaged(path, f"states a sample rate of {rate!r} Hz")
    with np.errstate(invalid="ignore"):  # a float32 may signal that it is no number
        return rate, np.frombuffer(content, "<f4", offset=5).astype(np.float64)


def _read_stamps(path: Path) -> list[float]:
    stamps = read_json(path)
    if not isinstance(stamps, list) or not all(
        isinstance(each, int | float) and not isinstance(each, bool) for each in stamps
    ):
        raise damaged(path, "is no list of seconds")
    if any(not 0 <= each < LONGEST_S for each in stamps) or any(
        later < earlier for earlier, later in pairwise(stamps)
    ):
        raise damaged(path, "its stamps do not rise")
    return [float(each) for each in stamps]


def _read_results(path: Path) -> _Results:
    """Read what the runner printed; nothing where it is absent."""
    if not path.is_file():
        return _Results({}, {}, None, None)
    energies: dict[int, float] = {}
    counts: dict[int, int] = {}
    median = None
    window = 0
    for line in read_text(path).splitlines():
        if match := _ENERGY.search(line) or _WINDOW.search(line):
            window = int(match[1])
        elif match := _VALUE.search(line):
            energies[window] = float(match[1])
        elif match := _COUNT.search(line):
            counts[window] = int(match[1])
        elif match := _MEDIAN.search(line):
            median = float(match[1])
    return _Results(energies, counts, median, path)


def _exact_uj(microjoule: FloatArray, rate: float, begin: float, end: float) -> float:
    """Get the energy of the samples k with begin <= k / fs < end, k / fs never added up."""
    first, last = (math.ceil(edge * rate - 1e-6) for edge in (begin, end))
    return math.fsum(microjoule[max(0, first) : max(0, last)].tolist())


def _claims(results: _Results, windows: list[Span]) -> list[Claim]:
    rule = "samples with t0 <= t < t1, t added up in double precision"
    each = [w.energy_j * 1e6 / w.inferences for w in windows if w.inferences]
    claims = [
        Claim(
            "energy per inference, median of windows",
            "uJ",
            float(np.median(each)) if each else math.nan,
            f"{rule}; median over windows",
            results.median_uj,
            "results.txt",
            tolerance=WINDOW_UJ,
        )
    ]
    claims += [
        Claim(
            f"energy of window {number}",
            "uJ",
            window.energy_j * 1e6,
            rule,
            None if math.isnan(window.published_j) else window.published_j * 1e6,
            "results.txt, window k as number 2k",
            tolerance=WINDOW_UJ,
        )
        for number, window in enumerate(windows, start=1)
    ]
    return claims


def _accumulation(differences: list[float]) -> list[Finding]:
    """Say what the summed sample time moved: windows that gained or lost a sample."""
    moved = [each for each in differences if abs(each) > 1e-9]
    if not moved:
        return []
    worst = max(moved, key=abs)
    return [
        Finding(
            "window-edges-accumulated",
            Severity.INFO,
            f"adding up 1/fs in floating point moves the ends of {len(moved)} of "
            f"{len(differences)} windows by a sample, worth up to {abs(worst) * 1e6:.0f} ppm",
            "sample k stands at k/fs; powerlab's integral takes it there",
            {"moved": len(moved), "windows": len(differences), "ppm": abs(worst) * 1e6},
        )
    ]
