"""Samples of runs for other programs: energies kept, units and instants in place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.cli import main
from powerlab.errors import ConfigError
from powerlab.evidence import exported_files
from powerlab.evidence.audit import audit
from powerlab.evidence.exported import samples_of
from powerlab.evidence.exported_files import on_grid, whole_rate, write_samples
from powerlab.evidence.importing import Names, import_evidence
from powerlab.evidence.jls_write import JlsSignal
from powerlab.records import SampleFlag
from powerlab.store.archive import open_run
from tests.evidence.jls_made import walk
from tests.evidence.made import detail, session, spl, steps, submission
from tests.verify.evidence import keep_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Get a finished run."""
    return keep_run(tmp_path_factory.mktemp("exported") / "runs")


def integral_j(start_ns: np.ndarray, stop_ns: np.ndarray, watts: np.ndarray) -> float:
    """Get the energy of readings that are means."""
    return float(np.nansum(watts * (stop_ns - start_ns)) / 1e9)


def test_csv_and_parquet_hold_the_same_readings(folder: Path, tmp_path: Path) -> None:
    """Columns with units, host instants, UTC and windows; every figure to the last digit."""
    samples = samples_of(open_run(folder))
    write_samples(tmp_path / "a.csv", samples, "csv")
    write_samples(tmp_path / "a.parquet", samples, "parquet")
    table = pd.read_csv(tmp_path / "a.csv", keep_default_na=True)
    other = pd.read_parquet(tmp_path / "a.parquet")
    assert list(table.columns) == list(other.columns)
    assert {"start_host_ns", "stop_host_ns", "stop_utc", "current_A"} <= set(table.columns)
    assert np.array_equal(table["current_A"], samples.columns["current"], equal_nan=True)
    assert np.array_equal(other["current_A"], samples.columns["current"], equal_nan=True)
    assert str(other["stop_utc"].dt.tz) == "UTC"
    apart = pd.to_datetime(table["stop_utc"]).astype("int64") - table["stop_host_ns"]
    assert set(apart) == {samples.utc_offset_ns}
    assert "run 1" in set(other["window"])


def test_the_runs_energy_comes_out_of_the_table(folder: Path) -> None:
    """The power at the boundary over a run's window is the energy of the result."""
    stored = open_run(folder)
    assert stored.result is not None
    samples = samples_of(stored)
    watts = samples.columns["power_at_boundary"]
    for window, run in zip(
        (each for each in samples.windows if each.label.startswith("run")),
        stored.result.runs,
        strict=True,
    ):
        part_ns = np.minimum(samples.stop_ns, window.stop_ns) - np.maximum(
            samples.start_ns, window.start_ns
        )
        energy_j = float(np.nansum(watts * part_ns.clip(0))) / 1e9
        assert energy_j == pytest.approx(run.energy_j, rel=0.02)


def test_jls_keeps_the_energy(folder: Path, tmp_path: Path) -> None:
    """What the file's own reader integrates is what the readings do; the layout holds."""
    samples = samples_of(open_run(folder))
    path = tmp_path / "a.jls"
    write_samples(path, samples, "jls")
    walk(path.read_bytes())
    done = audit(path).audits[0]
    wanted = integral_j(samples.start_ns, samples.stop_ns, samples.columns["power_at_boundary"])
    half_cell_j = 0.5 / 50 * float(np.nanmax(samples.columns["power_at_boundary"]))
    assert float(done.reckoned.energy_j.sum()) == pytest.approx(wanted, abs=half_cell_j)
    start_ns = int(done.evidence.traces[0].power.start_ns[0])
    assert samples.utc_offset_ns is not None
    assert abs(start_ns - int(samples.start_ns[0]) - samples.utc_offset_ns) <= 10


