"""The JSON form of records."""

from __future__ import annotations

import json
import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.records import MeterSetup, Phase, Request, Result
from powerlab.store.serial import from_plain, to_plain
from powerlab.units import Money
from tests.store.made import REQUEST, head, phases, result


def through_json(value: object) -> object:
    """Write and read a value as a file would."""
    return json.loads(json.dumps(to_plain(value), allow_nan=False))


@pytest.mark.parametrize("record", [REQUEST, Money(Decimal("0.10"), "EUR", "2026-01-01")])
def test_a_flat_record_returns_equal(record):
    """Fields, decimals and their trailing zeros survive."""
    assert from_plain(type(record), through_json(record)) == record


def test_a_nested_result_returns_equal():
    """Mappings, tuples, enumerations and optional records survive; NaN stays NaN."""
    before = result()
    after = from_plain(Result, through_json(before))
    assert math.isnan(after.quantities["power_idle"].value)
    assert str(after) == str(before)


def test_settings_keep_their_kind():
    """A setting may be a text, a whole number or a float, infinity spelled out."""
    setup = head()["meter"]["setup"]
    again = from_plain(MeterSetup, through_json(setup))
    assert again.settings == {"range": "1 A", "nplc": 1.0, "readings": 1000, "zero": "Infinity"}


def test_arrays_return_with_dtype_and_frozen():
    """Instants near 2**62 keep every bit, an empty array its dtype."""
    for phase in phases():
        again = from_plain(Phase, through_json(phase))
        assert again.done_board_ns.dtype == np.int64
        assert not again.done_board_ns.flags.writeable
        np.testing.assert_array_equal(again.done_board_ns, phase.done_board_ns)


@given(st.floats(allow_nan=False))
def test_every_float_returns_equal(value):
    """Subnormal numbers, signed zeros and infinities included."""
    again = from_plain(float, through_json(value))
    assert math.copysign(1, again) == math.copysign(1, value)
    assert again == value


@pytest.mark.parametrize(
    ("kind", "plain"), [(int, "1"), (int, 1.0), (bool, 1), (str, 3), (float, True), (float, None)]
)
def test_a_near_miss_is_refused(kind, plain):
    """A value of another type is an error, not a guess."""
    with pytest.raises(TypeError):
        from_plain(kind, plain)


def test_a_missing_field_is_refused():
    """A record with a field left out is not filled with a default."""
    with pytest.raises(KeyError):
        from_plain(Request, {"device": "x"})


def test_other_objects_are_refused():
    """What JSON cannot restore is not written."""
    with pytest.raises(TypeError, match="set"):
        to_plain({1, 2})
