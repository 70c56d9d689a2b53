"""A session with a POWER-Z meter: the sample queue, its losses, and a link's bad days."""

from __future__ import annotations

import json
import threading
from contextlib import closing

import numpy as np
import pytest

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.emulation import power_z_km003c as emulation
from powerlab.emulation.power_z_km003c import QUEUE_SAMPLES
from powerlab.errors import ConfigError, InstrumentError
from powerlab.instruments import power_z_dialogue as dialogue
from powerlab.instruments import power_z_km003c as driver
from powerlab.instruments.contract import MeterRequest
from powerlab.instruments.power_z_km003c import PowerZ, open_session
from powerlab.records import Averaging, SampleBlock, SampleFlag
from tests.instruments.packet_world import StopAfter, World, joined, virtual_world

REQUEST = MeterRequest(expected_peak_a=0.9, expected_peak_v=12.5)
LOST = int(SampleFlag.LOST)


@pytest.fixture
def world(monkeypatch, tmp_path, profile):
    """Get a maker of meters in virtual time, with faults."""

    def make(*faults: str) -> World:
        modules = (emulation, driver, dialogue)
        instrument = profile("power-z-km003c")
        build = emulation.PowerZ
        return virtual_world(monkeypatch, tmp_path, instrument, build, modules, *faults)

    return make


def run(world: World, profile, seconds: float, each=lambda _: None) -> list[SampleBlock]:
    """Stream for so long; ``each`` sees the blocks as they come."""
    blocks: list[SampleBlock] = []
    with closing(PowerZ(world, profile("power-z-km003c"))) as meter:
        meter.configure(REQUEST)
        for block in meter.stream(StopAfter(world, seconds)):
            blocks.append(block)
            each(blocks)
    return blocks


def check_idle(values: np.ndarray, flags: np.ndarray) -> None:
    """Check that each sample is lost and says so, or that of an idle board: 3 W at 12 V."""
    lost = (flags & LOST) > 0
    assert np.isnan(values[lost]).all()
    good = values[~lost]
    assert np.all((good[:, 0] > 11.5) & (good[:, 0] < 12.5))
    assert np.all((good[:, 1] > 0.2) & (good[:, 1] < 0.3))


def test_a_thousand_samples_a_second(world, profile) -> None:
    """Each tick has its sample, over a wrap of the sequence numbers too."""
    here = world()
    here.meter._offset = 65_536 - 4_000
    values, flags, device_ns = joined(run(here, profile, 8.0))
    assert len(flags) == pytest.approx(8_000, rel=5e-3)
    assert device_ns[0] // 1_000_000 < 65_536 < device_ns[-1] // 1_000_000
    assert not flags.any()
    assert np.all(np.diff(device_ns) == 1_000_000)
    check_idle(values, flags)


def test_identity_and_settings(world, profile) -> None:
    """Model and firmware come from the meter; a number that it does not tell is the label's."""
    here = world()
    meter = PowerZ(here, profile("power-z-km003c"), "label")
    assert (meter.identity.model, meter.identity.firmware) == ("KM003C", "1.9.9")
    assert meter.identity.serial == "label"
    assert meter.identity.emulated
    setup = meter.configure(REQUEST)
    assert (setup.interval_s, setup.timestamp) == (0.001, "end")
    assert setup.settings["source"] == "sample queue"
    with pytest.raises(ConfigError, match="does not stream power"):
        meter.configure(MeterRequest(0.9, channels=("power",)))


def test_another_model_is_refused(world, profile) -> None:
    """A KM003C where the bench has a KM002C."""
    other = profile("power-z-km003c").model_copy(update={"name": "POWER-Z KM002C"})
    with pytest.raises(InstrumentError, match="is a KM003C, not a POWER-Z KM002C"):
        PowerZ(world(), other)


