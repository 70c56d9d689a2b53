"""A session with a TC66 meter: identity, polls and flags, and a link's bad days."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.emulation.rdtech_tc66 import Frame
from powerlab.errors import ConfigError, InstrumentError, InstrumentProtocolError
from powerlab.instruments import polling
from powerlab.instruments.contract import MeterRequest
from powerlab.instruments.rdtech_tc66 import Tc66, open_session
from powerlab.records import Averaging, SampleBlock, SampleFlag

PROFILE = "rdtech-tc66c"


def built(**fields: int) -> bytes:
    """Build an answer by the published layout: 5.062 V and 0.1146 A where nothing else is said."""
    return Frame(**{"voltage": 50_620, "current": 11_460, "power": 5_801, **fields}).encode()


FRAME = built()


def test_identity_is_what_the_meter_tells(scripted_bytes, profile) -> None:
    """Serial number and firmware come from the frame; number 0 is none, and a label stands in."""
    known = Tc66(scripted_bytes([built(serial_number=48_724)]), profile(PROFILE), "label").identity
    assert (known.model, known.serial, known.firmware) == ("TC66", "48724", "1.18")
    assert not known.emulated
    assert Tc66(scripted_bytes([FRAME]), profile(PROFILE), "label").identity.serial == "label"


def test_set_up_is_the_profile(scripted_bytes, profile) -> None:
    """Two channels in the profile's order, each with its limit; burden from the current range."""
    setup = Tc66(scripted_bytes([FRAME]), profile(PROFILE)).configure(MeterRequest(2.0))
    assert setup.channels == ("voltage", "current")
    assert [item.quantity for item in setup.accuracy] == ["voltage", "current"]
    assert all(item.estimated for item in setup.accuracy)
    assert setup.averaging is Averaging.BOXCAR
    assert math.isclose(setup.burden_ohm + setup.burden_limit_ohm, 0.1)


def test_what_it_cannot_carry_or_tell_is_refused(scripted_bytes, profile) -> None:
    """More amperes, more volts or another channel than it has are told before anything runs."""
    meter = Tc66(scripted_bytes([FRAME]), profile(PROFILE))
    with pytest.raises(InstrumentError, match="at most 5 A"):
        meter.configure(MeterRequest(expected_peak_a=6.0))
    with pytest.raises(InstrumentError, match="30 V is beyond every voltage range"):
        meter.configure(MeterRequest(expected_peak_a=1.0, expected_peak_v=30.0))
    with pytest.raises(ConfigError, match="does not stream power"):
        meter.configure(MeterRequest(expected_peak_a=1.0, channels=("power",)))


def test_another_instrument_at_open_is_a_protocol_error(scripted_bytes, profile) -> None:
    """Something else on the port is shown byte by byte."""
    with pytest.raises(InstrumentProtocolError, match="no known form") as caught:
        Tc66(scripted_bytes([b"\x09\xc9AT\r\n"] * 9), profile(PROFILE))
    assert caught.value.context["sent"] == b"getva".hex(" ")


def test_silence_at_open_says_what_to_check(scripted_bytes, profile) -> None:
    """A port with nothing behind it is told after a few requests."""
    with pytest.raises(InstrumentError, match="no USB-C power meter answers"):
        Tc66(scripted_bytes([]), profile(PROFILE))


def test_stream_gives_one_row_per_poll(scripted_bytes, profile, stop_after) -> None:
    """Values, flags and counts of three polls, the second of them unchanged."""
    link = scripted_bytes([FRAME, FRAME, FRAME, built(current=11_461)])
    blocks = list(Tc66(link, profile(PROFILE)).stream(stop_after(4)))
    assert link.requests == [b"getva"] * 4
    assert [block.completed for block in blocks] == [1, 2, 3]
    values = np.concatenate([block.values for block in blocks])
    np.testing.assert_allclose(values, [[5.062, 0.1146], [5.062, 0.1146], [5.062, 0.11461]])
    flags = [SampleFlag(int(block.flags[0])) for block in blocks]
    assert flags == [SampleFlag.GOOD, SampleFlag.REPEATED, SampleFlag.GOOD]
    assert all(block.device_ns is None for block in blocks)
    assert all(block.sent_ns <= block.received_ns for block in blocks)


@pytest.mark.parametrize("fields", [{"current": 510_000}, {"voltage": 250_000}])
def test_overload_is_flagged(scripted_bytes, profile, stop_after, fields: dict[str, int]) -> None:
    """5.1 A and 25 V are beyond the meter's ranges."""
    meter = Tc66(scripted_bytes([FRAME, built(**fields)]), profile(PROFILE))
    (block,) = meter.stream(stop_after(2))
    assert block.flags[0] == SampleFlag.OVERRANGE


