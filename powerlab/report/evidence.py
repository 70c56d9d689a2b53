"""What travels inside the PDF: the result document and the meter's readings."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from powerlab.errors import ReportError
from powerlab.records import Aligned, Capture, Result
from powerlab.store.document import stored_document

CSV_LIMIT = 200_000
"""Readings up to which the trace is attached as CSV, which any tool opens (about 8 MB)."""

PARQUET_LIMIT = 32 << 20
"""Bytes up to which a longer trace is attached as Parquet; beyond, the run folder holds it."""


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

    ``created`` is the instant that the attached result document states for itself.
    """

    files: tuple[Attached, ...]
    result_sha256: str
    trace_name: str
    created: str


def collect_evidence(
    result: Result,
    capture: Capture,
    aligned: Aligned,
    versions: Mapping[str, str],
    document: bytes | None = None,
) -> Evidence:
    """Serialise what the report rests on, the same bytes for the same measurement.

    ``document`` is the ``result.json`` of the run folder, attached as it is; without one
    the document is made from the result. Raises ReportError for one of another run.
    """
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
    return Evidence(
        files=tuple(files),
        result_sha256=hashlib.sha256(content).hexdigest(),
        trace_name=trace.name if trace is not None else "",
        created=created,
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
