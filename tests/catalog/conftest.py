"""A small valid lab on disk, and ways to bend its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

INSTRUMENT = """
schema = 1
id = "{id}"
manufacturer = "Acme"
name = "Acme meter"
kind = "meter"
summary = "a meter"
driver = "acme"
emulator = "acme"
verified = "never"
channels = ["current"]

[link]
kinds = ["visa"]
example = "TCPIP0::meter::5025::SOCKET"

[sampling]
averaging = "gated"
timestamp = "end"
aperture_s = 0.02
interval_s = 0.025
latency_s = 0.01
latency_limit_s = 0.005
clock_limit_ppm = 100.0
source = "data sheet"
retrieved = "2026-01-02"

[[range]]
quantity = "current"
full_scale = 1.0
over_range_factor = 1.2
gain_percent = 0.1
offset_percent = 0.04
resolution = 1e-6
noise = 1e-6
burden_voltage_v = 0.5
source = "data sheet"
retrieved = "2026-01-02"

[[range]]
quantity = "current"
full_scale = 3.0
gain_percent = 0.1
offset_percent = 0.04
resolution = 1e-6
noise = 1e-6
source = "data sheet"
retrieved = "2026-01-02"
"""

DEVICE = """
schema = 1
id = "{id}"
name = "Acme board"
manufacturer = "Acme"
summary = "a board"
verified = "emulator"
soc = "one core"

[power]
supply_current_a = 2.0

[power.idle_w]
value = 2.0
u = 0.5
source = "data sheet"
retrieved = "2026-01-02"

[power.active_w]
value = 8.0
u = 0.5
source = "data sheet"
retrieved = "2026-01-02"

[power.supply_voltage_v]
value = 12.0
u = 0.1
source = "label"
retrieved = "2026-01-02"

[[runtime]]
id = "paddle-lite"

[[runtime]]
id = "tflite"
native = false
stands_in_for = "paddle-lite"

[[price]]
amount = "5000"
currency = "CNY"
date = "2026-01-02"
u_relative = 0.05
life_years = 3.0
basis = "one unit"
source = "a shop"
retrieved = "2026-01-02"

[emulation]
meter = "acme-meter"
runtime = "tflite"
idle_w = 2.0
active_w = 8.0
lag_limit_s = 0.005
run_to_run = 0.003
drift_w = 0.05
drift_time_s = 90.0
noise_w = 0.03
supply_voltage_v = 12.0
cable_ohm = 0.05
u_cable_ohm = 0.01
"""

WORKLOAD = """
schema = 1
id = "{id}"
name = "Net"
summary = "a net"
recipe = "seed-cnn"
seed = 1
precision = "float32"
input_shape = [1, 8, 8, 1]
outputs = 10
parameters = 1000
macs = 10000

[formats]
tflite = "tflite"

[origin]
source = "a paper"
retrieved = "2026-01-02"
"""

PROTOCOL = """
schema = 1
id = "{id}"
name = "Short"
summary = "short"
idle_s = 5.0
warm_up_limit_s = 5.0
runs = 5
run_s = 6.0
guard_s = 0.25
"""

BENCH = """
schema = 1

[bench.desk]
device = "acme-board"
host = "board"

[[bench.desk.meter]]
model = "acme-meter"
resource = "TCPIP0::meter::5025::SOCKET"
"""

FILES = {
    "instruments/acme-meter.toml": INSTRUMENT,
    "devices/acme-board.toml": DEVICE,
    "workloads/net.toml": WORKLOAD,
    "workloads/protocols/short.toml": PROTOCOL,
    "powerlab.toml": BENCH,
}


class Lab:
    """A lab directory that starts out valid."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        for name, text in FILES.items():
            self.write(name, text.replace("{id}", Path(name).stem))

    def write(self, name: str, text: str) -> Path:
        """Put a file, and its folders, in place."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def change(self, name: str, old: str, new: str) -> Path:
        """Replace the first ``old`` of a file, which must be there."""
        text = (self.root / name).read_text(encoding="utf-8")
        assert old in text
        return self.write(name, text.replace(old, new, 1))


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """Get a lab with one valid file of each kind."""
    return Lab(tmp_path / "lab")


@pytest.fixture
def make_lab(tmp_path: Path) -> Callable[[str], Lab]:
    """Get a maker of further valid labs."""
    return lambda name: Lab(tmp_path / name)
