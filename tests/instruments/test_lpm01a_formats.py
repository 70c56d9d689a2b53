"""The LPM01A's two formats: published tokens and traces, marks, streams that lose bytes."""

from __future__ import annotations

import json
import struct
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.emulation.st_lpm01a import _token
from powerlab.errors import InstrumentError, InstrumentProtocolError
from powerlab.instruments.lpm01a_ascii import AsciiReader, token_value
from powerlab.instruments.lpm01a_binary import BinaryReader
from powerlab.instruments.lpm01a_marks import MarkKind, Piece
from powerlab.instruments.lpm01a_rows import Lpm01aRows
from powerlab.records import SampleFlag

PAD = b"\x52\xa0" * 40  # what a reader needs to tell that no answer precedes the stream
STAMP = b"\xf0\xf3\x00\x00\x00\x0a\x00\xff\xff"
SAMPLE = b"\x51\xb5"  # 6.67 mA


def binary(data: bytes) -> Piece:
    """Read a whole binary stream behind some samples, and a time stamp that confirms it."""
    return BinaryReader().feed(PAD + data + STAMP)


def test_published_tokens(shared) -> None:
    """The vendor's examples, in both formats, are exact."""
    vector = json.loads(shared("vectors/lpm01a/token_examples.json").read_text())
    for item in vector["ascii_dec"]:
        assert token_value(item["token"].encode()) == item["value"]
    for item in vector["bin_hexa"]:
        assert binary(bytes.fromhex(item["hex"])).values[-1] == item["value"]
    kinds = [
        mark.kind
        for line in vector["lines"]
        for mark in AsciiReader().feed(line.encode() + b"\r\n").marks
    ]
    assert kinds == [MarkKind.INFO, MarkKind.TIME, MarkKind.EVENT, MarkKind.END]


@pytest.mark.parametrize("piece", [1 << 20, 4093, 11])
def test_a_captured_trace(shared, piece: int) -> None:
    """21,190 values and three events; the window between the last two is the published energy."""
    vector = json.loads(shared("vectors/lpm01a/ascii_v1.3_l4r5_ad_trial0.json").read_text())
    data = shared("vectors/lpm01a/" + vector["stream_file"]).read_bytes()
    reader, values, events = AsciiReader(), [], []
    for at in range(0, len(data), piece):
        part = reader.feed(data[at : at + piece])
        events += [[f"{mark.value:02d}", len(values) + mark.at] for mark in part.marks]
        values += part.values.tolist()
    assert len(values) == vector["samples"]
    assert events == vector["events"]
    window = vector["window"]
    total = sum(values[window["first"] : window["last_exclusive"]]) * 1e6
    assert total == pytest.approx(window["published_total_energy_uJ"], abs=0.005)


@settings(max_examples=60, deadline=None)
@given(digits=st.integers(0, 9999), exponent=st.integers(-12, 2))
def test_every_token_is_the_nearest_number(digits: int, exponent: int) -> None:
    """Decimal says what a token means; the reader is no further from it than a double is."""
    token = f"{digits:04d}{exponent:+03d}"
    assert token_value(token.encode()) == float(Decimal(digits).scaleb(exponent))


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 88), gone=st.integers(1, 8))
def test_text_that_lost_bytes_is_never_a_value(place: int, gone: int) -> None:
    """A hole in ten tokens: the ones that are left whole are right, the rest is said to be lost."""
    tokens = [f"{1000 + 111 * n}-07" for n in range(10)]
    data = "\r\n".join([*tokens, ""]).encode()
    piece = AsciiReader().feed(data[:place] + data[place + gone :])
    allowed = {token_value(token.encode()) for token in tokens}
    joined = {value for value in piece.values.tolist() if value not in allowed}
    # Seven bytes joined of two tokens have a token's shape: no checksum tells.
    assert len(joined) <= 1
    missing = 10 - len(piece.values)
    said = sum(mark.value for mark in piece.marks if mark.kind is MarkKind.LOST)
    assert abs(missing - said) <= 1


