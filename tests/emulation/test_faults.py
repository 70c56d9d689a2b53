"""Faults on request: their syntax and their times."""

from __future__ import annotations

import pytest

from powerlab.emulation.faults import KINDS, Fault, FaultWatch, parse_fault, parse_faults
from powerlab.errors import ConfigError


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_is_understood(kind):
    """Each kind takes a time in seconds and writes itself back."""
    assert parse_fault(f"{kind}@12.5s") == Fault(kind, 12.5)
    assert str(parse_fault(f"{kind}@10s")) == f"{kind}@10s"


@pytest.mark.parametrize("text", ["meteor@3s", "unplug", "unplug@", "unplug@-3s", "@3s", ""])
def test_anything_else_is_refused_with_the_list(text):
    """An unknown fault is a configuration error whose hint names all kinds."""
    with pytest.raises(ConfigError) as caught:
        parse_fault(text)
    assert all(kind in caught.value.hint for kind in KINDS)


def test_faults_are_sorted_by_time():
    """The order on the command line does not matter."""
    assert [fault.kind for fault in parse_faults(["gap@9s", "unplug@3s"])] == ["unplug", "gap"]


def test_nothing_strikes_before_an_agent_worked():
    """Times count from the first busy edge; each fault strikes once."""
    watch = FaultWatch(parse_faults(["unplug@2s", "gap@1s"]))
    watch.arm(None)
    assert not watch.strikes("unplug", 10**18)
    assert watch.windows("gap", 2.0) == ()
    watch.arm(5_000_000_000)
    watch.arm(9_000_000_000)
    assert not watch.strikes("unplug", 6_999_999_999)
    assert watch.strikes("unplug", 7_000_000_000)
    assert not watch.strikes("unplug", 8_000_000_000)
    assert watch.windows("gap", 2.0) == ((6_000_000_000, 8_000_000_000),)
