"""Bounds, intensities and traffic of layers made up here."""

from __future__ import annotations

import pytest

from powerlab.analysis.plausibility import least_time_s
from powerlab.analysis.roofline import (
    Layer,
    bound,
    intensity,
    layered_bound,
    least_traffic,
    total_macs,
    traffic,
    unknown_layers,
)
from powerlab.records import Figure, Roofs, Work

ROOFS = Roofs(operations_per_s=Figure(1e9), memory_bytes_per_s=Figure(1e8))
CONV = Layer("conv", "Conv", 100, 1_000_000, 400, 1000, 3000)
RELU = Layer("relu", "Relu", 0, 0, 0, 3000, 3000, "in-place")
VIEW = Layer("view", "Reshape", 0, 0, 0, 3000, 3000, "view")
WIDE = Layer("wide", "Concat", 0, 0, 0, 150_000, 150_000)
OWN = Layer("own", "MyOwn", 0, None, 0, 3000, None)


def test_traffic_shares_weights_among_a_batch():
    """Weights once a batch, values once an inference; views never, activations if not fused."""
    layers = [CONV, RELU, VIEW]
    assert traffic(layers).total_bytes == 4400
    assert traffic(layers, 4).total_bytes == 4100
    assert traffic(layers, fused=False).total_bytes == 10_400
    assert least_traffic(layers, 1500, 4).total_bytes == 1600


def test_what_is_not_known_is_left_out_and_said():
    """A layer of an unknown kind adds nothing to any sum."""
    assert unknown_layers([CONV, OWN]) == (OWN,)
    assert total_macs([CONV, OWN]) == 1_000_000
    assert traffic([CONV, OWN]).total_bytes == 7400


def test_the_bound_is_the_slower_roof():
    """2 operations a multiply-accumulate against bytes; the plausibility check says the same."""
    by_arithmetic = bound(Work(1e6, 1e4), ROOFS)
    assert (by_arithmetic.arithmetic_s, by_arithmetic.memory_s) == (2e-3, 1e-4)
    assert (by_arithmetic.bound_by, by_arithmetic.least_time_s) == ("arithmetic", 2e-3)
    by_memory = bound(Work(1e4, 1e6), ROOFS)
    assert (by_memory.bound_by, by_memory.least_time_s) == ("memory", 1e-2)
    for work in (Work(1e6, 1e4), Work(1e4, 1e6)):
        assert bound(work, ROOFS).least_time_s == least_time_s(work, ROOFS)


def test_a_link_binds_where_the_input_is_large():
    """An accelerator on USB 2 waits for its pictures; without work on the link it does not."""
    linked = Roofs(
        operations_per_s=Figure(1e12),
        memory_bytes_per_s=Figure(1e10),
        link_bytes_per_s=Figure(4e7),
    )
    told = bound(Work(3e8, 3.5e6, link_bytes=150_528), linked)
    assert (told.bound_by, told.least_time_s) == ("link", pytest.approx(3.76e-3, rel=1e-3))
    assert bound(Work(3e8, 3.5e6), linked).bound_by == "arithmetic"


def test_unknown_roofs_bind_nothing():
    """One roof alone says what is possible, and not which of the two binds."""
    memory = Roofs(memory_bytes_per_s=Figure(1e8))
    assert bound(Work(1e6, 1e6), memory).least_time_s == 1e-2
    assert bound(Work(1e6, 1e6), memory).bound_by == ""
    assert bound(Work(1e6, 1e6), Roofs()).least_time_s is None
    assert layered_bound([CONV], memory) is None


def test_one_layer_after_another_takes_longer():
    """Traffic of one layer does not hide behind the arithmetic of the other."""
    together = bound(Work(total_macs([CONV, WIDE]), traffic([CONV, WIDE]).total_bytes), ROOFS)
    assert together.least_time_s == pytest.approx(3.044e-3)
    assert layered_bound([CONV, WIDE], ROOFS) == pytest.approx(5e-3)


def test_intensity_counts_operations():
    """Two operations a multiply-accumulate, per byte moved."""
    assert intensity(1_000_000, traffic([CONV])) == pytest.approx(2e6 / 4400)
