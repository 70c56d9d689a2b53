"""The emulated load and supply of a calibration: commands, errors, set-points, in virtual time."""

from __future__ import annotations

from math import inf

import pytest

from powerlab.catalog.layers import load_catalog
from powerlab.emulation import rigol_dl3000, rigol_dp800, scpi_instrument, site
from powerlab.emulation.circuit import BRIDGE, Circuit
from powerlab.emulation.faults import FaultWatch
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.set_points import SetPointFile, point_path
from powerlab.emulation.site import LOOP_FILE, Loop, loop_site
from powerlab.emulation.tapped_meter import Unit
from powerlab.errors import SetupError

S = 1_000_000_000
START = 50_000 * S
EFFECT = 5_000_000


class Bench:
    """A load and a supply in one loop, in virtual time."""

    def __init__(self, load, supply, points) -> None:
        self.now_ns = START
        self.load, self.supply = load, supply
        self._points = points

    def clock(self) -> int:
        """Get the virtual instant."""
        return self.now_ns

    def after(self, seconds: float) -> None:
        """Let seconds pass."""
        self.now_ns += round(seconds * S)

    def tell(self, instrument, *lines: str) -> None:
        """Send commands; each must leave no error and no reply."""
        for line in lines:
            assert instrument.handle(line) == b""
            assert self.error(instrument) == 0, line

    def ask(self, instrument, line: str) -> str:
        """Send a query and get its reply."""
        reply = instrument.handle(line)
        assert reply.endswith(b"\n")
        return reply[:-1].decode()

    def error(self, instrument) -> int:
        """Take the code of the oldest error."""
        return int(self.ask(instrument, "SYST:ERR?").split(",")[0])

    def points(self, name: str) -> list[tuple[int, float, float]]:
        """Get what one of them told the bench."""
        return SetPointFile(point_path(self._points, name)).records()


def exact(profile):
    """Get a profile whose ranges neither err nor scatter."""
    calm = {"gain_percent": 0.0, "offset_percent": 0.0, "noise": 0.0, "resolution": 1e-9}
    ranges = tuple(item.model_copy(update=calm) for item in profile.range)
    return profile.model_copy(update={"range": ranges})


@pytest.fixture
def bench(tmp_path, device, monkeypatch) -> Bench:
    """Get a load and a supply that do what they are told, through 0.5 ohm."""
    catalog = load_catalog()
    circuit = Circuit(
        seed=1,
        source_v=0.0,
        loop_ohm=0.5,
        on_ohm=0.1,
        settle_s=0.01,
        drift=0.0,
        drift_time_s=100.0,
        noise=0.0,
        source_settle_s=0.01,
    )
    units = {name: Unit(1, f"EMULATED-{name}") for name in ("load", "supply")}
    loop = Loop(tmp_path, circuit, units, {"load": 0.5, "supply": 0.0})
    contexts = {}
    for name, identifier in (("load", "rigol-dl3021"), ("supply", "rigol-dp832")):
        SetPointFile.create(point_path(tmp_path, name))
        (tmp_path / name).mkdir()
        loop.write(tmp_path / name / LOOP_FILE)
        profile = exact(catalog.instrument(identifier))
        contexts[name] = EmulatorContext(tmp_path / name, 1, device, profile)
    SetPointFile.create(point_path(tmp_path, BRIDGE))
    made = Bench(None, None, tmp_path)
    for module in (rigol_dl3000, rigol_dp800, scpi_instrument):
        monkeypatch.setattr(module, "now_ns", made.clock)
    watch = FaultWatch(())
    made.load = rigol_dl3000.Dl3000(contexts["load"], watch)
    made.supply = rigol_dp800.Dp800(contexts["supply"], watch)
    return made


def drive(bench: Bench, volts: float, amperes: float) -> None:
    """Deliver volts and draw a current, and let both settle."""
    bench.tell(bench.supply, ":SOUR1:CURR 3", f":SOUR1:VOLT {volts}", ":OUTP CH1,ON")
    bench.after(1.0)
    bench.tell(bench.load, ":SOUR:FUNC CURR", ":SOUR:CURR:VON 0", f":SOUR:CURR {amperes}")
    bench.tell(bench.load, ":SOUR:INP:STAT 1")
    bench.after(1.0)


def test_identities(bench: Bench) -> None:
    """Four fields each, with the serial numbers that the loop gave them."""
    assert bench.ask(bench.load, "*IDN?") == (
        "RIGOL TECHNOLOGIES,DL3021,EMULATED-load,00.01.05.00.01"
    )
    assert bench.ask(bench.supply, "*IDN?").split(",")[1:3] == ["DP832", "EMULATED-supply"]