@pytest.mark.parametrize("gap_s", [0.05, 0.2, 1.5])
def test_a_host_that_pauses_loses_what_the_meter_cannot_keep(world, profile, gap_s: float) -> None:
    """63 samples survive a pause, all others become rows that say so, each in its place."""
    here = world()

    def pause(blocks: list[SampleBlock]) -> None:
        if len(blocks) == 20:
            here.pass_s(gap_s)

    values, flags, device_ns = joined(run(here, profile, 2.0 + gap_s, pause))
    lost = int(np.count_nonzero(flags & LOST))
    assert lost == pytest.approx(max(0.0, gap_s * 1000 - QUEUE_SAMPLES), abs=25)
    assert np.all(np.diff(device_ns) == 1_000_000)
    assert np.all(np.diff(np.flatnonzero(flags & LOST)) == 1)
    check_idle(values, flags)


def test_a_gap_of_the_meter_is_told(world, profile) -> None:
    """The meter takes no reading for 2 s: 2000 lost rows, and the ticks go on."""
    values, flags, device_ns = joined(run(world("gap@1s"), profile, 5.0))
    assert np.count_nonzero(flags & LOST) == pytest.approx(2000, abs=2)
    assert np.all(np.diff(device_ns) == 1_000_000)
    check_idle(values, flags)


def test_an_overload_is_flagged(world, profile) -> None:
    """About a second of samples beyond 6 A."""
    values, flags, _ = joined(run(world("overrange@1s"), profile, 4.0))
    over = (flags & SampleFlag.OVERRANGE) > 0
    assert np.count_nonzero(over) == pytest.approx(1000, abs=2)
    check_idle(values[~over], flags[~over])


def test_answers_that_come_after_their_time_are_passed_over(world, profile) -> None:
    """Replies to earlier requests are told by their id: lost, and never another's."""
    here = world()
    late_from_ns = here.clock_ns + 2_000_000_000

    def late(packet: bytes) -> bytes:
        is_late = 0 <= here.clock_ns - late_from_ns < 1_000_000_000
        here.delay_s = 0.7 if is_late else 0.0003
        return packet

    here.hurt = late
    values, flags, device_ns = joined(run(here, profile, 6.0))
    assert np.count_nonzero(flags & LOST) > 500
    assert np.all(np.diff(device_ns) == 1_000_000)
    check_idle(values, flags)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_cut_replies_are_never_samples(world, profile, share: float) -> None:
    """Each fifth reply loses its end: what it held is lost, what follows is whole."""
    here, count = world(), [0]

    def cut(packet: bytes) -> bytes:
        count[0] += 1
        return packet[: max(1, int(len(packet) * share))] if count[0] % 5 == 0 else packet

    def hurt(blocks: list[SampleBlock]) -> None:
        here.hurt = cut

    values, flags, device_ns = joined(run(here, profile, 2.0, hurt))
    assert 0 < np.count_nonzero(flags & LOST) < len(flags)
    assert np.all(np.diff(device_ns) == 1_000_000)
    check_idle(values, flags)


@pytest.mark.parametrize("place", [0, 1, 4, 5, 6, 7, 28, 29])
@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_damaged_heads_and_numbers_are_never_samples(world, profile, place, mask) -> None:
    """A flipped bit in a header or a sequence number costs its reply; all others are whole."""
    here, count = world(), [0]

    def flip(packet: bytes) -> bytes:
        count[0] += 1
        hit = count[0] % 7 == 0 and place < len(packet)
        flipped = bytes([packet[place] ^ mask]) if hit else b""
        return packet[:place] + flipped + packet[place + 1 :] if hit else packet

    def begin(blocks: list[SampleBlock]) -> None:
        here.hurt = flip

    values, flags, device_ns = joined(run(here, profile, 1.0, begin))
    assert np.count_nonzero(flags & LOST) < len(flags) / 2
    assert np.all(np.diff(device_ns) == 1_000_000)
    check_idle(values, flags)


