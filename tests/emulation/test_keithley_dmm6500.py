"""The emulated DMM6500: commands, buffers, readings, in virtual time."""

from __future__ import annotations

import json
import struct
from itertools import pairwise

import pytest

from powerlab.agent.edges import EdgeFile
from powerlab.emulation.faults import FaultWatch, parse_faults
from powerlab.emulation.keithley_dmm6500 import Dmm6500
from powerlab.emulation.process import EmulatorContext

S = 1_000_000_000
START = 50_000 * S
DC_WORDS = ("CURR:DC", ":SENS:CURR:", ":SENS:VOLT:", ":DISP:", "AZER", "*", ":SENS:FUNC?", ":READ?")
OTHER_WORDS = (":AC:", ":FREQ:", ":PER:", ":RES:", ":FRES:")


class Bench:
    """A multimeter in virtual time; ``ask`` and ``tell`` also check the error queue."""

    def __init__(self, context: EmulatorContext, faults: tuple[str, ...]) -> None:
        self.now_ns = START
        watch = FaultWatch(parse_faults(faults))
        self.meter = Dmm6500(context, watch, self.wait_until)

    def clock(self) -> int:
        """Get the virtual instant."""
        return self.now_ns

    def wait_until(self, at_ns: int) -> None:
        """Let virtual time pass."""
        self.now_ns = max(self.now_ns, at_ns)

    def after(self, seconds: float) -> None:
        """Let seconds pass."""
        self.now_ns += round(seconds * S)

    def error(self) -> int:
        """Take the code of the oldest error."""
        return int(self.meter.handle("SYST:ERR?").split(b",")[0])

    def tell(self, *lines: str) -> None:
        """Send commands; each must leave no error and no reply."""
        for line in lines:
            assert self.meter.handle(line) == b""
            assert self.error() == 0, line

    def ask(self, line: str) -> str:
        """Send a query and get its reply."""
        reply = self.meter.handle(line)
        assert reply.endswith(b"\n")
        assert self.error() == 0, line
        return reply[:-1].decode()

    def measure_current(self, model: str = '"SimpleLoop",1000000,0,"pl"') -> None:
        """Start a current measurement into a buffer "pl"."""
        self.tell("*RST", ':SENS:FUNC "CURR:DC"', ":SENS:CURR:RANG 3", ":SENS:CURR:AZER 0")
        self.tell(':TRAC:MAKE "pl",100000', f":TRIG:LOAD {model}", ":INIT")

    def readings(self) -> tuple[list[float], list[float]]:
        """Get all values and times of the buffer "pl"."""
        count = int(self.ask(':TRAC:ACT? "pl"'))
        numbers = [float(x) for x in self.ask(f':TRAC:DATA? 1,{count},"pl",READ,REL').split(",")]
        return numbers[::2], numbers[1::2]


@pytest.fixture
def build(tmp_path, device, dmm, monkeypatch):
    """Get a maker of emulated multimeters."""
    context = EmulatorContext(tmp_path, 5, device, dmm)
    context.edges.mkdir()

    def make(*faults: str) -> Bench:
        bench = Bench(context, faults)
        monkeypatch.setattr("powerlab.emulation.keithley_dmm6500.now_ns", bench.clock)
        return bench

    return make


@pytest.fixture
def busy_from(tmp_path):
    """Get a way to have an agent busy between two instants after START, in seconds."""
    files = []

    def write(start_s: float, stop_s: float) -> None:
        writer = EdgeFile(str(tmp_path / "edges" / f"powerlab-edges-{len(files)}.bin"))
        writer.publish(1, 0, START + round(start_s * S))
        writer.publish(0, 0, START + round(stop_s * S))
        files.append(writer)

    return write


def test_it_says_who_it_is(build):
    """The serial number tells that it is emulated, and which seed it is of."""
    identity = build().ask("*IDN?")
    assert identity == "KEITHLEY INSTRUMENTS,MODEL DMM6500,EMULATED-00000005,1.7.12b"


def test_published_exchanges_are_understood(build, shared):
    """Every DC line of the published driver tests is accepted, and settings read back."""
    bench = build()
    bench.tell(':SENS:FUNC "CURR:DC"')
    data = json.loads(shared("vectors/scpi/keithley_dmm6500.json").read_text())
    lines = dict.fromkeys(line for test in data["exchanges"] for line, _ in test["exchange"])
    known = [line for line in lines if line.startswith(DC_WORDS)]
    known = [line for line in known if not any(word in line for word in OTHER_WORDS)]
    assert len(known) > 25
    for line in known:
        bench.meter.handle(line)
        assert bench.error() == 0, line
    replies = {line: reply for test in data["exchanges"] for line, reply in test["exchange"]}
    same = ("*LANG?", "SYST:ERR?", "ROUT:TERM?", ":DISP:VOLT:DIG?", ":SENS:VOLT:NPLC?")
    for line in same:
        assert bench.ask(line) + "\n" == replies[line]


