"""One small whole example of every format that is read, made here."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.evidence.jls_made import LIBRARY
from tests.evidence.made import detail, session, sides, spl, steps
from tests.evidence.test_ppk2 import archive, recorded
from tests.evidence.test_tables import MAPPING, TABLES


def _table(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        header, rows = TABLES[name]
        return _text(folder / "a.csv", [header, *rows])

    return make


def _text(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def _jls(folder: Path) -> Path:
    path = folder / "a.jls"
    path.write_bytes(LIBRARY)
    return path


def _ppk2_csv(folder: Path) -> Path:
    (folder / "a.csv.toml").write_text("voltage_v = 3.0\n")
    rows = [f"{k},{1000 + k % 3},{int(3 < k < 20)}" for k in range(40)]
    return _text(folder / "a.csv", ["Timestamp(ms),Current(uA),D0", *rows])


def _tegrastats(folder: Path) -> Path:
    line = "RAM 1/3956MB (lfb 1x4MB) CPU [1%@102] POM_5V_IN 933/933 POM_5V_CPU 121/121"
    return _text(folder / "a.log", [f"01-02-2026 10:00:{k:02d} {line}" for k in range(20)])


def _nvidia_smi(folder: Path) -> Path:
    rows = [f"2026/01/01 10:00:{k:02d}.000, 0, {50 + k % 3}.00 W" for k in range(20)]
    return _text(folder / "a.csv", ["timestamp, index, power.draw [W]", *rows])


def _codecarbon(folder: Path) -> Path:
    names = "timestamp,project_name,run_id,duration,cpu_power,gpu_power,ram_power,"
    names += "cpu_energy,gpu_energy,ram_energy,energy_consumed"
    row = "2026-01-01T00:00:00,p,r1,3600,10,0,1,0.01,0,0.001,0.011"
    return _text(folder / "emissions.csv", [names, row])


def _mapped(folder: Path) -> Path:
    (folder / "a.csv.toml").write_text(MAPPING)
    return _text(folder / "a.csv", ["t,p", *(f"{k * 100},{2000 + k % 3}" for k in range(200))])


def _mlperf(folder: Path) -> Path:
    client, server = sides(0.01)
    text = detail(10.5, 110.5)
    return session(folder / "run", {"spl.txt": spl(steps(121))}, text, client=client, server=server)


def _energyrunner(folder: Path) -> Path:
    samples = np.full(5000, 75.0, dtype="<f4").tobytes()
    (folder / "trace1-energy.bin").write_bytes(b"\xf1" + struct.pack("<f", 1000.0) + samples)
    (folder / "trace1-timestamps.json").write_text(json.dumps([0.1, 0.5, 1.5, 2.0, 3.0, 3.2]))
    lines = ["Performance results for window 2:", "# Inferences :  10"]
    _text(folder / "results.txt", [*lines, "Energy data for window 2 at time 0.5s:",
                                   "Energy       :   75000.000 uJ"])  # fmt: skip
    return folder


def _mlcommons(folder: Path) -> Path:
    power = {"samples": [7.5e-5] * 500, "timestamps": [[1, 0], [2, 100], [3, 400]]}
    trials = [{"infer": {"iterations": 10}, "power": power} for _ in range(2)]
    (folder / "results.json").write_text(json.dumps(trials))
    return folder


def _deepedgebench(folder: Path) -> Path:
    log = [f"{1.6e9 + k * 0.25:.2f} 0.5 5.0 2.5" for k in range(200)]
    _text(folder / "rpi_all.txt", ["serial_data", *log])
    labels = ["label_data", "1600000002.0 test_start"]
    for k in range(1, 6):
        labels += [f"{1600000000 + 5 * k}.1 inf_start_batch_{k}",
                   f"{1600000000 + 5 * k}.9 inf_end_batch_{k}"]  # fmt: skip
    _text(folder / "ts_rpi_x.txt", [*labels, "1600000040.0 test_end", "1600000041.0 top_1_1"])
    return folder


FORMATS: dict[str, Callable[[Path], Path]] = {
    **{name: _table(name) for name in TABLES},
    "jls": _jls,
    "ppk2": lambda folder: archive(folder / "a.ppk2", recorded()),
    "ppk2-csv": _ppk2_csv,
    "tegrastats": _tegrastats,
    "nvidia-smi": _nvidia_smi,
    "codecarbon": _codecarbon,
    "csv": _mapped,
    "mlperf-inference": _mlperf,
    "energyrunner": _energyrunner,
    "mlcommons-tiny": _mlcommons,
    "deepedgebench": _deepedgebench,
}
