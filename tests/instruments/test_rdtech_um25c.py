"""A session with a UM meter: polls, flags, and a link's bad days."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.errors import ConfigError, InstrumentError, InstrumentProtocolError
from powerlab.instruments import polling
from powerlab.instruments.contract import MeterRequest
from powerlab.instruments.rdtech_um25c import Um25c, open_session
from powerlab.records import Averaging, SampleBlock, SampleFlag

# Built by the published layout: 5.062 V, 0.1146 A, and the same with one count more.
FRAME = bytes.fromhex(
    "09c913c6047a000002440019004e00000000000100000009"
    + "00" * 72
    + "0001000000070000000000000000000d00000000000000020004000001b90001fff1"
)
NEXT_FRAME = FRAME[:4] + b"\x04\x7b" + FRAME[6:]


def test_set_up_is_the_profile(scripted_bytes, profile) -> None:
    """Two channels in the profile's order, each with its limit; burden from the current range."""
    meter = Um25c(scripted_bytes([FRAME]), profile("rdtech-um25c"))
    assert (meter.identity.model, meter.identity.serial) == ("UM25C", "")
    setup = meter.configure(MeterRequest(expected_peak_a=2.0))
    assert setup.channels == ("voltage", "current")
    assert [item.quantity for item in setup.accuracy] == ["voltage", "current"]
    assert all(item.estimated for item in setup.accuracy)
    assert setup.averaging is Averaging.BOXCAR
    assert math.isclose(setup.burden_ohm + setup.burden_limit_ohm, 0.1)


def test_too_large_a_load_is_refused(scripted_bytes, profile) -> None:
    """A load beyond 5 A is told before anything is measured."""
    meter = Um25c(scripted_bytes([FRAME]), profile("rdtech-um25c"))
    with pytest.raises(InstrumentError, match="at most 5 A"):
        meter.configure(MeterRequest(expected_peak_a=6.0))


def test_it_streams_what_it_has(scripted_bytes, profile) -> None:
    """Asked for volts alone, it still tells both; asked for what it has not, it says so."""
    meter = Um25c(scripted_bytes([FRAME]), profile("rdtech-um25c"))
    request = MeterRequest(expected_peak_a=0.0, channels=("voltage",), expected_peak_v=20.0)
    assert meter.configure(request).channels == ("voltage", "current")
    with pytest.raises(ConfigError, match="does not stream power"):
        meter.configure(MeterRequest(expected_peak_a=1.0, channels=("power",)))
    with pytest.raises(InstrumentError, match="30 V is beyond every voltage range"):
        meter.configure(MeterRequest(expected_peak_a=1.0, expected_peak_v=30.0))


def test_another_model_is_refused(scripted_bytes, profile) -> None:
    """A UM24C behind a UM25C's profile has another scale and is named."""
    with pytest.raises(InstrumentError, match="is a UM24C, not a UM25C"):
        Um25c(scripted_bytes([b"\x09\x63" + FRAME[2:]]), profile("rdtech-um25c"))


def test_noise_at_open_is_a_protocol_error(scripted_bytes, profile) -> None:
    """Something else on the port is shown byte by byte."""
    with pytest.raises(InstrumentProtocolError, match="no known form") as caught:
        Um25c(scripted_bytes([b"\x09\xc9AT\r\n"] * 9), profile("rdtech-um25c"))
    assert caught.value.context["sent"] == "f0"


def test_silence_at_open_says_what_to_check(scripted_bytes, profile) -> None:
    """A port with nothing behind it is told after a few requests."""
    with pytest.raises(InstrumentError, match="no USB power meter answers"):
        Um25c(scripted_bytes([]), profile("rdtech-um25c"))


def test_stream_gives_one_row_per_poll(scripted_bytes, profile, stop_after) -> None:
    """Values, flags and counts of three polls, the second of them unchanged."""
    link = scripted_bytes([FRAME, FRAME, FRAME, NEXT_FRAME])
    meter = Um25c(link, profile("rdtech-um25c"))
    blocks = list(meter.stream(stop_after(4)))
    assert link.requests == [b"\xf0"] * 4
    assert [block.completed for block in blocks] == [1, 2, 3]
    values = np.concatenate([block.values for block in blocks])
    np.testing.assert_allclose(values, [[5.062, 0.1146], [5.062, 0.1146], [5.062, 0.1147]])
    flags = [SampleFlag(int(block.flags[0])) for block in blocks]
    assert flags == [SampleFlag.GOOD, SampleFlag.REPEATED, SampleFlag.GOOD]
    assert all(block.device_ns is None for block in blocks)
    assert all(block.sent_ns <= block.received_ns for block in blocks)


