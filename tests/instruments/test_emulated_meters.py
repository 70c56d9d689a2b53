"""Every built-in driver against its wire-level emulator: real sockets, real terminals.

The emulators are separate processes written from the manuals, not from the drivers.
"""

from __future__ import annotations

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
from powerlab.emulation.faults import parse_faults
from powerlab.emulation.process import EmulatorContext, EmulatorProcess
from powerlab.errors import InstrumentError
from powerlab.instruments.contract import Meter, MeterRequest, VoltageReader, open_meter
from powerlab.records import MeterSetup, SampleBlock, SampleFlag
from powerlab.units import NS_PER_S, now_ns

ROOT = Path(__file__).resolve().parents[2]
METERS = ["keithley-dmm6500", "keysight-34465a", "rdtech-tc66c", "rdtech-um25c"]
REQUEST = MeterRequest(expected_peak_a=0.9)


class Rig:
    """One emulated meter on an idle board; ``work`` lets its board become busy."""

    def __init__(self, context: EmulatorContext, process: EmulatorProcess) -> None:
        self.context = context
        self.process = process
        self.bench = BenchMeter(
            model=context.instrument.id,
            resource=str(process.address["resource"]),
            serial=str(process.address["serial"]),
        )

    def open(self, **changes: str) -> Meter:
        """Open the meter through its entry point."""
        return open_meter(self.context.instrument, self.bench.model_copy(update=changes))

    def work(self) -> None:
        """Write the first busy edge, from which faults count."""
        path = self.context.edges / "powerlab-edges-1.bin"
        EdgeFile(str(path)).publish(BUSY, 0, now_ns())


@pytest.fixture
def rig(tmp_path: Path, profile) -> Callable:
    """Get a maker of emulated meters; each ends with its ``with`` block."""
    text = (ROOT / "devices" / "edgeboard.toml").read_text(encoding="utf-8")
    device = DeviceProfile.model_validate(tomllib.loads(text))

    @contextmanager
    def build(identifier: str, *faults: str, **device_changes: float) -> Iterator[Rig]:
        instrument = profile(identifier)
        emulation = device.emulation.model_copy(update=device_changes)
        context = EmulatorContext(
            directory=tmp_path,
            seed=7,
            device=device.model_copy(update={"emulation": emulation}),
            instrument=instrument,
            faults=parse_faults(faults),
        )
        context.box.mkdir()
        context.edges.mkdir()
        (entry,) = entry_points(group="powerlab.emulators", name=instrument.emulator)
        process = EmulatorProcess("meter", entry.value, context)
        try:
            process.wait_ready()
            yield Rig(context, process)
        finally:
            process.stop()

    return build


def until(meter: Meter, enough: Callable[[list[SampleBlock]], bool]) -> list[SampleBlock]:
    """Stream until what has come is enough; three hundred are too many."""
    stop = threading.Event()
    blocks: list[SampleBlock] = []
    for block in meter.stream(stop):
        blocks.append(block)
        assert len(blocks) < 300
        if enough(blocks):
            stop.set()
    return blocks


def flags_seen(blocks: list[SampleBlock]) -> SampleFlag:
    """Get every flag that any sample has."""
    return SampleFlag(int(np.bitwise_or.reduce(np.concatenate([block.flags for block in blocks]))))


def check_blocks(setup: MeterSetup, blocks: list[SampleBlock]) -> None:
    """Check what every driver promises of its blocks."""
    delivered = 0
    last_ns = -1
    for block in blocks:
        delivered += len(block.values)
        assert block.values.shape == (len(block.flags), len(setup.channels))
        assert block.completed == delivered
        assert block.sent_ns <= block.received_ns <= now_ns()
        assert not block.values.flags.writeable
        if block.device_ns is not None:
            assert np.all(np.diff(np.concatenate(([last_ns], block.device_ns))) > 0)
            last_ns = int(block.device_ns[-1])


