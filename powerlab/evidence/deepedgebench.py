"""DeepEdgeBench: one power log per board, ``BOARD_all.txt``, and a file of labels per run.

Published rule: over the inferences, the mean of [mean of the samples from the first with
t >= start through the first with t > end, inclusive], times the duration over 60: watt-minutes,
under the name of a power.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from powerlab.evidence.contract import Claim, Evidence, MeterFacts, Span
from powerlab.evidence.files import damaged, head, number, numbered_lines, read_json, upwards
from powerlab.evidence.samples import trace
from powerlab.findings import Finding, Severity
from powerlab.records import FloatArray, Int64Array
from powerlab.terms import Averaging, Boundary

LOG, LABELS = b"serial_data", b"label_data"
PUBLISHED = "published_results.json"
MOST_DIGITS = 10
"""Of the seconds of an instant: their nanoseconds fit an int64."""

LATENCY_S = 0.25
"""The stamp is taken before the slow serial read: a sample is later by up to one read."""

SUPPLY = MeterFacts(
    model="bench supply read over Modbus (Hanmatek HM310P)",
    gain_limit=0.01,
    offset_limit_w=0.03,
    source="estimate: 1 % of reading and 3 digits of current at 5 V; no data sheet is at hand",
)

_BATCH = re.compile(r"inf_(start|end)_batch_(\d+)")


@dataclass(frozen=True, slots=True)
class _Log:
    path: Path
    at_s: FloatArray
    at_ns: Int64Array
    watts: FloatArray


@dataclass(frozen=True, slots=True)
class _Labels:
    """The labels of a run: seconds as float64, as the published rule takes them, and exactly."""

    path: Path
    at_s: dict[str, float]
    at_ns: dict[str, int]
    batches: int
    last: str


class DeepEdgeBench:
    """Reader of runs of DeepEdgeBench."""

    name = "deepedgebench"
    title = "DeepEdgeBench run"

    def recognises(self, path: Path) -> bool:
        """Tell whether a folder holds a power log and labels, or a file is of labels."""
        if path.is_dir():
            return _log_file(path) is not None and bool(_label_files(path))
        return path.suffix == ".txt" and head(path).startswith(LABELS)

    def read(self, path: Path) -> tuple[Evidence, ...]:
        """Read every run of a board, or the one of a file of labels."""
        folder = path if path.is_dir() else path.parent
        log_path = _log_file(folder)
        if log_path is None:
            raise damaged(folder, "holds no power log (BOARD_all.txt)")
        log = _read_log(log_path)
        published = _published(folder)
        files = _label_files(folder) if path.is_dir() else [path]
        return tuple(_evidence(log, _read_labels(each), published) for each in files)


def _log_file(folder: Path) -> Path | None:
    found = sorted(folder.glob("*_all.txt"))
    return next((each for each in found if head(each).startswith(LOG)), None)


def _label_files(folder: Path) -> list[Path]:
    return [each for each in sorted(folder.glob("*.txt")) if head(each).startswith(LABELS)]


def _read_log(path: Path) -> _Log:
    seconds, exact, watts = [], [], []
    for line_number, line in numbered_lines(path):
        if line_number == 1:
            continue
        fields = line.split()
        if len(fields) != 4:
            raise damaged(path, "a sample has time, ampere, volt and watt", line=line_number)
        seconds.append(number(fields[0], path, line_number, "the time"))
        exact.append(_exact_ns(fields[0], path, line_number))
        watts.append(number(fields[3], path, line_number, "the power"))
    if len(watts) < 2:
        raise damaged(path, "holds no samples")
    return _Log(
        path,
        np.array(seconds),
        np.array(exact, dtype=np.int64),
        np.array(watts),
    )


def _exact_ns(text: str, path: Path, line: int) -> int:
    """Get decimal seconds as whole nanoseconds, without a float between."""
    whole, _, rest = text.partition(".")
    try:
        if len(whole) <= MOST_DIGITS:
            return int(whole) * 1_000_000_000 + int((rest + "0" * 9)[:9])
    except ValueError:
        pass
    raise damaged(path, f"the time is {text[:40]!r}, no second of the epoch", line=line)


def _read_labels(path: Path) -> _Labels:
    at_s: dict[str, float] = {}
    at_ns: dict[str, int] = {}
    batches, last = 0, ""
    for line_number, line in numbered_lines(path):
        if line_number == 1:
            continue
        fields = line.split(maxsplit=1)
        if len(fields) != 2:
            raise damaged(path, "a label has a time and a name", line=line_number)
        label = last = fields[1].strip()
        at_s[label] = number(fields[0], path, line_number, "the time")
        at_ns[label] = _exact_ns(fields[0], path, line_number)
        if match := _BATCH.fullmatch(label):
            batches = max(batches, int(match[2]))
    needed = ["test_start", "test_end"]
    needed += [f"inf_{end}_batch_{k}" for k in range(1, batches + 1) for end in ("start", "end")]
    missing = [label for label in needed if label not in at_s]
    if missing or not batches:
        raise damaged(path, f"has no {missing[0] if missing else 'inference'}; is it cut short?")
    return _Labels(path, at_s, at_ns, batches, last)


def _published(folder: Path) -> tuple[dict[str, Any], Path] | None:
    path = upwards(folder, PUBLISHED, 3)
    if path is None:
        return None
    document = read_json(path)
    runs = document.get("runs") if isinstance(document, dict) else None
    return (runs, path) if isinstance(runs, dict) else None


def rule_means(
    log_s: FloatArray, watts: FloatArray, start: FloatArray, end: FloatArray
) -> FloatArray:
    """Get the mean power of each window by the published rule, NaN without a sample."""
    first = np.searchsorted(log_s, start, side="left")
    last = np.minimum(np.searchsorted(log_s, end, side="right"), len(log_s) - 1)
    means = [
        float(np.mean(watts[a : b + 1])) if b >= a else math.nan
        for a, b in zip(first, last, strict=True)
    ]
    return np.array(means)


def _evidence(
    log: _Log, labels: _Labels, published: tuple[dict[str, Any], Path] | None
) -> Evidence:
    starts, ends = _edges(labels)
    means = rule_means(log.at_s, log.watts, starts, ends)
    row = (published[0].get(labels.path.stem) or {}) if published else {}
    images = _images(labels, starts, ends)
    windows = tuple(
        Span(
            start_ns=labels.at_ns[f"inf_start_batch_{k}"],
            stop_ns=labels.at_ns[f"inf_end_batch_{k}"],
            inferences=images,
            energy_j=float(means[k - 1] * (ends[k - 1] - starts[k - 1])),
            edge_ns=round(LATENCY_S * 1e9),
        )
        for k in range(1, labels.batches + 1)
    )
    margin = 60 * 10**9
    near = (log.at_ns > windows[0].start_ns - margin) & (log.at_ns < windows[-1].stop_ns + margin)
    board = log.path.stem.removesuffix("_all")
    name = labels.path.stem.removeprefix("pow_").removeprefix("ts_")
    source = f"{published[1].name}, {labels.path.stem}" if row and published else ""
    idle = _idle_w(log.path)
    return Evidence(
        format=DeepEdgeBench.name,
        path=labels.path,
        title=f"{board}, {name.removeprefix(board + '_')}, {labels.batches} batches",
        device=board,
        workload=name.removeprefix(board + "_"),
        scenario="singlestream",
        boundary=Boundary.DC,
        claims=tuple(_claims(log, labels, means, row, source)),
        traces=(trace("supply", log.at_ns[near], log.watts[near], averaging=Averaging.POINT),),
        windows=windows,
        meter=SUPPLY,
        files=(labels.path, log.path, *([published[1]] if row and published else [])),
        timebase="epoch seconds of the computer that logged both",
        assumptions=(
            "a reading is a point sample at its stamp; it may be later by one serial read",
            f"a batch has {images} image{'s' if images > 1 else ''}"
            + (" (durations against the runs of single images beside it)" if images > 1 else ""),
        ),
        findings=tuple(_findings(row)),
        idle_w=idle,
    )


def _edges(labels: _Labels) -> tuple[FloatArray, FloatArray]:
    """Get the starts and ends of all inferences in float64 seconds, as the rule takes them."""
    numbers = range(1, labels.batches + 1)
    return (
        np.array([labels.at_s[f"inf_start_batch_{k}"] for k in numbers]),
        np.array([labels.at_s[f"inf_end_batch_{k}"] for k in numbers]),
    )


def _images(labels: _Labels, starts: FloatArray, ends: FloatArray) -> int:
    """Get the images of a batch: one, or what fits the run of single images beside it."""
    single = labels.path.with_name(labels.path.name.removeprefix("pow_"))
    if not labels.path.name.startswith("pow_") or not single.is_file():
        return 1
    other = _read_labels(single)
    each = (
        math.fsum(
            other.at_s[f"inf_end_batch_{k}"] - other.at_s[f"inf_start_batch_{k}"]
            for k in range(1, other.batches + 1)
        )
        / other.batches
    )
    ratio = float((ends - starts).mean()) / each
    return max(1, round(ratio / 100) * 100 if ratio > 50 else round(ratio))


def _idle_w(log: Path) -> float:
    """Get the mean power of the board's idle log, NaN where none stands beside its folder."""
    path = log.parent.parent / "idle" / f"{log.stem.removesuffix('_all')}.txt"
    if not head(path).startswith(LOG):
        return math.nan
    return float(_read_log(path).watts.mean())


