"""The samples of a run written for other programs: CSV, Parquet, JLS."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from powerlab.errors import ConfigError
from powerlab.evidence.exported import AT_BOUNDARY, Samples
from powerlab.evidence.jls_format import source_name
from powerlab.evidence.jls_read import Source
from powerlab.evidence.jls_write import MOST_STAMPED, JlsSignal, write_jls
from powerlab.evidence.mapped_csv import EVIDENCE
from powerlab.records import FloatArray, Int64Array
from powerlab.store.manifest import write_atomically
from powerlab.units import NS_PER_S

SUFFIXES = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet", ".jls": "jls"}

MOST_SAMPLES = 1 << 26
"""Samples that a JLS file is made of: it is put together in memory."""

REGULAR = 1e-3
"""By how much readings may come apart from a whole rate and still have that rate."""

FINER = 4
"""Samples per reading where readings come at no whole rate."""


def write_samples(path: Path, samples: Samples, form: str) -> None:
    """Write samples as "csv", "parquet" or "jls", replacing ``path`` once it is complete.

    Raises ConfigError for another form, and for a recording that JLS cannot hold; OSError.
    """
    writers: dict[str, Callable[[Path, Samples], None]] = {
        "csv": _write_csv,
        "parquet": _write_parquet,
        "jls": _write_jls,
    }
    if form not in writers:
        raise ConfigError(f"there is no format {form!r}", hint=f"known: {', '.join(writers)}")
    writers[form](path, samples)


def _columns(samples: Samples) -> dict[str, np.ndarray]:
    """Get the columns of a table, each with its unit in its name."""
    found: dict[str, np.ndarray] = {
        "start_host_ns": samples.start_ns,
        "stop_host_ns": samples.stop_ns,
    }
    if samples.utc_offset_ns is not None:
        found["stop_utc"] = (samples.stop_ns + samples.utc_offset_ns).astype("datetime64[ns]")
    for name, values in samples.columns.items():
        unit = samples.units[name]
        found[f"{name}_{unit}" if unit else name] = values
    found["flags"] = samples.flags
    found["window"] = samples.labels()
    # in every row: nothing that is made of the table loses it unnoticed
    found[EVIDENCE] = np.full(len(samples.flags), samples.facts.get("evidence", ""), dtype=object)
    return found


def _write_csv(path: Path, samples: Samples) -> None:
    import pandas as pd  # noqa: PLC0415  a second to import

    table = pd.DataFrame(_columns(samples))
    if "stop_utc" in table:
        table["stop_utc"] = np.datetime_as_string(table["stop_utc"].to_numpy(), unit="ns")
        table["stop_utc"] += "Z"
    write_atomically(
        path, lambda temporary: table.to_csv(temporary, index=False, lineterminator="\n")
    )


def _write_parquet(path: Path, samples: Samples) -> None:
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    columns = _columns(samples)
    arrays = {name: pa.array(values) for name, values in columns.items() if name != "stop_utc"}
    if "stop_utc" in columns:
        stamped = pa.array(columns["stop_utc"]).cast(pa.timestamp("ns", tz="UTC"))
        arrays = {name: stamped if name == "stop_utc" else arrays[name] for name in columns}
    facts = {**samples.facts, "clock": samples.clock}
    told = {f"powerlab.{name}": value for name, value in facts.items()}
    table = pa.table(arrays).replace_schema_metadata(told)
    write_atomically(path, lambda temporary: parquet.write_table(table, temporary))


# --- JLS -------------------------------------------------------------------------------


def _write_jls(path: Path, samples: Samples) -> None:
    """Put the readings on a grid of a whole rate by their integral, and write them.

    Those that count in a measurement count here: a repeated or a questionable one does.
    """
    from powerlab.analysis.readings import UNUSABLE  # noqa: PLC0415  seconds to import

    rate_hz = whole_rate(samples.start_ns, samples.stop_ns)
    origin_ns = int(samples.start_ns[0])
    # whole cells, to the nearest: the end is off by half of one at most
    count = max(1, round((int(samples.stop_ns[-1]) - origin_ns) * rate_hz / NS_PER_S))
    if not 0 < count <= MOST_SAMPLES:
        raise ConfigError(
            f"{count} samples at {rate_hz} Hz are more than a JLS file is made of here",
            hint="export Parquet, which has the readings as they were",
        )
    signals = []
    for name, values in samples.columns.items():
        good = np.where(samples.flags & UNUSABLE, np.nan, values)
        grid = on_grid(samples.start_ns, samples.stop_ns, good, rate_hz, count)
        title = "power" if name == AT_BOUNDARY else name
        signals.append(JlsSignal(title, samples.units[name], grid.astype(np.float32)))
    utc: list[tuple[int, int]] = []
    if samples.utc_offset_ns is not None:
        first_ns = origin_ns + samples.utc_offset_ns
        ends = sorted({0, count - 1})
        utc = [(sample, first_ns + sample * NS_PER_S // rate_hz) for sample in ends]
    facts = samples.facts
    source = Source(
        name=source_name(facts.get("instrument", "meter"), facts.get("evidence", "")),
        vendor=facts.get("manufacturer", "") or "powerlab",
        model=facts.get("instrument", ""),
        version=facts.get("firmware", ""),
        serial=facts.get("serial", ""),
    )
    write_jls(path, source, rate_hz, signals, utc=utc, markers=_markers(samples, rate_hz, count))


def whole_rate(start_ns: Int64Array, stop_ns: Int64Array) -> int:
    """Get a whole rate in hertz for readings: their own where it is one, else a finer one."""
    lengths = np.diff(stop_ns) if len(stop_ns) > 1 else stop_ns - start_ns
    usual_ns = float(np.median(lengths))
    rate = NS_PER_S / usual_ns if usual_ns > 0 else 1.0
    if rate >= 0.5 and abs(rate / max(1, round(rate)) - 1) < REGULAR:
        return round(rate)
    return max(1, math.ceil(rate * FINER))


def on_grid(
    start_ns: Int64Array, stop_ns: Int64Array, values: FloatArray, rate_hz: int, count: int
) -> FloatArray:
    """Get the mean of readings over each cell of a grid from the first on, float64 ``(count,)``.

    The integral over any number of whole cells is that of the readings; NaN where a cell has
    none of them. A reading of an instant stands for the time since the one before it.
    """
    good, origin_ns = np.isfinite(values), int(start_ns[0])
    begin = start_ns.copy()
    if len(begin) > 1:
        begin[1:] = np.maximum(begin[1:], stop_ns[:-1])
        instant = start_ns == stop_ns
        instant[0] = False
        begin[instant] = stop_ns[:-1][instant[1:]]
    begin_s = (begin[good] - origin_ns) / NS_PER_S
    end_s = (stop_ns[good] - origin_ns) / NS_PER_S
    length_s = end_s - begin_s
    edges = np.column_stack((begin_s, end_s)).ravel()
    covered = np.column_stack((np.zeros_like(length_s), length_s)).ravel().cumsum()
    whole = np.column_stack((np.zeros_like(length_s), length_s * values[good])).ravel().cumsum()
    at = np.arange(count + 1, dtype=np.float64) / rate_hz
    if not len(edges):
        return np.full(count, np.nan)
    time_s = np.diff(np.interp(at, edges, covered))
    area = np.diff(np.interp(at, edges, whole))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(time_s > 0, area / time_s, np.nan)


def _markers(samples: Samples, rate_hz: int, count: int) -> list[tuple[int, str]]:
    """Get a pair of markers around each of the first runs, as the viewer names them."""
    origin_ns = int(samples.start_ns[0])
    found: list[tuple[int, str]] = []
    runs = [each for each in samples.windows if each.label.startswith("run ")]
    for number, window in enumerate(runs[: MOST_STAMPED // 2], start=1):
        for end_ns, letter in ((window.start_ns, "a"), (window.stop_ns, "b")):
            sample = (end_ns - origin_ns) * rate_hz // NS_PER_S
            found.append((min(max(0, sample), count - 1), f"{number}{letter}"))
    return sorted(found)
