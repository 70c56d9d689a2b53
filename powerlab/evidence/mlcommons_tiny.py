"""The MLCommons runner of MLPerf Tiny (from v1.3): ``results.json`` beside ``results.txt``.

Each trial has joule per sample, 1 ms each, and pairs of event number and sample index; the last
two bound the window, since a spurious event may come first.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from powerlab.evidence.contract import Claim, Evidence, MeterFacts, Span
from powerlab.evidence.files import damaged, head, read_json, read_text
from powerlab.evidence.samples import regular_stamps, trace
from powerlab.findings import Finding, Severity
from powerlab.records import FloatArray
from powerlab.terms import Boundary
from powerlab.units import NS_PER_S

SAMPLE_S = 1e-3
PAUSE_NS = 10 * NS_PER_S
"""Put between the trials, which have no common clock."""

METER = MeterFacts(
    model="power manager of the MLCommons runner",
    gain_limit=0.02,
    source="2 % of the reading, as ST states it of an LPM01A; the results do not name the meter",
)

_TRIAL = re.compile(r"Energy data for trial (\d+)")
_TOTAL = re.compile(r"Total Energy\s*:\s*([\d.]+) uJ")
_EACH = re.compile(r"Energy/Inf\s*:\s*([\d.]+) uJ/inf")
_MEDIAN = re.compile(r"Median energy cost is ([\d.]+) uJ/inf")


class MlcommonsTiny:
    """Reader of results of the MLCommons runner with power."""

    name = "mlcommons-tiny"
    title = "MLPerf Tiny by the MLCommons runner"

    def recognises(self, path: Path) -> bool:
        """Tell whether a folder or file holds trials with power samples."""
        found = path / "results.json" if path.is_dir() else path
        start = head(found)
        return start.lstrip()[:1] == b"[" and b'"power"' in start and b'"infer"' in start

    def read(self, path: Path) -> tuple[Evidence, ...]:
        """Read all trials as the windows of one measurement."""
        found = path / "results.json" if path.is_dir() else path
        return (_evidence(found),)


def _evidence(path: Path) -> Evidence:
    trials = read_json(path)
    if not isinstance(trials, list) or not trials:
        raise damaged(path, "is no list of trials")
    printed = path.with_name("results.txt")
    totals, eaches, median = _read_printed(printed)
    stamps: list[Any] = []
    powers: list[FloatArray] = []
    windows: list[Span] = []
    findings: list[Finding] = []
    origin = 0
    for number, trial in enumerate(trials):
        joule, first, last, count = _trial(path, number, trial)
        if len(trial["power"]["timestamps"]) > 2:
            findings.append(_spurious(number, len(trial["power"]["timestamps"])))
        stamps.append(regular_stamps(len(joule), 1 / SAMPLE_S, origin))
        with np.errstate(over="ignore"):  # what no monitor reads is left out with the errors
            powers.append(joule / SAMPLE_S)
        windows.append(
            Span(
                start_ns=origin + round(first * SAMPLE_S * NS_PER_S),
                stop_ns=origin + round(last * SAMPLE_S * NS_PER_S),
                inferences=count,
                energy_j=sum(joule[first:last].tolist()),
                published_j=totals.get(number, math.nan) * 1e-6,
                edge_ns=500_000,
            )
        )
        origin += round(len(joule) * SAMPLE_S * NS_PER_S) + PAUSE_NS
    folder = path.absolute().parent
    parts = folder.name.split("__")
    if len(parts) < 3:  # as a submission has it: results/BOARD/MODEL/energy
        parts = ["", *(each.name for each in (folder.parents[1], folder.parents[0]))]
    return Evidence(
        format=MlcommonsTiny.name,
        path=path.parent,
        title=f"{', '.join(filter(None, parts))}, {len(windows)} trials",
        device=parts[1],
        workload=parts[-1],
        scenario="singlestream",
        boundary=Boundary.DC,
        claims=tuple(_claims(windows, totals, eaches, median)),
        traces=(
            trace(
                "energy trace",
                np.concatenate(stamps),
                np.concatenate(powers),
                interval_ns=round(SAMPLE_S * NS_PER_S),
            ),
        ),
        windows=tuple(windows),
        meter=METER,
        files=(path, *([printed] if printed.is_file() else [])),
        timebase="samples since each trial began; the meter's own trigger input marks the window",
        assumptions=(
            "a sample lasts 1 ms",
            "trials have no common clock: 10 s are put between",
            "the monitor is taken to supply the board itself (boundary dc); no file says so",
        ),
        findings=tuple(findings),
        triggered=True,
    )


def _trial(path: Path, number: int, trial: Any) -> tuple[FloatArray, int, int, int]:
    """Get joule per sample, first and last sample of the window, and inferences of a trial."""
    try:
        joule = np.array(trial["power"]["samples"], dtype=np.float64)
        events = trial["power"]["timestamps"]
        first, last = (int(event[1]) for event in events[-2:])
        count = int(trial["infer"]["iterations"])
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise damaged(path, f"trial {number} is incomplete: {error!r}") from error
    if joule.ndim != 1 or not 0 <= first < last <= len(joule) or count < 1:
        raise damaged(
            path,
            f"trial {number}: samples {first} to {last} of {len(joule)}, {count} inferences",
        )
    return joule, first, last, count


def _read_printed(path: Path) -> tuple[dict[int, float], dict[int, float], float | None]:
    """Read what the runner printed, in microjoule; nothing where it is absent."""
    totals: dict[int, float] = {}
    eaches: dict[int, float] = {}
    median, trial = None, 0
    for line in read_text(path).splitlines() if path.is_file() else ():
        if match := _TRIAL.search(line):
            trial = int(match[1])
        elif match := _TOTAL.search(line):
            totals[trial] = float(match[1])
        elif match := _EACH.search(line):
            eaches[trial] = float(match[1])
        elif match := _MEDIAN.search(line):
            median = float(match[1])
    return totals, eaches, median


def _claims(
    windows: list[Span],
    totals: dict[int, float],
    eaches: dict[int, float],
    median: float | None,
) -> list[Claim]:
    rule = "sum of the samples between the last two events"
    each_uj = [window.energy_j * 1e6 / window.inferences for window in windows]
    claims = [
        Claim(
            "energy per inference, median of trials",
            "uJ",
            float(np.median(each_uj)),
            f"{rule}; median over trials",
            median,
            "results.txt",
            tolerance=0.5e-4 + 1e-9,
        )
    ]
    for number, window in enumerate(windows):
        claims.append(
            Claim(
                f"energy of trial {number}", "uJ", window.energy_j * 1e6, rule,
                totals.get(number), "results.txt", tolerance=0.5e-3 + 1e-9,
            )
        )  # fmt: skip
        claims.append(
            Claim(
                f"energy per inference of trial {number}", "uJ", each_uj[number], rule,
                eaches.get(number), "results.txt", tolerance=0.5e-3 + 1e-9,
            )
        )  # fmt: skip
    return claims


def _spurious(number: int, events: int) -> Finding:
    return Finding(
        "spurious-event",
        Severity.INFO,
        f"trial {number} has {events} events where a window has two",
        "the last two bound the window",
        {"trial": number, "events": events},
    )
