"""A session with an LPM01A: its emulator on a real pseudo-terminal, both formats, faults."""

from __future__ import annotations

import threading
from contextlib import closing

import numpy as np
import pytest

from powerlab.emulation import st_lpm01a as emulated
from powerlab.emulation import streamed
from powerlab.errors import ConfigError, InstrumentError
from powerlab.instruments import st_lpm01a
from powerlab.instruments.contract import Meter, MeterRequest
from powerlab.instruments.st_lpm01a import open_session
from powerlab.records import SampleFlag
from tests.instruments.logger_rig import check, logger_rig, lost, rows, until

IDLE_W, ACTIVE_W, SUPPLY_V = 0.02, 0.06, 3.0
BOARD = {
    "idle_w": IDLE_W,
    "active_w": ACTIVE_W,
    "supply_voltage_v": SUPPLY_V,
    "cable_ohm": 0.0,
    "u_cable_ohm": 0.0,
    "source_ohm": 0.0,
}
REQUEST = MeterRequest(expected_peak_a=0.03)
VOLTS = "?volts=3.0"


def opened(profile, bench) -> closing[Meter]:
    """Open a session that is closed with its ``with`` block."""
    model = bench.context.instrument.id
    return closing(open_session(profile(model), bench.bench(VOLTS)))


@pytest.fixture
def rig(tmp_path, profile, monkeypatch):
    """Get a maker of emulated LPM01As on a board of 60 mW."""
    monkeypatch.setattr(st_lpm01a, "QUIET_S", 0.05)

    def make(identifier: str, *faults: tuple[str, float]):
        return logger_rig(tmp_path, emulated.build, profile(identifier), *faults, **BOARD)

    return make


@pytest.mark.parametrize(
    ("identifier", "wanted"),
    [
        ("st-lpm01a", ("power", IDLE_W, "ascii_dec")),
        ("st-lpm01a-current", ("current", IDLE_W / SUPPLY_V, "bin_hexa")),
    ],
)
def test_a_set_up_and_a_stream(rig, profile, identifier, wanted) -> None:
    """Energy as text at 1 kHz, current in binary at 100 kHz: the level of an idle board."""
    channel, level, format_ = wanted
    with rig(identifier) as bench:
        with opened(profile, bench) as meter:
            setup = meter.configure(REQUEST)
            values, flags, device_ns = check(until(meter, lambda blocks: rows(blocks) > 300))
        told = bench.link._meter.settings
    assert setup.channels == (channel,)
    assert told["format"] == format_ == setup.settings["format"]
    assert told["volt"] == "3000m"
    assert meter.identity.serial == bench.context.serial
    assert meter.identity.firmware
    assert meter.identity.emulated
    assert values.mean() == pytest.approx(level, rel=0.06)
    assert not flags.any()
    assert np.all(np.diff(device_ns) == round(setup.interval_s * 1e9))


def test_the_baud_rate_is_set(rig, profile) -> None:
    """3,686,400 Bd, which no list of POSIX has."""
    with (
        rig("st-lpm01a") as bench,
        opened(profile, bench) as meter,
    ):
        assert meter._link._port.baudrate == 3_686_400


def test_the_volts_must_be_named(rig, profile) -> None:
    """No default would be right for every board, and too many volts harm one."""
    with rig("st-lpm01a") as bench:
        for options, words in (("", "does not say at which volts"), ("?volts=5", "1.8 to 3.3")):
            with pytest.raises(ConfigError, match=words):
                open_session(profile("st-lpm01a"), bench.bench(options))


def test_a_load_beyond_it_and_a_refused_order(rig, profile) -> None:
    """An EdgeBoard is too much for it; what the meter refuses is told in its own words."""
    with (
        rig("st-lpm01a") as bench,
        opened(profile, bench) as meter,
    ):
        with pytest.raises(InstrumentError, match="beyond every power range"):
            meter.configure(MeterRequest(expected_peak_a=0.7))
        with pytest.raises(InstrumentError, match="refused 'freq 3k': error"):
            meter._order("freq 3k")


def test_something_else_on_the_port(rig, profile, monkeypatch) -> None:
    """No acknowledgement: the message names the rate to check."""
    monkeypatch.setattr(st_lpm01a, "ANSWER_LIMIT_S", 0.1)
    monkeypatch.setattr(emulated.Lpm01a, "_carry_out", lambda self, line: "hello\r\n")
    with (
        rig("st-lpm01a") as bench,
        pytest.raises(InstrumentError, match="no LPM01A answered 'htc'") as caught,
    ):
        open_session(profile("st-lpm01a"), bench.bench(VOLTS))
    assert "3686400" in caught.value.hint


@pytest.mark.parametrize("identifier", ["st-lpm01a", "st-lpm01a-current"])
def test_a_gap_is_rows(rig, profile, monkeypatch, identifier) -> None:
    """0.3 s without samples: the meter's time stamps tell, in either format."""
    monkeypatch.setattr(streamed, "GAP_S", 0.3)
    with (
        rig(identifier, ("gap", 0.1)) as bench,
        opened(profile, bench) as meter,
    ):
        setup = meter.configure(REQUEST)
        enough = 0.25 / setup.interval_s
        blocks = until(meter, lambda blocks: lost(blocks) > enough, bench.work)
    check(blocks)
    assert lost(blocks) * setup.interval_s == pytest.approx(0.3, abs=0.03)


def test_an_overload_is_flagged(rig, profile, monkeypatch) -> None:
    """What the meter says of overcurrent is on the next samples, and the stream goes on."""
    monkeypatch.setattr(streamed, "OVERRANGE_S", 0.05)
    with (
        rig("st-lpm01a", ("overrange", 0.1)) as bench,
        opened(profile, bench) as meter,
    ):
        meter.configure(REQUEST)
        blocks = until(
            meter,
            lambda blocks: any(np.any(block.flags) for block in blocks[:-1]),
            bench.work,
        )
    _, flags, _ = check(blocks)
    assert np.any(flags & SampleFlag.OVERRANGE)


def test_unplugging_ends_with_what_came(rig, profile) -> None:
    """The samples until the cut, then exit code 4."""
    blocks = []
    with (
        rig("st-lpm01a", ("unplug", 0.1)) as bench,
        opened(profile, bench) as meter,
    ):
        meter.configure(REQUEST)
        with pytest.raises(InstrumentError, match="was disconnected"):
            until(meter, lambda _: False, bench.work, blocks)
    check(blocks)


def test_a_second_session_finds_a_clean_meter(rig, profile) -> None:
    """A session that was left in the middle of its stream leaves nothing behind for the next."""
    with rig("st-lpm01a") as bench:
        for _ in range(2):
            meter = open_session(profile("st-lpm01a"), bench.bench(VOLTS))
            meter.configure(REQUEST)
            stream = meter.stream(threading.Event())
            block = next(stream)
            stream.close()
            meter.close()
            assert not block.flags.any()
            assert not bench.link._meter.running
