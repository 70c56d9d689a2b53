"""Loads and supplies by profile: published exchanges, and each on an emulated bench."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from powerlab.catalog.layers import load_catalog
from powerlab.emulation.calibration_bench import emulated_calibration_bench
from powerlab.errors import ConfigError, InstrumentError, InstrumentProtocolError
from powerlab.instruments.contract import MeterRequest, open_load, open_meter, open_supply
from powerlab.instruments.scpi_source import ScpiLoad, ScpiSupply
from powerlab.units import now_ns

CATALOG = load_catalog()
METER = "keysight-34465a"
LIMIT_NS = 30_000_000_000
IDENTITIES = {
    "aimtti-ld400p": "THURLBY THANDAR, LD400P, 0, 1.00-1.00",
    "keysight-e36312a": "Keysight Technologies,E36312A,MY1,1.0.7",
    "siglent-spd1305x": "Siglent Technologies,SPD1305X,SPD1X,1.01.01.02.05,V3.0",
}


class Answering:
    """A link that answers by a table, and notes what it was told."""

    resource = "TCPIP0::script::5025::SOCKET"

    def __init__(self, identity: str, answers: dict[str, str]) -> None:
        self.identity, self.answers = identity, answers
        self.sent: list[str] = []

    def write(self, command: str) -> None:
        """Note a command."""
        self.sent.append(command)

    def query(self, command: str, limit_s: float = 2.0) -> str:
        """Answer a question."""
        self.sent.append(command)
        return self.answers[command]

    def close(self) -> None:
        """Do nothing."""


def exchanges(path: Path) -> dict[str, str]:
    """Get every question of the published exchanges and its answer."""
    return {
        sent: told
        for item in json.loads(path.read_text())["exchanges"]
        for sent, told in item["exchange"]
        if told is not None
    }


def test_published_exchanges_of_an_ld400p(shared: Callable[[str], Path]) -> None:
    """Its answers echo the command and carry a unit: both are read past."""
    told = exchanges(shared("vectors/scpi/aimtti_ld400p.json"))
    answers = {**told, "MODE?": "MODE C", "LVLSEL?": "LVLSEL A", "EER?": "0", "INP?": "INP 0"}
    link = Answering(IDENTITIES["aimtti-ld400p"], {**answers, "A?": "A 0.000A"})
    load = ScpiLoad(link, CATALOG.instrument("aimtti-ld400p"))
    assert load.identity.serial == ""
    link.answers["A?"] = told["A?"]
    load.set_current(10.5)
    assert "A 10.500" in link.sent
    link.answers["INP?"] = told["INP?"]
    load.input(on=True)
    with pytest.raises(InstrumentError, match=r"set to 10\.5 A and draws 3\.14 A at 3\.14 V"):
        load.measure()
    assert link.sent[-1] == "INP 0"


def test_published_exchanges_of_an_e36312a(shared: Callable[[str], Path]) -> None:
    """Channel 1 is set and asked as a published driver does."""
    told = exchanges(shared("vectors/scpi/keysight_e36312a.json"))
    answers = {"CURR? (@1)": "+5.00000000E+00", "SYST:ERR?": '+0,"No error"'}
    answers |= {"OUTP? (@1)": told["OUTPut? (@1)"], "VOLT? (@1)": "+0.00000000E+00"}
    link = Answering(IDENTITIES["keysight-e36312a"], answers)
    supply = ScpiSupply(link, CATALOG.instrument("keysight-e36312a"))
    link.answers["VOLT? (@1)"] = told["VOLT? (@1)"]
    supply.set_voltage(1.5)
    assert "VOLT 1.5000, (@1)" in link.sent


def test_published_exchanges_of_an_spd1305x(shared: Callable[[str], Path]) -> None:
    """A supply that has no query for its output is not asked for it."""
    told = exchanges(shared("vectors/scpi/siglent_spd1305x.json"))
    answers = {"CH1:CURR?": "5.000", "SYST:ERR?": "0  No Error", "CH1:VOLT?": "0.000"}
    link = Answering(IDENTITIES["siglent-spd1305x"], answers)
    supply = ScpiSupply(link, CATALOG.instrument("siglent-spd1305x"))
    link.answers["CH1:VOLT?"] = told["CH1:VOLT?"]
    with pytest.raises(InstrumentError, match="answers 30 to CH1:VOLT"):
        supply.set_voltage(5.0)
    assert link.sent[-1] == "OUTP CH1,OFF"
    supply.set_voltage(30.0)
    supply.output(on=True)
    assert "CH1:VOLT 30.000" in link.sent


def test_a_profile_without_a_source_section() -> None:
    """What does not say how it is driven cannot be driven."""
    profile = CATALOG.instrument("rigol-dl3021")
    scpi = profile.scpi.model_copy(update={"drive": None})
    link = Answering("", {})
    with pytest.raises(ConfigError, match="does not say how the load is driven"):
        ScpiLoad(link, profile.model_copy(update={"scpi": scpi}))
    assert link.sent == []


@pytest.mark.parametrize("told", ["5.0A", "x", "", "1,2"])
def test_what_is_no_volts(told: str) -> None:
    """An answer in another unit, or none at all, is refused and the output off."""
    answers = {"CH1:CURR?": "5.000", "SYST:ERR?": "0  No Error", "CH1:VOLT?": "0.000"}
    link = Answering(IDENTITIES["siglent-spd1305x"], {**answers, "MEAS:VOLT? CH1": told})
    supply = ScpiSupply(link, CATALOG.instrument("siglent-spd1305x"))
    with pytest.raises(InstrumentProtocolError, match="no number of V"):
        supply.measure()
    assert link.sent[-1] == "OUTP CH1,OFF"


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait for a state within the limit; fail where it does not come."""
    deadline = now_ns() + LIMIT_NS
    while not condition():
        assert now_ns() < deadline, "the awaited state never came"
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("load_id", "supply_id", "volts"),
    [
        ("aimtti-ld400p", "keysight-e36312a", 5.0),
        ("siglent-sdl1020x", "siglent-spd1305x", 12.0),
    ],
)
def test_each_shipped_pair_on_its_emulators(load_id: str, supply_id: str, volts: float) -> None:
    """Set, switch, measure, a larger range, too much, and nothing flowing at the end."""
    load_profile, supply_profile = map(CATALOG.instrument, (load_id, supply_id))
    with (
        emulated_calibration_bench(
            CATALOG, "rdtech-um25c", [METER], load_id, supply_id=supply_id, seed=3
        ) as bench,
        closing(open_load(load_profile, bench.load)) as load,
        closing(open_supply(supply_profile, bench.supply)) as supply,
    ):
        assert load.identity.emulated
        supply.set_voltage(volts)
        supply.output(on=True)
        load.set_current(0.5)
        load.input(on=True)
        load_v, load_a = load.measure()
        supply_v, _ = supply.measure()
        assert load_a == pytest.approx(0.5, abs=0.2)
        assert 0 < load_v < supply_v == pytest.approx(volts, rel=0.01)
        true_a = float(bench.truth("meter", np.array([now_ns()])).current_a[0])
        assert true_a == pytest.approx(0.5, abs=0.1)
        with closing(open_meter(CATALOG.instrument(METER), bench.references[0])) as reference:
            reference.configure(MeterRequest(expected_peak_a=1.0))
            (told,) = next(iter(reference.stream(threading.Event()))).values[0]
            assert told == pytest.approx(true_a, abs=5e-3)
        if load_id == "siglent-sdl1020x":
            load.set_current(5.5)  # on the next range, more than the supply delivers
        else:
            load.set_current(6.0)
        with pytest.raises(InstrumentError, match="was set to"):
            load.measure()
        load.close()
        supply.close()
        wait_for(
            lambda: [*bench.history().load_a[-1:], *bench.history().source_v[-1:]] == [0.0, 0.0]
        )
