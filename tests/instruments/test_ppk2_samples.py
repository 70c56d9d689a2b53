"""The PPK2's samples: published constants and known answers, and streams that lose bytes."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from powerlab.errors import InstrumentProtocolError
from powerlab.instruments.ppk2_filter import SpikeFilter
from powerlab.instruments.ppk2_metadata import current_table, has_end, parse_metadata
from powerlab.instruments.ppk2_samples import (
    Conversion,
    SampleReader,
    Samples,
    counters,
    currents,
    logic,
    ranges,
)
from powerlab.records import SampleFlag

KEYS = ("R", "GS", "GI", "O", "S", "I", "UG")
PLAIN = {"R": "10.15", "GS": "0.0000", "GI": "1.0000", "O": "0", "S": "0", "I": "0", "UG": "1.00"}


def text(**changes: str) -> bytes:
    """Get a calibration text of plain constants, some of them changed; None leaves one out."""
    told = {f"{key}{number}": PLAIN[key] for key in KEYS for number in range(5)}
    told |= {"VDD": "3300", "Calibrated": "0"} | changes
    lines = [f"{key}: {value}" for key, value in told.items() if value is not None]
    return "\n".join([*lines, "END", ""]).encode()


def stream(count: int, first: int = 0, code: int = 500) -> np.ndarray:
    """Get samples that count by one, their codes in a ramp that names each."""
    index = np.arange(first, first + count, dtype=np.uint32)
    return (code + index % 97) | (1 << 14) | (index % 64 << 18) | (index % 3 << 24)


def sent(words: np.ndarray) -> bytes:
    """Get samples as they go over the wire."""
    return words.astype("<u4").tobytes()


@pytest.fixture
def known(shared):
    """Get the published constants and the computed stream."""
    return (
        json.loads(shared("vectors/ppk2/metadata_and_formula.json").read_text()),
        json.loads(shared("vectors/ppk2/stream_computed.json").read_text()),
    )


def test_the_published_known_answer(known) -> None:
    """One conversion of the vendor's application, within what it states."""
    vector, _ = known
    answer = vector["known_answer"]
    table = current_table(parse_metadata(vector["metadata_text"].encode()), answer["vdd_mV"] / 1000)
    got = table[answer["range"] << 14 | answer["adc_times_4"] // 4] * 1e6
    assert got == pytest.approx(answer["expected_uA"], abs=answer["tolerance_uA"])


@pytest.mark.parametrize("piece", [1, 3, 4, 7, 168])
def test_the_computed_stream(known, piece: int) -> None:
    """Counter, range, logic, both currents of every sample, however the bytes are cut."""
    meta, vector = known
    received = bytes.fromhex(vector["stream_hex"])
    received += sent(stream(4, first=38))  # what makes the last samples sure
    reader = SampleReader()
    parts = [reader.feed(received[at : at + piece]) for at in range(0, len(received), piece)]
    words = np.concatenate([part.words for part in parts])[: len(vector["expected"])]
    table = current_table(parse_metadata(meta["metadata_text"].encode()), 3.0)
    current, flags = currents(
        Samples(words, np.zeros(len(words), dtype=bool)), Conversion.of(table, 1.1)
    )
    wanted = vector["expected"]
    assert counters(words).tolist() == [item["counter"] for item in wanted]
    assert ranges(words).tolist() == [item["range"] for item in wanted]
    assert logic(words, 0).tolist() == [item["logic"] & 1 for item in wanted]
    np.testing.assert_allclose(current * 1e6, [item["unfiltered_uA"] for item in wanted], 1e-12)
    shown = SpikeFilter().apply(current, ranges(words))
    np.testing.assert_allclose(shown * 1e6, [item["current_uA"] for item in wanted], 1e-12)
    assert not flags.any()


def plain_filter(current: list[float], number: list[int]) -> list[float]:
    """Do the vendor's filter sample by sample, as its application does."""
    first = second = previous = None
    left, consecutive, shown = 0, 0, []
    for value, where in zip(current, number, strict=True):
        before = first, second
        first = value if first is None else 0.18 * value + 0.82 * first
        second = value if second is None else 0.06 * value + 0.94 * second
        previous = where if previous is None else previous
        out = value
        if previous != where or left > 0:
            consecutive, left = (0, 3) if previous != where else (consecutive + 1, left)
            if where == 4 and consecutive < 2:
                first, second = before
            out = second if where == 4 else first
            left -= 1
        previous = where
        shown.append(out)
    return shown


@settings(max_examples=60, deadline=None)
@given(
    parts=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 6)), min_size=1, max_size=12),
    cut=st.integers(1, 20),
)
def test_the_filter_is_the_one_by_one_filter(parts: list[tuple[int, int]], cut: int) -> None:
    """Any sequence of ranges, in pieces of any length, gives what one by one gives."""
    number = [where for where, length in parts for _ in range(length)]
    current = [((7 * at) % 13 + 1) * 10.0**where for at, where in enumerate(number)]
    filtering = SpikeFilter()
    got = [
        filtering.apply(np.array(current[at : at + cut]), np.array(number[at : at + cut]))
        for at in range(0, len(current), cut)
    ]
    np.testing.assert_allclose(np.concatenate(got), plain_filter(current, number), rtol=1e-9)


