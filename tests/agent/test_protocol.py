"""The frames survive any cut of the stream and anything around them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.agent import protocol
from powerlab.agent.protocol import HEADER, MAGIC, MAX_BLOB, Unpacker, digest_of, pack

MESSAGES = st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=8), max_size=4)
FRAMES = st.lists(st.tuples(MESSAGES, st.binary(max_size=40)), max_size=4)
NOISE = st.binary(max_size=20).filter(lambda data: MAGIC[:1] not in data)


@given(frames=FRAMES, noise=st.lists(NOISE, min_size=5, max_size=5), cut=st.integers(1, 30))
def test_stream_in_pieces(
    frames: list[tuple[dict[str, object], bytes]], noise: list[bytes], cut: int
) -> None:
    """Frames between noise come out whole, in order, however the stream is cut."""
    stream = b"".join(
        before + pack(message, blob) for before, (message, blob) in zip(noise, frames, strict=False)
    )
    unpacker = Unpacker()
    got = []
    for start in range(0, len(stream), cut):
        got += unpacker.feed(stream[start : start + cut])
    assert got == frames
    assert unpacker.noise == b"".join(noise[: len(frames)])


@pytest.mark.parametrize(
    "damaged",
    [
        HEADER.pack(MAGIC, 2, MAX_BLOB + 1) + b"{}",
        HEADER.pack(MAGIC, 3, 0) + b"[1]",
        HEADER.pack(MAGIC, 4, 0) + b"\xff\xfe{}",
        MAGIC[:3],
        MAGIC * 3,
    ],
)
def test_resynchronises(damaged: bytes) -> None:
    """After a frame that is none, the next good one is found."""
    assert Unpacker().feed(damaged + b"." * 20 + pack({"id": 1}))[-1:] == [({"id": 1}, b"")]


def test_noise_is_bounded() -> None:
    """Of endless noise only the end is kept."""
    unpacker = Unpacker()
    unpacker.feed(b"a" * 100_000)
    unpacker.feed(b"the end")
    assert len(unpacker.noise) == protocol.NOISE_KEPT
    assert unpacker.noise.endswith(b"the end")


def test_blob_arrives_in_linear_time() -> None:
    """A frame of many pieces is not searched anew with every piece."""
    frame = pack({"do": "put"}, bytes(8_000_000))
    unpacker = Unpacker()
    got = [unpacker.feed(frame[at : at + 4096]) for at in range(0, len(frame), 4096)]
    assert [len(one) for one in got] == [0] * (len(got) - 1) + [1]


def test_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame that the other side would not accept is not made."""
    monkeypatch.setattr(protocol, "MAX_BLOB", 10)
    with pytest.raises(ValueError, match="larger than allowed"):
        pack({}, bytes(11))


def test_digest_of_a_set(tmp_path: Path) -> None:
    """A set's digest depends on names and contents, not on their order or chunks."""
    path = tmp_path / "b"
    path.write_bytes(b"22")
    whole = digest_of([("a", [b"11"]), ("b", [b"22"])])
    assert whole == digest_of([("b", protocol.read_chunks(str(path), 1)), ("a", [b"1", b"1"])])
    assert whole != digest_of([("a", [b"22"]), ("b", [b"11"])])
    assert len(whole) == 64
