"""The WT310E's driver against its emulator over real sockets, with every fault of a link."""

from __future__ import annotations

import contextlib
import socket
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

from powerlab.agent.edges import BUSY, EdgeFile
from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.emulation.faults import FaultWatch, parse_faults
from powerlab.emulation.process import EmulatorContext, EmulatorProcess
from powerlab.emulation.yokogawa_wt310e import Wt310e as Emulated
from powerlab.errors import InstrumentError
from powerlab.instruments.contract import Meter, MeterRequest, open_meter
from powerlab.instruments.yokogawa_wt310e import POLL
from powerlab.records import SampleBlock, SampleFlag
from powerlab.units import NS_PER_S, now_ns

ROOT = Path(__file__).resolve().parents[2]
REQUEST = MeterRequest(expected_peak_a=1.05)
MODEL = "yokogawa-wt310e"


@pytest.fixture
def context(tmp_path: Path, profile) -> Callable[..., EmulatorContext]:
    """Get a maker of what an emulator on an idle board is told."""
    text = (ROOT / "devices" / "edgeboard.toml").read_text(encoding="utf-8")
    device = DeviceProfile.model_validate(tomllib.loads(text))

    def make(*faults: str) -> EmulatorContext:
        made = EmulatorContext(
            directory=tmp_path,
            seed=7,
            device=device,
            instrument=profile(MODEL),
            faults=parse_faults(faults),
        )
        made.box.mkdir()
        made.edges.mkdir()
        return made

    return make


@pytest.fixture
def bench(context) -> Callable:
    """Get a maker of emulated meters, as ``(open, work)``; each ends with its ``with`` block."""

    @contextmanager
    def build(*faults: str) -> Iterator[tuple[Callable[[], Meter], Callable[[], None]]]:
        told = context(*faults)
        (entry,) = entry_points(group="powerlab.emulators", name=told.instrument.emulator)
        process = EmulatorProcess("meter", entry.value, told)
        edges = EdgeFile(str(told.edges / "powerlab-edges-1.bin"))
        try:
            process.wait_ready()
            there = BenchMeter(model=MODEL, **{k: str(v) for k, v in process.address.items()})
            yield (
                lambda: open_meter(told.instrument, there),
                lambda: edges.publish(BUSY, 0, now_ns()),
            )
        finally:
            process.stop()

    return build


def until(meter: Meter, enough: Callable[[np.ndarray], bool]) -> list[SampleBlock]:
    """Stream until the flags of all rows so far are enough; 200 rows are too many."""
    stop, blocks = threading.Event(), []
    for block in meter.stream(stop):
        blocks.append(block)
        flags = np.concatenate([item.flags for item in blocks])
        assert len(flags) < 200
        if len(flags) and enough(flags):
            stop.set()
    return blocks