@pytest.mark.parametrize(
    ("setting", "value", "reply"),
    [
        ("CURR:DC:NPLC", "2", "2"),
        ("SENS:CURR:APER", "0.0015", "0.0015"),
        (":SENS:CURR:DC:AZER", "OFF", "0"),
        (":SENSE:VOLT:RANG:AUTO", "ON", "1"),
        ("CURR:DC:REL", "0.5", "0.5"),
        ("CURR:DC:REL:STAT", "1", "1"),
        (":DISP:CURR:DC:DIG", "3", "3"),
        ("SENS:COUN", "7", "7"),
        ("FORM:DATA", "SREAL", "SREAL"),
        ("FORM", "REAL", "REAL"),
        ("FORM:BORD", "NORM", "NORM"),
    ],
)
def test_every_setting_reads_back(build, setting, value, reply):
    """What was set is what a query tells."""
    bench = build()
    bench.tell(f"{setting} {value}")
    assert bench.ask(setting + "?") == reply


def test_a_range_is_the_smallest_that_serves_and_ends_autorange(build):
    """Setting a range rounds up to the next full scale and turns autorange off."""
    bench = build()
    bench.tell("CURR:DC:RANG:AUTO 1;UPP 1.3")
    assert bench.ask("CURR:RANG?;RANG:AUTO?") == "3;0"
    bench.meter.handle("CURR:RANG 5")
    assert bench.error() == -222


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("NONSENSE?", -113),
        (':SENS:FUNC "RES"', -224),
        ("CURR:NPLC", -109),
        ("CURR:NPLC 99", -222),
        (':TRAC:ACT? "none"', 1115),
        (':TRAC:MAKE "defbuffer1",100', 1115),
        (":TRAC:DATA? 1,5", -222),
        (":INIT", -221),
        (":FETC?", -230),
        ("*LANG TSP", -224),
        (':TRIG:LOAD "Nothing"', -224),
        ('FORM REAL;:TRAC:TRIG;:READ? "defbuffer1",READ,UNIT', 1133),
    ],
)
def test_errors_wait_in_the_queue(build, line, code):
    """A command that cannot be carried out answers nothing and leaves one error."""
    bench = build()
    assert bench.meter.handle(line) == b""
    assert bench.error() == code
    assert bench.ask("SYST:ERR?") == '0,"No error;0;0 0"'


def test_a_reading_appears_when_its_latency_has_passed(build):
    """One aperture, one interval's start phase and the latency after INIT, not before."""
    bench = build()
    bench.measure_current()
    bench.after(0.02 + 0.005)
    assert bench.ask(':TRAC:ACT? "pl";:TRAC:ACT:STAR? "pl";:TRAC:ACT:END? "pl"') == "0;0;0"
    first_ns = bench.meter._taking.due_ns(1)
    assert first_ns <= bench.now_ns + round((0.0204 + 0.010) * S)
    bench.now_ns = first_ns - 1
    assert bench.ask(':TRAC:ACT? "pl"') == "0"
    bench.now_ns = first_ns
    assert bench.ask(':TRAC:ACT? "pl"') == "1"
    bench.after(10.5 * 0.0204)
    assert bench.ask(':TRAC:ACT? "pl"') == "11"
    values, times = bench.readings()
    assert times[0] == 0
    assert times[10] == pytest.approx(0.204)
    assert values == pytest.approx([2.0 / 5.1] * 11, rel=0.1)


def test_readings_are_the_same_however_they_are_fetched(build):
    """Fetched as they come, all at the end, as text or as binary: always the same numbers."""
    bench = build()
    bench.measure_current()
    for _ in range(7):
        bench.after(0.1)
        seen = bench.readings()[0]
    values, times = bench.readings()
    assert values[: len(seen)] == seen
    bench.tell("FORM:DATA REAL", "FORM:BORD NORM")
    block = bench.meter.handle(f':TRAC:DATA? 1,{len(values)},"pl",READ,REL')
    assert block.startswith(b"#3")
    numbers = struct.unpack(f">{2 * len(values)}d", block[5:-1])
    assert numbers[::2] == pytest.approx(values, rel=1e-6)
    assert numbers[1::2] == pytest.approx(times, abs=1e-6)


def test_work_on_the_board_shows_in_the_current(build, busy_from):
    """While the agent is busy the current rises from about idle to about active power."""
    bench = build()
    busy_from(1.0, 2.0)
    bench.measure_current()
    bench.after(3.0)
    values, times = bench.readings()
    idle = [value for value, at in zip(values, times, strict=True) if at < 0.9 or at > 2.2]
    busy = [value for value, at in zip(values, times, strict=True) if 1.1 < at < 1.9]
    assert sum(idle) / len(idle) == pytest.approx(2.0 / 5.1, rel=0.05)
    assert sum(busy) / len(busy) == pytest.approx(6.0 / 5.0, rel=0.05)


def test_too_much_for_the_range_is_overload(build, busy_from):
    """Above the range's limit the reading is 9.9E37."""
    bench = build()
    busy_from(0.5, 1.0)
    bench.measure_current()
    bench.tell(":ABOR", ":SENS:CURR:RANG 1", ':TRAC:CLE "pl"', ":INIT")
    bench.after(0.8)
    assert bench.ask(':FETC? "pl"') == "9.900000E+37"


