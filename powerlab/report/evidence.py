"""What travels inside the PDF: the result, the meter's readings, and the capture itself."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from powerlab.errors import ReportError
from powerlab.records import Aligned, Capture, Result
from powerlab.store.document import stored_document

CSV_LIMIT = 200_000
"""Readings up to which the trace is attached as CSV, which any tool opens (about 8 MB)."""

PARQUET_LIMIT = 32 << 20
"""Bytes up to which a longer trace is attached as Parquet; beyond, the run folder holds it."""

CAPTURE_LIMIT = 32 << 20
"""Bytes up to which the run's own files are attached; beyond, the run folder holds them."""

CAPTURE_FILES = {
    "run.json": ("application/json", "powerlab.run/1: the manifest, with the profiles used"),
    "capture.parquet": (
        "application/vnd.apache.parquet",
        "powerlab.capture/1: the readings as the meter gave them",
    ),
    "events.jsonl": ("application/jsonl", "polls, clock exchanges and phases"),
    "voltmeter.parquet": (
        "application/vnd.apache.parquet",
        "powerlab.voltmeter/1: the volts as the second meter gave them",
    ),
}
"""Media type and description of the files from which the result is concluded anew."""


@dataclass(frozen=True, slots=True)
class Attached:
    """One file inside the PDF; ``relationship`` as PDF/A-3 names it."""

    name: str
    media_type: str
    content: bytes
    relationship: str
    description: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """All attached files; ``trace_name`` is empty where the readings were too many.

    ``created`` is the instant that the attached result document states for itself. ``kept``
    maps the run's own files to their SHA-256, ``complete`` tells whether they are attached.
    """

    files: tuple[Attached, ...]
    result_sha256: str
    trace_name: str
    created: str
    kept: Mapping[str, str] = field(default_factory=dict)
    complete: bool = False


def collect_evidence(
    result: Result,
    capture: Capture,
    aligned: Aligned,
    versions: Mapping[str, str],
    kept: Mapping[str, bytes] | None = None,
) -> Evidence:
    """Serialise what the report rests on, the same bytes for the same measurement.

    ``kept`` are the files of the run folder (``verifiable_files``), attached as they are;
    without its ``result.json`` the document is made from the result. Raises ReportError for
    one of another run.
    """
    kept = kept or {}
    document = kept.get("result.json")
    created = capture.timebase.anchor_utc
    if document is not None:
        content, created = document, _created(document, result.run) or created
    else:
        plain = stored_document(result, created=created, versions=versions, target=capture.target)
        content = (json.dumps(plain, indent=1, ensure_ascii=False) + "\n").encode()
    files = [
        Attached(
            "result.json",
            "application/json",
            content,
            "Data",
            "powerlab.result/1: every figure at full precision",
        )
    ]
    trace = _trace(capture, aligned)
    if trace is not None:
        files.append(trace)
    capture_files = [
        Attached(name, media_type, kept[name], "Source", description)
        for name, (media_type, description) in CAPTURE_FILES.items()
        if name in kept
    ]
    complete = sum(len(item.content) for item in capture_files) <= CAPTURE_LIMIT
    if complete:
        files += capture_files
    return Evidence(
        files=tuple(files),
        result_sha256=hashlib.sha256(content).hexdigest(),
        trace_name=trace.name if trace is not None else "",
        created=created,
        kept={item.name: hashlib.sha256(item.content).hexdigest() for item in capture_files},
        complete=complete,
    )


def _created(document: bytes, run: str) -> str:
    """Get the instant a result document states. Raises ReportError where it is not this run's."""
    try:
        stored = json.loads(document)
    except ValueError:
        stored = None
    if not isinstance(stored, dict) or stored.get("run") != run:
        raise ReportError(
            f"the result document to attach is not that of the run {run}",
            hint="`powerlab results show RUN` names the files that are not as they were written",
        )
    return str(stored.get("created") or "")


def _trace(capture: Capture, aligned: Aligned) -> Attached | None:
    """Get the readings as the meter gave them, on the host's clock; None where too large."""
    channels = capture.trace.setup.channels
    description = f"start_ns, stop_ns ({capture.timebase.clock}), {', '.join(channels)}, flags"
    if len(aligned.flags) <= CSV_LIMIT:
        content = _csv(channels, aligned)
        return Attached("readings.csv", "text/csv", content, "Source", description)
    content = _parquet(channels, aligned)
    if len(content) > PARQUET_LIMIT:
        return None
    media_type = "application/vnd.apache.parquet"
    return Attached("readings.parquet", media_type, content, "Source", description)


def _csv(channels: tuple[str, ...], aligned: Aligned) -> bytes:
    lines = [",".join(("start_ns", "stop_ns", *channels, "flags"))]
    columns = [
        aligned.clock.start_ns.tolist(),
        aligned.clock.stop_ns.tolist(),
        *(np.asarray(column).tolist() for column in aligned.values.T),
        aligned.flags.tolist(),
    ]
    lines += [",".join(map(repr, row)) for row in zip(*columns, strict=True)]
    return ("\n".join(lines) + "\n").encode()


def _parquet(channels: tuple[str, ...], aligned: Aligned) -> bytes:
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    columns = {
        "start_ns": aligned.clock.start_ns,
        "stop_ns": aligned.clock.stop_ns,
        **{name: aligned.values[:, index] for index, name in enumerate(channels)},
        "flags": aligned.flags,
    }
    buffer = io.BytesIO()
    parquet.write_table(pa.table(columns), buffer, compression="zstd")
    return buffer.getvalue()
