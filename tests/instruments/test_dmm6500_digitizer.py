"""The DMM6500's digitizer against its emulator, in the same process and in virtual time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from powerlab.agent.edges import BUSY, EdgeFile
from powerlab.catalog.layers import load_catalog
from powerlab.emulation import edges_tail
from powerlab.emulation import keithley_dmm6500 as emulation
from powerlab.emulation.faults import FaultWatch, parse_faults
from powerlab.emulation.process import EmulatorContext
from powerlab.errors import ConfigError, InstrumentError, InstrumentProtocolError
from powerlab.instruments import dmm6500_digitizer, scpi_stream
from powerlab.instruments.contract import MeterRequest, VoltageReader
from powerlab.instruments.dmm6500_digitizer import ACTUAL, Dmm6500Digitizer
from powerlab.instruments.keithley_dmm6500 import Dmm6500
from powerlab.records import Averaging, SampleFlag
from powerlab.transport.visa import ReplyTimeout
from tests.instruments.scpi_wires import Direct, S, Stop, VirtualTime

CATALOG = load_catalog()
REQUEST = MeterRequest(expected_peak_a=0.9)
LATE = ReplyTimeout("late", hint="ask again")
RATE_HZ = 5000


@pytest.fixture
def time(monkeypatch) -> VirtualTime:
    """Get a virtual clock for driver and emulator."""
    made = VirtualTime()
    for module in (dmm6500_digitizer, scpi_stream, emulation, edges_tail):
        monkeypatch.setattr(module, "now_ns", made.clock)
    return made


@pytest.fixture
def build(tmp_path, time):
    """Get a maker of digitizers on emulators; 5 kS/s unless it is told otherwise."""

    def make(*faults: str, name: str = "keithley-dmm6500-digitize", **sampling: float):
        profile = CATALOG.instrument(name)
        changes = {"interval_s": 1 / RATE_HZ, "aperture_s": 1 / RATE_HZ, **sampling}
        profile = profile.model_copy(
            update={"sampling": profile.sampling.model_copy(update=changes)}
        )
        board = CATALOG.device("edgeboard")
        context = EmulatorContext(tmp_path, 7, board, profile, parse_faults(faults))
        context.edges.mkdir()
        watch = FaultWatch(context.faults)
        link = Direct(emulation.Dmm6500(context, watch, time.wait_until))
        plain = Dmm6500(link, profile)
        return Dmm6500Digitizer(link, profile, plain, plain.identity), link

    return make


@pytest.fixture
def work(tmp_path, time):
    """Get a way to let the board become busy, from which faults count."""

    def write() -> None:
        path = tmp_path / "edges" / "powerlab-edges-1.bin"
        EdgeFile(str(path)).publish(BUSY, 0, time.now_ns)

    return write


def joined(blocks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Check what the driver promises of its blocks, and join them."""
    completed = np.cumsum([len(block.values) for block in blocks])
    assert [block.completed for block in blocks] == list(completed)
    device_ns = np.concatenate([block.device_ns for block in blocks])
    assert np.all(np.diff(device_ns) > 0)
    assert all(block.sent_ns <= block.received_ns for block in blocks)
    values = np.concatenate([block.values[:, 0] for block in blocks])
    return values, device_ns, np.concatenate([block.flags for block in blocks])


def test_set_up_and_what_it_says(build) -> None:
    """The facts, and every command and question in its order."""
    meter, link = build()
    assert isinstance(meter, VoltageReader)
    link.sent.clear()
    setup = meter.configure(REQUEST)
    assert setup.channels == ("current",)
    assert setup.averaging is Averaging.BOXCAR
    assert (setup.interval_s, setup.aperture_s) == (1 / RATE_HZ, pytest.approx(1 / RATE_HZ))
    assert setup.settings["rate_hz"] == RATE_HZ
    assert setup.settings["format"] == "REAL, SWAP"
    wanted = [
        ':SENS:DIG:FUNC "CURR"',
        ":SENS:DIG:CURR:RANG 1",
        f":SENS:DIG:CURR:SRAT {RATE_HZ}",
        ":SENS:DIG:CURR:APER AUTO",
        ":FORM:DATA REAL",
        ":FORM:BORD SWAP",
        ':TRAC:MAKE "powerlab",1000000',
        ':TRAC:FILL:MODE CONT,"powerlab"',
        ':TRIG:LOAD "EMPTY"',
        ':TRIG:BLOC:MDIG 2,"powerlab",INF',
    ]
    assert [command for command in link.sent if command in wanted] == wanted
    assert link.sent.index(":FORM:BORD?") > link.sent.index(":SYST:ERR?")
    assert ":INIT" not in link.sent