def test_polls_keep_their_schedule(scripted_bytes, profile, stop_after) -> None:
    """Each wait is what is left of half a second, the first is none at all."""
    stop = stop_after(4)
    list(Um25c(scripted_bytes([FRAME] * 4), profile("rdtech-um25c")).stream(stop))
    assert stop.waits[0] == 0.0
    # The scripted stop does not wait, so the schedule runs ahead of the clock.
    assert stop.waits[1] <= 0.5 < stop.waits[2] <= 1.0 < stop.waits[3] <= 1.5


class Line:
    """A serial line in virtual time that keeps its answers in order.

    Request k is answered after its delay [s] (None: never) by a frame whose current is k
    counts; answers behind a late one wait for it. Waiting is what moves the clock.
    """

    resource = "serial:/dev/line"

    def __init__(self, delays: list[float | None]) -> None:
        self.clock_ns = 1_000_000_000
        self.asked_ns: list[int] = []
        self._delays = delays
        self._due: list[tuple[int, bytes]] = []

    def now_ns(self) -> int:
        """Get the virtual instant."""
        return self.clock_ns

    def wait(self, timeout: float | None = None) -> bool:
        """Let the time between two polls pass: the stop event of these tests."""
        self.clock_ns += round((timeout or 0) * 1e9)
        return len(self.asked_ns) >= len(self._delays)

    def write(self, data: bytes) -> None:
        """Take a request."""
        index = len(self.asked_ns)
        self.asked_ns.append(self.clock_ns)
        delay = self._delays[index] if index < len(self._delays) else 0.05
        if delay is not None:
            earliest = self._due[-1][0] if self._due else 0
            frame = FRAME[:4] + index.to_bytes(2) + bytes(4) + FRAME[10:]
            self._due.append((max(earliest, self.clock_ns + round(delay * 1e9)), frame))

    def read(self, count: int, deadline_ns: int) -> bytes:
        """Wait for bytes until the deadline."""
        if not self._due or self._due[0][0] > max(deadline_ns, self.clock_ns):
            self.clock_ns = max(self.clock_ns, deadline_ns)
            return b""
        due_ns, frame = self._due.pop(0)
        self.clock_ns = max(self.clock_ns, due_ns)
        if frame[count:]:
            self._due.insert(0, (due_ns, frame[count:]))
        return frame[:count]

    def drain(self) -> bytes:
        """Drop what is there by now."""
        dropped = b"".join(frame for due_ns, frame in self._due if due_ns <= self.clock_ns)
        self._due = [item for item in self._due if item[0] > self.clock_ns]
        return dropped

    def close(self) -> None:
        """Nothing to let go."""


def polled(
    delays: list[float | None], profile, *, ends: bool = False
) -> tuple[Line, list[SampleBlock]]:
    """Run a session over a line whose first request, at open, is answered at once.

    With ``ends`` the session may end in an error; what came before it counts.
    """
    line = Line([0.05, *delays])
    blocks: list[SampleBlock] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(polling, "now_ns", line.now_ns)
        try:
            blocks.extend(Um25c(line, profile("rdtech-um25c")).stream(line))
        except InstrumentError:
            if not ends:
                raise
    return line, blocks


def fresh(line: Line, blocks: list[SampleBlock]) -> bool:
    """Tell whether every row that is not lost answers the request of its own poll."""
    for block in blocks:
        if not block.flags[0] & SampleFlag.LOST:
            asked_ns = line.asked_ns[round(block.values[0, 1] * 10_000)]
            if not block.sent_ns <= asked_ns <= block.received_ns:
                return False
    return True