@pytest.mark.parametrize("identifier", METERS)
def test_a_set_up_and_a_stream(rig, identifier: str) -> None:
    """Identity, set-up and samples of an idle board: about 3 W at 12 V."""
    with rig(identifier) as bench, closing(bench.open()) as meter:
        setup = meter.configure(REQUEST)
        blocks = until(meter, lambda blocks: sum(len(item.values) for item in blocks) >= 3)
    check_blocks(setup, blocks)
    mean = dict(
        zip(setup.channels, np.concatenate([b.values for b in blocks]).mean(0), strict=True)
    )
    assert 0.2 < mean["current"] < 0.3
    assert 11.0 < mean.get("voltage", 12.0) < 13.0
    assert not flags_seen(blocks) & ~SampleFlag.REPEATED


@pytest.mark.parametrize("identifier", METERS)
def test_volts_can_be_streamed(rig, identifier: str) -> None:
    """Every meter that has volts streams them on request, in the column that it names."""
    request = MeterRequest(expected_peak_a=0.9, channels=("voltage",), expected_peak_v=13.0)
    with rig(identifier) as bench, closing(bench.open()) as meter:
        setup = meter.configure(request)
        blocks = until(meter, lambda blocks: sum(len(item.values) for item in blocks) >= 3)
    check_blocks(setup, blocks)
    column = setup.channels.index("voltage")
    volts = np.concatenate([block.values[:, column] for block in blocks])
    assert np.all((volts > 11.5) & (volts < 12.5))


@pytest.mark.parametrize("identifier", METERS)
def test_a_second_session_finds_a_clean_meter(rig, identifier: str) -> None:
    """After one session, ended or abandoned, the next one starts from nothing."""
    with rig(identifier) as bench:
        for _ in range(2):
            with closing(bench.open()) as meter:
                setup = meter.configure(REQUEST)
                check_blocks(setup, until(meter, bool))


@pytest.mark.parametrize("identifier", METERS)
def test_unplugging_is_an_instrument_error(rig, identifier: str) -> None:
    """A link cut in the middle of a reply ends the stream with exit code 4, not with data."""
    with rig(identifier, "unplug@0.3s") as bench, closing(bench.open()) as meter:
        setup = meter.configure(REQUEST)
        bench.work()
        blocks: list[SampleBlock] = []
        with pytest.raises(InstrumentError) as caught:
            blocks.extend(meter.stream(threading.Event()))
    assert caught.value.exit_code == 4
    assert caught.value.hint
    check_blocks(setup, blocks)


@pytest.mark.parametrize("identifier", METERS)
def test_overload_is_flagged(rig, identifier: str) -> None:
    """A second of overload shows in the flags, and the stream goes on after it."""
    with rig(identifier, "overrange@0.2s") as bench, closing(bench.open()) as meter:
        setup = meter.configure(REQUEST)
        bench.work()
        blocks = until(
            meter,
            lambda blocks: (
                bool(flags_seen(blocks) & SampleFlag.OVERRANGE)
                and not blocks[-1].flags[-1] & SampleFlag.OVERRANGE
            ),
        )
    check_blocks(setup, blocks)


def test_a_gap_shows_in_the_multimeters_own_time(rig) -> None:
    """Two seconds without readings: the time stamps jump, the count does not."""
    with rig("keithley-dmm6500", "gap@0.2s") as bench, closing(bench.open()) as meter:
        setup = meter.configure(REQUEST)
        bench.work()

        def steps(blocks: list[SampleBlock]) -> np.ndarray:
            return np.diff(np.concatenate([block.device_ns for block in blocks])) / NS_PER_S

        blocks = until(meter, lambda blocks: bool(np.any(steps(blocks) > 1)))
    check_blocks(setup, blocks)
    assert 1.9 < steps(blocks).max() < 2.2


