"""The emulated testers that send by themselves: frames, how long they go on, what goes wrong."""

from __future__ import annotations

import json
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.emulation import avhzy_ct3, fnirsi_fnb, kingmeter
from powerlab.emulation.faults import FaultWatch
from powerlab.emulation.process import EmulatorContext
from powerlab.units import now_ns

S = 1_000_000_000
INSTRUMENTS = Path(__file__).resolve().parents[2] / "instruments"


@pytest.fixture
def build(tmp_path, device, monkeypatch):
    """Get a maker of meters in virtual time: the meter, and what moves its clock."""

    def make(identifier: str, module, kind):
        text = (INSTRUMENTS / f"{identifier}.toml").read_text(encoding="utf-8")
        instrument = InstrumentProfile.model_validate(tomllib.loads(text))
        context = EmulatorContext(tmp_path, 5, device, instrument)
        context.edges.mkdir()
        at = [now_ns()]
        monkeypatch.setattr(module, "now_ns", lambda: at[0])
        meter = kind(context, FaultWatch(()))

        def later(seconds: float) -> list[bytes]:
            at[0] += round(seconds * S)
            return list(meter.push())

        return meter, later

    return make


def test_a_start_of_an_fnb_lasts_a_second(build) -> None:
    """The first report is nonsense, the rest are readings, and without a word they end."""
    meter, later = build("fnirsi-fnb48", fnirsi_fnb, fnirsi_fnb.Fnb)
    assert later(0.5) == []
    assert meter.take(fnirsi_fnb.report(b"\x81" + bytes(61)))[0][1] == 0x03
    assert meter.take(fnirsi_fnb.report(b"\x82" + bytes(61))) == ()
    reports = [report for _ in range(30) for report in later(0.05)]
    assert 24 <= len(reports) <= 26
    volts = [int.from_bytes(report[2:6], "little") / 1e5 for report in reports]
    assert volts[0] == pytest.approx(188.74)
    assert volts[1:] == pytest.approx([5.1] * len(volts[1:]), abs=0.1)
    meter.take(fnirsi_fnb.report(b"\x83" + bytes(61)))  # too late to go on
    assert later(0.5) == []
    assert meter.take(b"\xaa\x82" + bytes(62)) == ()  # its checksum is wrong
    assert later(0.5) == []


def test_an_fnb_goes_on_while_it_is_told_to(build) -> None:
    """A word in each second, and none is missing."""
    meter, later = build("fnirsi-fnb58", fnirsi_fnb, fnirsi_fnb.Fnb)
    meter.take(fnirsi_fnb.report(b"\x82" + bytes(61)))
    count = 0
    for step in range(1, 81):
        count += len(later(0.05))
        if step % 10 == 0:
            meter.take(fnirsi_fnb.report(b"\x83" + bytes(61)))
    assert count == pytest.approx(100, abs=2)


def test_a_ct3_sends_until_it_is_stopped(build, shared) -> None:
    """At the interval asked for, each sample with its own microseconds; both are acknowledged."""
    vector = json.loads(shared("vectors/avhzy/frames_computed.json").read_text())
    start = bytes.fromhex(vector["host_to_device"]["start_1ms"])
    stop = bytes.fromhex(vector["host_to_device"]["stop"])
    meter, later = build("avhzy-ct3", avhzy_ct3, avhzy_ct3.CtThree)
    assert later(0.1) == []
    assert meter.take(start)[0].hex() == "a50400000001090180895a"
    frames = later(0.2)
    times = [int.from_bytes(frame[-10:-2], "little") for frame in frames]
    assert len(frames) == pytest.approx(200, abs=15)
    assert {after - before for before, after in pairwise(times)} == {1000}
    assert meter.take(stop)[0].hex() == vector["ack_for_request_0"]
    assert later(0.2) == []
    assert meter.take(stop[:-1] + b"\0") == ()


def test_a_kt_sends_two_hundred(build) -> None:
    """Each request is for 200 samples, at the pace that was set; no command is answered."""
    meter, later = build("kingmeter-kt", kingmeter, kingmeter.Kt)
    assert later(1.0) == []
    assert meter.take(kingmeter.host_report(bytes.fromhex("311ab10104"))) == ()
    assert meter.take(kingmeter.host_report(bytes.fromhex("22050b00"))) == ()
    assert len(later(0.2)) == pytest.approx(100, abs=2)
    assert len(later(1.0)) == pytest.approx(100, abs=2)
    assert later(1.0) == []
    hurt = bytearray(kingmeter.host_report(bytes.fromhex("22050b00")))
    hurt[4] ^= 1
    meter.take(bytes(hurt))
    assert later(1.0) == []
