"""Evidence made for tests: an MLPerf session in its folders, tables as loggers write them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

ORIGIN = datetime(2026, 3, 2, 10, 0, 0, tzinfo=UTC)


def clock(second: float, origin: datetime = ORIGIN) -> str:
    """Get a clock text of PTDaemon and LoadGen."""
    at = origin + timedelta(milliseconds=round(second * 1000))
    return at.strftime("%m-%d-%Y %H:%M:%S.") + f"{at.microsecond // 1000:03d}"


def spl_line(second: float, watts: str, factor: str = "0.9", origin: datetime = ORIGIN) -> str:
    """Get one sample of PTDaemon."""
    at = clock(second, origin)
    return f"Time,{at},Watts,{watts},Volts,230.0,Amps,0.1,PF,{factor},Mark,x_testing"


def spl(samples: Iterable[tuple[float, float]], origin: datetime = ORIGIN) -> str:
    """Get a log of samples (second, watt)."""
    return "".join(spl_line(t, f"{w:.6f}", origin=origin) + "\n" for t, w in samples)


def detail(
    begin: float,
    end: float,
    *,
    scenario: str = "SingleStream",
    queries: int = 1000,
    validity: str = "VALID",
    per_query: int = 1,
    origin: datetime = ORIGIN,
) -> str:
    """Get LoadGen's detail log."""
    values = {
        "test_datetime": "2026-03-02T10:00:00Z",
        "sut_name": "SUT",
        "effective_scenario": scenario,
        "effective_samples_per_query": per_query,
        "power_begin": clock(begin, origin),
        "power_end": clock(end, origin),
        "result_validity": validity,
        "result_query_count": queries,
        "result_90.00_percentile_latency_ns": 42_000_000,
    }
    lines = [
        ":::MLLOG "
        + json.dumps({"key": key, "value": value, "metadata": {"is_error": False}})
        + "\n"
        for key, value in values.items()
    ]
    return "".join(lines)


def session(
    folder: Path,
    logs: dict[str, str],
    detail_log: str,
    *,
    ptd: str | None = None,
    client: dict[str, object] | None = None,
    server: dict[str, object] | None = None,
) -> Path:
    """Write a session's folders; ``logs`` are files of run_1 by name."""
    run = folder / "run_1"
    run.mkdir(parents=True)
    (run / "mlperf_log_detail.txt").write_text(detail_log)
    for name, text in logs.items():
        (run / name).write_text(text)
    (folder / "power").mkdir()
    if ptd is not None:
        (folder / "power" / "ptd_logs.txt").write_text(ptd)
    for side, document in (("client", client), ("server", server)):
        if document is not None:
            (folder / "power" / f"{side}.json").write_text(json.dumps(document))
    return folder


def sides(offset_s: float, zone_s: int = 0) -> tuple[dict[str, object], dict[str, object]]:
    """Get client's and server's records: the server's clock ahead, the client's texts in a zone."""
    start = ORIGIN.timestamp() - zone_s
    phases = [[start + at, at] for at in (-10.0, 0.0, 100.0, 110.0)]
    client = {
        "phases": {"testing": phases},
        "messages": [{"cmd": "time", "cmd_time": start, "reply": "", "reply_time": start + 0.002}],
    }
    server = {
        "phases": {"testing": [[at + offset_s, m] for at, m in phases]},
        "messages": [
            {
                "cmd": "time",
                "cmd_time": start + offset_s + 0.001,
                "reply": "",
                "reply_time": start + offset_s + 0.001,
            }
        ],
    }
    return client, server


def steps(count: int, low: float = 2.0, high: float = 10.0) -> list[tuple[float, float]]:
    """Get one sample a second: low for ten seconds, high, and low for the last ten."""
    return [(float(t), high if 10 < t <= count - 10 else low) for t in range(1, count + 1)]


def published(path: Path, rows: Sequence[dict[str, object]]) -> None:
    """Write a table of published rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(rows[0])
    lines = [",".join(names), *(",".join(str(row[n]) for n in names) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


def row(scenario: str, value: float, unit: str, *, inferred: int = 0) -> dict[str, object]:
    """Get one published row of the system "box" and the model "net"."""
    return {
        "version": "v9.9",
        "Organization": "Acme",
        "Platform": "box",
        "SystemName": "Box",
        "Model": "net",
        "Scenario": scenario,
        "Result": 1.0,
        "Result_Power": repr(value),
        "Result_Power_Units": unit,
        "inferred": inferred,
        "Location": "closed/Acme/results/box/net",
    }


def submission(root: Path, scenario: str) -> Path:
    """Get where a submission keeps the performance run of a scenario."""
    return root / "closed" / "Acme" / "results" / "box" / "net" / scenario / "performance"