@pytest.mark.parametrize("identifier", ["rdtech-tc66c", "rdtech-um25c"])
def test_a_gap_shows_as_lost_rows_of_the_usb_meter(rig, identifier: str) -> None:
    """Two seconds without answers: rows marked lost, then readings again."""
    with rig(identifier, "gap@0.2s") as bench, closing(bench.open()) as meter:
        setup = meter.configure(REQUEST)
        bench.work()
        blocks = until(
            meter,
            lambda blocks: (
                bool(flags_seen(blocks) & SampleFlag.LOST)
                and not blocks[-1].flags[0] & SampleFlag.LOST
            ),
        )
    check_blocks(setup, blocks)
    lost = [block for block in blocks if block.flags[0] & SampleFlag.LOST]
    assert all(np.isnan(block.values).all() for block in lost)


@pytest.mark.slow
def test_a_late_reply_costs_the_multimeter_nothing(rig) -> None:
    """A reply that misses its time: the readings wait in the meter and come in one block."""
    with rig("keithley-dmm6500", "late-reply@0.2s") as bench, closing(bench.open()) as meter:
        setup = meter.configure(REQUEST)
        bench.work()
        blocks = until(
            meter,
            lambda blocks: (
                any(len(block.values) > 60 for block in blocks) and len(blocks[-1].values) < 30
            ),
        )
    check_blocks(setup, blocks)
    assert not flags_seen(blocks)
    steps = np.diff(np.concatenate([block.device_ns for block in blocks])) / NS_PER_S
    assert steps.max() < 2 * setup.interval_s


@pytest.mark.slow
@pytest.mark.parametrize("identifier", ["rdtech-tc66c", "rdtech-um25c"])
def test_a_late_reply_of_the_usb_meter_is_never_used(rig, identifier: str) -> None:
    """Six seconds late: lost rows, and the first reading after them is of now."""
    with (
        rig(identifier, "late-reply@0.2s", lag_limit_s=0.0, noise_w=0.0) as bench,
        closing(bench.open()) as meter,
    ):
        meter.configure(REQUEST)
        bench.work()
        blocks = until(
            meter,
            lambda blocks: (
                bool(flags_seen(blocks) & SampleFlag.LOST)
                and not blocks[-1].flags[0] & SampleFlag.LOST
            ),
        )
    # The late answer was formed within half a second of the first edge; by now 8.4 W is long on.
    assert blocks[-1].values[0, 1] == pytest.approx(0.7, rel=0.1)
    assert blocks[-1].received_ns - blocks[-1].sent_ns < NS_PER_S


def test_volts_are_read_at_the_board(rig) -> None:
    """Bench init's one reading of the supply: about 12 V, known to millivolts."""
    with rig("keithley-dmm6500") as bench, closing(bench.open()) as meter:
        assert isinstance(meter, VoltageReader)
        volts, u = meter.read_voltage(4)
        meter.configure(REQUEST)
    assert 11.0 < volts < 13.0
    assert 0 < u < 0.01


def test_an_emulated_meter_is_known_as_one(rig) -> None:
    """The serial number says EMULATED, and another one is refused."""
    with rig("keithley-dmm6500") as bench:
        with closing(bench.open()) as meter:
            assert meter.identity.emulated
        with pytest.raises(InstrumentError, match="has serial number EMULATED"):
            bench.open(serial="04592448")


def test_the_wrong_driver_for_a_port(rig, profile) -> None:
    """A USB meter's port given to the multimeter's driver is told, and the reverse."""
    with rig("rdtech-um25c") as bench:
        wrong = bench.bench.model_copy(update={"model": "keithley-dmm6500"})
        with pytest.raises(InstrumentError, match="no VISA resource"):
            open_meter(profile("keithley-dmm6500"), wrong)


def test_a_meter_that_is_gone(rig) -> None:
    """After the emulator has ended its port is closed, or its terminal gone."""
    for identifier in METERS:
        with rig(identifier) as bench:
            pass
        with pytest.raises(InstrumentError):
            bench.open()
        for place in (bench.context.box, bench.context.edges):
            place.rmdir()
