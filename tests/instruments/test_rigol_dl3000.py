"""The DL3000 against wire transcripts: order, content, and an input that is off after failures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.errors import InstrumentError, InstrumentProtocolError
from powerlab.instruments import scpi_source
from powerlab.instruments.scpi_source import ScpiLoad
from powerlab.transport.visa import ReplyTimeout

IDENTITY = "RIGOL TECHNOLOGIES,DL3021,DL3A204800938,00.01.05.00.01"
NO_ERROR = (":SYST:ERR?", '0,"No error"')
OFF = (":SOUR:INP:STAT 0", None)


def level(a: float, told: str = "") -> list[tuple[str, str | None]]:
    """Get the transcript of setting a level on the range that is there."""
    return [
        (f":SOUR:CURR:LEV:IMM {a:.6f}", None),
        NO_ERROR,
        (":SOUR:CURR:LEV:IMM?", told or f"{a:.6f}"),
    ]


def range_of(full_scale: int) -> list[tuple[str, str | None]]:
    """Get the transcript of changing the range."""
    return [
        (f":SOUR:CURR:RANG {full_scale}", None),
        NO_ERROR,
        (":SOUR:CURR:RANG?", f"{full_scale}.000000"),
    ]


def switch(*, on: bool) -> list[tuple[str, str | None]]:
    """Get the transcript of switching the input."""
    return [(f":SOUR:INP:STAT {int(on)}", None), NO_ERROR, (":SOUR:INP:STAT?", f"{int(on)}")]


def reading(volts: str, amperes: str) -> list[tuple[str, str | None]]:
    """Get the transcript of one look at the load's own readings."""
    return [(":MEAS:VOLT:DC?", volts), (":MEAS:CURR:DC?", amperes)]


OPENING: list[tuple[str, str | None]] = [
    OFF,
    ("*CLS", None),
    (":SOUR:FUNC CURR", None),
    (":SOUR:CURR:VON 0", None),
    NO_ERROR,
    (":SOUR:FUNC?", "CC"),
    (":SOUR:CURR:VON?", "0.000"),
    (":SOUR:INP:STAT?", "0"),
    *range_of(4),
    *level(0.0),
]


@pytest.fixture
def link(scripted_text) -> Iterator:
    """Get a link to a DL3021 that expects its opening, and what a test adds."""
    made = scripted_text(IDENTITY, OPENING)
    yield made
    made.finish()


@pytest.fixture
def load(link, profile) -> ScpiLoad:
    """Get a load on that link."""
    return ScpiLoad(link, profile("rigol-dl3021"))


def test_opening_leaves_the_input_off(load: ScpiLoad, link) -> None:
    """Constant current, no starting voltage, nothing drawn; the identity is the load's own."""
    link.finish()
    assert (load.identity.model, load.identity.serial) == ("DL3021", "DL3A204800938")
    assert not load.identity.emulated


@pytest.mark.parametrize("identity", [IDENTITY.replace("DL3021", "DL3021A"), IDENTITY])
def test_the_a_is_no_other_model(scripted_text, profile, identity: str) -> None:
    """A DL3021A is a DL3021 to the driver."""
    assert ScpiLoad(scripted_text(identity, OPENING), profile("rigol-dl3021")).identity.serial


def test_another_instrument_is_named(scripted_text, profile) -> None:
    """A supply, or a load of other ranges, is told by its own name and nothing is sent to it."""
    for other in ("DP832", "DL3031"):
        with pytest.raises(InstrumentError, match=f"{other}, not a DL3021"):
            ScpiLoad(scripted_text(IDENTITY.replace("DL3021", other)), profile("rigol-dl3021"))


def test_current_and_input(load: ScpiLoad, link) -> None:
    """Set, switch on, measure, switch off: each setting is read back."""
    link.expect(*level(0.5), *switch(on=True), *reading("11.92", "0.4995"), *switch(on=False))
    load.set_current(0.5)
    load.input(on=True)
    assert load.measure() == (11.92, 0.4995)
    load.input(on=False)


def test_a_larger_range_is_taken_with_the_input_off(load: ScpiLoad, link) -> None:
    """Up where the current needs it, with nothing drawn meanwhile, and never down."""
    link.expect(*switch(on=True), *switch(on=False), *range_of(40), *switch(on=True), *level(5.0))
    load.input(on=True)
    load.set_current(5.0)
    link.expect(*level(0.1))
    load.set_current(0.1)


def test_a_reading_may_follow_late(load: ScpiLoad, link) -> None:
    """A reading from before the change is looked at again."""
    link.expect(*level(1.0), *switch(on=True), *reading("12", "0"), *reading("11.8", "1.0002"))
    load.set_current(1.0)
    load.input(on=True)
    assert load.measure() == (11.8, 1.0002)


