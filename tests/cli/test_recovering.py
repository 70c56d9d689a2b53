"""``powerlab results recover`` over recordings of measurements that were cut short."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from powerlab.catalog.layers import load_catalog
from powerlab.emulation.virtual import virtual_measurement
from powerlab.records import Capture, Evidence, Request, SampleBlock
from powerlab.store.archive import list_runs, open_run
from powerlab.store.run_folder import RunWriter

REQUEST = Request("edgeboard", "desk", "keithley-dmm6500", "seed-cnn", "tflite", 1, 1, "quick")
BRIEF = {"idle_s": 2.0, "warm_up_limit_s": 0.5, "runs": 3, "run_s": 1.0, "marker_s": 0.0}


@dataclass(frozen=True)
class Recorded:
    """A measurement in virtual time, and the profiles that are kept with it."""

    capture: Capture
    configuration: dict[str, Any]


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    """Measure once in virtual time."""
    catalog = load_catalog(cwd=Path("/"))
    device = catalog.device("edgeboard")
    meter = catalog.instrument("keithley-dmm6500")
    protocol = catalog.protocol("quick").model_copy(update=BRIEF)
    capture, _ = virtual_measurement(device, meter, protocol, seed=4)
    kept = {"device": device.model_dump(mode="json", by_alias=True)}
    return Recorded(capture, kept)


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """Get an empty lab."""
    place = tmp_path / "lab"
    place.mkdir()
    (place / "powerlab.toml").write_text("schema = 1\n")
    return place


def record(lab: Path, recorded: Recorded, runs: int) -> RunWriter:
    """Record as a session does, up to the end of a run."""
    capture = recorded.capture
    writer = RunWriter(
        lab / "runs",
        request=REQUEST,
        configuration=recorded.configuration,
        evidence=Evidence.EMULATED,
    )
    trace = capture.trace
    for kind in ("timebase", "wiring", "target", "batch", "exchanges"):
        writer.event(kind, getattr(capture, kind))
    writer.event("meter", {"identity": trace.identity, "setup": trace.setup})
    ends = [0, *trace.poll_completed.tolist()]
    for poll, (first, end) in enumerate(itertools.pairwise(ends)):
        writer.block(
            SampleBlock(
                values=trace.values[first:end],
                device_ns=np.array(trace.device_ns[first:end]),
                flags=np.array(trace.flags[first:end]),
                sent_ns=int(trace.poll_sent_ns[poll]),
                received_ns=int(trace.poll_received_ns[poll]),
                completed=end,
            )
        )
    for phase in capture.phases:
        if phase.kind == "run" and phase.index >= runs:
            break
        writer.event("phase", phase)
    return writer


def kill(writer: RunWriter) -> None:
    """Do what the kernel does for a killed process."""
    writer._close()


def test_a_killed_run_with_two_runs_in_it_gets_a_result(run, lab, recorded):
    """Idle before and two runs are enough; the result says that it is of a part, for good."""
    writer = record(lab, recorded, runs=2)
    kill(writer)
    ran = run("results", "recover", "--lab", lab)
    assert ran.code == 0, ran.err
    assert "energy per inference" in ran.out
    assert "cut short" in ran.out
    (entry,) = list_runs(lab / "runs")
    assert entry.status == "partial"
    stored = open_run(writer.folder)
    assert stored.changed == ()
    codes = {finding.code for finding in stored.result.findings}
    assert {"recovered", "idle-single", "emulated"} <= codes
    assert len(stored.result.runs) == 2
    assert run("results", "show", writer.run, "--lab", lab, "--json").json["run"] == writer.run
    assert "No left-over" in run("results", "recover", "--lab", lab).out


def test_an_interrupted_run_can_be_concluded_later(run, lab, recorded):
    """Closed in order after Ctrl-C, it tells how; a second time there is nothing to do."""
    writer = record(lab, recorded, runs=3)
    writer.mark_partial("interrupted by the user")
    shown = run("results", "show", writer.run, "--lab", lab).out
    assert "2 idle, " in shown
    assert ", 3 run" in shown
    assert f"powerlab results recover {writer.run}" in shown
    ran = run("results", "recover", writer.run, "--lab", lab)
    assert "interrupted by the user" in ran.out
    again = run("results", "recover", writer.run, "--lab", lab)
    assert (again.code, again.out) == (2, "")
    assert "nothing to recover" in again.err


def test_a_single_run_is_not_concluded_from(run, lab, recorded):
    """A scatter needs two: the recording is finished and no figure is made up."""
    writer = record(lab, recorded, runs=1)
    kill(writer)
    assert f"run {writer.run}: partial" in run("results", "recover", "--lab", lab).out
    assert open_run(writer.folder).result is None
    assert run("results", "recover", writer.run, "--lab", lab).code == 2


def test_a_recovered_run_is_no_answer_to_last(run, lab, recorded):
    """The newest complete run is the answer, and this one is not complete."""
    kill(record(lab, recorded, runs=2))
    run("results", "recover", "--lab", lab)
    assert run("results", "show", "last", "--lab", lab).code == 2
