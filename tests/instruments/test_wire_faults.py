"""What every meter's session must stand: a wire that splits, adds, delays and cuts answers."""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from importlib.metadata import entry_points
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.emulation.process import EmulatorContext, EmulatorProcess
from powerlab.errors import InstrumentError
from powerlab.instruments.contract import Meter, MeterRequest, open_meter
from powerlab.records import SampleBlock, SampleFlag
from tests.instruments.wire_relay import CUT, Piece, Shape, WireRelay, whole

ROOT = Path(__file__).resolve().parents[2]
METERS = ["keithley-dmm6500", "rdtech-tc66c", "rdtech-um25c"]
REQUEST = MeterRequest(expected_peak_a=0.9)
LATE_S = {"keithley-dmm6500": 2.5, "rdtech-tc66c": 0.7, "rdtech-um25c": 1.3}


@pytest.fixture(scope="module", params=METERS)
def emulated(request, tmp_path_factory, profile) -> Iterator[SimpleNamespace]:
    """Get a running emulator of each meter on an idle board; one for all the tests."""
    instrument = profile(request.param)
    text = (ROOT / "devices" / "edgeboard.toml").read_text(encoding="utf-8")
    device = DeviceProfile.model_validate(tomllib.loads(text))
    context = EmulatorContext(tmp_path_factory.mktemp("meter"), 7, device, instrument)
    context.box.mkdir()
    context.edges.mkdir()
    (entry,) = entry_points(group="powerlab.emulators", name=instrument.emulator)
    process = EmulatorProcess("meter", entry.value, context)
    try:
        process.wait_ready()
        yield SimpleNamespace(
            id=request.param, profile=instrument, resource=str(process.address["resource"])
        )
    finally:
        process.stop()


@contextmanager
def wired(emulated: SimpleNamespace) -> Iterator[tuple[WireRelay, Meter]]:
    """Open the meter through a relay that does no harm yet, and set it up."""
    relay = WireRelay(emulated.resource)
    try:
        bench = BenchMeter(model=emulated.id, resource=relay.resource)
        with closing(open_meter(emulated.profile, bench)) as meter:
            meter.configure(REQUEST)
            yield relay, meter
    finally:
        relay.close()


def collect(
    meter: Meter,
    samples: int,
    each: Callable[[int], None] = lambda _: None,
    blocks: list[SampleBlock] | None = None,
) -> list[SampleBlock]:
    """Stream until so many samples have come that are not lost; ``each`` sees how many have.

    ``blocks`` keeps what came before an error.
    """
    stop = threading.Event()
    blocks = [] if blocks is None else blocks
    for block in meter.stream(stop):
        blocks.append(block)
        assert len(blocks) < 300
        good = sum(int(np.sum((item.flags & SampleFlag.LOST) == 0)) for item in blocks)
        each(good)
        if good >= samples:
            stop.set()
    return blocks


def check(emulated: SimpleNamespace, blocks: list[SampleBlock]) -> None:
    """Check that each sample is lost and says so, or that of an idle board: 3 W at 12 V."""
    column = emulated.profile.channels.index("current")
    for block in blocks:
        lost = (block.flags & SampleFlag.LOST) > 0
        assert np.isnan(block.values[lost]).all()
        amperes = block.values[~lost, column]
        assert np.all((amperes > 0.2) & (amperes < 0.3))
        assert not np.any(block.flags & SampleFlag.OVERRANGE)
    assert [block.completed for block in blocks] == np.cumsum(
        [len(block.values) for block in blocks]
    ).tolist()
    for block, following in pairwise(blocks):
        assert block.received_ns <= following.received_ns
        if block.device_ns is not None:
            assert block.device_ns[-1] < following.device_ns[0]


def once(shape: Shape) -> Shape:
    """Do this to the next answer, and to no other."""
    done: list[bool] = []

    def first(answer: bytes) -> list[Piece]:
        done.append(True)
        return shape(answer) if len(done) == 1 else whole(answer)

    return first


def test_answers_split_at_every_byte(emulated) -> None:
    """Each byte of an answer comes by itself: nothing is lost, nothing is changed."""
    with wired(emulated) as (relay, meter):
        relay.shape = lambda answer: [(1e-4, answer[at : at + 1]) for at in range(len(answer))]
        blocks = collect(meter, 2)
    check(emulated, blocks)
    assert not any(np.any(block.flags & SampleFlag.LOST) for block in blocks)


@pytest.mark.parametrize("stale", [b"7", b"\n"], ids=bytes.hex)
def test_a_stale_byte_never_makes_a_wrong_sample(emulated, stale: bytes) -> None:
    """One byte too much before an answer: that answer is found or lost, or the session ends."""
    blocks: list[SampleBlock] = []
    with wired(emulated) as (relay, meter):

        def hurt(good: int) -> None:
            if good >= 1 and relay.shape is whole:
                relay.shape = once(lambda answer: [(0.0, stale), (0.0, answer)])

        with suppress(InstrumentError):
            collect(meter, 3, hurt, blocks)
    check(emulated, blocks)
    with wired(emulated) as (_, meter):
        check(emulated, collect(meter, 1))


@pytest.mark.slow
def test_a_late_answer_shifts_no_other(emulated) -> None:
    """An answer after its time: the samples after it are counted, timed and whole as before."""
    with wired(emulated) as (relay, meter):

        def hurt(good: int) -> None:
            if good >= 1 and relay.shape is whole:
                relay.shape = once(lambda answer: [(LATE_S[emulated.id], answer)])

        blocks = collect(meter, 4, hurt)
    check(emulated, blocks)


def test_a_cut_wire_ends_the_session_and_a_new_one_works(emulated) -> None:
    """Cut within an answer: what came is kept, the error exits with 4, the meter opens again."""
    blocks: list[SampleBlock] = []
    with wired(emulated) as (relay, meter):

        def cut(_: int) -> None:
            relay.shape = lambda answer: [(0.0, answer[: len(answer) // 2]), (0.0, CUT)]

        with pytest.raises(InstrumentError) as caught:
            collect(meter, 300, cut, blocks)
    assert caught.value.exit_code == 4
    assert caught.value.hint
    assert blocks
    check(emulated, blocks)
    with wired(emulated) as (_, meter):
        check(emulated, collect(meter, 1))