def test_every_reading_comes_once_with_the_meters_time(build, time) -> None:
    """A second of it: no gap, no repetition, a clock of its own."""
    meter, _ = build()
    setup = meter.configure(REQUEST)
    values, device_ns, flags = joined(list(meter.stream(Stop(5, time))))
    assert len(values) == pytest.approx(1.2 * RATE_HZ, rel=0.05)
    assert set(np.diff(device_ns)) == {NS_STEP}
    assert not flags.any()
    assert values.mean() == pytest.approx(0.25, rel=0.2)
    assert setup.accuracy[0].full_scale == 1.0


NS_STEP = S // RATE_HZ


def test_a_ring_turns_without_loss(build, time) -> None:
    """A buffer of 2,500 readings is read several times a turn."""
    meter, link = build(memory_readings=2500)
    meter.configure(REQUEST)
    values, device_ns, flags = joined(list(meter.stream(Stop(20, time))))
    assert len(values) > 4 * RATE_HZ
    assert set(np.diff(device_ns)) == {NS_STEP}
    assert not flags.any()
    assert any(command.startswith(":TRAC:DATA? 1,") for command in link.sent[-40:])


def test_what_was_overwritten_is_lost_and_has_its_time(build, time) -> None:
    """A reader that was away for a second and a half finds the newest half second."""
    meter, _ = build(memory_readings=2500)
    meter.configure(REQUEST)
    blocks = []
    for block in meter.stream(Stop(6, time)):
        blocks.append(block)
        if len(blocks) == 3:
            time.sleep(1.5)
    values, device_ns, flags = joined(blocks)
    lost = flags == SampleFlag.LOST
    assert 0.9 * RATE_HZ < lost.sum() < 1.4 * RATE_HZ
    assert np.array_equal(np.isnan(values), lost)
    assert set(np.diff(device_ns)) == {NS_STEP}
    assert not flags[-500:].any()


def test_a_gap_is_in_the_meters_time(build, work, time) -> None:
    """Two seconds without readings: the times jump, the count does not."""
    meter, _ = build("gap@0.5s")
    meter.configure(REQUEST)
    work()
    _, device_ns, flags = joined(list(meter.stream(Stop(20, time))))
    steps = np.diff(device_ns)
    assert steps.min() == NS_STEP
    assert steps.max() == pytest.approx(2 * S, rel=1e-3)
    assert not flags.any()


def test_an_overload_is_flagged(build, work, time) -> None:
    """A second of it: NaN with a mark, and good readings after it."""
    meter, _ = build("overrange@0.5s")
    meter.configure(REQUEST)
    work()
    values, _, flags = joined(list(meter.stream(Stop(15, time))))
    over = flags == SampleFlag.OVERRANGE
    assert over.sum() == pytest.approx(RATE_HZ, abs=2)
    assert np.array_equal(np.isnan(values), over)
    assert not flags[-10:].any()


@pytest.mark.parametrize("which", [ACTUAL, ":TRAC:DATA?"])
def test_a_late_answer_costs_nothing(build, time, which: str) -> None:
    """What is asked for again is the same: it waits in the buffer."""
    meter, link = build()
    meter.configure(REQUEST)
    late = iter([False, True, False, True, True])

    def hurt(command: str, told):
        if command.startswith(which) and next(late, False):
            time.sleep(2.0)
            raise LATE
        return told

    link.answer = link.hurt = hurt
    _, device_ns, flags = joined(list(meter.stream(Stop(8, time))))
    assert set(np.diff(device_ns)) == {NS_STEP}
    assert not flags.any()


@pytest.mark.parametrize("stale", ["7", "1", "9"])
def test_a_stale_digit_before_the_indices_costs_nothing(build, time, stale: str) -> None:
    """It would make readings that were never taken; it is there once, so it is asked again."""
    meter, link = build()
    meter.configure(REQUEST)
    hurt = iter([True, False, True])
    link.answer = lambda command, told: (
        stale + told if command == ACTUAL and next(hurt, False) else told
    )
    values, device_ns, flags = joined(list(meter.stream(Stop(5, time))))
    assert len(values) == pytest.approx(1.2 * RATE_HZ, rel=0.05)
    assert set(np.diff(device_ns)) == {NS_STEP}
    assert not flags.any()


def test_an_index_that_stays_too_large_ends_the_stream(build, time) -> None:
    """Whatever it is, its readings cannot be."""
    meter, link = build()
    meter.configure(REQUEST)
    link.answer = lambda command, told: f"7{told}" if command == ACTUAL else told
    with pytest.raises(InstrumentError, match="its newest reading is now number 7"):
        list(meter.stream(Stop(5, time)))


