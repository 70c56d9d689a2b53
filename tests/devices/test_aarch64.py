"""The agent and the counters as real aarch64 code, by QEMU's user mode."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from powerlab.catalog.bench_profile import Bench
from powerlab.devices.open import open_board, open_counters
from tests.devices.conftest import BoardPlace

ROOT = "POWERLAB_AARCH64_ROOT"
EMULATORS = ("qemu-aarch64-static", "qemu-aarch64")
MAY_TAKE_S = 60.0


@pytest.fixture
def python() -> str:
    """Get the words that start an aarch64 Python, or skip where there is none."""
    emulator = next(filter(None, map(shutil.which, EMULATORS)), None)
    root = Path(os.environ.get(ROOT, "/usr/aarch64-linux-gnu"))
    found = sorted(root.glob("usr/bin/python3*")) + sorted(root.glob("bin/python3*"))
    if emulator is None or not found:
        pytest.skip(f"takes {EMULATORS[0]} on the path, and an aarch64 root with Python in {ROOT}")
    return shlex.join([emulator, "-L", str(root), str(found[0])])


def test_another_processor(
    python: str, place: BoardPlace, make_bench: Callable[..., Bench], tmp_path: Path
) -> None:
    """Stamps, edge file, facts and counters work where pointers and calls are another kind's."""
    sensor = tmp_path / "host" / "sys/class/hwmon/hwmon0"
    sensor.mkdir(parents=True)
    (sensor / "name").write_text("ina226\n")
    (sensor / "power1_input").write_text("6025000\n")
    bench = make_bench(python=python)
    with open_board(bench, start_limit_s=MAY_TAKE_S) as board:
        assert board.hello()["machine"] == "aarch64"
        stamps = board.exchange_clocks(5)
        assert (stamps.t1_ns < stamps.t2_board_ns).all()
        assert (stamps.t3_board_ns < stamps.t4_ns).all()
        idle = board.idle(0.05, 0)
        assert idle.stop_board_ns - idle.start_board_ns > 0.05e9
        assert board.inspect()["memory_bytes"] > 0
        with open_counters(
            bench, ["hwmon", f"root={tmp_path / 'host'}"], start_limit_s=MAY_TAKE_S
        ) as line:

            def ask(do: str, **more: object) -> dict:
                return line.ask({"do": do, **more}, limit_s=MAY_TAKE_S, doing="testing")

            ask("start", interval_s=0.01)
            values: list = []
            while not values:
                values = ask("read")["values"]
            assert values[0] == [6.025]
    assert place.leftovers() == []
