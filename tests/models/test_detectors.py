"""Study 003: why the smaller detector is the slower one on the NPU."""

from __future__ import annotations

import pytest

from powerlab.analysis.roofline import bound, intensity, total_macs, total_parameters, traffic
from powerlab.records import Figure, Roofs, Work
from tests.models.detectors import yolo_fastest_xl, yolov4_tiny

RK1808 = Roofs(operations_per_s=Figure(3e12), memory_bytes_per_s=Figure(6.4e9))


@pytest.mark.parametrize(
    ("layers", "millions", "gflop", "megabytes", "all_megabytes", "per_byte"),
    [
        (yolo_fastest_xl(), 0.875, 0.720, 105.1, 116.0, 6.9),
        (yolov4_tiny(416), 6.05, 6.908, 74.8, 123.7, 92),
        (yolov4_tiny(320), 6.05, 4.088, 54.2, 83.1, 75),
    ],
)
def test_the_tables_give_the_published_sums(  # noqa: PLR0917
    layers, millions, gflop, megabytes, all_megabytes, per_byte
):
    """Parameters, operations, traffic of the convolutions and of all layers, intensity."""
    convolutions = [layer for layer in layers if layer.kind == "conv"]
    macs = total_macs(layers)
    assert total_parameters(layers) / 1e6 == pytest.approx(millions, abs=0.006)
    assert 2 * macs / 1e9 == pytest.approx(gflop, abs=0.0006)
    assert traffic(convolutions).total_bytes / 1e6 == pytest.approx(megabytes, abs=0.06)
    assert traffic(layers).total_bytes / 1e6 == pytest.approx(all_megabytes, rel=0.004)
    assert intensity(macs, traffic(convolutions)) == pytest.approx(per_byte, rel=0.01)


def _bound(layers):
    """Get the bound of the convolutions in 8 bits on the RK1808."""
    convolutions = [layer for layer in layers if layer.kind == "conv"]
    moved = traffic(convolutions).total_bytes / 4
    return bound(Work(total_macs(layers), moved), RK1808)


def test_memory_makes_the_smaller_network_slower():
    """A ninth of the operations takes longer on the NPU, since its traffic is larger."""
    small, large = _bound(yolo_fastest_xl()), _bound(yolov4_tiny(416))
    assert (small.arithmetic_s * 1e3, small.memory_s * 1e3) == pytest.approx((0.24, 4.1), abs=0.05)
    assert (large.arithmetic_s * 1e3, large.memory_s * 1e3) == pytest.approx((2.3, 2.9), abs=0.05)
    assert small.bound_by == large.bound_by == "memory"
    assert small.least_time_s > large.least_time_s
    # With memory that is fast enough for both, the order is that of the arithmetic.
    fast = Roofs(operations_per_s=Figure(1e11), memory_bytes_per_s=Figure(30e9))
    times = [
        bound(Work(total_macs(layers), traffic(layers).total_bytes), fast).least_time_s
        for layers in (yolo_fastest_xl(), yolov4_tiny(416))
    ]
    assert times[0] < times[1]
