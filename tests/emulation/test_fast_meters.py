"""The emulated Truevolt, N6705C and NGU201: their commands and memories, in virtual time."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from powerlab.catalog.layers import load_catalog
from powerlab.emulation import keysight_n6705c, keysight_truevolt, rohde_schwarz_ngu
from powerlab.emulation.faults import FaultWatch
from powerlab.emulation.process import EmulatorContext

S = 1_000_000_000
CATALOG = load_catalog()
KINDS = {
    "keysight-34465a-digitize": (keysight_truevolt, keysight_truevolt.Truevolt),
    "keysight-n6705c-n6781a": (keysight_n6705c, keysight_n6705c.N6705c),
    "rohde-schwarz-ngu201": (rohde_schwarz_ngu, rohde_schwarz_ngu.Ngu),
}
TRUEVOLT, N6705C, NGU = KINDS
VECTOR = "vectors/scpi/keysight_truevolt_34465a_34470a.json"


class Bench:
    """One instrument in virtual time."""

    def __init__(self) -> None:
        self.now_ns = 50_000 * S
        self.panel = None

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
        return int(self.panel.handle("SYST:ERR?").split(b",")[0])

    def tell(self, *lines: str) -> None:
        """Send commands; each must leave no error and no reply."""
        for line in lines:
            assert self.panel.handle(line) == b"", line
            assert self.error() == 0, line

    def ask(self, line: str) -> bytes:
        """Send a query and get its reply without the line feed."""
        reply = self.panel.handle(line)
        assert self.error() == 0, line
        assert reply.endswith(b"\n")
        return reply[:-1]


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Get a maker of emulated instruments, as their benches."""

    def make(identifier: str, **sampling: float) -> Bench:
        profile = CATALOG.instrument(identifier)
        changed = profile.sampling.model_copy(update=sampling)
        profile = profile.model_copy(update={"sampling": changed})
        context = EmulatorContext(tmp_path, 5, CATALOG.device("edgeboard"), profile)
        context.edges.mkdir()
        bench, (module, kind) = Bench(), KINDS[identifier]
        monkeypatch.setattr(module, "now_ns", bench.clock)
        bench.panel = kind(context, FaultWatch(()), bench.wait_until).panel
        return bench

    return make


@pytest.mark.parametrize(
    ("identifier", "identity"),
    [
        (TRUEVOLT, b"Keysight Technologies,34465A,EMULATED-00000005,"),
        (N6705C, b"Keysight Technologies,N6705C,EMULATED-00000005,"),
        (NGU, b"Rohde&Schwarz,NGU201,EMULATED-00000005,"),
    ],
)
def test_it_says_who_it_is(build, identifier: str, identity: bytes) -> None:
    """The serial number tells that it is emulated; what it does not know waits as an error."""
    bench = build(identifier)
    assert bench.ask("*IDN?").startswith(identity)
    assert bench.panel.handle("NONSENSE?") == b""
    assert bench.error() == -113
    for _ in range(30):
        bench.panel.handle("NONSENSE")
    codes = [bench.error() for _ in range(21)]
    assert codes[-2:] == [-350, 0]


# --- Truevolt ----------------------------------------------------------------------------


def test_published_exchanges_have_their_form(build, shared) -> None:
    """Each of the guide's examples on direct current, in its very form but for the values."""
    bench = build(TRUEVOLT)
    known = json.loads(shared(VECTOR).read_text())["exchanges"]
    assert bench.ask("R?") == b"#10"
    assert bench.ask("DATA:LAST?") == b"+9.91000000E+37 VDC"
    bench.tell("CONF:CURR:DC 1", "SAMP:COUN 3", "INIT")
    bench.after(2)
    forms = {item["q"]: item["r"] for item in known if "q" in item and item["r"] != "#10"}
    assert len(bench.ask("DATA:POIN?")) == 2
    told = bench.ask("R?")
    assert told.startswith(b"#247")
    assert len(told) == len(forms["R?"])
    bench.tell("CONF:VOLT:DC 100", "SAMP:COUN 2")
    assert bench.ask("READ?").count(b",") == 1
    assert len(bench.ask("DATA:LAST?")) == len(forms["DATA:LAST?"])
    bench.tell("CONF:CURR:DC 1,0.001", "TRIG:SOUR EXT;SLOP POS", "INIT")
    assert len(bench.ask("FETC?")) == len("+4.27150000E-01")


