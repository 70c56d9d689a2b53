"""Sessions from the command line whose meter is unplugged: what came is kept, exit code 4."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest

from powerlab.cli import main
from powerlab.records import SampleFlag
from powerlab.store.archive import list_runs, open_run

BRIEF = """
schema = 1
id = "brief"
extends = "quick"
name = "Brief"
summary = "A moment of everything."
idle_s = 1.0
warm_up_limit_s = 0.6
"""


@pytest.mark.parametrize("meter", ["power-z-km003c", "powersensor3"])
def test_an_unplugged_meter_leaves_a_partial_run(meter, tmp_path, monkeypatch, capfd) -> None:
    """Packets and a stream: the idle board's samples are in the run folder, the cause is told."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    protocols = tmp_path / "workloads" / "protocols"
    protocols.mkdir(parents=True)
    (protocols / "brief.toml").write_text(BRIEF)
    words = ["measure", "--emulate", "--device", "edgeboard", "--meter", meter, "--quiet"]
    words += ["--protocol", "brief", "--lab", str(tmp_path), "--fault", "unplug@0.3s"]
    assert main(words) == 4
    told = capfd.readouterr().err
    (entry,) = list_runs(tmp_path / "runs")
    assert (entry.status, entry.evidence) == ("partial", "emulated")
    assert "was disconnected" in told
    assert "Hint:" in told
    assert str(entry.folder) in told
    check_kept(entry.folder)
    assert not list(Path(tempfile.gettempdir()).glob("powerlab-*"))


def check_kept(folder: Path) -> None:
    """Check that what came until then is there, whole and right: about a second of 3 W at 12 V."""
    run = open_run(folder)
    assert run.changed == ()
    assert run.result is None
    assert run.capture is not None
    trace = run.capture.trace
    seconds = (trace.device_ns[-1] - trace.device_ns[0]) / 1e9
    assert seconds > 0.9
    assert len(trace.values) == trace.poll_completed[-1]
    good = (trace.flags & SampleFlag.LOST) == 0
    idle = trace.values[good][: round(0.5 / trace.setup.interval_s)].mean(axis=0)
    volts, amperes = idle
    assert 11.0 < volts < 13.0
    assert 0.15 < amperes < 0.35
    assert np.isnan(trace.values[~good]).all()
