"""MLPerf Inference power runs: LoadGen's window over PTDaemon's samples, and what was published.

Published rule: the mean of the samples strictly inside the window that are above 0 W; Offline
and Server publish it in W, SingleStream and MultiStream that mean times the window times 1000
over the queries in mJ, times 8 where a MultiStream figure rests on a SingleStream run.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from powerlab.errors import ConfigError
from powerlab.evidence.contract import Evidence, MeterFacts, Span, Trace
from powerlab.evidence.files import damaged, head
from powerlab.evidence.mlperf_checks import session_findings
from powerlab.evidence.mlperf_detail import PREFIX, DetailLog, read_detail
from powerlab.evidence.mlperf_published import Row, labels, published_rows, scenario_of
from powerlab.evidence.mlperf_rule import Run, checker_mean, claims_of, inside, is_sum, mean_power
from powerlab.evidence.mlperf_session import (
    meter_facts,
    read_daemon,
    read_session,
    zone_s,
)
from powerlab.evidence.mlperf_spl import SplLog, read_spl
from powerlab.evidence.recording import recording
from powerlab.evidence.samples import trace
from powerlab.terms import Boundary
from powerlab.units import NS_PER_S

SECOND_TAKEN = "a sample is the mean of the second that ends with its stamp"
WALL_TAKEN = "the boundary is the wall, as the rules of MLPerf Power ask; no file says so"

DETAIL = "mlperf_log_detail.txt"
_PLACES = ("", "run_1", "performance/run_1")


class MlperfInference:
    """Reader of power runs of MLPerf Inference, as a submission lays them out."""

    name = "mlperf-inference"
    title = "MLPerf Inference power run"

    def recognises(self, path: Path) -> bool:
        """Tell whether a folder holds LoadGen's detail log beside samples of PTDaemon."""
        if path.is_file():
            start = head(path)
            return start.startswith(b"Time,") and b",Watts," in start
        place = _place(path)
        return (
            place is not None
            and path.name != "ranging"
            and PREFIX.encode() in head(place / DETAIL)
            and bool(_spl_files(place))
        )

    def read(self, path: Path) -> tuple[Evidence, ...]:
        """Read the testing run of a session; its ranging run is set against it."""
        folder = path if path.is_dir() else path.parent
        place = _place(folder)
        if place is None and path.is_file():
            return (_log_alone(path),)
        if place is None:
            raise damaged(
                folder,
                f"has no {DETAIL}, so there is no window to the samples",
                hint="give the folder that holds run_1, ranging and power",
            )
        return (_evidence(folder, _read_run(place)),)


def _log_alone(path: Path) -> Evidence:
    """Get a log of PTDaemon without a window as a recording."""
    log = read_spl(path)
    return recording(
        MlperfInference.name,
        path,
        tuple(
            trace(each.name, each.stamp_ns, each.watts, usable=each.watts > 0)
            for each in log.parts or (log,)
        ),
        meter=MeterFacts(model="analyser read by PTDaemon"),
        timebase="clock text of PTDaemon; no file states its zone",
        boundary=Boundary.WALL,
        assumptions=(SECOND_TAKEN, WALL_TAKEN),
    )


def _place(folder: Path) -> Path | None:
    return next((folder / each for each in _PLACES if (folder / each / DETAIL).is_file()), None)


def _spl_files(place: Path) -> list[Path]:
    """Get the logs of samples of a run, ``spl.txt`` first."""
    found = sorted({*place.glob("spl*.txt"), *place.glob("*/spl*.txt")})
    return sorted(found, key=lambda path: (path.parent != place, path.name != "spl.txt", path))


def _read_run(place: Path) -> Run:
    detail = read_detail(place / DETAIL)
    logs = tuple(read_spl(path) for path in _spl_files(place))
    if not logs:
        raise damaged(place, "has no spl.txt", hint="without samples there is no power to audit")
    root = place.parent
    session = read_session(root / "power")
    daemons = tuple(
        read_daemon(path, detail.begin_ns, detail.end_ns)
        for path in sorted((root / "power").glob("ptd_logs*.txt"))
    )
    return Run(place, detail, logs, session, daemons, _read_ranging(root / "ranging"))


def _read_ranging(place: Path) -> tuple[DetailLog, tuple[SplLog, ...]] | None:
    """Read the first run of the session; one that is damaged or absent is no loss to the other."""
    try:
        detail = read_detail(place / DETAIL) if (place / DETAIL).is_file() else None
        logs = tuple(read_spl(path) for path in _spl_files(place)) if detail else ()
    except ConfigError:
        return None
    return (detail, logs) if detail and logs else None


