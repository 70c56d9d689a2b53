"""A session with a PPK2: its dialogue, and its emulator on a real pseudo-terminal with faults."""

from __future__ import annotations

import os
import threading
from contextlib import closing

import numpy as np
import pytest

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.emulation import nordic_ppk2 as emulated
from powerlab.emulation import streamed
from powerlab.emulation.faults import Fault, FaultWatch
from powerlab.emulation.process import EmulatorContext
from powerlab.errors import ConfigError, InstrumentError
from powerlab.instruments import nordic_ppk2
from powerlab.instruments.contract import Meter, MeterRequest
from powerlab.instruments.nordic_ppk2 import Ppk2, SampleRows, open_session
from powerlab.instruments.ppk2_metadata import current_table, parse_metadata
from powerlab.instruments.ppk2_samples import Conversion
from powerlab.instruments.resource_options import split_options
from powerlab.records import SampleFlag
from powerlab.units import NS_PER_S, now_ns
from tests.instruments.logger_rig import (
    busy_from,
    check,
    logger_rig,
    lost,
    rows,
    small_board,
    until,
    virtual_blocks,
)

PROFILE = "nordic-ppk2"
REQUEST = MeterRequest(expected_peak_a=0.9)


def opened(profile, bench) -> closing[Meter]:
    """Open a session that is closed with its ``with`` block."""
    return closing(open_session(profile(PROFILE), bench.bench("?volts=3")))


@pytest.fixture
def rig(tmp_path, profile, monkeypatch):
    """Get a maker of emulated PPK2s."""
    monkeypatch.setattr(nordic_ppk2, "QUIET_S", 0.05)

    def make(*faults: tuple[str, float], **emulation: float):
        return logger_rig(tmp_path, emulated.build, profile(PROFILE), *faults, **emulation)

    return make


class Talking:
    """A link whose device answers each command by a table; what was written is kept."""

    resource = "serial:/dev/talking"

    def __init__(self, answers: dict[bytes, bytes]) -> None:
        self.written: list[bytes] = []
        self._answers = answers
        self._waiting = b""

    def write(self, data: bytes) -> None:
        """Take a command and lay out its answer."""
        self.written.append(data)
        self._waiting += self._answers.get(data, b"")

    def arrived(self, deadline_ns: int) -> bytes:
        """Get what is there."""
        waiting, self._waiting = self._waiting, b""
        return waiting

    def close(self) -> None:
        """Nothing to let go."""


def text(**changes: str) -> bytes:
    """Get the emulated device's own constants, some of them changed."""
    lines = dict(
        line.split(": ")
        for line in emulated.Ppk2.metadata(_Settings()).splitlines()
        if ": " in line
    )
    return "\n".join([*(f"{k}: {v}" for k, v in {**lines, **changes}.items()), "END", ""]).encode()


class _Settings:
    vdd_mv, mode = 3000, 2
    _lines = emulated.Ppk2._lines


def session(profile, answer: bytes, options: str = "") -> tuple[Talking, Ppk2]:
    """Open a session over a scripted device."""
    link = Talking({b"\x19": answer})
    bench = BenchMeter(model=PROFILE, resource=link.resource + options)
    chosen = split_options(bench.resource, ("mode", "volts"))
    return link, Ppk2(link, profile(PROFILE), bench, chosen)


def test_what_is_set_at_open(profile) -> None:
    """Stop first, then the constants, the mode, the volts big endian, and the power."""
    link, meter = session(profile, text(), "?mode=source&volts=3.3")
    assert link.written == [b"\x07", b"\x19", b"\x11\x02", b"\x0d\x0c\xe4", b"\x0c\x01"]
    told = meter.configure(MeterRequest(0.02)).settings
    assert (told["vdd_mv"], told["mode"]) == (3300.0, "source meter")
    assert told["integrated"] == "unfiltered samples"