def test_jls_has_the_readings_that_count(folder: Path, tmp_path: Path, monkeypatch) -> None:
    """A repeated or questionable reading is one; a lost one and one beyond the range are none."""
    samples = samples_of(open_run(folder))
    kept = []

    def keep(_path: Path, _source: object, _rate_hz: int, signals: list[JlsSignal], **_: object):
        kept.append(float(np.isfinite(signals[0].samples).mean()))

    monkeypatch.setattr(exported_files, "write_jls", keep)
    for flag in SampleFlag:
        flags = np.zeros(len(samples.flags), dtype=np.uint8)
        flags[len(flags) // 2 :] = flag
        write_samples(tmp_path / "a.jls", replace(samples, flags=flags), "jls")
        counts = flag in (SampleFlag.REPEATED, SampleFlag.QUESTIONABLE)
        assert kept[-1] == pytest.approx(1.0 if counts else 0.5, abs=0.05), flag


WINDOW = """
[[window]]
start_s = 0.1
stop_s = 1.0
inferences = 10
"""

COLUMNS = """
boundary = "board"
averaging = "boxcar"
[columns]
time = "stop_host_ns"
power = "power_at_boundary_W"
[units]
time = "ns"
power = "W"
"""


@pytest.mark.parametrize(("form", "mapping"), [("jls", WINDOW), ("csv", COLUMNS + WINDOW)])
def test_an_export_of_an_emulated_run_is_no_evidence(
    folder: Path, tmp_path: Path, form: str, mapping: str
) -> None:
    """The audit says what it is, and no import makes a run of it; a measured one's is one."""
    path, samples = tmp_path / f"a.{form}", samples_of(open_run(folder))
    (tmp_path / f"a.{form}.toml").write_text(mapping)
    write_samples(path, samples, form)
    (done,) = audit(path).audits
    assert not done.valid
    assert "EMULATED" in done.findings[0].message
    with pytest.raises(ConfigError, match="exported from an EMULATED run"):
        import_evidence(done, tmp_path / "runs", Names())
    measured = replace(samples, facts={**samples.facts, "evidence": "measured"})
    write_samples(path, measured, form)
    (done,) = audit(path).audits
    assert import_evidence(done, tmp_path / "runs", Names()).folder.is_dir()


def test_imported_runs_are_exported_on_their_own_clock(tmp_path: Path) -> None:
    """No UTC is claimed that no file states."""
    place = submission(tmp_path / "s", "singlestream")
    session(place, {"spl.txt": spl(steps(121))}, detail(10.5, 110.5))
    made = import_evidence(audit(place).audits[0], tmp_path / "runs", Names(device="box"))
    samples = samples_of(open_run(made.folder))
    assert samples.utc_offset_ns is None
    write_samples(tmp_path / "a.csv", samples, "csv")
    table = pd.read_csv(tmp_path / "a.csv")
    assert "stop_utc" not in table
    assert set(table["power_W"]) == {2.0, 10.0}
    write_samples(tmp_path / "a.jls", samples, "jls")
    assert len(audit(tmp_path / "a.jls").audits[0].evidence.traces[0].power.power_w) == 121


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(min_value=1, max_value=3_000_000_000), min_size=1, max_size=40),
    st.integers(min_value=1, max_value=50),
)
def test_the_integral_on_a_grid_is_that_of_the_readings(lengths: list[int], rate: int) -> None:
    """However readings and cells lie to each other."""
    stop_ns = np.cumsum(np.array(lengths, dtype=np.int64))
    start_ns = np.concatenate(([0], stop_ns[:-1]))
    watts = np.linspace(1, 2, len(lengths))
    count = -(-int(stop_ns[-1]) * rate // 10**9)
    grid = on_grid(start_ns, stop_ns, watts, rate, count)
    # the last cell may end after the readings: its mean is over what they cover
    cells_s = np.full(count, 1 / rate)
    cells_s[-1] = stop_ns[-1] / 1e9 - (count - 1) / rate
    wanted = integral_j(start_ns, stop_ns, watts)
    assert float(np.nansum(grid * cells_s)) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize(
    ("interval_ns", "rate"),
    [(20_000_000, 50), (10_000_000_000, 1), (500_000_000, 2), (333_000_000, 13), (1_000_000, 1000)],
)
def test_rates_are_whole(interval_ns: int, rate: int) -> None:
    """A rate of its own where readings have a whole one, else a finer grid."""
    stop_ns = np.arange(1, 50, dtype=np.int64) * interval_ns
    assert whole_rate(stop_ns - interval_ns, stop_ns) == rate


def test_a_form_that_is_none_is_refused(folder: Path, tmp_path: Path) -> None:
    """The known ones stand in the hint."""
    with pytest.raises(ConfigError, match="no format 'xls'") as caught:
        write_samples(tmp_path / "a", samples_of(open_run(folder)), "xls")
    assert "jls" in caught.value.hint


def test_the_command_writes_samples(folder: Path, tmp_path: Path, capsys) -> None:
    """By the name of the file or by --format; a plan or two runs are refused."""
    lab = ("--lab", str(folder.parents[1]))
    path = tmp_path / "a.jls"
    assert main(["results", "export", str(folder), "-o", str(path), *lab]) == 0
    assert path.read_bytes().startswith(b"jlsfmt")
    table = tmp_path / "a.csv"
    assert main(["results", "export", str(folder), "--format", "csv", "-o", str(table), *lab]) == 0
    assert table.read_text().startswith("start_host_ns,stop_host_ns,stop_utc")
    assert main(["results", "export", str(folder), str(folder), "-o", str(path), *lab]) == 2
    assert "one RUN" in capsys.readouterr().err
