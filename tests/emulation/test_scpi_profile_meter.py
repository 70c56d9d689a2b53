"""The emulator of any SCPI meter: it understands its profile, keeps settings, and errs in words."""

from __future__ import annotations

import pytest

from powerlab.agent.edges import BUSY, EdgeFile
from powerlab.catalog.layers import load_catalog
from powerlab.emulation import edges_tail, scpi_profile_meter
from powerlab.emulation.faults import FaultWatch, parse_faults
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.scpi import parse
from powerlab.emulation.scpi_profile_meter import ProfileMeter, scpi_of, write_answer
from powerlab.emulation.scpi_templates import same_line, templates
from powerlab.errors import SetupError

S = 1_000_000_000
CATALOG = load_catalog()
PROFILE = CATALOG.instrument("keysight-34465a")


class Bench:
    """A meter in virtual time."""

    def __init__(self, context: EmulatorContext, faults: tuple[str, ...]) -> None:
        self.now_ns = 50_000 * S
        self.meter = ProfileMeter(context, FaultWatch(parse_faults(faults)), self.wait_until)

    def clock(self) -> int:
        """Get the virtual instant."""
        return self.now_ns

    def wait_until(self, at_ns: int) -> None:
        """Let virtual time pass."""
        self.now_ns = max(self.now_ns, at_ns)

    def ask(self, line: str) -> str:
        """Send a line and get what it brings."""
        self.meter.tick()
        return self.meter.handle(line).decode().rstrip("\n")


@pytest.fixture
def build(tmp_path, device, monkeypatch):
    """Get a maker of emulated meters."""
    context = EmulatorContext(tmp_path, 5, device, PROFILE)
    context.edges.mkdir()

    def make(*faults: str) -> Bench:
        bench = Bench(context, faults)
        for module in (scpi_profile_meter, edges_tail):
            monkeypatch.setattr(module, "now_ns", bench.clock)
        return bench

    return make


def set_up(bench: Bench, full_scale: str = "1") -> None:
    """Send the current function's settings."""
    for text in PROFILE.scpi.function[0].setup:
        assert bench.ask(text.format(range=full_scale, nplc="1")) == ""


def test_settings_are_kept_and_read_back(build) -> None:
    """What was set is told, in each function its own; before that there is nothing to tell."""
    bench = build()
    assert bench.ask("*IDN?").startswith("Keysight Technologies,34465A,EMULATED-")
    assert bench.ask("CURR:DC:RANG?") == ""
    assert bench.ask("SYST:ERR?").startswith("-224")
    set_up(bench)
    bench.ask("CONF:VOLT:DC 10")
    assert bench.ask("CURR:DC:RANG?;:VOLT:DC:RANG?") == "1;10"
    assert bench.ask("syst:lfr?") == "50"
    assert bench.ask("SYST:ERR?") == '0,"No error"'


def test_a_reading_takes_its_aperture(build) -> None:
    """A query that starts a reading is answered one aperture later, in the example's form."""
    bench = build()
    set_up(bench)
    bench.ask("READ?")
    before = bench.now_ns
    told = bench.ask("READ?")
    assert 0.02 * S <= bench.now_ns - before <= 0.04 * S
    assert len(told) == len("+4.27150000E-01")
    assert 0.3 < float(told) < 0.5  # 2 W of 5.1 V
    bench.ask("CURR:DC:NPLC 10")
    bench.ask("READ?")
    before = bench.now_ns
    bench.ask("READ?")
    assert bench.now_ns - before >= 0.2 * S


def test_the_function_selected_last_is_read(build) -> None:
    """Volts after volts were selected, amperes after amperes."""
    bench = build()
    set_up(bench)
    assert float(bench.ask("READ?")) < 1
    bench.ask("CONF:VOLT:DC 10")
    assert float(bench.ask("READ?")) > 4
    bench.ask("CONF:CURR:DC 1")
    assert float(bench.ask("READ?")) < 1