def test_text_marks() -> None:
    """Time stamps in their forms, prompts, errors and troubles between samples."""
    piece = AsciiReader().feed(
        b"PowerShield > \r\n1000-07\r\nTimeStamp: 012s 345ms, buff 07%\r\n"
        b"1001-07\r\nOvercurrent detected\r\nerror\r\nError detail: x\r\n1002-07\r\n"
        b"Acquisition completed\r\n"
    )
    assert piece.values.tolist() == [1000e-7, 1001e-7, 1002e-7]
    kinds = [(mark.kind, mark.at) for mark in piece.marks]
    assert kinds == [
        (MarkKind.INFO, 0),
        (MarkKind.TIME, 1),
        (MarkKind.OVERCURRENT, 2),
        (MarkKind.ERROR, 2),
        (MarkKind.ERROR, 2),
        (MarkKind.END, 3),
    ]
    assert (piece.marks[1].time_s, piece.marks[1].buffer_percent) == (12.345, 7)
    assert AsciiReader().feed(b"x" * 1000).marks[0].kind is MarkKind.INFO


MARKS = {
    b"\xf0\xf1no power\xff\xff": (MarkKind.ERROR, "no power"),
    b"\xf0\xf2hello\r\n\xff\xff": (MarkKind.INFO, "hello"),
    b"\xf0\xf3\x00\x01\x02\x03\x09\xff\xff": (MarkKind.TIME, 66.051),
    b"\xf0\xf4\xff\xff": (MarkKind.END, ""),
    b"\xf0\xf5\xff\xff": (MarkKind.OVERCURRENT, ""),
    b"\xf0\xf6\xff\xff": (MarkKind.POWER_DOWN, ""),
    b"\xf0\xf7\x0b\xb8\xff\xff": (MarkKind.VOLTAGE, 3000),
}


