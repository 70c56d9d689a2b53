"""PowerSensor3: computed frames, streams that lose bytes, and a session with its emulator."""

from __future__ import annotations

import json
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.emulation import powersensor3 as emulated
from powerlab.emulation import streamed
from powerlab.emulation.faults import Fault, FaultWatch
from powerlab.emulation.process import EmulatorContext
from powerlab.errors import ConfigError, InstrumentError, InstrumentProtocolError
from powerlab.instruments import powersensor3
from powerlab.instruments.contract import Meter, MeterRequest
from powerlab.instruments.powersensor3 import PairRows, open_session
from powerlab.instruments.powersensor3_config import RECORD, Sensor, parse_record
from powerlab.instruments.powersensor3_stream import SET_BYTES, SetReader
from powerlab.records import SampleFlag
from powerlab.units import NS_PER_S, now_ns
from tests.instruments.logger_rig import (
    busy_from,
    check,
    logger_rig,
    lost,
    rows,
    small_board,
    until,
    virtual_blocks,
)

PROFILE = "powersensor3"
REQUEST = MeterRequest(expected_peak_a=0.9, expected_peak_v=13.0)
AMPERES = Sensor("ACS712", "x", 1.65, 0.1, in_use=True)
VOLTS = Sensor("Divider", "x", 0.0, 0.2, in_use=True)


def built(numbers: list[int], level: int = 0) -> bytes:
    """Build sets by the published layout; the level of sensor 1 names each."""
    out = b""
    for number in numbers:
        stamp = (100 + 50 * number) % 1024
        out += bytes([0xF0 | stamp >> 6, 0x40 | stamp & 0x3F])
        for sensor in range(8):
            shown = (number % 1000) + 1 if sensor == 1 else level
            out += bytes([0x80 | sensor << 4 | shown >> 6, shown & 0x3F])
    return out


@pytest.fixture
def vector(shared):
    """Get the computed frames."""
    return json.loads(shared("vectors/powersensor3/frames_computed.json").read_text())


def test_the_computed_configuration(vector) -> None:
    """Eight records and the end; the first pair is in use."""
    reply = bytes.fromhex(vector["config_reply_hex"])
    sensors = [parse_record(reply[at : at + RECORD.size]) for at in range(0, 8 * 41, 41)]
    assert [sensor.in_use for sensor in sensors] == [True, True] + [False] * 6
    assert sensors[0].kind == "ACS712-20"
    assert (sensors[0].pair, sensors[1].pair) == ("5V", "5V")


@pytest.mark.parametrize("piece", [1, 2, 17, 18, 36])
def test_the_computed_stream(vector, piece: int) -> None:
    """Times, levels, marker and values, however the bytes are cut."""
    reply = bytes.fromhex(vector["config_reply_hex"])
    sensors = [parse_record(reply[at : at + RECORD.size]) for at in (0, 41)]
    data = bytes.fromhex(vector["stream_hex"])
    reader = SetReader()
    parts = [reader.feed(data[at : at + piece]) for at in range(0, len(data), piece)]
    levels = np.concatenate([part.levels for part in parts])
    marker = np.concatenate([part.marker for part in parts])
    times = np.concatenate([part.time_us for part in parts])
    wanted = vector["expected"]
    assert levels.tolist() == [item["levels"] for item in wanted]
    assert marker.tolist() == [item["marker"] for item in wanted]
    assert np.diff(times).tolist() == [wanted[1]["timestamp_us"] - wanted[0]["timestamp_us"]]
    amperes, volts = sensors[0].values(levels[0, 0]), sensors[1].values(levels[0, 1])
    assert amperes == pytest.approx(wanted[0]["current_A"], rel=1e-6)
    assert volts == pytest.approx(wanted[0]["voltage_V"], rel=1e-6)
    assert amperes * volts == pytest.approx(wanted[0]["power_W"], rel=1e-6)


@pytest.mark.parametrize("length", range(41))
def test_a_cut_record_is_refused(length: int) -> None:
    """Less than 41 bytes are no record."""
    with pytest.raises(InstrumentProtocolError, match=f"{length} bytes"):
        parse_record(bytes(length))


@pytest.mark.parametrize("values", [(float("nan"), 1.0), (1.65, 0.0), (1.65, float("inf"))])
def test_impossible_sensors_are_refused(values: tuple[float, float]) -> None:
    """A sensor in use needs a sensitivity."""
    with pytest.raises(InstrumentProtocolError, match="cannot be"):
        parse_record(RECORD.pack(b"x", b"y", *values, 1))


@settings(max_examples=60, deadline=None)
@given(
    place=st.integers(0, 12 * SET_BYTES),
    gone=st.integers(0, 40),
    added=st.binary(max_size=5),
    cut=st.integers(1, 300),
)
def test_hurt_sets_are_lost_and_the_others_right(
    place: int, gone: int, added: bytes, cut: int
) -> None:
    """A hole or noise at any byte: no set that is kept is of another number or another level."""
    data = built(list(range(14)))
    hurt = data[:place] + added + data[place + gone :]
    reader = SetReader()
    parts = [reader.feed(hurt[at : at + cut]) for at in range(0, len(hurt), cut)]
    levels = np.concatenate([part.levels for part in parts])[:, 1].tolist()
    times = np.concatenate([part.time_us for part in parts])
    whole = set(range(1, 15))
    changed = [level for level in levels if level not in whole]
    # Ten bits have no checksum: bytes that replace as many others of a level change that level.
    assert len(changed) <= (len(added) + 1 if len(added) >= 1 else 0)
    assert len(levels) >= 14 - 2 - (gone + SET_BYTES - 1) // SET_BYTES - len(added)
    assert np.all(np.diff(times) > 0)