@pytest.mark.parametrize("late_s", [1.05, 1.9, 2.99, 3.0, 3.05, 4.4, 6.0, 6.05, 9.5])
def test_a_late_reply_is_never_taken_for_a_new_one(late_s: float, profile) -> None:
    """However late one reply is, no reading of the past gets into the stream."""
    line, blocks = polled([0.05, late_s, *[0.05] * 12], profile)
    lost = [block for block in blocks if block.flags[0] & SampleFlag.LOST]
    assert fresh(line, blocks)
    assert lost
    assert all(np.isnan(block.values).all() for block in lost)
    assert not blocks[-1].flags[0] & SampleFlag.LOST


def test_lost_replies_cost_time_and_nothing_else(profile) -> None:
    """After two replies that never came the stream goes on with fresh readings."""
    line, blocks = polled([0.05, None, None, *[0.05] * 6], profile)
    assert fresh(line, blocks)
    assert [block.completed for block in blocks] == list(range(1, len(blocks) + 1))
    # The first answer after them is thrown away: it might have been one of the two.
    assert sum(not block.flags[0] & SampleFlag.LOST for block in blocks) == 6


@given(
    parts=st.lists(
        st.one_of(
            st.tuples(st.floats(0.01, 0.9)),
            st.tuples(st.none(), *[st.floats(0.01, 0.9)] * 2),
            st.tuples(st.floats(1.01, 9), *[st.floats(0.01, 0.9)] * 4),
        ),
        max_size=8,
    )
)
def test_any_mix_of_lost_and_late_replies(profile, parts: list[tuple[float | None, ...]]) -> None:
    """Late and lost replies in any order: what is not marked lost is fresh."""
    delays = [delay for part in parts for delay in part]
    line, blocks = polled(delays, profile, ends=True)
    assert fresh(line, blocks)


@given(lag_s=st.floats(1.01, 15))
def test_answers_that_are_all_late_are_never_believed(profile, lag_s: float) -> None:
    """On a line that is behind by the same time always, no answer passes for the next one's."""
    line, blocks = polled([0.05, *[lag_s] * 40], profile, ends=True)
    assert fresh(line, blocks)
    assert all(block.flags[0] & SampleFlag.LOST for block in blocks[1:])


@pytest.mark.parametrize(
    ("delay", "words"), [(None, "no USB power meter answers"), (1.4, "answers later than 1 s")]
)
def test_a_meter_that_never_answers_in_time_ends_the_stream(
    delay: float | None, words: str, profile
) -> None:
    """A dead meter and a slow link are told apart."""
    with pytest.raises(InstrumentError, match=words):
        polled([0.05, *[delay] * 50], profile)


def test_an_inconsistent_frame_is_questionable(scripted_bytes, profile, stop_after) -> None:
    """Volts that were hit on the way do not fit the meter's own power."""
    hit = FRAME[:2] + b"\x23\xc6" + FRAME[4:]
    meter = Um25c(scripted_bytes([FRAME, hit]), profile("rdtech-um25c"))
    (block,) = meter.stream(stop_after(2))
    assert block.flags[0] == SampleFlag.QUESTIONABLE


def test_overload_is_flagged(scripted_bytes, profile, stop_after) -> None:
    """6.5535 A is the end of the field and beyond the meter's range."""
    full = FRAME[:4] + b"\xff\xff" + (33174).to_bytes(4) + FRAME[10:]
    meter = Um25c(scripted_bytes([FRAME, full]), profile("rdtech-um25c"))
    (block,) = meter.stream(stop_after(2))
    assert block.flags[0] == SampleFlag.SATURATED | SampleFlag.OVERRANGE


def test_a_port_that_does_not_exist_stops_at_open(profile, tmp_path: Path) -> None:
    """The driver's entry point passes the transport's own message on."""
    bench = BenchMeter(model="rdtech-um25c", resource=f"serial:{tmp_path}/rfcomm9")
    with pytest.raises(InstrumentError, match="there is no serial port"):
        open_session(profile("rdtech-um25c"), bench)


def test_close_lets_the_port_go(scripted_bytes, profile) -> None:
    """Closing the meter closes its link."""
    link = scripted_bytes([FRAME])
    Um25c(link, profile("rdtech-um25c")).close()
    assert link.closed
