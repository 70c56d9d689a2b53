"""JLS: what Joulescope's library writes is read, what is written here holds by the layout."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.errors import ConfigError
from powerlab.evidence.audit import audit
from powerlab.evidence.crc32c import crc32c
from powerlab.evidence.jls_format import from_epoch_ns, to_epoch_ns
from powerlab.evidence.jls_read import Source, open_jls, pieces
from powerlab.evidence.jls_write import JlsSignal, write_jls
from tests.evidence.jls_made import LIBRARY, Chunk, slow_crc32c, walk

SOURCE = Source("m", "Maker", "M1", "1.0", "77")
EPOCH_NS = 1_760_000_000 * 10**9


def written(path: Path, samples: np.ndarray, rate_hz: int = 1000) -> Path:
    """Write ampere and watt of so many samples, with two UTC stamps and two markers."""
    count = len(samples)
    write_jls(
        path,
        SOURCE,
        rate_hz,
        [JlsSignal("current", "A", samples), JlsSignal("power", "W", samples * np.float32(2))],
        utc=[(0, EPOCH_NS), (count - 1, EPOCH_NS + (count - 1) * 10**9 // rate_hz)],
        markers=[(0, "1a"), (count - 1, "1b")],
    )
    return path


def test_the_crc_is_that_of_rfc_3720() -> None:
    """The published check value, and the vectors of appendix B.4."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(b"") == 0


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=700))
def test_the_crc_in_lanes_is_that_bit_by_bit(data: bytes) -> None:
    """However many lanes and bytes are left over."""
    assert crc32c(data) == slow_crc32c(data)


@settings(max_examples=60, deadline=None)
@given(st.integers(min_value=10**18, max_value=3 * 10**18))
def test_jls_time_holds_nanoseconds(epoch_ns: int) -> None:
    """Its unit of 2**-30 s is finer than one and comes back to it."""
    assert abs(to_epoch_ns(from_epoch_ns(epoch_ns)) - epoch_ns) <= 1


