"""The socket in front of emulated USB meters: packets, one host at a time, faults."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

import pytest

from powerlab.emulation import packet_link
from powerlab.emulation.faults import FaultWatch, parse_faults
from powerlab.emulation.packet_link import MOST_WAITING, PacketServer
from powerlab.errors import InstrumentError
from powerlab.transport.packets import open_packets
from powerlab.units import now_ns

LIMIT_S = 20.0


class Echo:
    """A meter that answers each packet with itself, and sends what it is given."""

    reply_delay_s = (0.0, 0.0)
    tick_s = 0.005

    def __init__(self) -> None:
        self.hosts = 0
        self.own: list[bytes] = []
        self.then: list[bytes] = []

    def connect(self) -> None:
        """Count the hosts."""
        self.hosts += 1

    def take(self, packet: bytes) -> Sequence[bytes]:
        """Answer with the packet, and a second one."""
        self.own, self.then = self.own + self.then, []
        return (packet, b"second")

    def push(self) -> Sequence[bytes]:
        """Send what is there."""
        own, self.own = self.own, []
        return own


@pytest.fixture
def serve(monkeypatch, tmp_path):
    """Get a maker of served meters: the meter and its resource."""
    reading, writing = os.pipe()
    monkeypatch.setattr(packet_link, "PARENT", reading)
    threads: list[threading.Thread] = []

    def start(*faults: str) -> tuple[Echo, str]:
        watch = FaultWatch(parse_faults(faults))
        watch.arm(now_ns())
        meter = Echo()
        server = PacketServer(meter, watch, tmp_path, 1)
        threads.append(threading.Thread(target=server.serve))
        threads[-1].start()
        return meter, f"packets:{server.path}"

    yield start
    os.close(writing)
    for thread in threads:
        thread.join(LIMIT_S)
        assert not thread.is_alive()
    os.close(reading)


def test_answers_and_what_comes_unasked(serve) -> None:
    """In order, whole; the next host is served once the first has gone."""
    meter, resource = serve()
    for host in (1, 2):
        link = open_packets(resource)
        link.write(b"first")
        assert [link.read(LIMIT_S), link.read(LIMIT_S)] == [b"first", b"second"]
        assert meter.hosts == host
        meter.own = [b"third"]
        assert link.read(LIMIT_S) == b"third"
        link.close()


def test_a_pulled_plug_cuts_a_packet_and_stays(serve) -> None:
    """Half a packet, then the end, and nobody gets in again."""
    _, resource = serve("unplug@0s")
    link = open_packets(resource)
    link.write(b"abcdef")
    assert link.read(LIMIT_S) == b"abc"
    with pytest.raises(InstrumentError, match="disconnected"):
        link.read(LIMIT_S)
    link.close()
    with pytest.raises(InstrumentError, match="nothing answers"):
        open_packets(resource)


def test_a_late_packet_holds_back_the_rest(serve, monkeypatch) -> None:
    """As a pipe does; a meter keeps a few packets for that, and loses what comes beyond."""
    monkeypatch.setattr(packet_link, "LATE_REPLY_S", 0.3)
    meter, resource = serve("late-reply@0s")
    link = open_packets(resource)
    meter.then = [b"%d" % number for number in range(3 * MOST_WAITING)]
    link.write(b"late")
    told = [link.read(LIMIT_S) for _ in range(MOST_WAITING)]
    assert told[:2] == [b"late", b"second"]
    assert told[2:] == [b"%d" % number for number in range(MOST_WAITING - 2)]
    meter.own = [b"again"]
    assert link.read(LIMIT_S) == b"again"
    link.close()
