"""The fast SCPI meters over real sockets: emulators as processes, and a wire that hurts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from powerlab.agent.edges import BUSY, EdgeFile
from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.layers import load_catalog
from powerlab.emulation.faults import parse_faults
from powerlab.emulation.process import EmulatorContext, EmulatorProcess
from powerlab.errors import InstrumentError
from powerlab.instruments.contract import Meter, MeterRequest, open_meter
from powerlab.records import SampleBlock, SampleFlag
from powerlab.units import now_ns
from tests.instruments.wire_relay import CUT, Piece, Shape, WireRelay, whole

CATALOG = load_catalog()
METERS = [
    "keithley-dmm6500-digitize",
    "keysight-34465a-digitize",
    "keysight-n6705c-n6781a",
    "rohde-schwarz-ngu201",
]
REQUEST = MeterRequest(expected_peak_a=0.9, expected_peak_v=13.0)


@contextmanager
def emulated(place: Path, identifier: str, *faults: str) -> Iterator[SimpleNamespace]:
    """Run an emulator on an idle board; ``work`` lets the board become busy."""
    profile = CATALOG.instrument(identifier)
    context = EmulatorContext(place, 7, CATALOG.device("edgeboard"), profile, parse_faults(faults))
    context.box.mkdir(parents=True)
    context.edges.mkdir()
    process = EmulatorProcess("meter", f"powerlab.emulation.{profile.emulator}:serve", context)
    path = str(context.edges / "powerlab-edges-1.bin")
    try:
        process.wait_ready()
        yield SimpleNamespace(
            id=identifier,
            profile=profile,
            resource=str(process.address["resource"]),
            serial=str(process.address["serial"]),
            work=lambda: EdgeFile(path).publish(BUSY, 0, now_ns()),
        )
    finally:
        process.stop()


@pytest.fixture(scope="module", params=METERS)
def running(request, tmp_path_factory) -> Iterator[SimpleNamespace]:
    """Get a running emulator of each meter, one for all the tests."""
    with emulated(tmp_path_factory.mktemp("meter") / "bench", request.param) as made:
        yield made


def until(
    meter: Meter, samples: int, each: Callable[[int], None] = lambda _: None
) -> list[SampleBlock]:
    """Stream until so many good samples have come; ``each`` sees how many after each block."""
    stop, blocks = threading.Event(), []
    for block in meter.stream(stop):
        blocks.append(block)
        good = sum(int(np.sum(item.flags == 0)) for item in blocks)
        each(good)
        assert len(blocks) < 300
        if good >= samples:
            stop.set()
    return blocks


def check(identifier: str, blocks: list[SampleBlock]) -> None:
    """Check what every driver promises of its blocks, and that all samples are good ones.

    A chunk of the NGU may be lost where this computer stands still for long.
    """
    assert [b.completed for b in blocks] == list(np.cumsum([len(b.values) for b in blocks]))
    device_ns = np.concatenate([block.device_ns for block in blocks])
    assert np.all(np.diff(device_ns) > 0)
    assert all(block.sent_ns <= block.received_ns for block in blocks)
    flags = np.concatenate([block.flags for block in blocks])
    allowed = {0, int(SampleFlag.LOST)} if identifier.startswith("rohde") else {0}
    assert set(flags.tolist()) <= allowed


@contextmanager
def wired(running: SimpleNamespace) -> Iterator[tuple[WireRelay, Meter]]:
    """Open the meter through a relay that does no harm yet, and set it up."""
    relay = WireRelay(running.resource)
    driver = import_module(f"powerlab.instruments.{running.profile.driver}")
    try:
        bench = BenchMeter(model=running.id, resource=relay.resource)
        with closing(driver.open_session(running.profile, bench)) as meter:
            meter.configure(REQUEST)
            yield relay, meter
    finally:
        relay.close()


def test_a_session_through_its_entry_point(running: SimpleNamespace) -> None:
    """Identity, set-up and some samples of an idle board: about 0.25 A, on the meter's clock."""
    bench = BenchMeter(model=running.id, resource=running.resource, serial=running.serial)
    with closing(open_meter(running.profile, bench)) as meter:
        setup = meter.configure(REQUEST)
        assert meter.identity.emulated
        blocks = until(meter, round(0.2 / setup.interval_s))
    check(running.id, blocks)
    column = setup.channels.index("current")
    amperes = np.concatenate([block.values[:, column] for block in blocks])
    assert np.nanmean(amperes) == pytest.approx(0.25, rel=0.2)