def test_volts_are_digitized_too(build, time) -> None:
    """On their own range; both at once cannot be."""
    meter, _ = build()
    volts = MeterRequest(expected_peak_a=0.9, channels=("voltage",), expected_peak_v=13.0)
    setup = meter.configure(volts)
    values, _, _ = joined(list(meter.stream(Stop(2, time))))
    assert setup.accuracy[0].full_scale == 100.0
    assert values.mean() == pytest.approx(12.0, rel=0.02)
    with pytest.raises(ConfigError, match="at once"):
        meter.configure(MeterRequest(expected_peak_a=1, channels=("voltage", "current")))


def test_volts_are_read_once_as_a_multimeter(build) -> None:
    """After a digitizing session too, whose format was binary."""
    meter, _ = build()
    meter.configure(REQUEST)
    volts, u = meter.read_voltage(4)
    assert volts == pytest.approx(12.0, rel=0.02)
    assert 0 < u < 0.1


def test_a_buffer_that_is_cleared_is_noticed(build, time) -> None:
    """By whoever works at the front panel."""
    meter, link = build()
    meter.configure(REQUEST)
    stream = meter.stream(Stop(20, time))
    next(stream)
    time.sleep(1)
    next(stream)
    link.instrument.handle(':TRAC:CLE "powerlab"')
    with pytest.raises(InstrumentError, match="was cleared"):
        list(stream)


def test_a_digitizer_that_stopped_is_noticed(build, time) -> None:
    """After some seconds without a reading."""
    meter, link = build()
    meter.configure(REQUEST)
    stream = meter.stream(Stop(100, time))
    next(stream)
    link.instrument.handle(":ABOR")
    with pytest.raises(InstrumentError, match="no reading for 5 s"):
        list(stream)


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (":FORM:BORD?", "NORM"),
        (":FORM:DATA?", "SREAL"),
        (":SENS:DIG:CURR:SRAT?", "1000"),
        (":SENS:DIG:CURR:RANG?", "3"),
        (":SENS:DIG:CURR:REL:STAT?", "1"),
        (":SENS:DIG:FUNC?", "VOLT"),
        (":SENS:DIG:CURR:APER?", "0.1"),
        (':TRAC:FILL:MODE? "powerlab"', "ONCE"),
        (':TRAC:POIN? "powerlab"', "10"),
        (":SYST:ERR?", '-222,"Parameter data out of range;1;2026/01/01 10:00:00.000"'),
    ],
)
def test_a_setting_that_is_not_as_it_was_set_is_told(build, question: str, told: str) -> None:
    """Each of those that decide a figure; the error queue as well."""
    meter, link = build()
    link.answer = lambda command, reply: told if command == question else reply
    with pytest.raises(InstrumentError):
        meter.configure(REQUEST)


def test_an_aperture_in_words_is_the_interval(build) -> None:
    """As the query of an automatic aperture may answer."""
    meter, link = build()
    link.answer = lambda command, reply: "AUTO" if command.endswith("APER?") else reply
    assert meter.configure(REQUEST).aperture_s == 1 / RATE_HZ


def test_a_short_aperture_leaves_gaps_and_says_so(build) -> None:
    """Whole microseconds: at 3,000 readings a second 333 of 333.3 are as good as all."""
    meter, link = build()
    link.answer = lambda command, reply: "1.0E-4" if command.endswith("APER?") else reply
    assert meter.configure(REQUEST).averaging is Averaging.GATED


@pytest.mark.parametrize("told", ["7", "1;2;3", "x;y", "5;0", "5;2000000", "-1;1"])
def test_indices_that_cannot_be_are_refused(build, time, told: str) -> None:
    """They come in one answer, within the buffer."""
    meter, link = build()
    meter.configure(REQUEST)
    link.answer = lambda command, reply: told if command == ACTUAL else reply
    with pytest.raises(InstrumentProtocolError):
        list(meter.stream(Stop(3, time)))


def test_a_daq6510_has_a_profile_of_its_own(build) -> None:
    """The same dialect under another name."""
    meter, _ = build(name="keithley-daq6510-digitize")
    assert meter.identity.model == "DAQ6510"


def test_close_leaves_a_multimeter_behind(build) -> None:
    """The format is text again, the buffer gone, nothing runs."""
    meter, link = build()
    meter.configure(REQUEST)
    meter.close()
    assert link.closed
    assert link.instrument.handle(":FORM:DATA?") == b"ASC\n"
    assert link.instrument.handle(':TRAC:POIN? "powerlab"') == b""
    assert not math.isnan(float(link.instrument.handle(":READ?")))