def _traces(run: Run, shift_ns: int) -> tuple[Trace, ...]:
    """Get each analyser on its own stamps: they are joined by time, never by line."""
    logs: list[SplLog] = []
    for log in run.logs:
        logs.extend(log.parts or (log,))
    if len(run.logs) > 1 and is_sum(run):
        logs = [log for log in run.logs if log is not run.spl]
    return tuple(_trace(log, run.detail, shift_ns) for log in logs)


def _trace(log: SplLog, detail: DetailLog, shift_ns: int) -> Trace:
    chosen = (log.stamp_ns > detail.begin_ns) & (log.stamp_ns < detail.end_ns)
    factors = log.power_factor[chosen & (log.power_factor > 0) & (log.power_factor <= 1)]
    return trace(
        log.name,
        log.stamp_ns + shift_ns,
        log.watts,
        usable=log.watts > 0,
        power_factor=float(factors.mean()) if len(factors) else math.nan,
    )


def _evidence(folder: Path, run: Run) -> Evidence:
    submitted = scenario_of(run.place)
    rows = published_rows(run.place)
    zones = {
        side: zone_s(begin, end, run.session.phases[side])
        for side, begin, end in (
            ("client", run.detail.begin_ns, run.detail.end_ns),
            ("server", int(run.spl.stamp_ns[0]), int(run.spl.stamp_ns[-1])),
        )
        if side in run.session.phases
    }
    shift_s = zones["client"] - zones["server"] if len(zones) == 2 else 0
    traces = _traces(run, shift_s * NS_PER_S)
    # the worst of several analysers: errors of phase weigh most there
    factors = [each.power_factor for each in traces if each.power_factor > 0]
    facts = meter_facts(run.daemons, 1 / min(factors) if factors else 1.0)
    mean_w = mean_power(run)
    span = Span(
        start_ns=run.detail.begin_ns,
        stop_ns=run.detail.end_ns,
        inferences=run.detail.samples,
        energy_j=mean_w * run.duration_s,
        edge_ns=1_000_000,
    )
    system, workload = _names(run.place, rows)
    return Evidence(
        format=MlperfInference.name,
        path=folder,
        title=f"{system}, {workload}, {submitted or run.detail.scenario}",
        device=system,
        workload=workload,
        scenario=run.detail.scenario,
        boundary=Boundary.WALL,
        claims=tuple(claims_of(run, rows, submitted)),
        traces=traces,
        windows=(span,),
        meter=replace(facts, model=facts.model or "analyser read by PTDaemon"),
        files=_files(run),
        timebase=_timebase(zones),
        runtime=str(run.detail.values.get("sut_name", "")),
        assumptions=_assumptions(zones),
        clocks=run.session.clocks,
        findings=tuple(
            session_findings(
                run.detail,
                run.logs,
                run.daemons,
                submitted=submitted,
                shift_s=shift_s,
                notes=run.session.notes,
            )
        ),
        # of Offline they tell how long the one query waited for its samples
        latencies_s={} if run.detail.scenario == "offline" else run.detail.latencies_s(),
        throughput_per_s=run.detail.samples / run.duration_s if run.duration_s > 0 else math.nan,
        second_j=_ranging_j(run),
        created=str(run.detail.values.get("test_datetime", "")),
    )


def _ranging_j(run: Run) -> float:
    """Get the energy per inference of the ranging run by the published rule."""
    if run.ranging is None or not run.ranging[0].samples:
        return math.nan
    detail, logs = run.ranging
    duration_s = (detail.end_ns - detail.begin_ns) / NS_PER_S
    return checker_mean(inside(logs[0], detail)) * duration_s / detail.samples


def _names(place: Path, rows: tuple[Row, ...]) -> tuple[str, str]:
    """Get system and workload from the path of a submission: organisation/results/system/model."""
    parts = labels(place)
    lowered = [part.lower() for part in parts]
    scenario = scenario_of(place)
    at = len(parts) - 1 - lowered[::-1].index(scenario) if scenario else 0
    if at < 2:
        return (rows[0].system if rows else "unknown system"), "unknown workload"
    return parts[at - 2], parts[at - 1]


def _files(run: Run) -> tuple[Path, ...]:
    found = [run.detail.path, *(log.path for log in run.logs), *run.session.files]
    found += [log.path for log in run.daemons]
    if run.ranging is not None:
        found += [run.ranging[0].path, *(log.path for log in run.ranging[1])]
    return tuple(found)


def _timebase(zones: dict[str, int]) -> str:
    if not zones:
        return "local time as LoadGen and PTDaemon wrote it; no file states its zone"
    told = ", ".join(f"{side} UTC{seconds / 3600:+g} h" for side, seconds in zones.items())
    return f"clock text of LoadGen and PTDaemon; by the session's epoch stamps: {told}"


def _assumptions(zones: dict[str, int]) -> tuple[str, ...]:
    told = [SECOND_TAKEN, WALL_TAKEN]
    if not zones:
        told.append("the clocks of LoadGen and PTDaemon are in the same zone")
    return tuple(told)