def test_answers_in_pieces(running: SimpleNamespace) -> None:
    """Cut anywhere, in headers, lengths and numbers: nothing is lost and nothing made up."""

    def shape(answer: bytes) -> list[Piece]:
        cuts = sorted({1, 2, 3, 5, len(answer) // 3, len(answer) - 1} | {0, len(answer)})
        cuts = [cut for cut in cuts if 0 <= cut <= len(answer)]
        return [(0.0, answer[a:b]) for a, b in pairwise(cuts) if b > a]

    with wired(running) as (relay, meter):
        relay.shape = shape
        blocks = until(meter, 3)
    check(running.id, blocks)


def test_a_stale_byte_shifts_nothing(running: SimpleNamespace) -> None:
    """A byte too many behind an answer: the session starts anew, the samples go on."""
    spoilt: list[int] = []

    def shape(answer: bytes) -> list[Piece]:
        # A line, not a block: that may be in pieces here, and a byte within is another matter.
        line = not answer.startswith(b"#") or "n6705c" in running.id
        if line and answer.endswith(b"\n") and not spoilt:
            spoilt.append(1)
            return [(0.0, answer + b"\x00")]
        return whole(answer)

    with wired(running) as (relay, meter):
        relay.shape = shape
        blocks = until(meter, round(0.5 / running.profile.sampling.interval_s))
    check(running.id, blocks)
    assert spoilt
    values = np.concatenate([block.values for block in blocks])
    assert (np.nanmax(values, axis=0) - np.nanmin(values, axis=0)).max() < 0.2


def cut_in_a_block(after: list[int]) -> Shape:
    """Get a shape that closes the link in the middle of the first block once ``after`` is set."""

    def shape(answer: bytes) -> list[Piece]:
        if after and len(answer) > 200:
            return [(0.0, answer[: len(answer) // 2]), (0.01, CUT)]
        return whole(answer)

    return shape


def test_a_link_closed_in_a_block_keeps_what_came_before(running: SimpleNamespace) -> None:
    """Exit code 4, whole blocks only, all of them good."""
    blocks: list[SampleBlock] = []
    armed: list[int] = []
    with wired(running) as (relay, meter):
        relay.shape = cut_in_a_block(armed)
        with pytest.raises(InstrumentError) as caught:
            blocks.extend(armed.append(1) or block for block in meter.stream(threading.Event()))
    assert caught.value.exit_code == 4
    assert caught.value.hint
    check(running.id, blocks)


def test_unplugging_an_emulated_meter(tmp_path: Path) -> None:
    """The emulator's own fault: cut in a reply, and nobody listens any more."""
    identifier = "keysight-34465a-digitize"
    with emulated(tmp_path / "bench", identifier, "unplug@0.3s") as bench:
        driver = import_module(f"powerlab.instruments.{bench.profile.driver}")
        there = BenchMeter(model=identifier, resource=bench.resource)
        blocks: list[SampleBlock] = []
        with closing(driver.open_session(bench.profile, there)) as meter:
            meter.configure(REQUEST)
            bench.work()
            with pytest.raises(InstrumentError) as caught:
                blocks.extend(meter.stream(threading.Event()))
        assert caught.value.exit_code == 4
        with pytest.raises(InstrumentError):
            driver.open_session(bench.profile, there)
    check(identifier, blocks)
