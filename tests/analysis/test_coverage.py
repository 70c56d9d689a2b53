"""Stated intervals against the truth of many worlds, each with its own meter and board."""

import pytest

from powerlab.analysis.conclude import conclude
from powerlab.catalog.layers import load_catalog
from powerlab.emulation.virtual import Setup, virtual_measurement
from powerlab.records import Boundary, Request, VoltageSense

WORLDS = 200
NAMES = ("energy_per_inference", "energy_of_these_runs")


def covered(meter, setup):
    """Get how often each energy's interval holds its truth, over the worlds."""
    catalog = load_catalog()
    request = Request("edgeboard", "virtual", meter, "seed-cnn", "tflite", 1, 1, "quick")
    hits = dict.fromkeys(NAMES, 0)
    for seed in range(WORLDS):
        capture, truth = virtual_measurement(
            catalog.device("edgeboard"),
            catalog.instrument(meter),
            catalog.protocol("quick"),
            seed,
            setup,
        )
        result, _ = conclude(capture, run="w", request=request, price=None)
        truths = (truth.energy_per_inference_j, truth.energy_of_these_runs_j)
        for name, value in zip(NAMES, truths, strict=True):
            item = result.quantities[name]
            hits[name] += item.low <= value <= item.high
    return hits


@pytest.mark.parametrize(
    ("meter", "setup"),
    [
        ("keithley-dmm6500", Setup()),
        ("keithley-dmm6500", Setup(boundary=Boundary.DC)),
        ("keithley-dmm6500", Setup(supply_origin="nominal")),
        ("rdtech-um25c", Setup()),
        ("rdtech-um25c", Setup(boundary=Boundary.DC)),
        ("rdtech-um25c", Setup(voltage_sense=VoltageSense.BOARD)),
    ],
)
def test_nominal_95_percent_intervals_hold_the_truth_in_most_worlds(meter, setup):
    """Coverage of both energies lies within four binomial standard deviations of 95 %."""
    for name, hits in covered(meter, setup).items():
        assert 178 <= hits <= WORLDS, (name, hits)
