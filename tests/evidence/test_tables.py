"""Tables of loggers: recognised by content, their units stated, errors named by line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from powerlab.errors import ConfigError
from powerlab.evidence.audit import Audit, audit


def one(path: Path, mapping: Path | None = None) -> Audit:
    """Audit a file that holds one recording."""
    (done,) = audit(path, None, mapping).audits
    return done


def write(path: Path, header: str, rows: list[str]) -> Path:
    """Write a table."""
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def energy_j(done: Audit) -> float:
    """Get the energy of all windows."""
    return float(done.reckoned.energy_j.sum())


TABLES = {
    "joulescope": (
        "#time,current,voltage",
        [f"{k / 100:.2f},0.5,4.0" for k in range(1, 101)],
    ),
    "otii": (
        "Timestamp,Main Current (mA),Main Voltage (V)",
        [f"{k / 100:.2f},500,4.0" for k in range(1, 101)],
    ),
    "fnirsi": (
        "timestamp sample_in_packet voltage_V current_A dp_V dn_V temp_C_ema energy_Ws capacity_As",
        [f"{1657568326 + k / 100:.3f} 0 4.0 0.5 1 1 30 {k * 0.02:.6f} 0" for k in range(1, 101)],
    ),
    "km003c": (
        "Time(ms),VBUS(V),IBUS(mA),D+(V)",
        [f"{k * 10},4.0,500,0.6" for k in range(1, 101)],
    ),
    "devlib": (
        "timestamp_time_ms,OUTPUT0_power,OUTPUT0_voltage",
        [f"{k * 10},2.0,4.0" for k in range(1, 101)],
    ),
    "energibridge": (
        "Delta,Time,CPU_USAGE_0,PACKAGE_ENERGY (J),PP0_ENERGY (J)",
        [f"10,{1700000000000 + k * 10},5,{100 + k * 0.02:.6f},{k}" for k in range(101)],
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_two_watts_for_a_second_are_two_joules(tmp_path: Path, name: str) -> None:
    """Every logger's table of 2 W over 1 s is recognised and integrates to 2 J."""
    header, rows = TABLES[name]
    done = one(write(tmp_path / "log.csv", header, rows))
    assert done.evidence.format == name
    assert energy_j(done) == pytest.approx(2.0, rel=1e-6)
    assert "windows-missing" in {finding.code for finding in done.findings}


def test_energy_that_a_logger_counted_is_checked(tmp_path: Path) -> None:
    """A FNIRSI log whose energy does not follow from its volts and amperes differs."""
    header, rows = TABLES["fnirsi"]
    broken = [line.replace(line.split()[7], f"{float(line.split()[7]) * 3:.6f}") for line in rows]
    assert one(write(tmp_path / "a.txt", header, rows)).evidence.claims[0].agrees
    assert not one(write(tmp_path / "b.txt", header, broken)).evidence.claims[0].agrees


def test_a_counter_that_wraps_yields_no_negative_power(tmp_path: Path) -> None:
    """The interval of a wrap is left out, filled from both sides, and told."""
    header, rows = TABLES["energibridge"]
    cut = [*rows[:50], *(line.replace(",5,1", ",5,") for line in rows[50:])]
    done = one(write(tmp_path / "log.csv", header, cut))
    assert "counter-fell-back" in {finding.code for finding in done.findings}
    assert energy_j(done) == pytest.approx(2.0, rel=1e-3)


def test_ppk2_needs_a_voltage_and_finds_its_windows(tmp_path: Path) -> None:
    """Current alone is refused; with volts stated, a digital input marks the inferences."""
    rows = [f"{k},{500000 if 20 < k <= 40 else 1000},{int(20 < k <= 40)}" for k in range(1, 61)]
    path = write(tmp_path / "ppk.csv", "Timestamp(ms),Current(uA),D0", rows)
    with pytest.raises(ConfigError, match="no voltage"):
        audit(path)
    mapping = tmp_path / "m.toml"
    mapping.write_text("voltage_v = 4.0\n")
    done = one(path, mapping)
    assert [window.inferences for window in done.evidence.windows] == [1]
    assert energy_j(done) == pytest.approx(2.0 * 0.020, rel=1e-2)


def test_tegrastats_takes_the_rail_of_the_board(
    shared: Callable[[str], Path], tmp_path: Path
) -> None:
    """A Jetson Nano's input rail has the figure; an Orin without one is blocking, not summed."""
    lines = json.loads(shared("vectors/linux/tegrastats.json").read_text())["lines"]
    nano, orin = (
        next(each["line"] for each in lines if name in each["board"]) for name in ("Nano", "Orin")
    )
    done = one(write(tmp_path / "nano.log", nano, [nano] * 9))
    assert done.evidence.claims[0].quantity == "mean power of POM_5V_IN"
    assert energy_j(done) == pytest.approx(0.933 * 9, rel=1e-6)
    assert "no stamps" in done.evidence.assumptions[0]
    other = one(write(tmp_path / "orin.log", orin, [orin]))
    assert not other.valid
    assert other.recomputed is None
    assert len(other.evidence.claims) == 3


