"""The Monsoon HVPM's packets: the computed one, cut ones, and what corrects what."""

from __future__ import annotations

import json
import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.errors import InstrumentProtocolError
from powerlab.instruments.monsoon_packets import (
    INVALID,
    MEASUREMENT,
    REFERENCE,
    ZERO,
    MainChannel,
    Scales,
    current_limit_value,
    main_voltage_value,
    parse_packet,
)

SCALES = Scales(fine=3_500_000, coarse=92_000)


def observation(kind: int, coarse: int, fine: int, volts: int = 20_000) -> bytes:
    """Build one observation by the published layout."""
    return struct.pack(">8HBB", coarse, fine, 0, 0, 0, 0, volts, 0, 0, kind)


def packet(*observations: bytes, dropped: int = 0) -> bytes:
    """Build one packet."""
    return struct.pack("<HBB", dropped, 0, len(observations)) + b"".join(observations)


def test_the_computed_packet(shared) -> None:
    """A zero, a reference and a measurement: current and volts as computed."""
    vector = json.loads(shared("vectors/monsoon/packets_computed.json").read_text())
    told = vector["calibration"]
    scales = Scales(
        told["mainFineScale"],
        told["mainCoarseScale"],
        told["mainFineZeroOffset"],
        told["mainCoarseZeroOffset"],
    )
    names = {ZERO: "zero_cal", REFERENCE: "ref_cal", MEASUREMENT: "measurement"}
    for raw, wanted in zip(vector["packets_hex"], vector["expected"], strict=True):
        parsed = parse_packet(bytes.fromhex(raw))
        assert parsed.dropped == wanted["dropped"]
        assert len(parsed.observations) == wanted["observations"]
        kinds = [names[kind & 0x30] for kind in parsed.observations["kind"].tolist()]
        assert kinds == wanted["types"]
        (current,), (volts,), (fine,) = (
            getattr(MainChannel(scales).feed(parsed.observations), name)
            for name in ("current_a", "voltage_v", "fine")
        )
        assert current * 1000 == pytest.approx(wanted["main_current_mA"], rel=1e-12)
        assert volts == pytest.approx(wanted["main_voltage_V"])
        assert fine == (wanted["used"] == "fine")


@pytest.mark.parametrize("length", range(58))
def test_a_cut_packet_is_refused(length: int) -> None:
    """Cut at any byte it is an error; padding behind it is none."""
    raw = packet(*[observation(MEASUREMENT, 1, 2)] * 3)
    with pytest.raises(InstrumentProtocolError):
        parse_packet(raw[:length])
    assert len(parse_packet(raw + bytes(6)).observations) == 3


def test_the_coarse_channel_takes_over() -> None:
    """From a raw fine value of 64,000 on the coarse one counts."""
    channel = MainChannel(SCALES)
    channel.feed(
        parse_packet(
            packet(observation(ZERO, 120, 100), observation(REFERENCE, 40_120, 60_100))
        ).observations
    )
    got = channel.feed(
        parse_packet(
            packet(
                observation(MEASUREMENT, 20_120, 63_999), observation(MEASUREMENT, 20_120, 64_000)
            )
        ).observations
    )
    assert got.fine.tolist() == [True, False]
    assert got.current_a[1] == pytest.approx(20_000 * 92_000 / 40_000 / 1000)


def test_without_calibration_there_is_no_value() -> None:
    """Before a zero and a reference, and where they are the same, a current is no number."""
    for known in (
        [],
        [observation(ZERO, 1, 1)],
        [observation(kind, 5, 5) for kind in (ZERO, REFERENCE)],
    ):
        got = MainChannel(SCALES).feed(
            parse_packet(packet(*known, observation(MEASUREMENT, 9, 9))).observations
        )
        assert math.isnan(got.current_a[0])
        assert math.isfinite(got.voltage_v[0])


@settings(max_examples=40, deadline=None)
@given(
    kinds=st.lists(st.sampled_from([MEASUREMENT, ZERO, INVALID, REFERENCE]), max_size=40),
    cut=st.integers(1, 12),
)
def test_pieces_do_not_matter(kinds: list[int], cut: int) -> None:
    """Observations fed in pieces of any length give what they give at once."""
    raw = [observation(kind, 500 * n, 700 * n) for n, kind in enumerate(kinds)]
    whole = MainChannel(SCALES).feed(parse_packet(packet(*raw)).observations)
    channel = MainChannel(SCALES)
    parts = [
        channel.feed(parse_packet(packet(*raw[at : at + cut])).observations)
        for at in range(0, len(raw), cut)
    ]
    joined = np.concatenate([np.empty(0), *(part.current_a for part in parts)])
    np.testing.assert_array_equal(joined, whole.current_a)
    assert len(whole.current_a) == kinds.count(MEASUREMENT)


def test_control_values() -> None:
    """4.2 V and 8 A as the device takes them."""
    assert main_voltage_value(4.2) == round(4.2 * 1_048_576)
    assert current_limit_value(0.0) == 0x0F00
    assert current_limit_value(15.625) == 0xFFFF
