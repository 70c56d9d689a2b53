"""What a load or a supply must say of itself, and what no meter says."""

from __future__ import annotations

import pytest

from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.instrument_rules import instrument_rules
from powerlab.catalog.layers import Catalog, load_catalog


@pytest.fixture
def catalog(tmp_path) -> Catalog:
    """Get the shipped catalogue alone."""
    return load_catalog(cwd=tmp_path)


def problems(profile: InstrumentProfile, **changes: object) -> dict[str, str]:
    """Get what is odd about a changed profile, by key."""
    return dict(instrument_rules(profile.model_copy(update=changes)))


@pytest.mark.parametrize(
    ("identifier", "kind"), [("rigol-dl3021", "load"), ("rigol-dp832", "supply")]
)
def test_loads_and_supplies_state_their_rating(catalog, identifier: str, kind: str) -> None:
    """With their own range, and nowhere else."""
    profile = catalog.instrument(identifier)
    assert problems(profile) == {}
    assert "is missing" in problems(profile, **{kind: None})[kind]
    meter = catalog.instrument("rdtech-um25c")
    assert problems(meter, **{kind: getattr(profile, kind)}) == {kind: "is no section of a meter"}
    driven = {"load": "current", "supply": "voltage"}[kind]
    others = tuple(item for item in profile.range if item.quantity != driven)
    assert driven in problems(profile, range=others, channels=(others[0].quantity,))["range"]


def test_curvature_and_temperature_are_bounded(catalog) -> None:
    """Figures that were meant in ppm or in parts are told."""
    profile = catalog.instrument("rdtech-um25c")
    bent, hot = (
        (profile.range[0].model_copy(update=change), *profile.range[1:])
        for change in ({"curvature_percent": 30.0}, {"temperature_percent_per_k": 5.0})
    )
    assert "no limit of a meter" in problems(profile, range=bent)["range[1].curvature_percent"]
    assert "for each kelvin" in problems(profile, range=hot)["range[1].temperature_percent_per_k"]


def test_the_offset_limit_holds_the_curvature(catalog) -> None:
    """The stated limit of a range covers all that is not gain: 0.05 % of 5 A and of 24 V."""
    for item in catalog.instrument("rdtech-um25c").range:
        assert item.offset_limit == pytest.approx(5e-4 * item.full_scale)
        assert item.curvature_percent > 0
        assert item.unsigned
