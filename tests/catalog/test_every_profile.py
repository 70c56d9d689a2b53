"""What every shipped instrument profile must be good for: its driver, its emulator, its reach."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from powerlab.catalog.layers import load_catalog
from powerlab.cli._plugins import plugin_problems
from powerlab.emulation.metering import build_meter
from powerlab.emulation.wiring import SupplyPath
from powerlab.emulation.world import Edges, build_world

CATALOG = load_catalog(cwd=Path("/"))
METERS = [
    each.id
    for each in CATALOG.instruments.values()
    if each.kind == "meter" and "agent" not in each.link.kinds
]
"""Those that see a circuit; a counter on the board sees its files."""

SMALL_W, SMALL_V = 0.05, 2.5


def test_every_driver_and_emulator_resolves() -> None:
    """Each entry point that a profile names is installed and imports."""
    assert list(plugin_problems(CATALOG)) == []


@pytest.mark.parametrize("name", METERS)
def test_every_meter_can_be_emulated_on_a_small_board(name: str) -> None:
    """Its ranges, sampling and errors make a virtual meter whose readings are near the truth."""
    profile = CATALOG.instrument(name)
    device = CATALOG.device("edgeboard")
    small = {"active_w": SMALL_W, "idle_w": SMALL_W / 2, "supply_voltage_v": SMALL_V}
    steady = {"noise_w": 0.0, "run_to_run": 0.0, "drift_w": 0.0}
    section = device.emulation.model_copy(update=small | steady)
    board = device.model_copy(update={"emulation": section})
    meter = build_meter(profile, build_world(board, 7), SupplyPath(SMALL_V, 0.0), origin_ns=10**12)
    readings = meter.sample(Edges.of([]), 0, 5)
    assert readings.values.shape == (5, len(profile.quantities) + ("line" in profile.channels))
    assert np.isfinite(readings.values).all()
    truth = {"voltage": SMALL_V, "current": SMALL_W / 2 / SMALL_V, "power": SMALL_W / 2}
    for column, channel in enumerate(meter.channels):
        limit = channel.accuracy
        allowed = limit.gain_limit * truth[limit.quantity] + limit.offset_limit
        allowed += 6 * channel.range.noise + 0.05 * truth[limit.quantity]
        assert abs(readings.values[:, column].mean() - truth[limit.quantity]) < allowed


def test_usb_ids_lead_to_models_of_one_maker() -> None:
    """A scan can then say whose meter it is, if not which."""
    makers: dict[str, set[str]] = {}
    for profile in CATALOG.instruments.values():
        for usb_id in profile.link.usb_ids:
            makers.setdefault(usb_id, set()).add(profile.manufacturer)
    assert {usb_id: names for usb_id, names in makers.items() if len(names) > 1} == {}


def test_every_estimate_is_wide() -> None:
    """An estimated limit is above nothing, in reading and in range or resolution."""
    for profile in CATALOG.instruments.values():
        for item in profile.range:
            if item.estimated:
                assert item.gain_percent > 0, profile.id
                assert item.offset_limit + item.resolution > 0, profile.id