def test_a_file_of_joulescopes_library_is_read(tmp_path: Path) -> None:
    """Power is volts times amperes; the first sample ends a period after its UTC."""
    path = tmp_path / "made.jls"
    path.write_bytes(LIBRARY)
    done = audit(path).audits[0]
    power = done.evidence.traces[0].power
    k = np.arange(2000)
    assert np.array_equal(power.power_w, (k % 8) * 0.125 * (4 + k // 500))
    assert abs(int(power.start_ns[0]) - EPOCH_NS) <= 1000
    assert done.evidence.meter.model == "Jetperch JS220"
    assert done.evidence.meter.serial == "000415"
    assert done.reckoned.energy_j[0] == pytest.approx(float(power.power_w.sum()) / 1000)


def test_the_walker_finds_the_library_whole() -> None:
    """What judges our files accepts the library's."""
    assert len(walk(LIBRARY)) > 30


@pytest.mark.parametrize("count", [1, 15, 16, 1024, 5000, 30_000])
def test_written_files_hold_by_a_second_reading(tmp_path: Path, count: int) -> None:
    """Lengths, CRCs, lists, heads, indices and summaries are those of the public layout."""
    samples = np.random.default_rng(count).normal(1, 0.1, count).astype(np.float32)
    chunks = walk(written(tmp_path / "a.jls", samples).read_bytes())
    by_offset = {chunk.offset: chunk for chunk in chunks}
    check_lists(chunks, by_offset)
    for chunk in chunks:
        kind, track = chunk.tag & 7, chunk.tag >> 3 & 3
        if chunk.tag & 0x20 and kind == 1:
            for level, offset in enumerate(struct.unpack("<16Q", chunk.payload)):
                if offset:
                    first = by_offset[offset]
                    assert first.tag == 0x20 | track << 3 | (3 if level else 2)
                    assert first.meta >> 12 == level
        elif chunk.tag == 0x23:
            check_index(chunk, by_offset)
    check_summaries(chunks, samples)


def check_lists(chunks: list[Chunk], by_offset: dict[int, Chunk]) -> None:
    """Every chunk is between those that it says it is between."""
    for chunk in chunks:
        if chunk.after:
            assert by_offset[chunk.after].before == chunk.offset
        if chunk.before:
            assert by_offset[chunk.before].after == chunk.offset


def check_index(chunk: Chunk, by_offset: dict[int, Chunk]) -> None:
    """Assert that an index points at the samples, or at the indices, of the level below."""
    level = chunk.meta >> 12
    _, count, bits, _ = struct.unpack_from("<qIHH", chunk.payload)
    offsets = struct.unpack_from(f"<{count}Q", chunk.payload, 16)
    assert bits == 64
    assert {by_offset[offset].tag for offset in offsets} == {0x22 if level == 1 else 0x23}
    assert {by_offset[offset].meta >> 12 for offset in offsets} == {level - 1}


def check_summaries(chunks: list[Chunk], samples: np.ndarray) -> None:
    """Assert that the first level of the first signal has the statistics of 16 samples each."""
    found = [
        np.frombuffer(chunk.payload, "<f4", offset=16).reshape(-1, 4)
        for chunk in chunks
        if chunk.tag == 0x24 and chunk.meta == 0x1001
    ]
    whole = len(samples) // 16
    assert sum(map(len, found)) == whole
    if whole:
        groups = samples[: whole * 16].reshape(-1, 16).astype(np.float64)
        table = np.concatenate(found)
        assert np.allclose(table[:, 0], groups.mean(axis=1), rtol=1e-6)
        assert np.allclose(table[:, 1], groups.std(axis=1), rtol=1e-4, atol=1e-7)
        assert np.array_equal(table[:, 2], groups.min(axis=1))
        assert np.array_equal(table[:, 3], groups.max(axis=1))


def test_samples_come_back_as_they_were_written(tmp_path: Path) -> None:
    """Float32 values, the gap as NaN, both signals, the stamps."""
    samples = np.linspace(0, 1, 3000, dtype=np.float32)
    samples[100:200] = np.nan
    file = open_jls(written(tmp_path / "a.jls", samples))
    current, power = file.signals[1], file.signals[2]
    read = np.concatenate([values for _, values in pieces(file, current)])
    assert np.array_equal(read.astype(np.float32), samples, equal_nan=True)
    assert [to_epoch_ns(at) for _, at in power.utc] == [EPOCH_NS, EPOCH_NS + 2_999_000_000]
    assert file.sources[1] == SOURCE
    done = audit(tmp_path / "a.jls").audits[0]
    assert len(done.evidence.traces[0].unusable_ns) == 100


def test_a_rate_that_utc_contradicts_is_found(tmp_path: Path) -> None:
    """Samples of 100 s that the host saw within 101 s are not of the rate stated."""
    path = tmp_path / "a.jls"
    signal = JlsSignal("power", "W", np.ones(10_000, dtype=np.float32))
    write_jls(path, SOURCE, 100, [signal], utc=[(0, EPOCH_NS), (9999, EPOCH_NS + 101 * 10**9)])
    codes = {each.code for each in audit(path).audits[0].findings}
    assert "rate-against-utc" in codes


def test_instants_that_no_clock_shows_are_refused(tmp_path: Path) -> None:
    """A UTC beyond the nanoseconds that an int64 holds, under a CRC that fits."""
    path = tmp_path / "a.jls"
    signal = JlsSignal("power", "W", np.ones(100, dtype=np.float32))
    write_jls(path, SOURCE, 100, [signal], utc=[(0, 9 * 10**18)])
    with pytest.raises(ConfigError, match="no UTC that a clock shows"):
        audit(path)


def test_a_file_without_power_is_refused(tmp_path: Path) -> None:
    """Amperes alone are no power; the signals are named."""
    path = tmp_path / "a.jls"
    write_jls(path, SOURCE, 100, [JlsSignal("current", "A", np.ones(10, dtype=np.float32))])
    with pytest.raises(ConfigError, match=r"neither power nor volts and amperes: current \(A\)"):
        audit(path)


@pytest.mark.parametrize("at", [3, 20, 40, 900, 1800, 8400, 10_000])
def test_a_changed_byte_is_told_with_its_place(tmp_path: Path, at: int) -> None:
    """A byte of a header, a definition or the samples used that changed is found by its CRC."""
    content = bytearray(written(tmp_path / "a.jls", np.ones(1000, np.float32)).read_bytes())
    content[at] ^= 0x10
    path = tmp_path / "b.jls"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"b\.jls"):
        audit(path, "jls")


@pytest.mark.parametrize("part", [0, 10, 31, 40, 500, 3000, -8, -40])
def test_a_cut_file_says_so(tmp_path: Path, part: int) -> None:
    """However short it was cut."""
    content = written(tmp_path / "a.jls", np.ones(1000, np.float32)).read_bytes()
    path = tmp_path / "b.jls"
    path.write_bytes(content[:part] if part else b"")
    with pytest.raises(ConfigError, match=r"cut short|no JLS file"):
        audit(path, "jls")


def test_the_first_version_of_jls_is_named(tmp_path: Path) -> None:
    """Files of the older viewer are told apart from damaged ones."""
    path = tmp_path / "old.jls"
    path.write_bytes(bytes.fromhex("d37461676d740d0a200a2020321c0000") + bytes(64))
    with pytest.raises(ConfigError, match="JLS file of version 1"):
        audit(path)