def test_a_constant_of_zero_is_a_value() -> None:
    """A slope of zero stays zero: the current is then that of the straight line."""
    table = current_table(parse_metadata(text(GS2="0.0000", GI2="1.0")), 3.3)
    assert table[2 << 14 | 1000] == pytest.approx(4000 * 1.8 / 163_840 / 10.15)
    flat = current_table(parse_metadata(text(GI2="0")), 3.3)
    assert flat[2 << 14 | 1000] == 0


def test_the_volts_are_part_of_the_conversion() -> None:
    """The leak of a range follows the supply."""
    metadata = parse_metadata(text(S4="0.003", I4="-0.01"))
    rise = current_table(metadata, 5.0) - current_table(metadata, 3.0)
    assert rise[4 << 14 | 77] == pytest.approx(0.006)
    assert metadata.vdd_mv == 3300


@pytest.mark.parametrize(
    "change", [{"R1": "-nan"}, {"R1": "0.0000"}, {"O1": "-2814926129201152.0000"}, {"S1": "nan"}]
)
def test_impossible_constants_make_a_range_unavailable(change: dict[str, str]) -> None:
    """Constants as damaged devices tell them: that range converts to nothing, the others work."""
    metadata = parse_metadata(text(**change))
    assert [item.usable for item in metadata.ranges] == [True, False, True, True, True]
    words = np.array([1 << 14 | 50, 2 << 14 | 50], dtype=np.uint32)
    value, flags = currents(
        Samples(words, np.zeros(2, bool)), Conversion.of(current_table(metadata, 3.3), 1.1)
    )
    assert math.isnan(value[0])
    assert math.isfinite(value[1])
    assert flags.tolist() == [SampleFlag.NOT_AVAILABLE, SampleFlag.GOOD]


def test_the_order_and_ends_of_lines_do_not_matter() -> None:
    """Any order, CR LF, noise before it; not a part of it."""
    lines = text().decode().splitlines()[:-1]
    turned = "\r\n".join([*reversed(lines), "END", ""]).encode()
    assert parse_metadata(turned).ranges == parse_metadata(text()).ranges
    assert not has_end(b"R0: 1\nENDING")
    for end in range(len(text()) - 4):
        with pytest.raises(InstrumentProtocolError):
            parse_metadata(text()[:end])
    with pytest.raises(InstrumentProtocolError, match="lacks GI3"):
        parse_metadata(text(GI3=None))
    assert parse_metadata(text(UG0=None)).ranges[0].ug == 1


