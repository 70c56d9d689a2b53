"""Documents compared: what counts as the same."""

from __future__ import annotations

import pytest

from powerlab.verify.compare import Verification, compare


@pytest.mark.parametrize(
    ("stored", "recomputed", "same"),
    [
        (1.0, 1.0 + 1e-12, True),
        (1.0, 1.0 + 1e-8, False),
        (0.0, 1e-15, False),
        (4, 4.0, True),
        (4, 5, False),
        (True, 1, False),
        (None, 0.0, False),
        ("1.0", 1.0, False),
        ("NaN", "NaN", True),
        (10**400, 1.0, False),
        ([1, 2], [1, 2, 3], False),
        ({"a": 1}, {}, False),
        ({"at_ns": 4_210_000_000_000}, {"at_ns": 4_210_000_000_002}, True),
        ({"at_ns": 4_210_000_000_000}, {"at_ns": 4_210_000_000_003}, False),
        # the end of an interval near zero is as exact as its quantity is large
        ({"value": 1.0, "U": 1.0, "low": 0.0}, {"value": 1.0, "U": 1.0, "low": 1e-12}, True),
        ({"value": 1.0, "U": 1.0, "low": 0.0}, {"value": 1.0, "U": 1.0, "low": 1e-6}, False),
    ],
)
def test_what_is_the_same(stored, recomputed, same) -> None:
    """Floats within 1e-9, everything else exactly, and nothing missing."""
    assert (compare(stored, recomputed).differences == ()) is same


def test_a_difference_is_named_by_where_it_is() -> None:
    """Dotted keys and places in lists."""
    (found,) = compare({"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": 1}, {"b": 3}]}).differences
    assert (found.key, found.stored, found.recomputed) == ("a[1].b", 2, 3)


def test_nothing_recomputed_does_not_agree() -> None:
    """Silence is not a verdict."""
    found = Verification("run", "x", (), (), (), recomputed=False)
    assert found.outcome == "not verifiable"