def test_without_constants_there_is_no_session(profile, monkeypatch) -> None:
    """Silence, a text without an end and one that lacks a constant are refused with the cure."""
    monkeypatch.setattr(nordic_ppk2, "METADATA_LIMIT_S", 0.03)
    for answer in (b"", text()[:60]):
        with pytest.raises(InstrumentError, match="calibration text") as caught:
            session(profile, answer)
        assert "lowest interface" in caught.value.hint
        assert caught.value.exit_code == 4


def test_the_volts_must_be_known(profile) -> None:
    """A source needs its volts named; an ammeter takes the device's own where they are sane."""
    with pytest.raises(InstrumentError, match="not told the volts"):
        session(profile, text(), "?mode=source")
    with pytest.raises(InstrumentError, match="not told the volts"):
        session(profile, text(VDD="-nan"))
    with pytest.raises(ConfigError, match=r"0\.8 to 5"):
        session(profile, text(), "?volts=12")
    with pytest.raises(ConfigError, match="unknown option 'volt'"):
        session(profile, text(), "?volt=3")
    link, meter = session(profile, text(VDD="4100"))
    assert link.written[-2] == b"\x0d\x10\x04"
    assert "the device's own setting" in meter.configure(MeterRequest(0.02)).settings["vdd_from"]


def test_a_damaged_range_is_refused_where_the_load_reaches_it(profile) -> None:
    """Constants that cannot be right in range 3: loads below it are measured, above not."""
    _, meter = session(profile, text(R3="0.0000"))
    meter.configure(MeterRequest(0.004))
    with pytest.raises(InstrumentError, match="range 3 cannot be right"):
        meter.configure(MeterRequest(0.04))
    with pytest.raises(InstrumentError, match=r"at most 1\.1 A"):
        meter.configure(MeterRequest(2.0))


def test_a_stream_over_all_five_ranges(rig, profile) -> None:
    """Levels from nanoamperes to amperes come back within a step, the line beside them."""
    with rig(idle_w=12 * 0.02, active_w=12 * 0.7) as bench:
        meter = open_session(profile(PROFILE), bench.bench("?volts=3", line_input="D3"))
        with closing(meter):
            setup = meter.configure(REQUEST)
            bench.work()
            blocks = until(meter, lambda blocks: rows(blocks) > 30_000)
    values, flags, device_ns = check(blocks)
    assert meter.identity.model == "Power Profiler Kit II"
    assert setup.channels == ("current", "line")
    assert not flags.any()
    assert np.all(np.diff(device_ns) == 10_000)
    assert np.median(values[:, 0]) == pytest.approx(0.7, rel=0.25)
    assert set(np.unique(values[:, 1])) <= {0.0, 1.0}


def test_currents_survive_the_wire_in_every_range(tmp_path, profile) -> None:
    """The emulator's codes are the driver's currents again, to half a step of each range."""
    table = current_table(parse_metadata(text()), 3.0)
    amperes = np.geomspace(2e-7, 1.0, 500)
    code, number = emulated.Ppk2._codes(_Settings(), amperes)
    back = table[number << 14 | code]
    step = 4 * 1.8 / 163_840 / np.array(emulated.CONSTANTS["R"])[number]
    assert set(number) == {0, 1, 2, 3, 4}
    assert np.all(np.abs(back - amperes) < step * 3)


def test_a_killed_reader_leaves_a_talking_device(rig, profile) -> None:
    """The device still sends from a session before: it is stopped and drained, nothing is lost."""
    with rig() as bench:
        stale = os.open(bench.resource.removeprefix("serial:"), os.O_RDWR | os.O_NOCTTY)
        os.write(stale, b"\x06")
        while len(os.read(stale, 4096)) < 1000:
            pass
        os.close(stale)
        with opened(profile, bench) as meter:
            meter.configure(REQUEST)
            values, flags, _ = check(until(meter, lambda blocks: rows(blocks) > 5000))
    assert not flags.any()
    assert np.median(values) == pytest.approx(0.25, rel=0.25)


def test_unplugging_ends_with_what_came(rig, profile) -> None:
    """A cut in the middle of a sample: the samples until then, then exit code 4."""
    blocks = []
    with (
        rig(("unplug", 0.2)) as bench,
        opened(profile, bench) as meter,
    ):
        meter.configure(REQUEST)
        with pytest.raises(InstrumentError, match="was disconnected") as caught:
            until(meter, lambda _: False, bench.work, blocks)
    assert caught.value.exit_code == 4
    _, flags, _ = check(blocks)
    assert not flags.any()