def test_a_load_that_saturates_says_so_and_is_off(load: ScpiLoad, link, monkeypatch) -> None:
    """Less current than was set, at collapsed volts: both are told, and nothing is drawn on."""
    monkeypatch.setattr(scpi_source, "FOLLOW_LIMIT_S", 0.0)
    link.expect(*level(3.8), *switch(on=True), *reading("0.21", "2.9989"), OFF)
    load.set_current(3.8)
    load.input(on=True)
    with pytest.raises(
        InstrumentError, match=r"set to 3\.8 A and draws 2\.999 A at 0\.21 V"
    ) as told:
        load.measure()
    assert "supply" in told.value.hint
    assert told.value.context["drawn_a"] == 2.9989


def test_a_refused_setting_is_told_in_the_loads_words(load: ScpiLoad, link) -> None:
    """The error queue is read empty, and the input is switched off."""
    link.expect(
        (":SOUR:CURR:LEV:IMM 1.000000", None),
        (":SYST:ERR?", '-222,"Data out of range"'),
        NO_ERROR,
        OFF,
    )
    with pytest.raises(InstrumentError, match="load refused a setting: -222 Data out of range"):
        load.set_current(1.0)


def test_a_setting_that_did_not_take_is_told(load: ScpiLoad, link) -> None:
    """A level other than the one set would be read as another point."""
    link.expect(*level(1.0, told="0.900000"), OFF)
    with pytest.raises(InstrumentError, match=r"load answers 0\.9 to :SOUR:CURR:LEV:IMM"):
        load.set_current(1.0)


def test_too_large_a_current_is_refused_before_anything_is_sent(load: ScpiLoad, link) -> None:
    """No range carries 50 A; a negative current is a mistake of the caller."""
    link.finish()
    with pytest.raises(InstrumentError, match="beyond every current range"):
        load.set_current(50.0)
    with pytest.raises(ValueError, match="negative"):
        load.set_current(-0.1)


def test_a_mute_load_is_switched_off(load: ScpiLoad, link) -> None:
    """A time-out in the middle of a point leaves no current flowing."""
    link.expect((":MEAS:VOLT:DC?", ReplyTimeout("late", hint="wait")), OFF)
    with pytest.raises(ReplyTimeout):
        load.measure()


def test_close_never_raises(load: ScpiLoad, link) -> None:
    """The input goes off and the link is let go, whatever the link does."""
    link.expect(OFF)
    load.close()
    assert link.closed

    def broken(_command: str) -> None:
        raise InstrumentError("gone", hint="none")

    link.write = broken
    load.close()


class Answering:
    """A link that answers every query alike and notes what it was told."""

    resource = "TCPIP0::script::5555::SOCKET"
    identity = IDENTITY

    def __init__(self, answers: dict[str, str], otherwise: str) -> None:
        self.sent: list[str] = []
        self._answers, self._otherwise = answers, otherwise

    def write(self, command: str) -> None:
        """Note a command."""
        self.sent.append(command)

    def query(self, command: str, limit_s: float = 2.0) -> str:
        """Answer a question."""
        return self._answers.get(command, self._otherwise)

    def close(self) -> None:
        """Do nothing."""


ANSWERS = {question: told for question, told in OPENING if told is not None}


@given(garbage=st.text(max_size=40))
def test_garbage_is_an_error_and_never_a_reading(profile, garbage: str) -> None:
    """Whatever a load may answer: a number it is, or an instrument error with the input off."""
    link = Answering(ANSWERS, garbage)
    load = ScpiLoad(link, profile("rigol-dl3021"))
    link.sent.clear()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(scpi_source, "FOLLOW_LIMIT_S", -1.0)
            volts, amperes = load.measure()
    except InstrumentError:
        assert link.sent == [":SOUR:INP:STAT 0"]
    else:
        assert volts == amperes == float(garbage)


@pytest.mark.parametrize("question", sorted(ANSWERS))
def test_answers_cut_at_any_byte(profile, question: str) -> None:
    """A truncated answer opens nothing that a whole one would not, and the input is off."""
    whole = ANSWERS[question]
    for length in range(len(whole)):
        link = Answering({**ANSWERS, question: whole[:length]}, "")
        try:
            ScpiLoad(link, profile("rigol-dl3021"))
        except InstrumentError:
            assert link.sent[-1] == ":SOUR:INP:STAT 0"
        else:
            assert float(whole[:length].split(",")[0]) == float(whole.split(",")[0])


def test_an_identity_cut_at_any_byte(profile) -> None:
    """Half an identity is no load: firmware may lack its end, nothing else may."""
    for length in range(len(IDENTITY)):
        link = Answering(ANSWERS, "")
        link.identity = IDENTITY[:length]
        if length > IDENTITY.rindex(",") + 1:
            assert ScpiLoad(link, profile("rigol-dl3021")).identity.serial == "DL3A204800938"
            continue
        with pytest.raises(InstrumentProtocolError):
            ScpiLoad(link, profile("rigol-dl3021"))
        assert link.sent == []
