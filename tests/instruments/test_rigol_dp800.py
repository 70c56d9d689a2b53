"""The DP800 against wire transcripts: channel 1, and an output that is off after failures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from powerlab.errors import ConfigError, InstrumentError, InstrumentProtocolError
from powerlab.instruments import scpi_source
from powerlab.instruments.scpi_source import ScpiSupply

IDENTITY = "RIGOL TECHNOLOGIES,DP832A,DP8B26AM00234,00.01.19"
NO_ERROR = (":SYST:ERR?", '0,"No error"')
OFF = (":OUTP CH1,OFF", None)


def volts(v: float) -> list[tuple[str, str | None]]:
    """Get the transcript of setting volts."""
    return [(f":SOUR1:VOLT {v:.4f}", None), NO_ERROR, (":SOUR1:VOLT?", f"{v:.3f}")]


def switch(word: str) -> list[tuple[str, str | None]]:
    """Get the transcript of switching the output."""
    return [(f":OUTP CH1,{word}", None), NO_ERROR, (":OUTP? CH1", word)]


def reading(told_v: str, told_a: str) -> list[tuple[str, str | None]]:
    """Get the transcript of one look at the supply's own readings."""
    return [(":MEAS:VOLT? CH1", told_v), (":MEAS:CURR? CH1", told_a)]


OPENING: list[tuple[str, str | None]] = [
    OFF,
    ("*CLS", None),
    (":SOUR1:CURR 3", None),
    NO_ERROR,
    (":SOUR1:CURR?", "3.000"),
    (":OUTP? CH1", "OFF"),
    *volts(0.0),
]


@pytest.fixture
def link(scripted_text) -> Iterator:
    """Get a link to a DP832A that expects its opening, and what a test adds."""
    made = scripted_text(IDENTITY, OPENING)
    yield made
    made.finish()


@pytest.fixture
def supply(link, profile) -> ScpiSupply:
    """Get a supply on that link."""
    return ScpiSupply(link, profile("rigol-dp832"))


def test_volts_and_output(supply: ScpiSupply, link) -> None:
    """Set, switch on, measure, switch off: each setting is read back."""
    assert (supply.identity.model, supply.identity.serial) == ("DP832A", "DP8B26AM00234")
    link.expect(*volts(5.1), *switch("ON"), *reading("5.1012", "0.4210"), *switch("OFF"))
    supply.set_voltage(5.1)
    supply.output(on=True)
    assert supply.measure() == (5.1012, 0.421)
    supply.output(on=False)


def test_volts_that_are_still_falling_are_no_failure(supply: ScpiSupply, link) -> None:
    """With the output off nothing is promised; with it on the reading may follow late."""
    link.expect(*reading("4.7", "0"))
    assert supply.measure() == (4.7, 0.0)
    link.expect(*volts(5.0), *switch("ON"), *reading("0.2", "0"), *reading("4.9993", "0"))
    supply.set_voltage(5.0)
    supply.output(on=True)
    assert supply.measure() == (4.9993, 0.0)


def test_a_supply_that_limits_says_so_and_is_off(supply: ScpiSupply, link, monkeypatch) -> None:
    """Volts below those set: the load draws more than the channel delivers."""
    monkeypatch.setattr(scpi_source, "FOLLOW_LIMIT_S", 0.0)
    link.expect(*volts(12.0), *switch("ON"), *reading("3.4", "3.0011"), OFF)
    supply.set_voltage(12.0)
    supply.output(on=True)
    with pytest.raises(InstrumentError, match=r"12 V and delivers 3\.4 V at 3\.001 A"):
        supply.measure()


def test_a_protection_that_tripped_is_told(supply: ScpiSupply, link) -> None:
    """An output that does not switch, and an answer that is neither on nor off."""
    link.expect((":OUTP CH1,ON", None), NO_ERROR, (":OUTP? CH1", "OFF"), OFF)
    with pytest.raises(InstrumentError, match="output is OFF, which was not set"):
        supply.output(on=True)
    link.expect((":OUTP CH1,ON", None), NO_ERROR, (":OUTP? CH1", "?"), OFF)
    with pytest.raises(InstrumentProtocolError, match="neither on nor off"):
        supply.output(on=True)


def test_what_it_cannot_deliver(supply: ScpiSupply, link, profile, scripted_text) -> None:
    """Volts beyond the range, volts below nothing, and a profile without a rating."""
    link.finish()
    with pytest.raises(InstrumentError, match="beyond every voltage range"):
        supply.set_voltage(40.0)
    with pytest.raises(ValueError, match="negative"):
        supply.set_voltage(-1.0)
    bare = profile("rigol-dp832").model_copy(update={"supply": None})
    with pytest.raises(ConfigError, match="does not say"):
        ScpiSupply(scripted_text(IDENTITY), bare)


def test_close_switches_off(supply: ScpiSupply, link) -> None:
    """The output goes off and the link is let go."""
    link.expect(OFF)
    supply.close()
    assert link.closed
