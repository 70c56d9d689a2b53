"""The driver of any SCPI meter: every shipped profile on its emulator, and what may go wrong."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from powerlab.agent.edges import BUSY, EdgeFile
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.layers import load_catalog
from powerlab.catalog.scpi_profile import ScpiProfile
from powerlab.emulation import edges_tail, scpi_profile_meter
from powerlab.emulation import keithley_dmm6500 as emulated_dmm
from powerlab.emulation.faults import FaultWatch, parse_faults
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.scpi_profile_meter import ProfileMeter
from powerlab.errors import ConfigError, InstrumentError, InstrumentProtocolError
from powerlab.instruments import keithley_dmm6500, scpi_dialogue, scpi_meter
from powerlab.instruments.contract import MeterRequest
from powerlab.instruments.scpi_meter import ScpiMeter
from powerlab.records import SampleBlock, SampleFlag
from powerlab.transport.visa import ReplyTimeout
from tests.instruments.scpi_wires import Direct, Stop, VirtualTime

ROOT = Path(__file__).resolve().parents[2]
CATALOG = load_catalog()
METERS = sorted(name for name, item in CATALOG.instruments.items() if item.driver == "scpi-meter")
REQUEST = MeterRequest(expected_peak_a=0.9)
KEYSIGHT = "keysight-34465a"

POWER = """
[scpi]
models = ["PM*"]
identity = "Acme,PM1,{serial},1"
over_range = ["OVLD"]

[[scpi.function]]
setup = ["RANG {current_range},{voltage_range}", "TIME {aperture_s}"]
read = "MEAS:ALL?"
answer = "VOLT 12.0000V;CURR 250.00mA;FREQ 50.0"
takes = "latest"

[[scpi.function.field]]
quantity = "current"
name = "CURR"
unit = "mA"