def test_the_memory_empties_as_it_is_read(build) -> None:
    """R? erases, FETC? keeps, DATA:REM? wants all of them; a new setting forgets."""
    bench = build(TRUEVOLT)
    bench.tell("CONF:CURR:DC 1", "CURR:DC:APER 0.0008", "SAMP:SOUR TIM", "SAMP:TIM 0.001")
    bench.tell("SAMP:COUN 100", "INIT")
    bench.after(1)
    assert bench.ask("DATA:POIN?") == b"+100"
    assert bench.ask("FETC?").count(b",") == 99
    assert bench.ask("R? 40").count(b",") == 39
    assert bench.ask("DATA:REM? 40").count(b",") == 39
    assert bench.panel.handle("DATA:REM? 40") == b""
    assert bench.error() == -230
    assert bench.ask("R?").count(b",") == 19
    assert bench.ask("R?") == b"#10"
    bench.tell("SAMP:COUN 10", "INIT")
    assert bench.ask("DATA:REM? 10,WAIT").count(b",") == 9
    bench.tell("INIT")
    bench.after(1)
    bench.tell("SAMP:COUN 20")
    assert bench.ask("DATA:POIN?") == b"+0"


def test_doubles_in_either_order(build) -> None:
    """FORM:BORD decides; the block states its length."""
    bench = build(TRUEVOLT)
    bench.tell("CONF:CURR:DC 1", "SAMP:COUN 2", "FORM:DATA REAL,64")
    values = []
    for order, kind in (("NORM", ">2d"), ("SWAP", "<2d")):
        bench.tell(f"FORM:BORD {order}", "INIT")
        bench.after(3)
        told = bench.ask("R?")
        assert told[:4] == b"#216"
        values += struct.unpack(kind, told[4:])
    assert values == pytest.approx([0.25] * 4, rel=0.2)
    assert bench.ask("FORM:DATA?;BORD?") == b"REAL,64;SWAP"


def test_a_memory_that_runs_over_sets_its_bit_once(build) -> None:
    """The oldest readings go; the event is told once, and cleared by *CLS."""
    bench = build(TRUEVOLT, memory_readings=50)
    setup = ("CONF:CURR:DC 1", "CURR:DC:APER 0.0008", "SAMP:SOUR TIM", "SAMP:TIM 0.001")
    bench.tell(*setup, "SAMP:COUN 1000000", "INIT")
    assert bench.ask("STAT:QUES?") == b"+0"
    bench.after(0.04)
    assert bench.ask("STAT:QUES?") == b"+0"
    bench.after(0.1)
    assert bench.ask("DATA:POIN?;:STAT:QUES?;:STAT:QUES?") == b"+50;+16384;+0"
    bench.after(0.1)
    bench.tell("*CLS", "ABOR")
    assert bench.ask("STAT:QUES?;:DATA:POIN?") == b"+0;+50"


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["CONF:CURR:DC AUTO,0.001"], -221),
        (["CONF:CURR:DC 50"], -222),
        (["SAMP:SOUR TIM", "SAMP:TIM 0.0001", "INIT"], -221),
        (["SAMP:COUN 100000", "INIT", "INIT"], -213),
        (["FETC?"], -230),
        (["FORM:DATA REAL,32"], -222),
        (["FORM:DATA REAL,7"], -224),
    ],
)
def test_what_a_truevolt_refuses(build, lines: list[str], code: int) -> None:
    """The last line leaves this error and answers nothing."""
    bench = build(TRUEVOLT)
    *before, last = lines
    bench.tell(*before)
    assert bench.panel.handle(last) == b""
    assert bench.error() == code


def test_the_option_allows_short_intervals(build) -> None:
    """Where the profile asks for them."""
    assert build(TRUEVOLT).ask("SAMP:TIM? MIN") == b"+3.00000000E-04"


def test_with_the_option(build) -> None:
    """Twenty microseconds."""
    bench = build(TRUEVOLT, interval_s=2e-5, aperture_s=2e-5)
    assert bench.ask("SAMP:TIM? MIN") == b"+2.00000000E-05"


# --- N6705C ------------------------------------------------------------------------------


def test_periods_are_rounded(build) -> None:
    """To steps of 20.48 µs, not below what so many parameters need."""
    bench = build(N6705C)
    bench.tell("SENS:ELOG:FUNC:CURR ON,(@1)")
    for asked, told in (("0.0001024", b"1.024000E-04"), ("0.00015", b"1.433600E-04")):
        bench.tell(f"SENS:ELOG:PER {asked},(@1)")
        assert bench.ask("SENS:ELOG:PER? (@1)") == told
    bench.tell("SENS:ELOG:FUNC:VOLT ON,(@1)", "SENS:ELOG:PER 0.0001024,(@1,2)")
    assert bench.ask("SENS:ELOG:PER? (@1,2)") == b"2.048000E-04,2.048000E-04"
    bench.tell("SENS:ELOG:FUNC:CURR ON,(@2)", "SENS:ELOG:PER 0.0001024,(@1)")
    assert bench.ask("SENS:ELOG:PER? (@1)") == b"4.096000E-04"