def test_saturation_and_ranges_that_do_not_exist() -> None:
    """A converter at its end is flagged, a range of 5 is a corrupt sample."""
    words = np.array([4 << 14 | 0x3FFF, 5 << 14 | 1, 4 << 14 | 0x3FFE], dtype=np.uint32)
    value, flags = currents(
        Samples(words, np.zeros(3, bool)),
        Conversion.of(current_table(parse_metadata(text(R4="0.043")), 3.3), 1.1),
    )
    assert flags.tolist() == [SampleFlag.SATURATED, SampleFlag.LOST, SampleFlag.OVERRANGE]
    assert math.isnan(value[1])


def read(received: bytes, cut: int) -> Samples:
    """Read a stream in pieces."""
    reader = SampleReader()
    parts = [reader.feed(received[at : at + cut]) for at in range(0, len(received), cut)]
    return Samples(
        np.concatenate([part.words for part in parts]),
        np.concatenate([part.lost for part in parts]),
    )


def honest(got: Samples, words: np.ndarray, skipped: int = 0) -> None:
    """Check that each row is lost or the sample of its own number, and that all are there."""
    wanted = words[skipped : skipped + len(got.words)]
    good = ~got.lost
    assert np.array_equal(got.words[good], wanted[good])
    assert len(got.words) >= len(words) - skipped - 4


@settings(max_examples=60, deadline=None)
@given(
    place=st.integers(40, 700),
    gone=st.integers(1, 12),
    added=st.binary(max_size=9),
    cut=st.integers(100, 900),
)
def test_bytes_lost_or_added_cost_a_few_samples(
    place: int, gone: int, added: bytes, cut: int
) -> None:
    """A hole or noise at any byte: the rows around it are lost and in their number, or right.

    Bytes that replace as many others leave every sample in its place, and none has a checksum:
    a wrong code is then a wrong code.
    """
    assume((gone - len(added)) % 4)
    words = stream(220)
    received = sent(words)
    got = read(received[:place] + added + received[place + gone :], cut)
    honest(got, words)
    assert got.lost.sum() <= 9 + (gone + len(added)) // 4


@pytest.mark.parametrize("missing", [1, 2, 5, 62, 63, 65, 100])
def test_lost_samples_become_rows(missing: int) -> None:
    """A loss is as many rows as the counter tells: all of it, less whole turns."""
    words = stream(400)
    got = read(sent(np.delete(words, np.s_[100 : 100 + missing])), 160)
    assert got.lost.sum() == missing % 64
    assert np.flatnonzero(got.lost)[0] == 100
    assert np.array_equal(got.words[:100], words[:100])


@pytest.mark.parametrize("place", range(400, 408))
@pytest.mark.parametrize("bit", [18, 20, 23])
def test_a_corrupt_counter_loses_that_sample(place: int, bit: int) -> None:
    """A sample whose counter is wrong is lost, the ones around it are not."""
    words = stream(500)
    hurt = words.copy()
    hurt[place] ^= np.uint32(1 << bit)
    got = read(sent(hurt), 333)
    honest(got, words)
    assert np.flatnonzero(got.lost).tolist() == [place]


def test_stale_bytes_and_noise_before_the_first_sample() -> None:
    """The stream begins where it counts; what was there before is no sample."""
    words = stream(100)
    got = read(b"\x07\xff\x13" + sent(words), 50)
    assert not got.lost.any()
    assert got.words[0] == words[2]  # two samples for certainty
    assert read(sent(words), 50).words[0] == words[0]


def test_noise_is_no_sample_and_takes_no_memory() -> None:
    """A device that never counts gives no samples, however long it talks."""
    reader = SampleReader()
    noise = np.random.default_rng(1).bytes(4096)
    assert sum(len(reader.feed(noise).words) for _ in range(100)) == 0
    assert len(reader._rest) < 1 << 17
