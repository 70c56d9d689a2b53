"""The emulated UM25C: its frames, and the meter behind a pseudo-terminal."""

from __future__ import annotations

import json
import os
import struct
import threading

import numpy as np
import pytest
import serial

from powerlab.agent.edges import EdgeFile
from powerlab.emulation import command_link, rdtech_um25c
from powerlab.emulation.faults import FaultWatch, parse_faults
from powerlab.emulation.process import EmulatorContext, EmulatorProcess
from powerlab.emulation.rdtech_um25c import FULL_U16, Frame, Um25c
from powerlab.errors import PowerlabError
from powerlab.units import now_ns

S = 1_000_000_000


def words(frame: bytes) -> dict[str, float]:
    """Read volts, amperes, watts and mWh of the first group from their published offsets."""
    volts, amperes, watts = struct.unpack_from(">HHI", frame, 2)
    (energy,) = struct.unpack_from(">I", frame, 20)
    return {"V": volts / 1000, "A": amperes / 10_000, "W": watts / 1000, "mWh": energy}


@pytest.mark.parametrize(
    ("name", "volt_scale", "ampere_scale", "model"),
    [("um25c_reconstructed", 1000, 10_000, 0x09C9), ("um24c_capture_20220106", 100, 1000, 0x0963)],
)
def test_frames_equal_the_published_ones(shared, name, volt_scale, ampere_scale, model):
    """Built from the expected values, a frame is the published one byte by byte."""
    vector = json.loads(shared(f"vectors/um/{name}.json").read_text())
    seen = vector["expected"]
    frame = Frame(
        model=model,
        voltage=round(seen["voltage_V"] * volt_scale),
        current=round(seen["current_A"] * ampere_scale),
        power=round(seen["power_W"] * 1000),
        celsius=seen["temp_C"],
        fahrenheit=seen["temp_F"],
        group=seen["group"],
        groups=tuple((mah, mwh) for mah, mwh in seen["groups_mAh_mWh"]),
        d_plus=round(seen["dplus_V"] * 100),
        d_minus=round(seen["dminus_V"] * 100),
        charging_mode=seen["charging_mode"],
        recorded_mah=seen["record_mAh"],
        recorded_mwh=seen["record_mWh"],
        threshold=round(seen["record_threshold_A"] * 100),
        recorded_s=seen["record_seconds"],
        recording=int(seen["recording"]),
        screen_timeout=seen["screen_timeout_min"],
        brightness=seen["brightness"],
        resistance=round(seen["resistance_ohm"] * 10),
        screen=seen["screen"],
    )
    assert frame.encode().hex() == vector["response_hex"]


@pytest.fixture
def context(tmp_path, device, usb_meter):
    """Get the context of an emulated USB meter."""
    context = EmulatorContext(tmp_path, 5, device, usb_meter)
    context.edges.mkdir()
    context.box.mkdir()
    return context


@pytest.fixture
def build(context, monkeypatch):
    """Get a maker of meters in virtual time: ``(meter, tick)``, ticks in seconds from now."""

    def make(*faults: str):
        start_ns = now_ns()
        at = [start_ns]
        monkeypatch.setattr(rdtech_um25c, "now_ns", lambda: at[0])
        meter = Um25c(context, FaultWatch(parse_faults(faults)))

        def tick(seconds: float) -> dict[str, float]:
            at[0] = start_ns + round(seconds * S)
            meter.tick()
            return words(meter.answer())

        return meter, tick, start_ns

    return make


def test_the_first_answer_is_a_reading(build):
    """The meter was on before the bench opened: idle volts and amperes at once."""
    _, tick, _ = build()
    seen = tick(0)
    assert seen["V"] == pytest.approx(5.1, rel=0.02)
    assert seen["A"] == pytest.approx(2.0 / 5.1, rel=0.05)
    assert seen["W"] == pytest.approx(seen["V"] * seen["A"], abs=0.0006)


def test_several_polls_see_one_reading(build):
    """The display refreshes each half second; polls in between repeat it."""
    meter, tick, _ = build()
    frames = []
    for step in range(40):
        tick(step * 0.1)
        frames.append(meter.answer()[2:10])
    assert 7 <= len(set(frames)) <= 10


def test_work_shows_and_energy_accumulates(build, tmp_path):
    """While an agent is busy power rises, and the group's mWh follow the integral."""
    _, tick, start_ns = build()
    writer = EdgeFile(str(tmp_path / "edges" / "powerlab-edges-1.bin"))
    writer.publish(1, 0, start_ns + 1 * S)
    writer.publish(0, 0, start_ns + 31 * S)
    before = tick(0.5)
    busy = tick(20)
    after = tick(41)
    assert busy["W"] == pytest.approx(6.0, rel=0.06)
    assert after["W"] == pytest.approx(before["W"], rel=0.1)
    expected_mwh = (30 * 6.0 + 15 * 2.0) / 3.6
    assert after["mWh"] == pytest.approx(expected_mwh, rel=0.1)


