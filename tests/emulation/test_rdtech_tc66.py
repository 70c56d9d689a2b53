"""The emulated TC66C: its frames, and the meter behind a pseudo-terminal."""

from __future__ import annotations

import json
import os
import threading

import pytest
import serial

from powerlab.agent.edges import EdgeFile
from powerlab.emulation import command_link, rdtech_tc66
from powerlab.emulation.command_link import CommandLink
from powerlab.emulation.faults import FaultWatch, parse_faults
from powerlab.emulation.process import EmulatorContext, EmulatorProcess
from powerlab.emulation.rdtech_tc66 import FULL_CURRENT, Frame, Tc66
from powerlab.errors import PowerlabError
from powerlab.units import now_ns

S = 1_000_000_000
ENTRY = "powerlab.emulation.rdtech_tc66:serve"


def test_a_frame_equals_the_captured_one(shared):
    """Built from the expected values, a frame is the captured one, before and after the cipher."""
    vector = json.loads(shared("vectors/tc66/tc66c_capture_1.json").read_text())
    seen = vector["expected"]
    frame = Frame(
        voltage=seen["voltage_raw"],
        current=seen["current_raw"],
        power=seen["power_raw"],
        resistance=round(seen["resistance_ohm"] * 10),
        groups=((seen["g0_mAh"], seen["g0_mWh"]), (seen["g1_mAh"], seen["g1_mWh"])),
        temperature_sign=seen["temp_sign"],
        temperature=seen["temp"],
        d_plus=round(seen["dplus_V"] * 100),
        d_minus=round(seen["dminus_V"] * 100),
        firmware=seen["fw"].encode(),
        serial_number=seen["serial"],
        runs=seen["runs"],
        # Nobody knows what these bytes mean: they are taken as they came.
        unknown=bytes.fromhex(vector["response_decrypted_hex"])[16:44],
    )
    assert frame.plain().hex() == vector["response_decrypted_hex"]
    assert frame.encode().hex() == vector["response_encrypted_hex"]


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
        monkeypatch.setattr(rdtech_tc66, "now_ns", lambda: at[0])
        meter = Tc66(context, FaultWatch(parse_faults(faults)))

        def tick(seconds: float) -> Frame:
            at[0] = start_ns + round(seconds * S)
            meter.tick()
            return meter._frame

        return meter, tick, start_ns

    return make


def test_the_first_answer_is_a_reading(build):
    """The meter was on before the bench opened: idle volts and amperes at once."""
    _, tick, _ = build()
    seen = tick(0)
    assert seen.voltage / 1e4 == pytest.approx(5.1, rel=0.02)
    assert seen.current / 1e5 == pytest.approx(2.0 / 5.1, rel=0.05)
    assert seen.power / 1e4 == pytest.approx(seen.voltage * seen.current / 1e9, abs=6e-5)
    assert seen.resistance / 10 == pytest.approx(10 * seen.voltage / seen.current, abs=0.06)


def test_polls_between_two_readings_see_the_same(build):
    """Readings come at the meter's own pace; polls in between repeat the last one."""
    _, tick, _ = build()
    seen = [tick(step * 0.1) for step in range(40)]
    assert 7 <= len(set(seen)) <= 10  # each half second


def test_the_counter_follows_charge_and_energy(build):
    """About 2 W for a minute and 5 s before it are 36 mWh and 7 mAh."""
    meter, tick, _ = build()
    tick(60)
    mah, mwh = meter._counted
    assert mwh == pytest.approx(2.0 / 3600 * 1000 * 65, rel=0.1)
    assert mwh / mah == pytest.approx(5.1, rel=0.05)
    assert len(meter.answer()) == 192


def test_an_overload_shows_the_end_of_the_display(build, tmp_path):
    """On request the current shows its largest value for about a second."""
    _, tick, start_ns = build("overrange@1s")
    writer = EdgeFile(str(tmp_path / "edges" / "powerlab-edges-1.bin"))
    writer.publish(1, 0, start_ns + 1 * S)
    writer.publish(0, 0, start_ns + 9 * S)
    seen = [tick(step * 0.5).current for step in range(1, 20)]
    assert seen.count(FULL_CURRENT) in (2, 3)


@pytest.mark.parametrize("cut", range(6))
def test_commands_have_no_end_but_their_last_letter(build, cut: int):
    """They may come in pieces, together, or behind noise; buttons ask for no answer."""
    meter, _, _ = build()
    assert meter.take(b"getva"[:cut]) + meter.take(b"getva"[cut:]) == 1
    assert meter.take(b"rotatlastpnextp") == 0
    assert meter.take(b"\xf0getgetvarotatgetva\r\n") == 2


@pytest.fixture
def port(context):
    """Get the serial path of a running emulator."""
    process = EmulatorProcess("meter", ENTRY, context)
    try:
        process.wait_ready()
        yield str(process.address["resource"]).removeprefix("serial:")
    finally:
        process.stop()


def test_a_request_brings_192_bytes(port):
    """Through pyserial: five letters out, one frame back, nothing unasked."""
    with serial.Serial(port, 115_200, timeout=5, exclusive=True) as line:
        for _ in range(3):
            line.write(b"getva")
            assert len(line.read(192)) == 192
        line.write(b"rotatnextp")
        line.timeout = 0.1
        assert line.read(1) == b""


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
    faults = parse_faults(["unplug@0.5s"])
    process = EmulatorProcess("meter", ENTRY, EmulatorContext(*fields, faults=faults))
    try:
        process.wait_ready()
        path = str(process.address["resource"]).removeprefix("serial:")
        with serial.Serial(path, 115_200, timeout=5) as line:
            line.write(b"getva")
            assert len(read_until_it_breaks(line)) <= 96
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
    meter = Tc66(context, watch)
    link = CommandLink(meter, watch, 5)
    meter.tick()
    slave = os.open(link.path, os.O_RDWR | os.O_NOCTTY)
    thread = threading.Thread(target=link.serve)
    thread.start()
    try:
        asked_ns = now_ns()
        os.write(slave, b"getvagetva")
        got = b""
        while len(got) < 384:
            got += os.read(slave, 384)
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
        Tc66(bare, FaultWatch(()))


def test_negative_and_missing_values_stay_in_their_field():
    """A field never wraps."""
    assert rdtech_tc66._raw(float("nan"), 1000) == FULL_CURRENT
    assert rdtech_tc66._raw(-0.001, 1000) == 0