def _claims(
    log: _Log, labels: _Labels, means: FloatArray, row: dict[str, Any], source: str
) -> list[Claim]:
    starts, ends = _edges(labels)
    rule = "mean over inferences of the mean of samples, times the duration"
    whole = float(np.sum(ends - starts))
    mean_w = float(np.mean(means))
    figures: dict[str, tuple[str, float]] = {
        "inf_power": ("W min", mean_w * whole / 60),
        "inf_power_avg": ("W", mean_w),
        "inf_durations": ("s", whole),
        "inf_durations_avg": ("s", whole / labels.batches),
        "test_duration": ("s", labels.at_s["test_end"] - labels.at_s["test_start"]),
    }
    for name, first, last in (
        ("test", "test_start", "test_end"),
        ("init", "init_inference_start", "init_inference_end"),
    ):
        if first not in labels.at_s or last not in labels.at_s:
            continue
        begin, end = np.array([labels.at_s[first]]), np.array([labels.at_s[last]])
        watts = float(rule_means(log.at_s, log.watts, begin, end)[0])
        figures[f"{name}_duration"] = ("s", float(end[0] - begin[0]))
        figures[f"{name}_power"] = ("W min", watts * float(end[0] - begin[0]) / 60)
        figures[f"{name}_power_avg"] = ("W", watts)
    last_end = labels.at_s[f"inf_end_batch_{labels.batches}"]
    figures["postproc_duration"] = ("s", labels.at_s["test_end"] - last_end)
    figures["eval_duration"] = ("s", labels.at_s[labels.last] - labels.at_s["test_end"])
    return [
        Claim(
            quantity=name,
            unit=unit,
            value=value,
            rule=rule,
            published=row[name] if isinstance(row.get(name), int | float) else None,
            source=source,
        )
        for name, (unit, value) in figures.items()
    ]


def _findings(row: dict[str, Any]) -> list[Finding]:
    if "inf_power" not in row:
        return []
    return [
        Finding(
            "unit-misnamed",
            Severity.INFO,
            "inf_power, test_power and init_power are energies in watt-minutes",
            "times 60 they are joules",
        )
    ]