class Line:
    """A serial line in virtual time that keeps its bytes in order, and may lose or add some.

    Request k is answered after its delay [s] (None: never) by a frame whose current is k
    counts, through ``hurt[k]`` where that is there. Waiting is what moves the clock.
    """

    resource = "serial:/dev/line"

    def __init__(self, delays: list[float | None], hurt: dict[int, tuple[int, bytes]]) -> None:
        self.clock_ns = 1_000_000_000
        self.asked_ns: list[int] = []
        self._delays = delays
        self._hurt = hurt
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
        delay = self._delays[index] if index < len(self._delays) else 0.01
        if delay is not None:
            earliest = self._due[-1][0] if self._due else 0
            frame = built(current=index)
            if index in self._hurt:  # a byte is replaced by none, one, or two
                place, instead = self._hurt[index]
                frame = frame[:place] + instead + frame[place + 1 :]
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
    profile,
    delays: list[float | None],
    hurt: dict[int, tuple[int, bytes]] | None = None,
    *,
    ends: bool = False,
) -> tuple[Line, list[SampleBlock]]:
    """Run a session over a line whose first request, at open, is answered at once.

    With ``ends`` the session may end in an error; what came before it counts.
    """
    line = Line([0.01, *delays], hurt or {})
    blocks: list[SampleBlock] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(polling, "now_ns", line.now_ns)
        try:
            blocks.extend(Tc66(line, profile(PROFILE)).stream(line))
        except InstrumentError:
            if not ends:
                raise
    return line, blocks


def fresh(line: Line, blocks: list[SampleBlock]) -> bool:
    """Tell whether every row that is not lost answers the request of its own poll."""
    for block in blocks:
        if not block.flags[0] & SampleFlag.LOST:
            asked_ns = line.asked_ns[round(block.values[0, 1] * 100_000)]
            if not block.sent_ns <= asked_ns <= block.received_ns:
                return False
    return True


@pytest.mark.parametrize("late_s", [0.51, 0.6, 0.99, 1.29, 1.3, 1.31, 1.8, 2.2, 6.0, 6.9])
def test_a_late_reply_is_never_taken_for_a_new_one(late_s: float, profile) -> None:
    """However late one reply is, no reading of the past gets into the stream."""
    line, blocks = polled(profile, [0.01, late_s, *[0.01] * 12])
    lost = [block for block in blocks if block.flags[0] & SampleFlag.LOST]
    assert fresh(line, blocks)
    assert lost
    assert all(np.isnan(block.values).all() for block in lost)
    assert not blocks[-1].flags[0] & SampleFlag.LOST


SOON, LATE = st.floats(0.001, 0.45), st.floats(0.51, 9)


@given(
    parts=st.lists(
        st.one_of(
            st.tuples(SOON),
            st.tuples(st.none(), SOON, SOON),
            st.tuples(LATE, *[SOON] * 7),
            st.tuples(LATE, st.none(), *[SOON] * 7),
            st.tuples(LATE, *[SOON] * 4, st.none(), *[SOON] * 3),
        ),
        max_size=8,
    )
)
def test_any_mix_of_lost_and_late_replies(profile, parts: list[tuple[float | None, ...]]) -> None:
    """Late and lost replies in any order: what is not marked lost is fresh."""
    line, blocks = polled(profile, [delay for part in parts for delay in part], ends=True)
    assert fresh(line, blocks)


@given(lag_s=st.floats(0.51, 11))
def test_answers_that_are_all_late_are_never_believed(profile, lag_s: float) -> None:
    """On a line that is behind by the same time always, no answer passes for the next one's."""
    line, blocks = polled(profile, [0.01, *[lag_s] * 40], ends=True)
    assert fresh(line, blocks)
    assert all(block.flags[0] & SampleFlag.LOST for block in blocks[1:])


@given(place=st.integers(0, 191), instead=st.binary(max_size=2))
def test_a_hurt_reply_is_lost_or_right(profile, place: int, instead: bytes) -> None:
    """A byte lost, changed or added on the way: that poll is lost, or its answer still whole."""
    line, blocks = polled(profile, [0.01] * 6, {2: (place, instead)})
    assert fresh(line, blocks)
    good = [not block.flags[0] & SampleFlag.LOST for block in blocks]
    assert good[0]
    assert good[-3:] == [True] * 3


@pytest.mark.parametrize(
    ("delay", "words"), [(None, "no USB-C power meter answers"), (0.7, "answers later than 0.5 s")]
)
def test_a_meter_that_never_answers_in_time_ends_the_stream(
    delay: float | None, words: str, profile
) -> None:
    """A dead meter and a slow link are told apart."""
    line = Line([0.01, 0.01, *[delay] * 50], {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(polling, "now_ns", line.now_ns)
        stream = Tc66(line, profile(PROFILE)).stream(line)
        with pytest.raises(InstrumentError, match=words):
            list(stream)


def test_a_port_that_does_not_exist_stops_at_open(profile, tmp_path: Path) -> None:
    """The driver's entry point passes the transport's own message on."""
    bench = BenchMeter(model=PROFILE, resource=f"serial:{tmp_path}/ttyACM9")
    with pytest.raises(InstrumentError, match="there is no serial port"):
        open_session(profile(PROFILE), bench)


def test_close_lets_the_port_go(scripted_bytes, profile) -> None:
    """Closing the meter closes its link."""
    link = scripted_bytes([FRAME])
    Tc66(link, profile(PROFILE)).close()
    assert link.closed
