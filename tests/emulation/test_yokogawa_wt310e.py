"""The emulated WT310E: commands, forms of answers, updates and their event, in virtual time."""

from __future__ import annotations

import json
import struct
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from powerlab.agent.edges import EdgeFile
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.emulation.faults import FaultWatch, parse_faults
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.yokogawa_wt310e import Wt310e

S = 1_000_000_000
START = 50_000 * S
INSTRUMENTS = Path(__file__).resolve().parents[2] / "instruments"


class Bench:
    """A power meter in virtual time; ``ask`` and ``tell`` also check the error queue."""

    def __init__(self, context: EmulatorContext, faults: tuple[str, ...]) -> None:
        self.now_ns = START
        self.meter = Wt310e(context, FaultWatch(parse_faults(faults)), self.wait_until)

    def clock(self) -> int:
        """Get the virtual instant."""
        return self.now_ns

    def wait_until(self, at_ns: int) -> None:
        """Let virtual time pass."""
        self.now_ns = max(self.now_ns, at_ns)

    def after(self, seconds: float) -> None:
        """Let seconds pass, with the meter followed as its server does."""
        end_ns = self.now_ns + round(seconds * S)
        while self.now_ns < end_ns:
            self.now_ns = min(end_ns, self.now_ns + S // 50)
            self.meter.tick()

    def error(self) -> str:
        """Take the oldest error."""
        return self.meter.handle(":STAT:ERR?").decode().strip()

    def tell(self, *lines: str) -> None:
        """Send commands; each must leave no error and no reply."""
        for line in lines:
            assert self.meter.handle(line) == b""
            assert self.error().startswith("0"), line

    def ask(self, line: str) -> str:
        """Send a query and get its reply."""
        reply = self.meter.handle(line)
        assert reply.endswith(b"\n")
        assert self.error().startswith("0"), line
        return reply[:-1].decode("latin-1")

    def set_up(self, current: str = "5") -> None:
        """Put headers off, ranges fixed, and the event of an update on."""
        self.tell(":COMM:HEAD OFF;VERB OFF", ":STAT:QMES ON", ":RATE 100MS")
        self.tell(":INP:VOLT:RANG 15V", f":INP:CURR:RANG {current}", ":STAT:FILT1 FALL")

    def numbers(self) -> list[float]:
        """Get the newest list."""
        return [float(word) for word in self.ask(":NUM:NORM:VAL?").split(",")]


@pytest.fixture
def build(tmp_path, device, monkeypatch):
    """Get a maker of emulated power meters."""
    text = (INSTRUMENTS / "yokogawa-wt310e.toml").read_text(encoding="utf-8")
    profile = InstrumentProfile.model_validate(tomllib.loads(text))
    context = EmulatorContext(tmp_path, 5, device, profile)
    context.edges.mkdir()

    def make(*faults: str) -> Bench:
        bench = Bench(context, faults)
        monkeypatch.setattr("powerlab.emulation.yokogawa_wt310e.now_ns", bench.clock)
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


def test_it_says_who_it_is(build) -> None:
    """The serial number tells that it is emulated."""
    assert build().ask("*IDN?") == "YOKOGAWA,WT310E,EMULATED-00000005,F1.04"


def test_captured_questions_have_captured_forms(build, shared) -> None:
    """What real units were asked is understood, and told in their very form."""
    path = shared("vectors/yokogawa/ptdaemon_transactions.json")
    asked = json.loads(path.read_text())["transactions"]
    bench = build()
    bench.tell(":COMM:HEAD OFF", ":VOLT:AUTO 0;:CURR:AUTO 0", ":SYNC VOLT")
    ranges = ":CFAC?;:CURR:RANG?;:CURR:AUTO?;:VOLT:RANG?;:VOLT:AUTO?"
    for amperes, volts, told in (
        (0.5, 300, "3;500.0E-03;0;300.0E+00;0"),
        (5, 150, "3;5.0E+00;0;150.0E+00;0"),
        (1, 150, "3;1.0E+00;0;150.0E+00;0"),
    ):
        bench.tell(f":VOLT:RANG {volts}", f":CURR:RANG {amperes}")
        assert bench.ask(ranges) == told
        assert told in {item["reply"] for item in asked[ranges]}
    assert bench.ask(":FILT:FREQ?;:FILT:LINE?") == "0;0"
    bench.tell(":COMM:HEAD ON;VERB OFF")
    assert bench.ask(":MEAS:AVER:STATE?") == ":MEAS:AVER 0"


def test_headers_come_long_short_or_not_at_all(build) -> None:
    """As after power-on they are there, and in full."""
    bench = build()
    assert bench.ask(":SYNC?") == ":INPUT:SYNCHRONIZE CURR"
    assert bench.ask(":NUM:NORM?").startswith(":NUMERIC:NORMAL:NUMBER 3;ITEM1 U,1;")
    bench.tell(":COMM:VERB OFF")
    assert bench.ask(":SYNC?") == ":SYNC CURR"
    bench.tell(":COMM:HEAD OFF")
    assert bench.ask(":SYNC?;:RATE?;:NUM:NORM?") == "CURR;250.0E-03;3;U,1;I,1;P,1"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("NONSENSE?", "113"),
        (":VOLT:RANG 12", "222"),
        (":RATE 0.3", "222"),
        (":INP:MODE NONE", "224"),
        (":NUM:NORM:ITEM1 XYZ,1", "224"),
        (":INTEG:STOP", "200"),
    ],
)
def test_errors_wait_in_the_queue(build, line: str, code: str) -> None:
    """A command that cannot be carried out leaves one error, with words where they are on."""
    bench = build()
    assert bench.meter.handle(line) == b""
    assert bench.error() == code
    bench.tell(":STAT:QMES ON")
    bench.meter.handle(line)
    assert bench.error().startswith(f'{code},"')
    assert bench.error() == '0,"NO ERROR"'