def test_an_overload_is_told_as_the_profile_says(build) -> None:
    """For a second on request, and readings again after it."""
    bench = build("overrange@1s")
    set_up(bench, "3")
    assert float(bench.ask("READ?")) < 1
    path = bench.meter._site._tail._directory / "powerlab-edges-1.bin"
    EdgeFile(str(path)).publish(BUSY, 0, bench.now_ns)
    bench.now_ns += int(1.2 * S)
    assert bench.ask("READ?") == "+9.90000000E+37"
    bench.now_ns += S
    assert float(bench.ask("READ?")) < 2


def test_a_range_whose_burden_starves_the_board(build) -> None:
    """A circuit that cannot be is an error of execution and no reading."""
    bench = build()
    set_up(bench, "0.1")
    assert bench.ask("READ?") == ""
    assert bench.ask("SYST:ERR?").startswith("-200")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("NO:SUCH 1", -113),
        ("NO:SUCH?", -113),
        ("CONF:CURR:DC", -113),
        ("CONF:CURR:DC 50", -222),
        ("CONF:CURR:DC x", -224),
        ("CURR:DC:NPLC 0", -222),
    ],
)
def test_what_it_does_not_understand(build, line: str, code: int) -> None:
    """An error for the queue and no answer; the queue is emptied by reading or clearing it."""
    bench = build()
    assert bench.ask(line) == ""
    assert bench.ask("SYST:ERR?").startswith(f"{code},")
    assert bench.ask("SYST:ERR?").startswith("0,")
    bench.ask(line)
    bench.ask("*CLS")
    assert bench.ask("SYST:ERR?").startswith("0,")


def test_answers_are_written_as_the_example() -> None:
    """Headers, units, fields that nobody reads, and words for an overload."""
    function = PROFILE.scpi.function[0].model_copy(update={"answer": "CURR 1.00mA,50.0"})
    item = function.field[0].model_copy(update={"unit": "mA"})
    function = function.model_copy(update={"field": (item,)})
    scpi = PROFILE.scpi.model_copy(update={"over_range": ("OVLD",)})
    assert write_answer(function, scpi, [0.0123]) == "CURR 12.30mA,50.0"
    assert write_answer(function, scpi, [float("nan")]) == "OVLD,50.0"


def test_a_profile_without_the_section_has_no_such_emulator() -> None:
    """What it understands must be said."""
    with pytest.raises(SetupError, match="does not say what the instrument understands"):
        scpi_of(CATALOG.instrument("rdtech-um25c"))


@pytest.mark.parametrize(
    ("text", "line", "values"),
    [
        ("CONF:CURR:DC {range}", ":conf:curr:dc  1E-1", {"range": "1E-1"}),
        ("VOLT {level}, (@1)", "VOLT 1.5,(@1)", {"level": "1.5"}),
        ('SENS:FUNC "CURR"', 'SENS:FUNC "CURR"', {}),
        ("CONF:CURR:DC {range}", "CONF:CURR:DC?", None),
        ("CONF:CURR:DC {range}", "CONF:CURR:DC 1,2", None),
        ("VOLT {level}, (@1)", "VOLT 1.5, (@2)", None),
        ("OUTP CH1,{switch}", "OUTP CH1,ON", {"switch": "ON"}),
    ],
)
def test_templates(text: str, line: str, values: dict[str, str] | None) -> None:
    """Case and spaces do not count, parameters do."""
    ((template,), (command,)) = templates(text), tuple(parse(line))
    assert template.match(command) == values


def test_a_line_with_several_commands() -> None:
    """Commands joined by semicolons are several templates, and a line is compared as a whole."""
    assert len(templates("A 1;:B {range}")) == 2
    assert same_line("MEAS:VOLT?;:MEAS:CURR?", ":meas:volt?;:meas:curr?")
    assert not same_line("READ?", "FETC?")
