"""Packets: resource strings, a socket that keeps them whole, and recorded dialogues."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from powerlab.errors import InstrumentError
from powerlab.transport.packet_device import usb_address
from powerlab.transport.packet_socket import PacketSocket, short_path
from powerlab.transport.packets import answered_by_program, drain, open_packets


@pytest.fixture
def host(tmp_path):
    """Get a connected link and the other end of it."""
    path = tmp_path / "meter.packets"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with short_path(path) as short:
        listener.bind(short)
    listener.listen(1)
    link = open_packets(f"packets:{path}")
    other, _ = listener.accept()
    yield link, other
    link.close()
    other.close()
    listener.close()


def test_packets_keep_their_bounds(host) -> None:
    """What one write carries is what one read gets, in order, and None is no packet."""
    link, other = host
    other.send(b"abc")
    other.send(b"d" * 1300)
    assert link.read(1.0) == b"abc"
    assert link.read(1.0) == b"d" * 1300
    assert link.read(0.0) is None
    link.write(b"xyz")
    link.write(b"uv")
    assert [other.recv(100), other.recv(100)] == [b"xyz", b"uv"]


def test_a_closed_end_is_an_unplugged_meter(host) -> None:
    """Reading and writing tell it, with what to do; closing twice is no harm."""
    link, other = host
    other.send(b"last")
    other.close()
    assert link.read(1.0) == b"last"
    for use in (lambda: link.read(1.0), lambda: link.write(b"more")):
        with pytest.raises(InstrumentError, match="disconnected") as caught:
            use()
        assert "plug" in caught.value.hint
    link.close()
    link.close()
    with pytest.raises(InstrumentError):
        link.read(0.0)


def test_drain_ends_on_silence_and_on_a_chatterbox(host) -> None:
    """What is there is dropped; who never stops is left after a number of packets."""
    link, other = host
    for _ in range(5):
        other.send(b"old")
    assert drain(link, 0.0) == 5
    for _ in range(5):
        other.send(b"old")
    assert drain(link, 0.0, most=3) == 3


def test_paths_longer_than_an_address(tmp_path) -> None:
    """A socket deep in a tree is reached by a short name."""
    deep = tmp_path / ("x" * 90)
    deep.mkdir()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with short_path(deep / "meter.packets") as short:
        listener.bind(short)
    listener.listen(1)
    PacketSocket(f"packets:{deep}/meter.packets", f"{deep}/meter.packets").close()
    listener.close()


@pytest.mark.parametrize(
    "path", ["/nowhere/meter.packets", "/" + "y" * 200 + "/z", "/" + "z" * 200]
)
def test_nothing_at_a_path(path: str) -> None:
    """An emulator that does not run is told as that."""
    with pytest.raises(InstrumentError, match="nothing answers at packets:"):
        open_packets(f"packets:{path}")


def test_usb_addresses() -> None:
    """Vendor, product, and a serial number that may hold anything."""
    assert str(usb_address("usb:5fc9:0063")) == "5FC9:0063"
    assert usb_address("hid:2E3C:5558:0001A:B").serial == "0001A:B"


@pytest.mark.parametrize(
    "resource", ["", "usb:", "usb:5FC9", "usb:5FC9:63", "hid:XXXX:0063", "serial:/dev/ttyACM0"]
)
def test_what_is_no_address(resource: str) -> None:
    """Anything else is refused with an example."""
    with pytest.raises(InstrumentError, match="names no USB device") as caught:
        open_packets(resource)
    assert "usb:5FC9:0063" in caught.value.hint


def test_programs_are_told_from_meters() -> None:
    """What comes over a socket or from a file is emulated."""
    told = [answered_by_program(name) for name in ("packets:/x", "replay:/x", "usb:5FC9:0063")]
    assert told == [True, True, False]


def recorded(path: Path, *lines: tuple[str, float, str]) -> str:
    """Write a recording and get its resource."""
    rows = [{"direction": way, "time_s": at, "hex": data} for way, at, data in lines]
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    return f"replay:{path}"


def test_a_recording_plays(tmp_path) -> None:
    """Answers come after their requests, no earlier than they did."""
    resource = recorded(
        tmp_path / "a.jsonl",
        ("out", 5.0, "0201"),
        ("in", 5.001, "0501"),
        ("out", 5.002, "0c02"),
        ("in", 5.03, "4102"),
        ("in", 5.03, "4103"),
        ("out", 5.04, "0f03"),
    )
    link = open_packets(resource)
    assert link.read(0.0) is None
    link.write(b"\x02\x01")
    assert link.read(1.0) == b"\x05\x01"
    link.write(b"\x0c\x02")
    assert link.read(0.0) is None
    assert link.read(5.0) == b"\x41\x02"
    link.write(b"\x0f\x03")  # one answer was never read
    assert link.read(0.0) is None
    link.close()


def test_a_recording_refuses_what_was_not_recorded(tmp_path) -> None:
    """Another request, and one more than there were."""
    resource = recorded(tmp_path / "a.jsonl", ("out", 0.0, "0201"), ("in", 0.0, "0501"))
    with pytest.raises(InstrumentError, match="has 0201 where 0c02 is sent"):
        open_packets(resource).write(b"\x0c\x02")
    link = open_packets(resource)
    link.write(b"\x02\x01")
    with pytest.raises(InstrumentError, match="has nothing more"):
        link.write(b"\x02\x01")


@pytest.mark.parametrize(
    "line",
    ["{", "[]", '{"direction": "up", "time_s": 0, "hex": ""}', '{"direction": "in", "hex": "0"}'],
)
def test_a_recording_that_is_none(tmp_path, line: str) -> None:
    """The line is named."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"direction": "in", "time_s": 0, "hex": "00"}\n' + line)
    with pytest.raises(InstrumentError, match="line 2 of the recording"):
        open_packets(f"replay:{path}")


def test_a_recording_that_is_not_there(tmp_path) -> None:
    """The path is told."""
    with pytest.raises(InstrumentError, match="cannot be read"):
        open_packets(f"replay:{tmp_path}/none.jsonl")