def test_records_of_two_outputs_in_both_forms(build) -> None:
    """A block each behind a comma; as text up to twenty seconds of them."""
    bench = build(N6705C)
    bench.tell("SENS:ELOG:FUNC:CURR ON,(@1,2)", "SENS:ELOG:FUNC:VOLT ON,(@1,2)")
    bench.tell("SENS:ELOG:PER 0.001,(@1,2)")
    bench.tell("FORM REAL", "FORM:BORD NORM", "INIT:ELOG (@1,2)")
    bench.after(0.5)
    told = bench.ask("FETC:ELOG? 3,(@1,2)")
    assert len(told) == 2 * (4 + 24) + 1
    one, two = struct.unpack(">6f", told[4:28]), struct.unpack(">6f", told[33:])
    assert one == pytest.approx(two)
    assert one[1] == pytest.approx(12.0, rel=0.02)
    assert one[0] == pytest.approx(0.125, rel=0.2)
    bench.tell("FORM ASC")
    bench.after(40)
    assert bench.ask("FETC:ELOG? 5,(@1)").count(b",") == 9
    bench.ask("FETC:ELOG? 16000,(@1)")
    assert bench.ask("FETC:ELOG? 16000,(@1)").count(b",") == pytest.approx(2 * 3925, rel=0.02)


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["SENS:ELOG:FUNC:CURR:MINM ON,(@1)"], -224),
        (["SENS:ELOG:PER 0.1,(@3)"], -222),
        (["SENS:ELOG:PER 0.1,1"], -224),
        (["FETC:ELOG? 10,(@1)"], 308),
        (["INIT:ELOG (@1)"], -221),
        (["SENS:ELOG:FUNC:CURR ON,(@1)", "INIT:ELOG (@1)", "SENS:ELOG:PER 0.2,(@1)"], -221),
    ],
)
def test_what_an_n6705_refuses(build, lines: list[str], code: int) -> None:
    """The last line leaves this error and answers nothing."""
    bench = build(N6705C)
    *before, last = lines
    bench.tell(*before)
    assert bench.panel.handle(last) == b""
    assert bench.error() == code


def test_a_log_waits_for_its_trigger(build) -> None:
    """With the source BUS."""
    bench = build(N6705C)
    bench.tell("SENS:ELOG:FUNC:CURR ON,(@1)", "TRIG:ELOG:SOUR BUS,(@1)", "INIT:ELOG (@1)")
    bench.after(1)
    bench.tell("TRIG:ELOG (@1)")
    bench.after(0.95)
    told = bench.ask("FETC:ELOG? 100,(@1)")
    assert told.count(b",") + 1 == pytest.approx(9, abs=1)
    bench.tell("ABOR:ELOG (@1)")


# --- NGU ---------------------------------------------------------------------------------


def test_chunks_and_the_bits_that_tell_of_them(build) -> None:
    """One each quarter of a second, told once; one that stays too long is skipped."""
    bench = build(NGU)
    bench.tell("FLOG:TARG SCPI", "FLOG:SRAT S001k", "STAT:OPER:INST:ISUM1:PTR 4096")
    bench.tell("STAT:QUES:INST:ISUM1:PTR 2048", "SENS:CURR:RANG 1", "FLOG 1")
    ready, skipped = "STAT:OPER:INST:ISUM1:EVEN?", "STAT:QUES:INST:ISUM1?"
    bench.after(0.2)
    assert bench.ask(f"{ready};:{skipped}") == b"0;0"
    bench.after(0.1)
    assert bench.ask(f"{ready};:{ready};:{skipped}") == b"4096;0;0"
    told = bench.ask("FLOG:DATA?")
    assert told[:6] == b"#42000"
    pairs = np.frombuffer(told[6:], dtype="<f4").reshape(-1, 2)
    assert pairs.mean(axis=0) == pytest.approx([12.0, 0.25], rel=0.2)
    assert bench.panel.handle("FLOG:DATA?") == b""
    assert bench.error() == -230
    bench.after(0.6)
    assert bench.ask(f"{ready};:{skipped};:{skipped}") == b"4096;2048;0"
    bench.tell("FLOG 0")
    assert bench.ask("FLOG?;:FLOG:SRAT?;TARG?") == b"0;S001k;SCPI"


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["FLOG:SRAT S020k"], -224),
        (["FLOG 1"], -221),
        (["FLOG:TARG SCPI", "FLOG 1", "FLOG:SRAT S001k"], -221),
        (["SENS:CURR:RANG 50"], -222),
    ],
)
def test_what_an_ngu_refuses(build, lines: list[str], code: int) -> None:
    """The last line leaves this error and answers nothing."""
    bench = build(NGU)
    *before, last = lines
    bench.tell(*before)
    assert bench.panel.handle(last) == b""
    assert bench.error() == code
