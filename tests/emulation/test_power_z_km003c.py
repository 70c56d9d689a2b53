"""The emulated POWER-Z: its queue overflows as the real one's, and opens only to who may."""

from __future__ import annotations

import struct
import threading
import tomllib
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.emulation import power_z_km003c as emulation
from powerlab.emulation.faults import FaultWatch
from powerlab.emulation.power_z_km003c import QUEUE_SAMPLES, PowerZ
from powerlab.emulation.process import EmulatorContext, EmulatorProcess
from powerlab.instruments.contract import MeterRequest
from powerlab.instruments.power_z_km003c import open_session
from powerlab.units import now_ns

S = 1_000_000_000
PROFILE = Path(__file__).resolve().parents[2] / "instruments" / "power-z-km003c.toml"
ENTRY = "powerlab.emulation.power_z_km003c:serve"


@pytest.fixture
def context(tmp_path, device) -> EmulatorContext:
    """Get the context of an emulated POWER-Z."""
    text = PROFILE.read_text(encoding="utf-8")
    instrument = InstrumentProfile.model_validate(tomllib.loads(text))
    context = EmulatorContext(tmp_path, 5, device, instrument)
    context.edges.mkdir()
    context.box.mkdir()
    return context


@pytest.fixture
def meter(context, monkeypatch):
    """Get a meter in virtual time and what moves that."""
    at = [now_ns()]
    monkeypatch.setattr(emulation, "now_ns", lambda: at[0])
    meter = PowerZ(context, FaultWatch(()))

    def later(seconds: float) -> None:
        at[0] += round(seconds * S)

    return meter, later


def count(reply: bytes) -> int:
    """Get how many samples a reply has."""
    return struct.unpack_from("<I", reply, 4)[0] >> 16 & 0x3F if len(reply) > 4 else 0


@pytest.mark.parametrize(
    ("rate", "wait_s", "samples"),
    [(3, 0.04, 40), (3, 0.5, QUEUE_SAMPLES), (2, 1.0, 50), (1, 1.0, 10), (0, 4.0, 8)],
)
def test_rates_and_the_end_of_the_queue(meter, rate: int, wait_s: float, samples: int) -> None:
    """1000, 50, 10 and 2 a second, at most 63 for a reply, and none again after it."""
    one, later = meter
    one._granted = True
    assert one.take(bytes([0x0E, 1, rate << 1, 0]))[0][0] == 0x05
    later(wait_s)
    (reply,) = one.take(bytes.fromhex("0c020400"))
    assert abs(count(reply) - samples) <= 1
    assert len(reply) == 8 + 20 * count(reply)
    assert one.take(bytes.fromhex("0c030400"))[0].hex() == "41030200"


def test_the_queue_is_closed_to_strangers(meter) -> None:
    """A graph starts for everybody, its samples are for who knows the hardware id."""
    one, later = meter
    (refused,) = one.take(b"\x4c\x05\x00\x02" + bytes(32))
    assert refused[:4].hex() == "4c000102"
    one.take(bytes.fromhex("0e010600"))
    later(0.04)
    assert one.take(bytes.fromhex("0c020400"))[0].hex() == "41020200"
    (both,) = one.take(bytes.fromhex("0c030600"))
    assert len(both) == 52
    volts, amperes = struct.unpack_from("<ii", both, 8)
    assert volts / 1e6 == pytest.approx(5.1, rel=0.02)
    assert amperes / 1e6 == pytest.approx(2.0 / 5.1, rel=0.05)


def test_a_damaged_request_for_memory_is_refused(meter) -> None:
    """Its checksum guards it."""
    (reply,) = meter[0].take(b"\x44\x07\x01\x01" + bytes(32))
    assert reply == bytes([0x06, 0x07, 0, 0])


def test_what_is_no_command(meter) -> None:
    """Too short for a packet, or nothing that it knows."""
    assert meter[0].take(b"\x02") == ()
    assert meter[0].take(bytes([0x33, 9, 0, 0]))[0][0] == 0x06


def test_a_process_of_its_own_and_the_driver(context) -> None:
    """Over a real socket: samples of an idle board without a gap in their time."""
    process = EmulatorProcess("meter", ENTRY, context)
    try:
        process.wait_ready()
        bench = BenchMeter(model="power-z-km003c", resource=str(process.address["resource"]))
        with closing(open_session(context.instrument, bench)) as one:
            one.configure(MeterRequest(expected_peak_a=2.0, expected_peak_v=5.2))
            stop, taken = threading.Event(), 0
            for block in one.stream(stop):
                taken += len(block.flags)
                assert np.all(np.diff(block.device_ns) == 1_000_000)
                good = block.values[block.flags == 0]
                assert np.all(np.abs(good[:, 0] - 5.1) < 0.2)
                if taken > 100:
                    stop.set()
        assert taken > 100
    finally:
        process.stop()
