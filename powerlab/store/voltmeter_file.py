"""The trace of a second meter that reads the volts, in a file of its own: ``voltmeter.parquet``.

One row per reading, as in ``capture.parquet``; the meter, its set-up and the polls are the
table's metadata, so that the file is whole by itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from powerlab.records import MeterIdentity, MeterSetup, MeterTrace
from powerlab.store.recording import RecordedBlocks
from powerlab.store.serial import from_plain, to_plain

VOLTMETER = "voltmeter.parquet"
VOLTMETER_SCHEMA = "powerlab.voltmeter/1"
"""History: 1 is the first."""

_METADATA = b"powerlab"


def write_voltmeter(
    path: Path, readings: MeterTrace | RecordedBlocks, identity: Any, setup: Any
) -> None:
    """Write the readings of one meter; ``identity`` and ``setup`` may be plain. Raises OSError."""
    import pyarrow as pa  # noqa: PLC0415  slow, and only finishing a run needs it
    import pyarrow.parquet as pq  # noqa: PLC0415

    told = to_plain(setup)
    columns: dict[str, np.ndarray] = {
        name: np.ascontiguousarray(readings.values[:, index])
        for index, name in enumerate(told["channels"])
    }
    if readings.device_ns is not None:
        columns = {"device_ns": readings.device_ns, **columns}
    head = {
        "schema": VOLTMETER_SCHEMA,
        "identity": to_plain(identity),
        "setup": told,
        "polls": {
            "sent_ns": to_plain(readings.poll_sent_ns),
            "received_ns": to_plain(readings.poll_received_ns),
            "completed": to_plain(readings.poll_completed),
        },
    }
    table = pa.table({**columns, "flags": readings.flags})
    described = json.dumps(head, ensure_ascii=False).encode()
    pq.write_table(table.replace_schema_metadata({_METADATA: described}), path, compression="zstd")


def read_voltmeter(path: Path) -> MeterTrace | None:
    """Read a second meter's trace exactly as it was, None where the run had no such meter.

    Raises OSError, or ValueError and its like where the file is damaged.
    """
    if not path.exists():
        return None
    import pyarrow.parquet as pq  # noqa: PLC0415

    table = pq.read_table(path)
    head: Mapping[str, Any] = json.loads(table.schema.metadata[_METADATA])
    if head["schema"] != VOLTMETER_SCHEMA:
        raise ValueError(f"{path.name} is of another schema than {VOLTMETER_SCHEMA}")
    setup: MeterSetup = from_plain(MeterSetup, head["setup"])
    columns = {name: np.array(table.column(name).to_numpy()) for name in table.column_names}
    polls = {name: np.array(values, dtype=np.int64) for name, values in head["polls"].items()}
    return MeterTrace(
        identity=from_plain(MeterIdentity, head["identity"]),
        setup=setup,
        values=np.column_stack([columns[name] for name in setup.channels]),
        device_ns=columns.get("device_ns"),
        flags=columns["flags"],
        poll_sent_ns=polls["sent_ns"],
        poll_received_ns=polls["received_ns"],
        poll_completed=polls["completed"],
    )