def check(blocks: list[SampleBlock]) -> np.ndarray:
    """Check what the driver promises of its blocks, and get all rows."""
    device_ns = np.concatenate([block.device_ns for block in blocks])
    assert list(np.diff(device_ns)) == [NS_PER_S // 10] * (len(device_ns) - 1)
    assert [b.completed for b in blocks] == list(np.cumsum([len(b.flags) for b in blocks]))
    assert all(block.sent_ns <= block.received_ns for block in blocks)
    return np.concatenate([block.values for block in blocks])


def test_a_set_up_and_a_stream(bench) -> None:
    """An idle board of about 3 W at 12 V; watts are volts times amperes."""
    with bench() as (open_it, _), closing(open_it()) as meter:
        setup = meter.configure(REQUEST)
        assert meter.identity.emulated
        values = check(until(meter, lambda flags: len(flags) >= 12))
    assert setup.settings["mode"] == "DC"
    good = values[np.isfinite(values).all(axis=1)]
    assert np.all((good[:, 0] > 11.5) & (good[:, 0] < 12.5))
    assert good[:, 2] == pytest.approx(good[:, 0] * good[:, 1], abs=0.05)
    assert good[:, 2].mean() == pytest.approx(3.0, rel=0.1)


def test_a_second_session_finds_a_clean_meter(bench) -> None:
    """After one session the next one starts from nothing, and finds the same ranges."""
    with bench() as (open_it, _):
        seen = []
        for _ in range(2):
            with closing(open_it()) as meter:
                seen.append(meter.configure(REQUEST))
                check(until(meter, lambda flags: len(flags) >= 2))
    assert seen[0] == seen[1]


def test_an_overload_is_flagged_and_passes(bench) -> None:
    """A second beyond the range: ten rows or so without a number, then readings again."""
    with bench("overrange@0.3s") as (open_it, work), closing(open_it()) as meter:
        meter.configure(REQUEST)
        work()
        over = int(SampleFlag.OVERRANGE)
        blocks = until(meter, lambda flags: bool((flags & over).any()) and not flags[-1] & over)
    values, flags = check(blocks), np.concatenate([block.flags for block in blocks])
    assert np.isnan(values[(flags & over) != 0]).any(axis=1).all()
    assert 8 <= np.count_nonzero(flags & over) <= 12


def test_a_gap_is_as_many_lost_rows(bench) -> None:
    """Two seconds without an update are about twenty rows, and time goes on behind them."""
    with bench("gap@0.3s") as (open_it, work), closing(open_it()) as meter:
        meter.configure(REQUEST)
        work()
        lost = int(SampleFlag.LOST)
        blocks = until(meter, lambda flags: np.count_nonzero(flags & lost) > 9 and not flags[-1])
    values, flags = check(blocks), np.concatenate([block.flags for block in blocks])
    assert np.isnan(values[(flags & lost) != 0]).all()
    assert 19 <= np.count_nonzero(flags & lost) <= 24


def take_all(meter: Meter, blocks: list[SampleBlock]) -> None:
    """Read a stream to its end, whatever ends it, and keep what came before."""
    for block in meter.stream(threading.Event()):
        blocks.append(block)  # noqa: PERF402 - an error must not take them along


def test_a_cut_link_is_an_instrument_error(bench) -> None:
    """Cut in the middle of an answer: what came before is kept, and the exit code is 4."""
    blocks: list[SampleBlock] = []
    with bench("unplug@0.6s") as (open_it, work), closing(open_it()) as meter:
        meter.configure(REQUEST)
        work()
        with pytest.raises(InstrumentError) as caught:
            take_all(meter, blocks)
    assert caught.value.exit_code == 4
    assert caught.value.hint
    assert len(check(blocks)) >= 3


@pytest.mark.slow
def test_a_late_answer_is_never_used(bench) -> None:
    """Six seconds late: the rows of that time are lost, the next one is of its own time."""
    with bench("late-reply@0.3s") as (open_it, work), closing(open_it()) as meter:
        meter.configure(REQUEST)
        work()
        lost = int(SampleFlag.LOST)
        blocks = until(meter, lambda flags: bool((flags & lost).sum() > 10) and not flags[-1])
    values, flags = check(blocks), np.concatenate([block.flags for block in blocks])
    assert 15 <= np.count_nonzero(flags & lost) <= 80
    assert values[-1, 2] == pytest.approx(8.4, rel=0.1)  # the late one knew of the idle board
    assert blocks[-1].received_ns - blocks[-1].sent_ns < NS_PER_S


class CuttingServer:
    """The emulated meter in this process, behind a socket that it may cut, and opens again.

    Once ``left`` polls are answered, one is cut after its ``cut_at`` bytes.
    """

    def __init__(self, instrument: Emulated, cut_at: int) -> None:
        self._instrument = instrument
        self.left = -1
        self._cut_at = cut_at
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.resource = f"TCPIP0::127.0.0.1::{self._listener.getsockname()[1]}::SOCKET"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=5)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with client, client.makefile("rb") as lines:
                    for line in lines:
                        if not self._answer(client, line):
                            break

    def _answer(self, client: socket.socket, line: bytes) -> bool:
        self._instrument.tick()
        reply = self._instrument.handle(line.decode().strip())
        asked = line.strip() == POLL.encode()
        self.left -= asked
        cut = asked and self.left == 0
        client.sendall(reply[: self._cut_at] if cut else reply)
        return not cut


@pytest.mark.parametrize("cut_at", [0, 1, 2, 4, 10, 20, 30, 36])
def test_after_a_cut_the_meter_is_usable_again(context, profile, cut_at: int) -> None:
    """A socket closed at any byte of an answer ends the stream; the next session reads on."""
    told = context()
    instrument = Emulated(told, FaultWatch(()), lambda _at_ns: None)
    server = CuttingServer(instrument, cut_at)
    there = BenchMeter(model=MODEL, resource=server.resource)
    blocks: list[SampleBlock] = []
    with closing(server):
        with closing(open_meter(profile(MODEL), there)) as meter:
            meter.configure(REQUEST)
            server.left = 15
            with pytest.raises(InstrumentError) as caught:
                take_all(meter, blocks)
        with closing(open_meter(profile(MODEL), there)) as meter:
            meter.configure(REQUEST)
            values = check(until(meter, lambda flags: len(flags) >= 2))
    assert caught.value.exit_code == 4
    check(blocks)
    assert np.isfinite(values).all()