def test_nvidia_smi_keeps_gpus_apart(tmp_path: Path) -> None:
    """Two GPUs are two traces, [N/A] is a missing reading, and the sensor's gate is told."""
    rows = [
        f"2026/01/01 10:00:{k:02d}.000, {gpu}, {'[N/A]' if k == 5 else f'{50 + gpu:.2f} W'}"
        for k in range(11)
        for gpu in (0, 1)
    ]
    done = one(write(tmp_path / "smi.csv", "timestamp, index, power.draw [W]", rows))
    assert [trace.name for trace in done.evidence.traces] == ["GPU 0", "GPU 1"]
    assert energy_j(done) == pytest.approx(101 * 10, rel=1e-6)
    assert {"gated-sensor", "sentinels"} <= {finding.code for finding in done.findings}


def test_codecarbon_has_its_sums_checked(tmp_path: Path) -> None:
    """Energies are added up again, and that no trace stands behind them is told."""
    header = (
        "timestamp,project_name,run_id,duration,cpu_power,gpu_power,ram_power,"
        "cpu_energy,gpu_energy,ram_energy,energy_consumed"
    )
    rows = ["2026-01-01T00:00:00,p,r1,3600,10,0,1,0.01,0,0.001,0.011",
            "2026-01-01T00:00:00,p,r2,3600,50,0,1,0.01,0,0.001,0.02"]  # fmt: skip
    good, bad = audit(write(tmp_path / "emissions.csv", header, rows)).audits
    assert good.evidence.claims[0].agrees
    assert not bad.evidence.claims[0].agrees
    assert "trace-missing" in {finding.code for finding in good.findings}
    assert "power-and-energy-differ" in {finding.code for finding in bad.findings}


MAPPING = """
schema = 1
columns = { time = "t", power = "p" }
units = { time = "ms", power = "mW" }
averaging = "boxcar"
boundary = "dc"
device = "board"
workload = "net"
meter = { model = "M1", serial = "7", gain_limit = 0.01, calibrated = "2026-01-01" }
[[window]]
start_s = 0.1
stop_s = 0.6
inferences = 50
"""


def test_any_table_by_its_mapping(tmp_path: Path) -> None:
    """A mapping beside a table says columns, units, meter and windows."""
    path = write(tmp_path / "log.csv", "t;p", [f"{k};2000" for k in range(1, 1001)])
    (tmp_path / "log.csv.toml").write_text(MAPPING)
    done = one(path)
    assert done.evidence.format == "csv"
    assert done.reckoned.quantities["energy_per_inference"].value == pytest.approx(0.02)
    assert done.evidence.meter.calibration == "2026-01-01"
    assert "calibration-missing" not in {finding.code for finding in done.findings}


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('power = "mW"', 'power = "furlong"', "units.power must be one of"),
        ('units = { time = "ms", power = "mW" }', "", "units.time must be one of"),
        ('averaging = "boxcar"', "", "averaging must be one of"),
        ('power = "p"', 'power = "q"', "columns names 'q'"),
        ("inferences = 50", "", "window 1: needs"),
        ("schema = 1", "schema = ", "is not TOML"),
        ("schema = 1", "shema = 1", "shema is no key"),
    ],
)
def test_a_mapping_that_leaves_something_open_is_refused(
    tmp_path: Path, old: str, new: str, what: str
) -> None:
    """Nothing is guessed: what a mapping does not state is an error that names its key."""
    path = write(tmp_path / "log.csv", "t;p", ["1;2", "2;3"])
    mapping = tmp_path / "m.toml"
    mapping.write_text(MAPPING.replace(old, new, 1))
    with pytest.raises(ConfigError, match=what):
        audit(path, None, mapping)


@pytest.mark.parametrize(("row", "line"), [("0.03,zero,4.0", 4), ("0.03,0.5,\xff", 4)])
def test_a_bad_row_is_named_by_line(tmp_path: Path, row: str, line: int) -> None:
    """Text where a number belongs and bytes that are no text are errors."""
    path = tmp_path / "log.csv"
    lines = ["#time,current,voltage", "0.01,0.5,4.0", "0.02,0.5,4.0", row, ""]
    path.write_bytes("\n".join(lines).encode("latin-1"))
    with pytest.raises(ConfigError, match=rf"log\.csv:{line}: "):
        audit(path)
