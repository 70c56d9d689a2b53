"""A capture on disk: samples in ``capture.parquet``, everything else beside them.

A second meter's volts are in ``voltmeter.parquet`` (``voltmeter_file``).

The table has one row per sample: ``device_ns`` (where the meter tells it), one column per
channel, ``flags``; its schema metadata hold what a capture says once. Polls, exchanges,
phases and telemetry are events: ``exchanges``, ``phase`` and ``telemetry`` as they came, and
a last ``capture`` for whatever those do not say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from powerlab.records import (
    Capture,
    ClockExchanges,
    MeterIdentity,
    MeterSetup,
    MeterTrace,
    Phase,
    Roofs,
    TargetFacts,
    Telemetry,
    Timebase,
    Wiring,
    Work,
)
from powerlab.records.correction import ChannelCalibration
from powerlab.records.scenario import Scenario
from powerlab.store.recording import RecordedBlocks
from powerlab.store.serial import from_plain, to_plain
from powerlab.store.voltmeter_file import VOLTMETER, read_voltmeter

CAPTURE_SCHEMA = "powerlab.capture/1"
"""History: 1 is the first."""

_METADATA = b"powerlab"
_EXCHANGES = tuple(ClockExchanges.__dataclass_fields__)
_HEAD = {
    "timebase": Timebase,
    "identity": MeterIdentity,
    "setup": MeterSetup,
    "wiring": Wiring,
    "target": TargetFacts,
    "batch": int,
    "first_stage": int,
    "precision": float,
    "work": Work | None,
    "roofs": Roofs | None,
    "calibrations": tuple[ChannelCalibration, ...],
    "scenario": Scenario | None,
}
_UNTOLD: dict[str, Any] = {
    "first_stage": 0,
    "precision": 0.0,
    "work": None,
    "roofs": None,
    "calibrations": [],
    "scenario": None,
}


def head_of(capture: Capture) -> dict[str, Any]:
    """Get the plain form of what a capture says once."""
    parts = {
        "timebase": capture.timebase,
        "identity": capture.trace.identity,
        "setup": capture.trace.setup,
        "wiring": capture.wiring,
        "target": capture.target,
        "batch": capture.batch,
        "first_stage": capture.first_stage,
        "precision": capture.precision,
        "work": capture.work,
        "roofs": capture.roofs,
        "calibrations": capture.calibrations,
        "scenario": capture.scenario,
    }
    return {name: to_plain(part) for name, part in parts.items()}


def head_from_events(events: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Get as much of the head as the events of an unfinished run tell."""
    head: dict[str, Any] = dict(_UNTOLD)
    for kind, data in events:
        if kind == "meter":
            head |= {"identity": data["identity"], "setup": data["setup"]}
        elif kind in _HEAD:
            head[kind] = data
    return head


def course_of(capture: Capture) -> dict[str, Any]:
    """Get the plain form of what happened in the course of a capture."""
    trace = capture.trace
    return {
        "polls": polls_of(trace),
        "exchanges": to_plain(capture.exchanges),
        "phases": to_plain(capture.phases),
        "telemetry": to_plain(capture.telemetry),
    }


def polls_of(trace: MeterTrace | RecordedBlocks) -> dict[str, Any]:
    """Get the plain form of the polls."""
    return {
        "sent_ns": to_plain(trace.poll_sent_ns),
        "received_ns": to_plain(trace.poll_received_ns),
        "completed": to_plain(trace.poll_completed),
    }


def course_from_events(events: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Get what the events tell of the course; a ``capture`` event has the last word."""
    exchanges: dict[str, list[int]] = {name: [] for name in _EXCHANGES}
    course: dict[str, Any] = {"exchanges": exchanges, "phases": [], "telemetry": []}
    for kind, data in events:
        if kind == "exchanges":
            for name in _EXCHANGES:
                exchanges[name] += data[name]
        elif kind == "phase":
            course["phases"].append(data)
        elif kind == "telemetry":
            course["telemetry"].append(data)
        elif kind == "capture":
            course |= data
    return course


def write_samples(
    path: Path, samples: MeterTrace | RecordedBlocks, head: Mapping[str, Any]
) -> None:
    """Write the table of samples. Raises OSError."""
    import pyarrow as pa  # noqa: PLC0415  slow, and only finishing a run needs it
    import pyarrow.parquet as pq  # noqa: PLC0415

    count = samples.values.shape[1]
    named = head.get("setup", {}).get("channels", [])
    channels = named if len(named) == count else [f"value_{index}" for index in range(count)]
    columns = {
        name: np.ascontiguousarray(samples.values[:, index]) for index, name in enumerate(channels)
    }
    encodings = dict.fromkeys(columns, "BYTE_STREAM_SPLIT")
    if samples.device_ns is not None:
        columns = {"device_ns": samples.device_ns, **columns}
        encodings["device_ns"] = "DELTA_BINARY_PACKED"
    described = json.dumps({"schema": CAPTURE_SCHEMA, **head}, ensure_ascii=False)
    table = pa.table({**columns, "flags": samples.flags})
    pq.write_table(
        table.replace_schema_metadata({_METADATA: described.encode()}),
        path,
        compression="zstd",
        use_dictionary=["flags"],
        column_encoding=encodings,
    )


def read_capture(path: Path, events: Iterable[tuple[str, Any]]) -> Capture | None:
    """Read a capture exactly as it was; None where a run was cut short before its parts.

    Raises OSError, or ValueError and its like where the files are damaged.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415

    table = pq.read_table(path)
    head = _UNTOLD | json.loads(table.schema.metadata[_METADATA])
    course = course_from_events(events)
    if head.pop("schema") != CAPTURE_SCHEMA:
        raise ValueError(f"{path.name} is of another schema than {CAPTURE_SCHEMA}")
    if head.keys() != _HEAD.keys() or not course["phases"] or "polls" not in course:
        return None
    parts = {name: from_plain(kind, head[name]) for name, kind in _HEAD.items()}
    setup: MeterSetup = parts["setup"]
    columns = {name: _writable(table.column(name).to_numpy()) for name in table.column_names}
    polls = {name: np.array(values, dtype=np.int64) for name, values in course["polls"].items()}
    trace = MeterTrace(
        identity=parts["identity"],
        setup=setup,
        values=np.column_stack([columns[name] for name in setup.channels]),
        device_ns=columns.get("device_ns"),
        flags=columns["flags"],
        poll_sent_ns=polls["sent_ns"],
        poll_received_ns=polls["received_ns"],
        poll_completed=polls["completed"],
    )
    return Capture(
        timebase=parts["timebase"],
        trace=trace,
        exchanges=from_plain(ClockExchanges, course["exchanges"]),
        phases=tuple(from_plain(Phase, phase) for phase in course["phases"]),
        wiring=parts["wiring"],
        target=parts["target"],
        batch=parts["batch"],
        first_stage=parts["first_stage"],
        precision=parts["precision"],
        telemetry=tuple(from_plain(Telemetry, item) for item in course["telemetry"]),
        work=parts["work"],
        roofs=parts["roofs"],
        calibrations=parts["calibrations"],
        scenario=parts["scenario"],
        voltmeter=read_voltmeter(path.with_name(VOLTMETER)),
    )


def _writable(array: np.ndarray) -> np.ndarray:
    """Get an array of its own, not a view of the table that was read."""
    return np.array(array)