@pytest.mark.parametrize(("raw", "wanted"), MARKS.items(), ids=lambda item: str(item)[:12])
def test_binary_marks(raw: bytes, wanted: tuple[MarkKind, object]) -> None:
    """Each kind of mark between two samples, cut at every byte of it."""
    data = b"\x52\xa0" + raw + b"\x41\x23\x41\x24" + STAMP
    for cut in range(len(data)):
        reader = BinaryReader()
        parts = [reader.feed(PAD + data[:cut]), reader.feed(data[cut:])]
        values = np.concatenate([part.values for part in parts])[len(PAD) // 2 :]
        assert values.tolist() == [0x2A0 / 16**5, 0x123 / 16**4, 0x124 / 16**4]
        mark, stamp = [mark for part in parts for mark in part.marks]
        assert stamp.kind is MarkKind.TIME
        assert mark.kind is wanted[0]
        assert wanted[1] in (mark.text, mark.time_s, mark.value)


def test_the_answer_before_a_binary_stream() -> None:
    """The acknowledgement of the start is text and no sample."""
    reader = BinaryReader()
    assert len(reader.feed(b"PowerShield > ack st").values) == 0
    assert reader.feed(b"art\r\n" + PAD + STAMP).values.tolist() == [0x2A0 / 16**5] * 40


@pytest.mark.parametrize(
    "bad",
    [
        b"\xf0\xf9\x00\x00",
        b"\xf0\xf3\x00\x01\x02\x03\x09\xff\xfe",
        b"\x0f\xff",
        b"\xf0\xf1" + b"x" * 500,
        b"\xf1\x00",
        b"\xff\xff",
        b"\x15\x00",
        b"\xb5\x51",
    ],
)
def test_a_slipped_stream_ends(bad: bytes) -> None:
    """Marks that are none, and samples that no board can be, end the reading."""
    with pytest.raises(InstrumentProtocolError, match="cannot be followed"):
        binary(bad)


def read_on(reader: BinaryReader, stream: bytes, came: list[float]) -> None:
    """Read a stream in pieces; what it brings before it ends is in ``came``."""
    for at in range(0, len(stream), 50):
        came += reader.feed(stream[at : at + 50]).values.tolist()


@pytest.mark.parametrize("value", [SAMPLE, b"\x52\xa0", b"\x40\x01", b"\x00\x00", b"\x44\x44"])
@pytest.mark.parametrize("more", [b"7", b"\xf0", b"\x00", b""])
def test_a_slipped_byte_makes_no_sample(value: bytes, more: bytes) -> None:
    """One too many or too few at any place: what comes before the error is of before it."""
    stream = value * 60 + STAMP + value * 60 + STAMP
    for place in range(len(stream)):
        hurt = stream[:place] + more + stream[place + (not more) :] + value * 60 + STAMP
        came: list[float] = []
        with pytest.raises(InstrumentProtocolError, match="cannot be followed"):
            read_on(BinaryReader(), hurt, came)
        assert set(came) <= {binary(value).values[-1]}
        assert len(came) <= 60 * (place // (120 + len(STAMP)) + (place % 129 > 120))


def test_a_slip_shows_without_a_mark() -> None:
    """By samples that no board has, and by marks that stay away; energies may be tiny."""
    for data in (SAMPLE * 5 + b"7" + SAMPLE * 200, SAMPLE * 40_000):
        with pytest.raises(InstrumentProtocolError, match="cannot be followed"):
            BinaryReader().feed(b"ack start\r\n" + data)
    assert len(BinaryReader(0.0).feed(PAD + b"\xb5\x51" + STAMP).values) == 41
    assert not len(BinaryReader().feed(PAD + SAMPLE * 200).values)


def rows(data: bytes) -> Lpm01aRows:
    """Get a decoder that has read some text at 1 kHz."""
    decoder = Lpm01aRows(AsciiReader(), 1_000_000, 1000.0)
    decoder.last = decoder.feed(data)
    return decoder


def stamped(count: int, time_ms: int) -> bytes:
    """Get samples and a time stamp behind them."""
    return b"1000-07\r\n" * count + f"TimeStamp: 000s {time_ms:03d}ms, buff 00%\r\n".encode()


def test_what_is_lost_shows_at_the_next_time_stamp() -> None:
    """The stamp runs ahead of the count by 20 samples: as many rows say so, and time goes on."""
    got = rows(stamped(100, 103) + stamped(100, 203) + stamped(80, 303) + b"2000-07\r\n").last
    assert len(got.flags) == 301
    assert np.flatnonzero(got.flags).tolist() == list(range(280, 300))
    assert got.values[-1, 0] == pytest.approx(0.2)
    assert np.all(np.diff(got.device_ns) == 1_000_000)
    assert np.isnan(got.values[280:300]).all()


def test_troubles_of_the_meter() -> None:
    """A full memory and an end by itself stop the reading, what follows overcurrent is flagged."""
    got = rows(b"1000-07\r\nOvercurrent\r\n1000-07\r\n1000-07\r\n10 0-07\r\n12340-07\r\n").last
    over, lost = SampleFlag.OVERRANGE, SampleFlag.LOST
    assert got.flags.tolist() == [0, over, over, lost]
    for text, why in (
        (b"TimeStamp: 1s 0ms, buff 100%\r\n", "memory is full"),
        (b"Acquisition completed\r\n", "by itself"),
        (b"Error detail: buffer overflow\r\n", "buffer overflow"),
    ):
        with pytest.raises(InstrumentError, match=why) as caught:
            rows(text)
        assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("behind", "flagged"), [(stamped(30, 30), 30), (b"1000-07\r\n" * 1500, 1000)]
)
def test_overcurrent_lasts_until_a_time_stamp_or_a_second(behind: bytes, flagged: int) -> None:
    """It is told once: nothing says of the samples behind it that they are good again."""
    got = rows(stamped(5, 5) + b"Overcurrent\r\n" + behind + stamped(20, 50)).last
    over = np.flatnonzero(got.flags == SampleFlag.OVERRANGE).tolist()
    assert over == list(range(5, 5 + flagged))


def test_energy_of_the_published_runs(shared) -> None:
    """Traces of the EEMBC runner through tokens and rows: the published energy of each window."""
    vector = json.loads(shared("vectors/lpm01a/mlperf_tiny_v1.2_st_u575_kws.json").read_text())
    raw = shared("vectors/lpm01a/" + vector["bin_file"]).read_bytes()
    told_uj = np.frombuffer(raw, "<f4", offset=5).astype(float)
    tokens = b"".join(_token(value * 1e-6) for value in told_uj)
    assert struct.unpack_from("<f", raw, 1)[0] == vector["sample_rate_hz"]
    got = rows(tokens).last
    times = np.cumsum(np.concatenate(([0.0], np.full(len(told_uj) - 1, 0.001))))
    for window in vector["windows"]:
        inside = (window["t0_s"] <= times) & (times < window["t1_s"])
        energy_uj = got.values[inside, 0].sum() * 1e-3 * 1e6
        assert energy_uj == pytest.approx(window["published_energy_uJ"], abs=0.003)
