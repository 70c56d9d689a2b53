"""The NGU's fast log: chunks of pairs, the driver on its emulator, chunks that were skipped."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.emulation import rohde_schwarz_ngu as emulation
from powerlab.errors import ConfigError, InstrumentError, InstrumentProtocolError
from powerlab.instruments import rohde_schwarz_ngu
from powerlab.instruments.contract import MeterRequest
from powerlab.instruments.flog_records import (
    RATES,
    ChunkCount,
    decode_chunk,
    decode_rate,
    rate_word,
)
from powerlab.instruments.rohde_schwarz_ngu import SKIPPED, Ngu
from powerlab.records import SampleFlag
from powerlab.transport.visa import ReplyTimeout
from tests.instruments.fast_meters import joined, rig, virtual
from tests.instruments.scpi_wires import S, Stop, VirtualTime

REQUEST = MeterRequest(expected_peak_a=0.9)
STEP_NS = 100_000
CHUNK = 2500
POLLS_A_SECOND = 100


@given(st.lists(st.tuples(st.floats(-20, 20, width=32), st.floats(-8, 8, width=32)), max_size=20))
@settings(max_examples=40, deadline=None)
def test_pairs_are_volts_and_amperes(pairs: list[tuple[float, float]]) -> None:
    """V, I, V, I in singles, to the last bit."""
    flat = [number for pair in pairs for number in pair]
    told = decode_chunk("?", struct.pack(f"<{len(flat)}f", *flat))
    assert told.shape == (len(pairs), 2)
    assert [tuple(row) for row in told] == pairs


def test_the_other_byte_order_does_not_pass() -> None:
    """Volts and amperes of a board, written big-endian, are none."""
    with pytest.raises(InstrumentProtocolError, match="cannot be volts"):
        decode_chunk("?", struct.pack(">6f", 5.02, 0.41, 5.03, 0.42, 5.01, 0.4))


def test_half_a_pair_is_refused() -> None:
    """An odd number of singles would put amperes into the place of volts."""
    for count in (4, 12, 7):
        with pytest.raises(InstrumentProtocolError, match="do not divide"):
            decode_chunk("?", bytes(count))
    assert decode_chunk("?", struct.pack("<2f", 5.0, 9.9e37)).shape == (1, 2)


@pytest.mark.parametrize(
    ("told", "rate_hz"),
    [("S100", 100), ("S001k", 1000), ("S10k", 10_000), ("S500K", 500_000), ("S050k\n", 50_000)],
)
def test_rates_however_they_are_written(told: str, rate_hz: int) -> None:
    """With leading zeros or without, in either case."""
    assert decode_rate("?", told) == rate_hz
    assert RATES[rate_word(rate_hz)] == rate_hz


def test_rates_that_are_none() -> None:
    """To be set, or told."""
    assert rate_word(20_000) is None
    with pytest.raises(InstrumentProtocolError):
        decode_rate("?", "S20k")


QUARTER = S // 4


@given(
    st.lists(st.tuples(st.integers(0, 30), st.floats(0.01, 0.85)), min_size=1, max_size=5),
    st.floats(-2e-4, 2e-4),
)
@settings(max_examples=60, deadline=None)
def test_lost_chunks_are_counted(waits: list[tuple[int, float]], drift: float) -> None:
    """However late each chunk is fetched, and however the clocks drift meanwhile."""
    count, turn = ChunkCount(0.25), QUARTER * (1 + drift)
    assert count.lost(skipped=False, idle_ns=0, at_ns=S) == 0
    newest, idle_ns = 0, S
    for skipped, wait in waits:
        newest += skipped + 1
        ready_ns = round(S + newest * turn)
        # Seen at once where nothing was skipped: it was waited for, every ten milliseconds.
        late = wait if skipped else 0.02
        idle_ns = idle_ns if skipped else ready_ns - S // 100
        told = count.lost(skipped=skipped > 0, idle_ns=idle_ns, at_ns=ready_ns + round(late * turn))
        assert told == skipped


def test_a_loss_that_is_not_told_is_seen_and_one_that_cannot_be_is_not_believed() -> None:
    """Three chunks' time without one; a skip between two that follow each other."""
    count = ChunkCount(0.25)
    for at, skipped, lost in ((0, False, 0), (1, False, 0), (4, False, 2), (5, True, None)):
        told = count.lost(skipped=skipped, idle_ns=at * QUARTER - 1, at_ns=at * QUARTER)
        assert told == lost


@pytest.fixture
def time(monkeypatch) -> VirtualTime:
    """Get a virtual clock for driver and emulator."""
    return virtual(monkeypatch, rohde_schwarz_ngu, emulation)


@pytest.fixture
def build(tmp_path, time):
    """Get a maker of source measure units on emulators."""

    def make(*faults: str, **sampling: float):
        kinds = emulation.Ngu, Ngu
        made = rig(tmp_path, time, "rohde-schwarz-ngu201", kinds, faults, **sampling)
        return made.meter, made.link, made

    return make


def seconds(count: float) -> int:
    """Get how many polls there are in so many seconds."""
    return round(count * POLLS_A_SECOND)