@pytest.mark.parametrize("missing", range(20))
def test_lost_sets_are_rows(missing: int) -> None:
    """Up to 19 sets the time tells all of them; the rows behind keep their time."""
    numbers = [n for n in range(100) if not 40 <= n < 40 + missing]
    got = PairRows(AMPERES, VOLTS, 0).feed(built(numbers))
    assert np.flatnonzero(got.flags & SampleFlag.LOST).tolist() == list(range(40, 40 + missing))
    assert got.device_ns.tolist() == [50_000 * n for n in range(100)]


def test_sets_lost_between_two_reads() -> None:
    """The loss shows at the first set of the next piece too."""
    decoder = PairRows(AMPERES, VOLTS, 0)
    first, second = decoder.feed(built([0, 1, 2])), decoder.feed(built([6, 7]))
    assert len(first.flags) == 3
    assert second.flags.tolist() == [1, 1, 1, *second.flags[3:]]
    assert second.device_ns.tolist() == [150_000, 200_000, 250_000, 300_000, 350_000]


def opened(profile, bench) -> closing[Meter]:
    """Open a session that is closed with its ``with`` block."""
    return closing(open_session(profile(PROFILE), bench.bench()))


@pytest.fixture
def rig(tmp_path, profile, monkeypatch):
    """Get a maker of emulated PowerSensor3s."""
    monkeypatch.setattr(powersensor3, "QUIET_S", 0.05)

    def make(*faults: tuple[str, float]):
        return logger_rig(tmp_path, emulated.build, profile(PROFILE), *faults)

    return make


def test_a_set_up_and_a_stream(rig, profile) -> None:
    """The one pair in use is found; volts and amperes of an idle board of 3 W at 12 V."""
    with rig() as bench, opened(profile, bench) as meter:
        setup = meter.configure(REQUEST)
        values, flags, device_ns = check(until(meter, lambda blocks: rows(blocks) > 4000))
    assert setup.channels == ("voltage", "current")
    assert (setup.settings["pair"], setup.settings["pair_name"]) == (1, "12V")
    assert meter.identity.firmware == "F411-1.6.1"
    assert np.median(values[:, 0]) == pytest.approx(12, rel=0.05)
    assert values[:, 1].mean() == pytest.approx(0.25, abs=0.3)
    assert not flags.any()
    assert np.all(np.diff(device_ns) == 50_000)


def test_the_pair_must_be_in_use(rig, profile) -> None:
    """Another pair than the one that is configured, and an option that does not exist."""
    with rig() as bench:
        with pytest.raises(ConfigError, match="does not name a pair") as caught:
            open_session(profile(PROFILE), bench.bench("?pair=0"))
        assert "in use: 1 (12V)" in caught.value.hint
        with pytest.raises(ConfigError, match="0 to 3"):
            open_session(profile(PROFILE), bench.bench("?pair=7"))


def test_a_load_beyond_the_sensor(rig, profile) -> None:
    """What its configuration cannot show is refused by the sensor's name."""
    refused = pytest.raises(InstrumentError, match="ACS712-20")
    with rig() as bench, opened(profile, bench) as meter, refused:
        meter.configure(MeterRequest(expected_peak_a=20.0))


def test_unplugging_ends_with_what_came(rig, profile) -> None:
    """The sets until the cut, then exit code 4."""
    blocks = []
    with (
        rig(("unplug", 0.1)) as bench,
        opened(profile, bench) as meter,
    ):
        meter.configure(REQUEST)
        with pytest.raises(InstrumentError, match="was disconnected"):
            until(meter, lambda _: False, bench.work, blocks)
    check(blocks)


@pytest.mark.parametrize(
    ("fault", "wanted"), [("lost-samples", 512), ("gap", 3200)], ids=["25 turns", "gap"]
)
def test_losses_are_found_by_the_clock(tmp_path, profile, monkeypatch, fault, wanted) -> None:
    """25 turns of the time exactly, and 0.16 s of nothing: rows for all of it."""
    monkeypatch.setattr(streamed, "GAP_S", 0.16)
    faults = (Fault(fault, 0.0),)
    context = EmulatorContext(tmp_path, 7, small_board(), profile(PROFILE), faults)
    context.edges.mkdir()
    device = emulated.PowerSensor3(context, FaultWatch(faults))
    busy_from(context, now_ns() + NS_PER_S)
    device.take(b"S")
    blocks = virtual_blocks(device, PairRows(AMPERES, VOLTS, 1), 50_000, 1_024_000, 3.0)
    check(blocks)
    assert lost(blocks) == pytest.approx(wanted, abs=1)