def test_an_overload_saturates(rig, profile, monkeypatch) -> None:
    """The converter at its end is flagged, and the stream goes on."""
    monkeypatch.setattr(streamed, "OVERRANGE_S", 0.1)
    with (
        rig(("overrange", 0.1)) as bench,
        opened(profile, bench) as meter,
    ):
        meter.configure(REQUEST)
        blocks = until(
            meter,
            lambda blocks: (
                any(np.any(block.flags) for block in blocks[:-1]) and (not blocks[-1].flags.any())
            ),
            bench.work,
        )
    _, flags, _ = check(blocks)
    assert np.sum(flags & SampleFlag.SATURATED > 0) == pytest.approx(10_000, abs=2)


def test_a_host_that_does_not_read_overruns_the_device(rig, profile) -> None:
    """What neither the terminal nor the device can keep is lost, and the rows say how much."""
    with rig() as bench, opened(profile, bench) as meter:
        meter.configure(REQUEST)
        reading, before = meter._link.arrived, [0]
        busy = threading.Event()

        def late(deadline_ns: int) -> bytes:
            if busy.is_set() and bench.link.overruns == before[0]:
                threading.Event().wait(0.01)  # a host that has other things to do
                return b""
            bench.link._meter.memory_bytes = 1 << 18
            return reading(deadline_ns)

        def leave() -> None:
            before[0], bench.link._meter.memory_bytes = bench.link.overruns, 1024
            busy.set()

        meter._link.arrived = late
        blocks = until(meter, lambda blocks: lost(blocks) > 0, leave)
    check(blocks)
    assert bench.link.overruns > before[0]


def test_a_port_that_never_is_silent(profile) -> None:
    """Something that talks without end is not taken for a PPK2."""

    class Endless(Talking):
        def arrived(self, deadline_ns: int) -> bytes:
            return b"\x00" * 512

    bench = BenchMeter(model=PROFILE, resource=Endless.resource)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("powerlab.instruments.nordic_ppk2.silence", lambda *_: None)
        with pytest.raises(InstrumentError, match="does not stop sending"):
            Ppk2(Endless({}), profile(PROFILE), bench, split_options(bench.resource, ()))


@pytest.mark.parametrize(
    ("fault", "wanted"), [("lost-samples", 64), ("gap", 32_000)], ids=["one turn", "500 turns"]
)
def test_whole_turns_that_are_lost(tmp_path, profile, monkeypatch, fault, wanted) -> None:
    """64 samples vanish, or 0.32 s of them: the counter goes on, the clock tells, rows say so."""
    monkeypatch.setattr(streamed, "GAP_S", 0.32)
    faults = (Fault(fault, 0.0),)
    context = EmulatorContext(tmp_path, 7, small_board(), profile(PROFILE), faults)
    context.edges.mkdir()
    device = emulated.Ppk2(context, FaultWatch(faults))
    set_ns = now_ns()
    busy_from(context, set_ns + NS_PER_S)
    device.take(b"\x06")
    table = current_table(parse_metadata(device.metadata().encode()), 3.0)
    rows_of = SampleRows(Conversion.of(table, 1.1), None)
    due_s = 1.0 - (now_ns() - set_ns) / NS_PER_S  # this computer may have been away meanwhile
    blocks = virtual_blocks(device, rows_of, 10_000, 640_000, 3.0)
    _, flags, device_ns = check(blocks)
    assert lost(blocks) == pytest.approx(wanted, abs=0 if wanted == 64 else 3)
    assert np.all(np.diff(device_ns) == 10_000)
    begin = np.flatnonzero(np.diff(flags.astype(int)) == 1)[0]
    # Not before the fault, and not later than one fetch after it.
    assert due_s - 0.02 < begin * 1e-5 < 1.0 + 0.02
    assert len(flags) == pytest.approx(300_000, rel=0.01)
