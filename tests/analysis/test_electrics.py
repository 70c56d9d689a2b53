"""From readings to power: the circuit, and the same power as a sum of few terms."""

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.analysis.electrics import (
    Circuit,
    boundary_power,
    nominal_circuit,
    power_weights,
    readings_basis,
)
from powerlab.records import Boundary, VoltageSense
from tests.analysis.factories import accuracy, setup, wiring

METERS = [
    *(("current",), ("voltage", "current"), ("current", "voltage", "line")),
    *(("power",), ("voltage", "current", "power")),
]
WIRINGS = [
    wiring(boundary=boundary, voltage_sense=sense, supply_voltage_origin=origin, source_ohm=0.3)
    for boundary, sense, origin in itertools.product(
        (Boundary.BOARD, Boundary.DC), VoltageSense, ("bench", "circuit", "nominal")
    )
]


def meter(*channels):
    """Get the setup of a meter that reads these channels."""
    return setup(channels=channels, accuracy=tuple(accuracy(name) for name in channels))


def power(current_a, wired, *, volts=None, active_a=0.8, **changes):
    """Get the power at one current, of a meter with 0.5 ohm unless told otherwise."""
    channels = ("current",) if volts is None else ("current", "voltage")
    circuit = nominal_circuit(meter(*channels), wired)
    circuit = dataclasses.replace(circuit, **{"burden_ohm": 0.5, **changes})
    readings = [current_a] if volts is None else [current_a, volts]
    values = np.array([readings], dtype=float)
    return float(boundary_power(values, meter(*channels), wired, circuit, active_a)[0])


def test_watts_that_a_meter_forms_lose_the_leads_by_its_own_amperes():
    """Read before the leads they hold the leads' loss; on the mains side leads are no part."""
    reads = meter("voltage", "current", "power")
    values = np.array([[10.0, 2.0, 20.0]])
    for boundary, left in ((Boundary.BOARD, 20 - 2.0**2 * 0.2), (Boundary.WALL, 20.0)):
        wired = wiring(boundary=boundary, voltage_sense=VoltageSense.METER, cable_ohm=0.2)
        circuit = nominal_circuit(reads, wired)
        assert boundary_power(values, reads, wired, circuit, 0.0)[0] == pytest.approx(left)


def test_volts_read_under_load_are_those_of_the_load():
    """At the current at which they were read, only the burden comes off them, at any ohms."""
    wired = wiring(cable_ohm=0.2, source_ohm=0.3)
    assert power(0.8, wired) == pytest.approx(0.8 * (10 - 0.8 * 0.5))
    in_circuit = dataclasses.replace(wired, supply_voltage_origin="circuit")
    assert power(0.8, in_circuit) == pytest.approx(0.8 * 10)


def test_a_supply_sags_from_idle_to_load():
    """At a quarter of the current its volts are higher by its own drop and the leads'."""
    wired = wiring(cable_ohm=0.2, source_ohm=0.3)
    assert power(0.2, wired) == pytest.approx(0.2 * (10 + 0.6 * (0.2 + 0.3) - 0.2 * 0.5))
    in_circuit = dataclasses.replace(wired, supply_voltage_origin="circuit")
    assert power(0.2, in_circuit) == pytest.approx(0.2 * (10 + 0.6 * (0.2 + 0.3 + 0.5)))


def test_a_labels_volts_hold_whatever_the_supply_delivers():
    """The label's limits include the supply's regulation; the leads and the burden do not."""
    wired = wiring(cable_ohm=0.2, source_ohm=0.3, supply_voltage_origin="nominal")
    assert power(0.2, wired) == pytest.approx(0.2 * (10 - 0.2 * (0.2 + 0.5)))


def test_volts_that_are_read_all_along_know_the_supply():
    """Neither the supply's resistance nor the burden matters to them."""
    for sense, boundary, ohm in (
        (VoltageSense.METER, Boundary.BOARD, 0.2),
        (VoltageSense.METER, Boundary.DC, 0.0),
        (VoltageSense.BOARD, Boundary.BOARD, 0.0),
        (VoltageSense.BOARD, Boundary.DC, -0.2),
    ):
        wired = wiring(cable_ohm=0.2, source_ohm=0.3, voltage_sense=sense, boundary=boundary)
        assert power(0.8, wired, volts=5.0) == pytest.approx(0.8 * (5.0 - 0.8 * ohm))


def test_ripple_counts_because_simultaneous_samples_are_multiplied(shared):
    """Mean of products, not product of means; a delay between the channels costs a cosine."""
    case = json.loads(shared("references/integration_closed_form.json").read_text())["ui_skew"]
    phase = 2 * np.pi * np.arange(1000) / 1000

    def mean_power(delay):
        values = np.stack((1 + 0.5 * np.sin(phase + delay), 5 + 0.5 * np.sin(phase)), axis=1)
        reads = meter("current", "voltage")
        circuit = nominal_circuit(reads, wiring())
        return float(boundary_power(values, reads, wiring(), circuit, 0.0).mean())

    assert mean_power(0.0) == pytest.approx(case["true_mean_power"], rel=1e-12)
    for example in case["examples"]:
        delay = 2 * math.pi * example["f_hz"] * example["dt"]
        assert mean_power(delay) == pytest.approx(example["P"], rel=1e-12)


factors = st.floats(0.9, 1.1)
offsets = st.floats(-0.05, 0.05)
ohms = st.floats(0, 0.5)


@given(
    st.sampled_from(METERS),
    st.sampled_from(WIRINGS),
    st.tuples(factors, factors, offsets, offsets),
    st.tuples(st.floats(5, 20), ohms, ohms, ohms, st.floats(0, 3)),
    st.integers(0, 2**32 - 1),
)
def test_power_is_a_weighted_sum_of_terms_of_the_readings(channels, wired, errors, ohmic, seed):
    """Any gain, offset and resistance acts on sums over samples as on the samples."""
    rng = np.random.default_rng(seed)
    readings = {"current": rng.uniform(0.1, 3, 50), "voltage": rng.uniform(4, 20, 50)}
    readings |= {"power": rng.uniform(1, 30, 50), "line": rng.uniform(0, 1, 50)}
    values = np.stack([readings[name] for name in channels], axis=1)
    gain, gain_v, offset, offset_v = errors
    supply_v, burden_ohm, cable_ohm, source_ohm, active_a = ohmic
    circuit = Circuit(
        gain=dict.fromkeys(channels, gain) | {"voltage": gain_v},
        offset=dict.fromkeys(channels, offset) | {"voltage": offset_v},
        supply_voltage_v=supply_v,
        burden_ohm=burden_ohm,
        cable_ohm=cable_ohm,
        source_ohm=source_ohm,
    )
    reads = meter(*channels)
    each = boundary_power(values, reads, wired, circuit, active_a)
    weights = power_weights(reads, wired, circuit, active_a)
    terms = readings_basis(values, reads)
    size = float((np.abs(weights) @ np.abs(terms)).sum())
    assert weights @ terms == pytest.approx(each, rel=1e-12, abs=1e-14 * size)
    assert weights @ terms.sum(axis=1) == pytest.approx(each.sum(), rel=1e-12, abs=1e-14 * size)