[[scpi.function.field]]
quantity = "voltage"
name = "VOLT"
unit = "V"
"""


@pytest.fixture
def device() -> DeviceProfile:
    """Get the board that the shipped meters measure."""
    text = (ROOT / "devices" / "edgeboard.toml").read_text(encoding="utf-8")
    return DeviceProfile.model_validate(tomllib.loads(text))


@pytest.fixture
def time(monkeypatch) -> VirtualTime:
    """Get the clock of driver and emulator."""
    made = VirtualTime()
    for module in (scpi_meter, scpi_profile_meter, edges_tail):
        monkeypatch.setattr(module, "now_ns", made.clock)
    monkeypatch.setattr(scpi_dialogue.time, "sleep", made.sleep)
    return made


@pytest.fixture
def wire(tmp_path, device, time) -> Callable[..., Direct]:
    """Get a maker of links to emulated meters in virtual time."""

    def build(profile: InstrumentProfile, *faults: str) -> Direct:
        context = EmulatorContext(tmp_path, 5, device, profile)
        context.edges.mkdir()
        watch = FaultWatch(parse_faults(faults))
        return Direct(ProfileMeter(context, watch, time.wait_until))

    return build


@pytest.fixture
def power_meter() -> InstrumentProfile:
    """Get a meter that tells volts and amperes in one answer, with headers and units."""
    return CATALOG.instrument(KEYSIGHT).model_copy(
        update={
            "id": "acme-pm1",
            "channels": ("voltage", "current"),
            "scpi": ScpiProfile.model_validate(tomllib.loads(POWER)["scpi"]),
        }
    )


def rows(meter: ScpiMeter, time: VirtualTime, count: int = 3) -> list[SampleBlock]:
    """Stream some rows."""
    return list(meter.stream(Stop(count, time)))


@pytest.mark.parametrize("identifier", METERS)
def test_every_shipped_profile_measures(wire, time, identifier: str) -> None:
    """Set-up without an error, readings of an idle board, volts for bench init."""
    profile = CATALOG.instrument(identifier)
    link = wire(profile)
    meter = ScpiMeter(link, profile)
    assert meter.identity.emulated
    setup = meter.configure(REQUEST)
    assert setup.channels == ("current",)
    assert setup.accuracy[0].full_scale >= 0.9
    assert setup.aperture_s == pytest.approx(0.02)
    blocks = rows(meter, time)
    assert [block.completed for block in blocks] == [1, 2, 3]
    assert all(0.2 < block.values[0, 0] < 0.3 and not block.flags[0] for block in blocks)
    for block in blocks:
        assert block.device_ns is None
        # The answer cannot have been formed before the aperture had ended.
        assert 0 <= block.received_ns - block.sent_ns < 0.01e9
    volts, u = meter.read_voltage(4)
    assert 11.0 < volts < 13.0
    assert 0 < u < 0.02
    link.instrument.tick()
    assert len(link.instrument.errors) == 0
    meter.close()
    assert link.closed


@pytest.mark.parametrize("identifier", METERS)
def test_volts_are_a_function_of_their_own(wire, time, identifier: str) -> None:
    """Volts are streamed on request, on a range for them, and not together with amperes."""
    profile = CATALOG.instrument(identifier)
    meter = ScpiMeter(wire(profile), profile)
    setup = meter.configure(
        MeterRequest(expected_peak_a=0.9, channels=("voltage",), expected_peak_v=13.0)
    )
    assert setup.channels == ("voltage",)
    assert setup.burden_limit_ohm == 0
    assert all(11.5 < block.values[0, 0] < 12.5 for block in rows(meter, time))
    with pytest.raises(ConfigError, match="at once"):
        meter.configure(MeterRequest(0.9, channels=("voltage", "current")))
    with pytest.raises(ConfigError, match="does not stream power"):
        meter.configure(MeterRequest(0.9, channels=("power",)))


def test_fields_with_headers_come_in_one_row(wire, time, power_meter) -> None:
    """Volts and amperes of one answer, by name and by unit; no larger range is taken for volts."""
    link = wire(power_meter)
    meter = ScpiMeter(link, power_meter)
    setup = meter.configure(REQUEST)
    assert setup.channels == ("current", "voltage")
    assert "RANG 1,100" in link.sent
    for block in rows(meter, time):
        amperes, volts = block.values[0]
        assert 0.2 < amperes < 0.3
        assert 11.0 < volts < 13.0
    meter.configure(MeterRequest(0.9, expected_peak_v=9.0))
    assert "RANG 1,10" in link.sent


def test_the_newest_reading_once_more_is_marked(wire, time, power_meter, monkeypatch) -> None:
    """A meter that renews its reading slower than it is asked tells one several times."""
    meter = ScpiMeter(wire(power_meter), power_meter)
    meter.configure(REQUEST)
    monkeypatch.setattr(meter._link, "query", lambda *_: "VOLT 12.0000V;CURR 250.00mA;FREQ 50.0")
    flags = [int(block.flags[0]) for block in rows(meter, time)]
    assert flags == [0, SampleFlag.REPEATED, SampleFlag.REPEATED]


def test_an_overload_is_no_reading(wire, time, tmp_path) -> None:
    """What stands for an overload is NaN and flagged; so is a number beyond the range."""
    profile = CATALOG.instrument(KEYSIGHT)
    link = wire(profile, "overrange@0.0s")
    meter = ScpiMeter(link, profile)
    meter.configure(REQUEST)
    EdgeFile(str(link.instrument._site._tail._directory / "powerlab-edges-1.bin")).publish(
        BUSY, 0, time.now_ns
    )
    time.sleep(0.1)
    (block,) = rows(meter, time, 1)
    assert np.isnan(block.values[0, 0])
    assert block.flags[0] == SampleFlag.OVERRANGE
    link.answer = lambda _command, _told: "+1.30000000E+00"
    (block,) = rows(meter, time, 1)
    assert block.flags[0] == SampleFlag.OVERRANGE


def test_a_gap_makes_the_meter_late(wire, time) -> None:
    """While it takes no reading there is no answer; what comes then is of then."""
    profile = CATALOG.instrument(KEYSIGHT)
    link = wire(profile, "gap@0.0s")
    meter = ScpiMeter(link, profile)
    meter.configure(REQUEST)
    path = link.instrument._site._tail._directory / "powerlab-edges-1.bin"
    EdgeFile(str(path)).publish(BUSY, 0, time.now_ns)
    started_ns = time.now_ns
    time.sleep(0.1)
    (block,) = rows(meter, time, 1)
    assert block.received_ns - started_ns > 1.9e9
    assert not block.flags[0]


def test_a_late_answer_costs_its_row_and_no_other(wire, time) -> None:
    """A time-out is a row of NaN marked lost; the readings after it are of their own time."""
    profile = CATALOG.instrument(KEYSIGHT)
    link = wire(profile)
    meter = ScpiMeter(link, profile)
    meter.configure(REQUEST)
    left = [2]

    def late(_command: str, told: str) -> str:
        left[0] -= 1
        if left[0] == 0:
            raise ReplyTimeout("late", hint="wait")
        return told

    link.answer = late
    flags = [int(block.flags[0]) for block in rows(meter, time)]
    assert flags == [0, SampleFlag.LOST, 0]


def test_a_meter_that_falls_silent_ends_the_stream(wire, time) -> None:
    """After 12 s without an answer nobody waits on; what came before is kept."""
    profile = CATALOG.instrument(KEYSIGHT)
    link = wire(profile)
    meter = ScpiMeter(link, profile)
    meter.configure(REQUEST)

    def silent(_command: str, _told: str) -> str:
        time.sleep(5.0)
        raise ReplyTimeout("late", hint="wait")

    link.answer = silent
    came = []
    with pytest.raises(InstrumentError, match="no reading for 12 s"):
        came.extend(meter.stream(Stop(100, time)))


@pytest.mark.parametrize("told", ["", "+4.2715", "+4.27150000E-01VDC", "1,2", "hello", "#14"])
def test_a_broken_answer_is_no_sample(wire, time, told: str) -> None:
    """An answer that breaks the form ends the stream with the protocol's error."""
    profile = CATALOG.instrument(KEYSIGHT)
    link = wire(profile)
    meter = ScpiMeter(link, profile)
    meter.configure(REQUEST)
    link.answer = lambda _command, _told: told
    with pytest.raises(InstrumentProtocolError) as caught:
        rows(meter, time)
    assert caught.value.exit_code == 4


