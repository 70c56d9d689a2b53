"""The emulated loggers' bytes are the published ones."""

from __future__ import annotations

import json

import numpy as np
import pytest

from powerlab.emulation import nordic_ppk2, powersensor3, st_lpm01a
from powerlab.emulation.faults import FaultWatch
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.sampling import Readings
from powerlab.emulation.stream_link import StreamLink
from powerlab.emulation.streamed import Piece


def piece(values: np.ndarray) -> Piece:
    """Get readings with nothing wrong about them."""
    count = len(values)
    times = np.arange(count, dtype=np.int64)
    fine = np.zeros(count, dtype=np.uint8)
    readings = Readings(values, fine, times, times.copy(), times.copy(), times.copy())
    return Piece(0, readings, np.ones(count, dtype=bool), np.zeros(count, dtype=bool))


@pytest.fixture
def context(tmp_path, device, dmm) -> EmulatorContext:
    """Get the context of an emulated ammeter."""
    context = EmulatorContext(tmp_path, 5, device, dmm)
    context.edges.mkdir()
    return context


def test_the_ppk2s_text_and_samples(shared, context) -> None:
    """The calibration text of a real unit, and the samples of known currents."""
    meta = json.loads(shared("vectors/ppk2/metadata_and_formula.json").read_text())
    vector = json.loads(shared("vectors/ppk2/stream_computed.json").read_text())
    device = nordic_ppk2.Ppk2(context, FaultWatch(()))
    assert sorted(device.metadata().splitlines()) == sorted(meta["metadata_text"].splitlines())
    wanted = [item for item in vector["expected"] if _by_range(item)]
    amperes = np.array([item["unfiltered_uA"] for item in wanted]) * 1e-6
    words = device._words(piece(np.column_stack((amperes, np.zeros(len(amperes))))))
    assert (words & 0x3FFF).tolist() == [item["adc"] for item in wanted]
    assert (words >> 14 & 7).tolist() == [item["range"] for item in wanted]


def _by_range(item: dict[str, float]) -> bool:
    """Tell whether a sample is in the range that its own current belongs to."""
    ends = np.array(nordic_ppk2.RANGE_ENDS_A)
    return int(np.searchsorted(ends, item["unfiltered_uA"] * 1e-6)) == item["range"]


@pytest.mark.parametrize("cut", range(1, 6))
def test_ppk2_commands_in_pieces(context, cut: int) -> None:
    """Two- and three-byte commands may come in pieces, and noise is passed over."""
    device = nordic_ppk2.Ppk2(context, FaultWatch(()))
    commands = b"\x0d\x0b\xb9\x11\x01\xff"
    device.take(commands[:cut])
    device.take(commands[cut:])
    assert (device.vdd_mv, device.mode) == (3001, 1)
    assert device.take(b"\x19").endswith(b"END\n")


def test_powersensor3_frames(shared, context, monkeypatch) -> None:
    """Configuration and sets of the computed vector, which has its sensors as the first pair."""
    vector = json.loads(shared("vectors/powersensor3/frames_computed.json").read_text())
    device = powersensor3.PowerSensor3(context, FaultWatch(()))
    assert device.take(b"V").decode() == vector["version_reply"]
    records = device.take(b"R") + b"".join(device.take(b"x") for _ in range(8))
    assert len(records) == 8 * 41 + 1
    assert records.endswith(b"D")
    assert device.take(b"X").hex() == vector["stop_reply_hex"]
    wanted = bytes.fromhex(vector["stream_hex"])
    rows = device._sets(piece(np.array([[5.0, 2.854838709677421]] * 2)))
    assert rows[:, 0].tobytes() == wanted[:2] + wanted[18:20]
    # Its pair is the second one: the same levels, two sensors further on.
    levels = [[int(high & 0xF) << 6 | int(low & 0x3F) for high, low in row[1:]] for row in rows]
    assert [row[2:4] for row in levels] == [[600, 310]] * 2


def test_lpm01a_tokens(shared) -> None:
    """Both formats write the published examples."""
    vector = json.loads(shared("vectors/lpm01a/token_examples.json").read_text())
    for item in vector["ascii_dec"]:
        assert st_lpm01a._token(item["value"]).decode().strip() == item["token"]
    for item in vector["bin_hexa"]:
        assert st_lpm01a._binary(np.array([item["value"]])).hex() == item["hex"]


@pytest.mark.parametrize("value", [0.0, 9.9996e-7, 1e-9, 0.05, 1.0])
def test_lpm01a_tokens_have_four_digits(value: float) -> None:
    """No value breaks the form of a token, and none is off by more than half a step."""
    token = st_lpm01a._token(value).decode().strip()
    assert len(token) == 7
    assert float(f"{token[:4]}e{token[4:]}") == pytest.approx(value, rel=5.1e-4)


def test_lpm01a_answers(context) -> None:
    """Control first, then only what it can do."""
    device = st_lpm01a.Lpm01a(context, FaultWatch(()))
    assert b"error" in device.take(b"freq 1k\n")
    assert device.take(b"htc\n") == b"PowerShield > ack htc\r\n"
    assert b"error" in device.take(b"freq 3k\nvolt 5000m\n")
    assert device.take(b"volt 1800m\n").endswith(b"ack volt 1800m\r\n")
    assert device.take(b"fre") == b""
    assert device.take(b"q 1k\n").endswith(b"ack freq 1k\r\n")


def test_what_nobody_fetches_is_lost_in_whole_pieces() -> None:
    """The terminal fills, then the device's memory; from then on pieces are counted as lost."""

    class Talker:
        memory_bytes, tick_s, running = 10_000, 0.001, True

        def take(self, data: bytes) -> bytes:
            return b""

        def produce(self, at_ns: int) -> bytes:
            return b"x" * 4000

    link = StreamLink(Talker(), FaultWatch(()))
    for _ in range(200):
        link.turn()
    assert link.overruns > 0
    assert len(link._pending) <= 10_000 + link._owed_bytes
    link._unplug()