def test_simple_loop_ends_by_itself(build):
    """The count is reached, the state goes back to idle and *OPC? waits for that."""
    bench = build()
    bench.measure_current('"SimpleLoop",20,0,"pl"')
    assert bench.ask(":TRIG:STAT?").startswith("RUNNING;RUNNING;")
    assert bench.ask("*OPC?") == "1"
    assert bench.ask(":TRIG:STAT?") == "IDLE;IDLE;0"
    assert bench.now_ns - START == pytest.approx(20 * 0.0204 * S, rel=0.15)
    bench.after(1)
    assert bench.ask(':TRAC:ACT? "pl"') == "20"


def test_duration_loop_lasts_its_duration(build):
    """One second holds one second's worth of readings."""
    bench = build()
    bench.measure_current('"DurationLoop",1.02,0,"pl"')
    bench.tell("*WAI")
    assert bench.ask(':TRAC:ACT? "pl"') == "50"


def test_loop_until_event_ends_at_its_event_or_abort(build):
    """It measures without end; *TRG ends it after its share of the buffer, ABORt at once."""
    bench = build()
    bench.measure_current('"LoopUntilEvent",COMM,100,ENT,0,"pl"')
    bench.after(100)
    assert bench.ask(":TRIG:STAT?").startswith("RUNNING")
    bench.tell("*TRG")
    assert bench.ask(":TRIG:STAT?") == "IDLE;IDLE;0"
    bench.tell(":INIT")
    bench.after(1)
    bench.tell(":ABOR")
    assert bench.ask(":TRIG:STAT?") == "ABORTED;ABORTED;3"
    count = bench.ask(':TRAC:ACT? "pl"')
    bench.after(1)
    assert bench.ask(':TRAC:ACT? "pl"') == count


def test_a_second_init_is_ignored(build):
    """INIT while the trigger model runs is error -213 and changes nothing."""
    bench = build()
    bench.measure_current()
    bench.meter.handle(":INIT")
    assert bench.error() == -213


def test_once_full_and_round_and_round(build):
    """A made buffer stops when full; in CONT mode it wraps and says where it begins."""
    bench = build()
    bench.tell(':SENS:FUNC "CURR:DC"', ':TRAC:MAKE "s",10')
    bench.tell(':TRIG:LOAD "SimpleLoop",25,0,"s"', ":INIT", "*WAI")
    assert bench.ask(':TRAC:FILL:MODE? "s";:TRAC:ACT? "s";:TRAC:POIN? "s"') == "ONCE;10;10"
    bench.tell(':TRAC:CLE "s"', ':TRAC:FILL:MODE CONT,"s"', ":INIT", "*WAI")
    assert bench.ask(':TRAC:ACT? "s";:TRAC:ACT:STAR? "s";:TRAC:ACT:END? "s"') == "10;6;5"


def test_autozero_costs_time(build):
    """With autozero on every reading is taken twice as long, as each has its own zero."""
    bench = build()
    bench.tell(':SENS:FUNC "CURR:DC"', "CURR:AZER 1", ':TRIG:LOAD "SimpleLoop",50', ":INIT", "*WAI")
    assert bench.now_ns - START == pytest.approx(50 * 0.0404 * S, rel=0.1)


def test_volts_are_read_at_the_board(build):
    """READ? waits for one reading of the supply behind the cable, the meter not in its path."""
    bench = build()
    bench.tell("SENS:COUN 5")
    value = float(bench.ask(":READ?"))
    assert value == pytest.approx(5.1 - 2.0 / 5.1 * 0.06, rel=2e-3)
    assert bench.now_ns - START >= 4.5 * 0.04 * S


def test_reset_forgets_everything(build):
    """*RST stops the trigger model, deletes buffers and sets defaults."""
    bench = build()
    bench.measure_current()
    bench.tell("*RST")
    assert bench.ask(":TRIG:STAT?") == "EMPTY;EMPTY;0"
    assert bench.ask(":SENS:FUNC?;:SENS:CURR:AZER?") == "VOLT:DC;1"
    bench.meter.handle(':TRAC:ACT? "pl"')
    assert bench.error() == 1115


def test_a_gap_loses_readings_and_keeps_their_time(build, busy_from):
    """Two seconds of readings are missing, and the time stamps show it."""
    bench = build("gap@1s")
    busy_from(1.0, 1.5)
    bench.measure_current()
    bench.after(6)
    _, times = bench.readings()
    steps = [b - a for a, b in pairwise(times)]
    assert max(steps) == pytest.approx(2.0, abs=0.07)
    assert sum(step > 0.03 for step in steps) == 1


def test_an_overload_on_request_lasts_a_second(build, busy_from):
    """The fault turns a second of readings into overloads."""
    bench = build("overrange@1s")
    busy_from(1.0, 1.5)
    bench.measure_current()
    bench.after(6)
    values, times = bench.readings()
    over = [at for at, value in zip(times, values, strict=True) if value == 9.9e37]
    assert over[-1] - over[0] == pytest.approx(1.0, abs=0.05)
    assert len(over) == pytest.approx(50, abs=2)