def test_buttons_have_their_bytes(build):
    """Group, threshold, brightness, time-out and screen follow their bytes; the rest nothing."""
    meter, tick, _ = build()
    tick(100)
    for byte in (0xA3, 0xC4, 0xD2, 0xE7, 0xF1, 0x00, 0xD9, 0xAF):
        meter.press(byte)
    frame = meter.answer()
    group, threshold = (
        struct.unpack_from(">H", frame, 14)[0],
        struct.unpack_from(">H", frame, 110)[0],
    )
    assert (group, threshold) == (3, 20)
    assert struct.unpack_from(">HH", frame, 118) == (7, 2)
    assert struct.unpack_from(">H", frame, 126) == (1,)
    meter.press(0xA0)
    assert words(meter.answer())["mWh"] > 0
    meter.press(0xF4)
    assert words(meter.answer())["mWh"] == 0


def test_an_overload_saturates_the_field(build, tmp_path):
    """On request the current shows the end of its field for about a second."""
    _, tick, start_ns = build("overrange@1s")
    writer = EdgeFile(str(tmp_path / "edges" / "powerlab-edges-1.bin"))
    writer.publish(1, 0, start_ns + 1 * S)
    writer.publish(0, 0, start_ns + 9 * S)
    seen = [tick(step * 0.5)["A"] for step in range(1, 20)]
    assert sum(value == FULL_U16 / 10_000 for value in seen) in (2, 3)


@pytest.fixture
def port(context):
    """Get the serial path of a running emulator and the directory of edges."""
    process = EmulatorProcess("meter", "powerlab.emulation.rdtech_um25c:serve", context)
    try:
        process.wait_ready()
        yield str(process.address["resource"]).removeprefix("serial:")
    finally:
        process.stop()


def test_a_request_brings_130_bytes(port):
    """Through pyserial at any speed: one byte out, one frame back, nothing unasked."""
    with serial.Serial(port, 9600, timeout=5, exclusive=True) as line:
        for _ in range(3):
            line.write(b"\xf0")
            frame = line.read(130)
            assert len(frame) == 130
            assert frame[:2] == b"\x09\xc9"
            assert frame[-2:] == b"\xff\xf1"
        line.write(b"\xf1\xf2\xf3")
        line.timeout = 0.1
        assert line.read(1) == b""
    with serial.Serial(port, 115200, timeout=5, exclusive=True) as line:
        line.write(b"\xf0")
        assert len(line.read(130)) == 130


def read_until_it_breaks(line: serial.Serial) -> bytes:
    """Get what comes before the port reports an error."""
    got = b""
    for _ in range(200):
        try:
            got += line.read(1)
        except OSError:
            return got
    pytest.fail("the port never broke")


def test_unplugging_ends_the_link_in_the_middle_of_a_frame(context, tmp_path):
    """After the fault the port breaks with an error, half a frame having come."""
    writer = EdgeFile(str(tmp_path / "edges" / "powerlab-edges-1.bin"))
    writer.publish(1, 0, now_ns() - S)
    fields = (context.directory, 5, context.device, context.instrument)
    process = EmulatorProcess(
        "meter",
        "powerlab.emulation.rdtech_um25c:serve",
        EmulatorContext(*fields, faults=parse_faults(["unplug@0.5s"])),
    )
    try:
        process.wait_ready()
        path = str(process.address["resource"]).removeprefix("serial:")
        with serial.Serial(path, 9600, timeout=5) as line:
            line.write(b"\xf0")
            assert len(read_until_it_breaks(line)) <= 65
        assert process.running
    finally:
        process.stop()


def test_a_late_reply_holds_back_those_after_it(context, monkeypatch, tmp_path):
    """One answer comes late and the next not before it, as on a serial link."""
    read_end, write_end = os.pipe()
    monkeypatch.setattr(command_link, "PARENT", read_end)
    monkeypatch.setattr(command_link, "LATE_REPLY_S", 0.4)
    writer = EdgeFile(str(tmp_path / "edges" / "powerlab-edges-1.bin"))
    writer.publish(1, 0, now_ns() - S)
    watch = FaultWatch(parse_faults(["late-reply@0s"]))
    link = command_link.CommandLink(Um25c(context, watch), watch, 5)
    link._meter.tick()
    slave = os.open(link.path, os.O_RDWR | os.O_NOCTTY)
    thread = threading.Thread(target=link.serve)
    thread.start()
    try:
        asked_ns = now_ns()
        os.write(slave, b"\xf0")
        os.write(slave, b"\xf0")
        got = b""
        while len(got) < 260:
            got += os.read(slave, 260)
        assert now_ns() - asked_ns >= 0.4 * S
    finally:
        os.close(write_end)
        thread.join(10)
        os.close(read_end)
        os.close(slave)
    assert not thread.is_alive()


def test_it_needs_a_profile(context):
    """Without an instrument profile there is no meter, and the error says so."""
    bare = EmulatorContext(context.directory, 1, context.device)
    with pytest.raises(PowerlabError):
        Um25c(bare, FaultWatch(()))


def test_negative_and_missing_values_stay_in_their_field():
    """A field never wraps."""
    assert rdtech_um25c._raw(float("nan"), 1000) == FULL_U16
    assert rdtech_um25c._raw(-0.001, 1000) == 0
    assert rdtech_um25c._raw(np.float64(99), 1000) == FULL_U16