def test_set_up_and_what_it_says(build) -> None:
    """The facts, the fixed range, and that the output is left alone."""
    meter, link, _ = build()
    link.sent.clear()
    setup = meter.configure(REQUEST)
    assert setup.channels == ("voltage", "current")
    assert [item.full_scale for item in setup.accuracy] == [20.0, 1.0]
    assert setup.interval_s == 1e-4
    assert "not stated" in str(setup.settings["byte_order"])
    assert link.sent[:5] == ["FLOG 0", "*CLS", "SENS:CURR:RANG 1", "FLOG:TARG SCPI", LAST_SET]
    assert not any(command.startswith(("OUTP", "VOLT", "CURR")) for command in link.sent)


LAST_SET = "FLOG:SRAT S010K"


def test_every_chunk_comes_once(build, time) -> None:
    """A quarter of a second each, numbered on."""
    meter, _, _ = build()
    meter.configure(REQUEST)
    blocks = list(meter.stream(Stop(seconds(2.2), time)))
    values, device_ns, flags = joined(blocks)
    assert {len(block.values) for block in blocks} == {CHUNK}
    assert len(blocks) == pytest.approx(8, abs=1)
    assert list(device_ns) == [STEP_NS * number for number in range(len(values))]
    assert not flags.any()
    assert values.mean(axis=0) == pytest.approx([12.0, 0.25], rel=0.2)
    assert all(block.received_ns - block.sent_ns < 3e7 for block in blocks)


def test_another_rate_has_other_chunks(build, time) -> None:
    """The chunk's time is the same."""
    meter, _, _ = build(interval_s=1e-3, aperture_s=1e-3)
    meter.configure(REQUEST)
    blocks = list(meter.stream(Stop(seconds(1.2), time)))
    assert {len(block.values) for block in blocks} == {250}


@pytest.mark.parametrize(("away_s", "chunks"), [(0.2, 0), (0.4, 0), (0.6, 1), (1.1, 3), (6.1, 23)])
def test_skipped_chunks_are_lost_rows(build, time, away_s: float, chunks: int) -> None:
    """As many as the time between the chunks on both sides holds."""
    meter, _, _ = build()
    meter.configure(REQUEST)
    blocks = []
    for block in meter.stream(Stop(seconds(3), time)):
        blocks.append(block)
        if len(blocks) == 3:
            time.sleep(away_s)
    values, device_ns, flags = joined(blocks)
    lost = flags == SampleFlag.LOST
    assert lost.sum() == chunks * CHUNK
    late_s = (blocks[-1].received_ns - blocks[0].received_ns) / S
    assert (device_ns[-1] - device_ns[CHUNK - 1]) / S == pytest.approx(late_s, abs=0.02)
    assert np.array_equal(np.isnan(values).all(axis=1), lost)
    assert set(np.diff(device_ns)) == {STEP_NS}
    assert not flags[-CHUNK:].any()


def test_a_skip_that_cannot_be_counted_ends_the_measurement(build, time) -> None:
    """The bit is set, and the chunks follow each other in time."""
    meter, link, _ = build()
    meter.configure(REQUEST)
    stream = meter.stream(Stop(seconds(3), time))
    next(stream)
    link.answer = lambda command, told: "2048" if command == SKIPPED else told
    with pytest.raises(InstrumentError, match="skipped samples"):
        list(stream)


def test_an_overload_and_a_log_that_stopped(build, time) -> None:
    """The first is flagged, the second told."""
    meter, link, made = build("overrange@0.6s")
    meter.configure(REQUEST)
    made.work()
    stream = meter.stream(Stop(seconds(20), time))
    blocks = [next(stream) for _ in range(10)]
    _, _, flags = joined(blocks)
    assert (flags == SampleFlag.OVERRANGE).sum() == pytest.approx(10_000, abs=2)
    link.instrument.handle("FLOG 0")
    with pytest.raises(InstrumentError, match="nothing for 5 s"):
        list(stream)


def test_a_rate_that_the_instrument_has_not_is_refused(build) -> None:
    """With those that it has."""
    meter, _, _ = build(interval_s=2e-4)
    with pytest.raises(ConfigError, match="no rate of 5000") as caught:
        meter.configure(REQUEST)
    assert "1e-4" in caught.value.hint


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("SENS:CURR:RANG?", "10"),
        ("FLOG:SRAT?", "S500k"),
        ("SYST:ERR?", '-113,"Undefined header"'),
    ],
)
def test_a_setting_that_is_not_as_it_was_set_is_told(build, question: str, told: str) -> None:
    """Each of those that decide a figure; the error queue as well."""
    meter, link, _ = build()
    link.answer = lambda command, reply: told if command == question else reply
    with pytest.raises(InstrumentError):
        meter.configure(REQUEST)


def test_a_chunk_that_is_late_for_good_ends_the_measurement(build, time) -> None:
    """It is gone, and asked for once."""
    meter, link, _ = build()
    meter.configure(REQUEST)

    def hurt(_command: str, _told: bytes) -> bytes:
        raise ReplyTimeout("late", hint="wait")

    link.hurt = hurt
    with pytest.raises(ReplyTimeout):
        list(meter.stream(Stop(seconds(2), time)))
    assert link.sent.count("FLOG:DATA?") == 1
    meter.close()
    assert link.closed
    assert link.sent[-1] == "FLOG 0"