def test_a_recorded_session_plays_again(world, profile, tmp_path, monkeypatch) -> None:
    """What was sent is sent again to the last bit, and brings the same samples."""
    here, lines = world(), list[str]()

    def note(direction: str, packet: bytes) -> bytes:
        told = {"direction": direction, "time_s": here.clock_ns / 1e9, "hex": packet.hex()}
        lines.append(json.dumps(told))
        return packet

    write = here.write
    here.write = lambda packet: write(note("out", packet))
    here.hurt = lambda packet: note("in", packet)
    blocks = run(here, profile, 0.3)
    recorded, last = joined(blocks)[0], blocks[-1].flags
    monkeypatch.undo()  # a recording plays in true time
    (tmp_path / "session.jsonl").write_text("\n".join(lines))
    bench = BenchMeter(model="power-z-km003c", resource=f"replay:{tmp_path}/session.jsonl")
    with closing(open_session(profile("power-z-km003c"), bench)) as meter:
        meter.configure(REQUEST)
        played, stop = list[SampleBlock](), threading.Event()
        for block in meter.stream(stop):
            played.append(block)
            if block.completed == len(recorded) - len(last):
                stop.set()
    values, _, _ = joined(played)
    assert values.tolist() == recorded.tolist()


def test_without_leave_the_present_reading_is_polled(world, profile) -> None:
    """A refused queue is said in the settings, and the samples have no clock."""
    here = world()
    here.meter._hardware_id = b"another one."
    here.hurt = lambda packet: b"\x4c\x00\x01\x02" + packet[4:] if packet[0] == 0x4C else packet
    with closing(PowerZ(here, profile("power-z-km003c"))) as meter:
        setup = meter.configure(REQUEST)
        blocks = list(meter.stream(StopAfter(here, 1.0)))
    assert "refused" in str(setup.settings["source"])
    assert (setup.timestamp, setup.averaging) == ("arrival", Averaging.POINT)
    values, flags, device_ns = joined(blocks)
    assert device_ns is None
    assert len(flags) == pytest.approx(1 / setup.interval_s, rel=0.1)
    check_idle(values, flags)


def test_an_unclean_end_before_is_forgiven(world, profile) -> None:
    """A host that left the graph running: the first reply is cut, the session works."""
    here = world()
    meter = PowerZ(here, profile("power-z-km003c"))
    stream = meter.stream(StopAfter(here, 1.0))
    next(stream)
    here.meter.connect()  # the host was killed; another one comes
    values, flags, _ = joined(run(here, profile, 1.0))
    assert not flags.any()
    check_idle(values, flags)


def test_the_graph_is_stopped_on_every_way_out(world, profile) -> None:
    """At the end, at an error in the middle, and at a stream that nobody finished."""
    here = world()
    run(here, profile, 0.5)
    assert here.closed
    assert here.meter._step == 0
    with pytest.raises(ZeroDivisionError):
        run(here, profile, 0.5, lambda blocks: 1 / 0)
    assert here.meter._step == 0


def test_silence_ends_the_measurement(world, profile) -> None:
    """A queue that stays empty for 12 s is no measurement."""
    here = world()

    def mute(blocks: list[SampleBlock]) -> None:
        here.hurt = lambda packet: packet[:2] + b"\x02\x00" if packet[0] == 0x41 else packet

    with pytest.raises(InstrumentError, match="no sample for 12 s"):
        run(here, profile, 60.0, mute)


def test_a_plug_that_is_pulled(world, profile) -> None:
    """What came is kept, the error says what to do."""
    here, kept = world(), list[SampleBlock]()

    def pull(blocks: list[SampleBlock]) -> None:
        kept[:] = blocks
        here.gone = len(blocks) > 10

    with pytest.raises(InstrumentError, match="disconnected") as caught:
        run(here, profile, 60.0, pull)
    assert caught.value.hint
    assert len(kept) == 11


def test_nobody_there(world, profile) -> None:
    """A device that answers nothing is told with what to do."""
    here = world()
    here.hurt = lambda packet: None
    with pytest.raises(InstrumentError, match="does not answer when told to connect"):
        PowerZ(here, profile("power-z-km003c"))


def test_a_resource_of_another_kind(profile) -> None:
    """A serial port is no packet device."""
    bench = BenchMeter(model="power-z-km003c", resource="serial:/dev/ttyACM0")
    with pytest.raises(InstrumentError, match="names no USB device"):
        open_session(profile("power-z-km003c"), bench)