def test_nothing_is_told_before_the_first_update(build) -> None:
    """After a change of range there are no numbers until a whole update has passed."""
    bench = build()
    bench.set_up()
    assert bench.ask(":NUM:NORM:VAL?") == "NAN,NAN,NAN"
    bench.after(0.3)
    volts, amperes, watts = bench.numbers()
    assert volts == pytest.approx(5.1, rel=0.02)
    assert watts == pytest.approx(volts * amperes, abs=0.3)
    bench.tell(":CURR:RANG 2")
    assert bench.ask(":NUM:NORM:VAL?") == "NAN,NAN,NAN"


def test_the_event_of_an_update_comes_once(build) -> None:
    """Reading the register clears it; the next update, 100 ms on, sets it again."""
    bench = build()
    bench.set_up()
    bench.after(0.3)
    assert bench.ask(":STAT:EESR?") == "1"
    assert bench.ask(":STAT:EESR?") == "0"
    seen = []
    for _ in range(50):
        bench.after(0.02)
        seen.append(bench.ask(":STAT:EESR?") == "1")
    assert sum(seen) == 10
    places = [place for place, new in enumerate(seen) if new]
    assert {after - before for before, after in pairwise(places)} == {5}


def test_without_the_filter_there_is_no_event(build) -> None:
    """As after power-on no condition passes to the extended event register."""
    bench = build()
    bench.after(0.6)
    assert bench.ask(":STAT:EESR?") == "0"


def test_wait_holds_until_the_update(build) -> None:
    """COMMunicate:WAIT 1 ends with the update, whose values come next."""
    bench = build()
    bench.set_up()
    bench.after(0.3)
    bench.ask(":STAT:EESR?")
    before_ns = bench.now_ns
    bench.tell(":COMM:WAIT 1")
    assert 0 < bench.now_ns - before_ns <= 0.1 * S
    assert bench.ask(":STAT:EESR?") == "1"


def test_hold_stops_the_updates(build) -> None:
    """Values stay, and no event comes."""
    bench = build()
    bench.set_up()
    bench.after(0.3)
    bench.tell(":HOLD ON")
    bench.ask(":STAT:EESR?")
    held = bench.numbers()
    bench.after(1.0)
    assert bench.ask(":STAT:EESR?") == "0"
    assert bench.numbers() == held