def test_a_filled_error_queue_is_told_in_the_meters_words(wire, time) -> None:
    """Old errors are forgotten; those of the set-up are all told."""
    profile = CATALOG.instrument(KEYSIGHT)
    link = wire(profile)
    for _ in range(40):
        link.instrument.handle("NO:SUCH 1")
    meter = ScpiMeter(link, profile)
    meter.configure(REQUEST)
    function = profile.scpi.function[0]
    wrong = function.model_copy(update={"setup": (*function.setup, "NO:SUCH", "CURR:DC:NPLC x")})
    scpi = profile.scpi.model_copy(update={"function": (wrong,)})
    meter = ScpiMeter(link, profile.model_copy(update={"scpi": scpi}))
    with pytest.raises(InstrumentError, match="-113 Undefined header; -224 Illegal"):
        meter.configure(REQUEST)


def test_a_queue_that_never_empties_is_left(wire, time) -> None:
    """An instrument that tells errors without end is not asked for ever."""
    profile = CATALOG.instrument(KEYSIGHT)
    link = wire(profile)
    meter = ScpiMeter(link, profile)
    link.answer = lambda command, told: '-350,"Queue overflow"' if "ERR" in command else told
    with pytest.raises(InstrumentError, match="refused a setting: -350"):
        meter.configure(REQUEST)


@pytest.mark.parametrize(
    ("command", "told", "why"),
    [
        ("CURR:DC:RANG?", "+1.00000000E-01", "answers 0.1 to CURR:DC:RANG"),
        ("SYST:LFR?", "+400", "no line frequency"),
        ("SYST:ERR?", "what", "no entry of an error queue"),
    ],
)
def test_settings_are_read_back(wire, time, command: str, told: str, why: str) -> None:
    """A range that did not take would be another limit, and another line another aperture."""
    profile = CATALOG.instrument(KEYSIGHT)
    link = wire(profile)
    meter = ScpiMeter(link, profile)
    link.answer = lambda asked, answer: told if asked == command else answer
    with pytest.raises(InstrumentError, match=why):
        meter.configure(REQUEST)


def test_who_answers_is_checked(wire, time, power_meter) -> None:
    """Another model, another language, no [scpi] section: nothing is set."""
    profile = CATALOG.instrument("keithley-2450")
    link = wire(profile)
    with pytest.raises(InstrumentError, match="2450, not a PM"):
        ScpiMeter(link, power_meter)
    link.answer = lambda command, told: "TSP" if command == "*LANG?" else told
    with pytest.raises(InstrumentError, match="speaks TSP, not SCPI") as caught:
        ScpiMeter(link, profile)
    assert "Command Set" in caught.value.hint
    with pytest.raises(ConfigError, match="does not say what the instrument understands"):
        ScpiMeter(link, profile.model_copy(update={"scpi": None}))


def test_volts_of_nothing(wire, time) -> None:
    """Leads the wrong way round, an overload, a meter without volts: told, not returned."""
    profile = CATALOG.instrument(KEYSIGHT)
    link = wire(profile)
    meter = ScpiMeter(link, profile)
    for told, why in (("-1.20000000E+01", "reads -12 V"), ("+9.90000000E+37", "reads no volts")):
        link.answer = lambda command, answer, told=told: told if command == "READ?" else answer
        with pytest.raises(InstrumentError, match=why):
            meter.read_voltage(2)
    with pytest.raises(ValueError, match="two readings"):
        meter.read_voltage(1)
    amperes = tuple(item for item in profile.range if item.quantity == "current")
    bare = ScpiMeter(link, profile.model_copy(update={"range": amperes}))
    with pytest.raises(ConfigError, match="reads no volts"):
        bare.read_voltage()


def test_a_stream_needs_a_set_up(wire, time) -> None:
    """A meter that was never set up has no range to read on."""
    profile = CATALOG.instrument(KEYSIGHT)
    with pytest.raises(ValueError, match="configured"):
        rows(ScpiMeter(wire(profile), profile), time)


def test_the_daq6510_is_a_dmm6500_by_another_name(tmp_path, device, time) -> None:
    """Its profile, driver and emulator agree on who answers, and refuse the other model."""
    profile = CATALOG.instrument("keithley-daq6510")
    context = EmulatorContext(tmp_path, 5, device, profile)
    context.edges.mkdir()
    link = Direct(emulated_dmm.Dmm6500(context, FaultWatch(()), time.wait_until))
    meter = keithley_dmm6500.Dmm6500(link, profile)
    assert meter.identity.model == "DAQ6510"
    assert meter.configure(REQUEST).channels == ("current",)
    with pytest.raises(InstrumentError, match="DAQ6510, not a DMM6500"):
        keithley_dmm6500.Dmm6500(link, CATALOG.instrument("keithley-dmm6500"))