def test_set_points_reach_the_bench_after_a_moment(bench: Bench) -> None:
    """Each change is told once, with the instant from which it holds."""
    drive(bench, 10.0, 1.5)
    supply, load = bench.points("supply"), bench.points("load")
    assert [item[1:] for item in supply] == [(0.0, 3.0), (0.0, 3.0), (10.0, 3.0)]
    long_form = ":SOURCE1:VOLTAGE:LEVEL:IMMEDIATE:AMPLITUDE?"
    assert bench.ask(bench.supply, long_form) == bench.ask(bench.supply, ":SOUR1:VOLT?")
    assert load[-1] == (bench.now_ns - S + EFFECT, 1.5, inf)
    bench.tell(bench.load, ":SOUR:INP 0")
    assert bench.points("load")[-1] == (bench.now_ns + EFFECT, 0.0, inf)


def test_both_read_what_is_there(bench: Bench) -> None:
    """Volts and amperes of the loop: 10 V and 1.5 A through 0.5 ohm leave 9.25 V at the load."""
    drive(bench, 10.0, 1.5)
    assert float(bench.ask(bench.load, ":MEAS:VOLT:DC?")) == pytest.approx(9.25, abs=1e-5)
    assert float(bench.ask(bench.load, ":MEAS:CURR?")) == pytest.approx(1.5, abs=1e-5)
    assert float(bench.ask(bench.supply, ":MEAS:VOLT? CH1")) == pytest.approx(10.0, abs=1e-5)
    assert float(bench.ask(bench.supply, ":MEAS:CURR? CH1")) == pytest.approx(1.5, abs=1e-5)


def test_more_than_the_supply_delivers(bench: Bench) -> None:
    """At its limit of 3 A the volts collapse."""
    drive(bench, 10.0, 5.0)
    assert float(bench.ask(bench.load, ":MEAS:CURR:DC?")) == pytest.approx(3.0, abs=1e-5)
    assert float(bench.ask(bench.supply, ":MEAS? CH1")) == pytest.approx(1.8, abs=1e-5)


def test_a_load_is_found_as_its_last_user_left_it(bench: Bench) -> None:
    """Constant voltage and a starting voltage of 20 V: a driver must clear both."""
    bench.tell(bench.supply, ":SOUR1:VOLT 10", ":OUTP CH1,ON")
    bench.after(1.0)
    assert bench.ask(bench.load, ":SOUR:FUNC?") == "CV"
    bench.load.handle(":SOUR:INP 1")
    assert bench.error(bench.load) == -224
    bench.tell(bench.load, ":SOUR:FUNC CURR", ":SOUR:CURR 1", ":SOUR:INP 1")
    assert bench.points("load")[-1][1] == 0.0
    bench.tell(bench.load, "*RST")
    assert bench.ask(bench.load, ":SOUR:FUNC?;:SOUR:CURR:VON?;:SOUR:INP?") == "CC;0.000000;0"


def test_ranges_of_the_load(bench: Bench) -> None:
    """4 A and 40 A: a level beyond the range is refused, and kept within a smaller one."""
    assert bench.ask(bench.load, ":SOUR:CURR:RANG?") == "40.000000"
    bench.tell(bench.load, ":SOUR:FUNC CURR", ":SOUR:CURR:LEV:IMM 7", ":SOUR:CURR:RANG 2")
    assert bench.ask(bench.load, ":SOUR:CURR:RANG?;:SOUR:CURR?") == "4.000000;4.000000"
    bench.load.handle(":SOUR:CURR 4.5")
    assert bench.error(bench.load) == -222
    bench.load.handle(":SOUR:CURR:RANG 400")
    assert bench.error(bench.load) == -222


@pytest.mark.parametrize(
    ("name", "line", "code"),
    [
        ("load", ":SOUR:WHAT 1", -113),
        ("load", ":SOUR:CURR", -109),
        ("load", ":SOUR:FUNC LED", -224),
        ("supply", ":OUTP CH2,ON", -224),
        ("supply", ":SOUR1:VOLT 40", -222),
        ("supply", ":MEAS:VOLT? CH3", -224),
    ],
)
def test_what_cannot_be_carried_out_is_an_error(
    bench: Bench, name: str, line: str, code: int
) -> None:
    """It goes to the queue, is read once, and changes nothing."""
    instrument = getattr(bench, name)
    before = bench.points(name)
    assert instrument.handle(line) == b""
    assert bench.error(instrument) == code
    assert bench.error(instrument) == 0
    assert bench.points(name) == before


def test_the_function_holds_while_the_input_is_on(bench: Bench) -> None:
    """A change of mode under load is a conflict of settings."""
    drive(bench, 10.0, 1.0)
    bench.load.handle(":SOUR:FUNC VOLT")
    assert bench.error(bench.load) == -221
    assert bench.ask(bench.load, ":SOUR:FUNC?") == "CC"


def test_a_load_needs_a_calibration_bench(tmp_path, device) -> None:
    """On a board's bench there is nothing for it to do."""
    (tmp_path / "edges").mkdir()
    with pytest.raises(SetupError, match="in a calibration only"):
        loop_site(EmulatorContext(tmp_path, 1, device))
    with pytest.raises(SetupError, match="without an instrument profile"):
        site.profile_of(EmulatorContext(tmp_path, 1, device))
