"""Every driver of packets, through its entry point, on its emulator over a real socket."""

from __future__ import annotations

import os
import threading
import tomllib
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.emulation import avhzy_ct3, fnirsi_fnb, kingmeter, packet_link, power_z_km003c
from powerlab.emulation.faults import FaultWatch, parse_faults
from powerlab.emulation.packet_link import PacketServer
from powerlab.emulation.process import EmulatorContext
from powerlab.errors import InstrumentError
from powerlab.instruments.contract import MeterRequest, open_meter
from powerlab.records import SampleBlock, SampleFlag
from powerlab.units import now_ns
from tests.instruments.packet_world import joined

ROOT = Path(__file__).resolve().parents[2]
METERS = {
    "power-z-km003c": power_z_km003c.PowerZ,
    "avhzy-ct3": avhzy_ct3.CtThree,
    "fnirsi-fnb58": fnirsi_fnb.Fnb,
    "kingmeter-kt": kingmeter.Kt,
}


@pytest.fixture
def serve(monkeypatch, tmp_path, profile):
    """Get a maker of meters on an idle board, each behind a socket: its resource."""
    reading, writing = os.pipe()
    monkeypatch.setattr(packet_link, "PARENT", reading)
    text = (ROOT / "devices" / "edgeboard.toml").read_text(encoding="utf-8")
    device = DeviceProfile.model_validate(tomllib.loads(text))
    threads: list[threading.Thread] = []

    def start(identifier: str, *faults: str) -> str:
        context = EmulatorContext(tmp_path, 7, device, profile(identifier))
        context.edges.mkdir()
        watch = FaultWatch(parse_faults(faults))
        watch.arm(now_ns())
        meter = METERS[identifier](context, watch)
        server = PacketServer(meter, watch, tmp_path, 7)
        threads.append(threading.Thread(target=server.serve))
        threads[-1].start()
        return f"packets:{server.path}"

    yield start
    os.close(writing)
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    os.close(reading)


@pytest.mark.parametrize("identifier", METERS)
def test_a_pulled_plug_ends_the_session_and_keeps_what_came(serve, profile, identifier) -> None:
    """Samples of an idle board, then the end in the middle of a packet: exit code 4, a hint."""
    bench = BenchMeter(model=identifier, resource=serve(identifier, "unplug@0.6s"), serial="label")
    blocks: list[SampleBlock] = []
    with closing(open_meter(profile(identifier), bench)) as meter:
        assert meter.identity.emulated
        meter.configure(MeterRequest(expected_peak_a=0.9, expected_peak_v=12.5))
        with pytest.raises(InstrumentError) as caught:
            blocks.extend(meter.stream(threading.Event()))
    assert (caught.value.exit_code, bool(caught.value.hint)) == (4, True)
    if blocks:
        values, flags, _ = joined(blocks)
        good = (flags & SampleFlag.LOST) == 0
        assert np.all(np.abs(values[good] - [12.0, 0.25]) < [0.6, 0.05])


def test_two_sessions_one_after_another(serve, profile) -> None:
    """A meter that was let go is opened again, and nothing of before is left in it."""
    resource = serve("avhzy-ct3")
    bench = BenchMeter(model="avhzy-ct3", resource=resource)
    for _ in range(2):
        with closing(open_meter(profile("avhzy-ct3"), bench)) as meter:
            stop = threading.Event()
            blocks = []
            for block in meter.stream(stop):
                blocks.append(block)
                stop.set()
            joined(blocks)