def test_work_on_the_board_shows_in_the_watts(build, busy_from) -> None:
    """While the agent is busy the power rises from about idle to about active."""
    bench = build()
    busy_from(1.0, 2.0)
    bench.set_up()
    bench.after(0.8)
    idle_w = bench.numbers()[2]
    bench.after(0.8)
    busy_w = bench.numbers()[2]
    assert idle_w == pytest.approx(2.0, abs=0.3)
    assert busy_w == pytest.approx(6.0, abs=0.5)


def test_too_much_current_is_over_range(build, busy_from) -> None:
    """Beyond 130 % of its range amperes and watts are INF, volts are not, and bit 6 is set."""
    bench = build()
    busy_from(0.5, 2.0)
    bench.set_up("0.5")
    bench.after(1.0)
    volts, amperes, watts = bench.ask(":NUM:NORM:VAL?").split(",")
    assert float(volts) == pytest.approx(5.0, rel=0.05)
    assert (amperes, watts) == ("INF", "INF")
    assert bench.ask(":STAT:COND?") == "64"
    assert bench.ask(":CURR:RANG?;AUTO?") == "500.0E-03;0"


def test_a_small_range_gives_way_to_an_automatic_one(build) -> None:
    """An overload of 200 mA or less takes the fixed range away."""
    bench = build()
    bench.set_up("0.2")
    bench.after(0.3)
    assert bench.ask(":CURR:RANG?;AUTO?") == "2.0E+00;1"


def test_automatic_ranges_carry_what_is_there(build) -> None:
    """A board of 5 V and some 2 A at most: 15 V, and 2 A that go to 130 %."""
    bench = build()
    bench.tell(":COMM:HEAD OFF")
    bench.after(0.6)
    assert bench.ask(":VOLT:RANG?;AUTO?;:CURR:RANG?;AUTO?") == "15.0E+00;1;2.0E+00;1"


def test_lists_come_as_floats_too(build) -> None:
    """A block of big-endian singles, with the meter's own bits where there is no number."""
    bench = build()
    bench.set_up()
    bench.tell(":NUM:NORM:NUM 4;ITEM4 FU,1")
    bench.after(0.3)
    words = bench.ask(":NUM:NORM:VAL?").split(",")
    assert words[3] == "NAN"
    bench.tell(":NUM:FORM FLO")
    block = bench.meter.handle(":NUM:NORM:VAL?")
    assert block[:6] == b"#40016"
    assert struct.unpack(">3f", block[6:18]) == pytest.approx([float(word) for word in words[:3]])
    assert block[18:22].hex() == "7e951bee"


def test_numbers_have_five_digits_of_their_range(build) -> None:
    """Mantissas as captured: not normalised, as many digits as the range shows."""
    bench = build()
    bench.set_up()
    bench.after(0.3)
    volts, amperes, watts = bench.ask(":NUM:NORM:VAL?").split(",")
    assert [word.partition("E")[2] for word in (volts, amperes, watts)] == ["+00"] * 3
    assert [len(word.partition(".")[2].partition("E")[0]) for word in (volts, amperes, watts)] == [
        3,
        4,
        3,
    ]


def test_reset_puts_ranges_back_to_automatic(build) -> None:
    """*RST as after power-on, but for how answers look."""
    bench = build()
    bench.set_up()
    bench.tell("*RST")
    assert bench.ask(":VOLT:AUTO?;:CURR:AUTO?;:RATE?") == "1;1;250.0E-03"


def test_two_meters_of_one_seed_are_one(build) -> None:
    """The same world and serial number err the same way."""
    values = []
    for _ in range(2):
        bench = build()
        bench.set_up()
        bench.after(0.35)
        values.append(bench.numbers())
    assert values[0] == values[1]


def test_an_overload_on_request(build, busy_from) -> None:
    """For a second after its time the meter is over range, and then reads on."""
    bench = build("overrange@0.5s")
    busy_from(0.2, 3.0)
    bench.set_up()
    bench.after(1.2)
    assert bench.ask(":NUM:NORM:VAL?").endswith("INF,INF")
    bench.after(1.0)
    assert bench.numbers()[2] == pytest.approx(6.0, abs=0.5)
