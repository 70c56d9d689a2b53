"""Clocks joined over the real ssh path, a poor network between and a fast clock at its end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from powerlab.analysis.bursts import largest_step
from powerlab.analysis.clocks import board_to_host, clock_at, fit_board_clock
from powerlab.catalog.bench_profile import Bench
from powerlab.catalog.layers import load_catalog
from powerlab.devices.link import BoardLink
from powerlab.devices.open import open_board
from powerlab.emulation.bench import BOARD
from powerlab.emulation.clock import BoardClock, BusyTime, draw_clock
from powerlab.emulation.edges_tail import EdgesTail
from powerlab.emulation.process import (
    KNOWN_HOSTS,
    USER,
    USER_KEY,
    EmulatorContext,
    EmulatorProcess,
)
from powerlab.emulation.world import Edges, emulation_of
from powerlab.records import ClockExchanges, Int64Array, Phase
from tests.integration.slow_line import SlowLine, Way

pytestmark = pytest.mark.skipif(
    subprocess.run(["which", "ssh"], capture_output=True, check=False).returncode != 0,
    reason="no ssh client is installed here",
)

ADAPTERS = Path(__file__).parents[1] / "devices" / "board_adapters"
SEED = 4
"""Draws a clock that is 70 ppm fast."""

THERE = Way(base_s=0.002, tail_s=0.001, stall_s=0.08, stalls=0.01)
BACK = Way(base_s=0.003, tail_s=0.001, stall_s=0.08, stalls=0.01)
RUNS = 5


@pytest.fixture
def context(tmp_path: Path) -> EmulatorContext:
    """Get a board whose clock is fast, and faster while it works."""
    device = load_catalog().device("edgeboard")
    clock = {"clock_limit_ppm": 80.0, "clock_load_ppm": 5.0}
    fast = emulation_of(device).model_copy(update=clock)
    context = EmulatorContext(tmp_path, SEED, device.model_copy(update={"emulation": fast}))
    context.edges.mkdir()
    context.box.mkdir()
    return context


@pytest.fixture
def link(context: EmulatorContext) -> Iterator[BoardLink]:
    """Get the board behind the system's ssh and the slow line."""
    board = EmulatorProcess("board", BOARD, context)
    try:
        board.wait_ready()
        slow = SlowLine(int(board.address["port"]), THERE, BACK, SEED)
        with slow as line, open_board(_bench(context, line.port)) as opened:
            yield opened
    finally:
        board.stop()


def _bench(context: EmulatorContext, port: int) -> Bench:
    known = context.directory / KNOWN_HOSTS
    key = known.read_text("ascii").split()[1:]
    known.write_text(f"[127.0.0.1]:{port} {' '.join(key)}\n")
    return Bench.model_validate(
        {
            "device": context.device.id,
            "host": f"{USER}@127.0.0.1:{port}",
            "python": f"env PYTHONPATH={ADAPTERS} {sys.executable}",
            "ssh_config": "none",
            "identity_file": str(context.directory / USER_KEY),
            "known_hosts_file": str(known),
            "meter": [{"model": "keithley-dmm6500", "resource": "none"}],
        }
    )


def _measure(link: BoardLink, model: Path) -> tuple[ClockExchanges, list[Phase]]:
    """Exchange clocks before, between and after runs of about a second."""
    model.write_bytes(b"weights")
    link.load({model.name: model}, model.name, runtime="steady")
    bursts, runs = [link.exchange_clocks(100)], []
    link.idle(1.5, 0)
    for index in range(RUNS):
        bursts.append(link.exchange_clocks(40))
        runs.append(link.run(index, 700, 30.0, 0.1)[1])
    bursts.append(link.exchange_clocks(40))
    link.idle(1.5, 1)
    bursts.append(link.exchange_clocks(100))
    names = ("t1_ns", "t2_board_ns", "t3_board_ns", "t4_ns")
    joined = (np.concatenate([getattr(burst, name) for burst in bursts]) for name in names)
    return ClockExchanges(*joined), runs


def _edges(context: EmulatorContext) -> Edges:
    return EdgesTail(context.edges).poll(scan=True)


@pytest.mark.slow
def test_offset_and_skew_hold_over_a_poor_network(
    context: EmulatorContext, link: BoardLink, tmp_path: Path
) -> None:
    """With 2 ms there, 3 ms back, jitter and stalls, the stated offset, skew and u hold."""
    exchanges, runs = _measure(link, tmp_path / "model.tflite")
    fit = fit_board_clock(exchanges)
    edges = _edges(context)
    counted = edges.tag >= 0
    true_ns = edges.t_ns[counted]
    stamps = np.array([[run.start_board_ns, run.stop_board_ns] for run in runs]).ravel()
    assert len(true_ns) == 2 * RUNS

    error_ns = board_to_host(fit, stamps) - true_ns
    assert fit.round_trip_min_ns > 5e6
    assert fit.u_offset_ns < fit.round_trip_min_ns / 2
    assert np.abs(error_ns).max() <= fit.round_trip_min_ns / 2
    # Request and answer take 2 ms and 3 ms: half of the difference is a bias nobody can see.
    assert np.abs(error_ns - 500_000).max() <= fit.u_offset_ns

    # When a clock was started does not change its rate.
    clock = draw_clock(emulation_of(context.device), SEED, int(exchanges.t1_ns[0]))
    ends_ns = exchanges.t1_ns[[0, -1]]
    assert abs(fit.skew_ppm - _rate_ppm(clock, edges, ends_ns)) <= 3 * fit.u_skew_ppm
    for start_ns, stop_ns in true_ns.reshape(-1, 2):
        at_run = clock_at(fit, int(start_ns + stop_ns) // 2)
        rate_ppm = _rate_ppm(clock, edges, np.array([start_ns, stop_ns]))
        assert rate_ppm > 70
        assert abs(at_run.skew_ppm - rate_ppm) <= 3 * at_run.u_skew_ppm
    assert largest_step(exchanges) == 0


def _rate_ppm(clock: BoardClock, edges: Edges, ends_ns: Int64Array) -> float:
    """Get the clock's true mean rate error between two instants."""
    start, stop = clock.board_ns(ends_ns, BusyTime(edges))
    return float((stop - start) / np.diff(ends_ns)[0] - 1) * 1e6
