"""The digitizer of the emulated DMM6500: its commands, its ring, its blocks, in virtual time."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from powerlab.emulation.faults import FaultWatch
from powerlab.emulation.keithley_dmm6500 import Dmm6500
from powerlab.emulation.process import EmulatorContext

S = 1_000_000_000


class Bench:
    """A multimeter in virtual time."""

    def __init__(self, context: EmulatorContext) -> None:
        self.now_ns = 50_000 * S
        self.meter = Dmm6500(context, FaultWatch(()), self.wait_until)

    def clock(self) -> int:
        """Get the virtual instant."""
        return self.now_ns

    def wait_until(self, at_ns: int) -> None:
        """Let virtual time pass."""
        self.now_ns = max(self.now_ns, at_ns)

    def error(self) -> int:
        """Take the code of the oldest error."""
        return int(self.meter.handle("SYST:ERR?").split(b",")[0])

    def tell(self, *lines: str) -> None:
        """Send commands; each must leave no error and no reply."""
        for line in lines:
            assert self.meter.handle(line) == b"", line
            assert self.error() == 0, line

    def ask(self, line: str) -> bytes:
        """Send a query and get its reply without the line feed."""
        reply = self.meter.handle(line)
        assert self.error() == 0, line
        return reply[:-1]


@pytest.fixture
def bench(tmp_path, device, dmm, monkeypatch) -> Bench:
    """Get an emulated multimeter."""
    context = EmulatorContext(tmp_path, 5, device, dmm)
    context.edges.mkdir()
    made = Bench(context)
    monkeypatch.setattr("powerlab.emulation.keithley_dmm6500.now_ns", made.clock)
    return made


def test_settings_are_kept_and_told(bench: Bench) -> None:
    """Range, rate and aperture of each function; an automatic aperture is the whole interval."""
    bench.tell(':DIG:FUNC "CURR"', ":SENS:DIG:CURR:SRAT 40000", "DIG:CURR:APER AUTO")
    bench.tell("DIG:CURR:RANG 0.9", ":SENS:DIGITIZE:COUNT 12")
    told = [":DIG:FUNC?", "DIG:CURR:SRAT?", "DIG:CURR:APER?", "DIG:CURR:RANG?", "DIG:COUN?"]
    assert [bench.ask(line) for line in told] == [b"CURR", b"40000", b"2.5E-05", b"1", b"12"]
    assert bench.ask(":SENS:FUNC?") == b"NONE"
    bench.tell("DIG:CURR:APER 1E-5", ':SENS:FUNC "CURR:DC"')
    assert bench.ask("DIG:CURR:APER?") == b"1E-05"
    assert bench.ask(":DIG:FUNC?") == b"NONE"


@pytest.mark.parametrize(
    "line",
    [
        "DIG:CURR:SRAT 999",
        "DIG:CURR:SRAT 1000001",
        "DIG:CURR:APER 2E-3",
        "DIG:CURR:RANG 50",
        'DIG:FUNC "RES"',
        ':TRIG:BLOC:MDIG 3,"defbuffer1",INF',
        ':TRIG:BLOC:MDIG 1,"defbuffer1",0',
    ],
)
def test_what_the_digitizer_cannot_is_an_error(bench: Bench, line: str) -> None:
    """Rates, apertures, ranges, functions, and blocks behind a gap."""
    assert bench.meter.handle(line) == b""
    assert bench.error() < 0


def test_a_fixed_count_is_taken(bench: Bench) -> None:
    """As the manual's example: ten readings, the last of them told."""
    bench.tell('DIG:FUNC "CURR"', "DIG:CURR:SRAT 1000000", "DIG:CURR:APER AUTO", "DIG:COUN 10")
    assert 0.3 < float(bench.ask("MEAS:DIG?")) < 0.5
    assert bench.ask(":TRAC:ACT?") == b"10"
    bench.tell(':TRAC:TRIG:DIG "defbuffer2"')
    assert bench.ask(':TRAC:ACT:END? "defbuffer2"') == b"10"


def test_an_endless_count_turns_a_ring(bench: Bench) -> None:
    """Newest and oldest index, and readings as doubles in the order that was set."""
    bench.tell('DIG:FUNC "CURR"', "DIG:CURR:SRAT 1000", ':TRAC:MAKE "pl",1000')
    bench.tell(':TRAC:FILL:MODE CONT,"pl"', ':TRIG:LOAD "EMPTY"', ':TRIG:BLOC:BUFF:CLE 1,"pl"')
    bench.tell(':TRIG:BLOC:MDIG 2,"pl",INF', ":TRIG:BLOC:WAIT 3,COMM", ":INIT")
    bench.now_ns += round(1.5 * S)
    assert bench.ask(":TRIG:STAT?").startswith(b"RUNNING")
    newest = int(bench.ask(':TRAC:ACT:END? "pl"'))
    assert newest == pytest.approx(490, abs=15)
    assert int(bench.ask(':TRAC:ACT:STAR? "pl"')) == newest + 1
    bench.tell(":FORM:DATA REAL", ":FORM:BORD SWAP")
    reply = bench.ask(f':TRAC:DATA? {newest - 1},{newest},"pl",READ,REL')
    assert reply[:4] == b"#232"
    value, first_s, _, second_s = struct.unpack("<4d", reply[4:])
    assert value == pytest.approx(0.39, rel=0.1)
    assert second_s - first_s == pytest.approx(1e-3, rel=1e-6)
    bench.tell(":ABOR")
    bench.now_ns += S
    assert int(bench.ask(':TRAC:ACT:END? "pl"')) == newest


def test_readings_are_means_over_their_interval(bench: Bench) -> None:
    """A thousand at 1 kS/s and a million at 1 MS/s see the same current."""
    means = []
    for rate in (1000, 100_000):
        bench.tell("*RST", 'DIG:FUNC "CURR"', f"DIG:CURR:SRAT {rate}", f"DIG:COUN {rate // 10}")
        bench.ask("MEAS:DIG?")
        told = bench.ask(f":TRAC:DATA? 1,{rate // 10}").split(b",")
        means.append(np.mean([float(word) for word in told]))
    assert means[0] == pytest.approx(means[1], rel=0.05)


def test_without_blocks_nothing_starts(bench: Bench) -> None:
    """An empty trigger model, or one that measures nothing."""
    bench.meter.handle(":INIT")
    assert bench.error() == -221
    bench.tell(":TRIG:BLOC:NOP 1")
    bench.meter.handle(":INIT")
    assert bench.error() == -221
