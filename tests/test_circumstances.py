"""What a bench and a profile say of a measurement: wiring, work, physical limits."""

from __future__ import annotations

import math

import pytest

from powerlab.analysis.plausibility import least_time_s
from powerlab.catalog.bench_profile import Bench
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.layers import Catalog, load_catalog
from powerlab.circumstances import roofs, wiring, work

FACT = {"source": "data sheet", "retrieved": "2026-01-02"}


@pytest.fixture
def catalog(tmp_path) -> Catalog:
    """Get the shipped catalogue alone."""
    return load_catalog(cwd=tmp_path)


def board(**power: object) -> DeviceProfile:
    """Get a board of 12 V with some facts of its power replaced."""
    return DeviceProfile.model_validate(
        {
            "schema": 1,
            "id": "board",
            "name": "Board",
            "manufacturer": "Acme",
            "summary": "a board",
            "verified": "never",
            "soc": "one core",
            "power": {
                "idle_w": {"value": 3.0, "u": 0.1, **FACT},
                "active_w": {"value": 6.0, "u": 0.5, **FACT},
                "supply_voltage_v": {"value": 12.0, "u": 0.3, **FACT},
                **power,
            },
            "runtime": [{"id": "tflite"}],
        }
    )


def bench(measures: tuple[str, ...] = ("current",), **supply: object) -> Bench:
    """Get a bench of one meter; keywords describe its supply beside the volts."""
    stated = {"voltage_v": 12.1, "u_voltage_v": 0.01, **supply} if supply else None
    meter = {"model": "meter", "resource": "x", "measures": measures}
    return Bench.model_validate(
        {"device": "board", "host": "board", "meter": [meter], "supply": stated}, strict=False
    )


def test_a_supply_is_as_stiff_as_the_bench_says() -> None:
    """A measured source resistance and its uncertainty reach the wiring as they are."""
    made = wiring(bench(source_ohm=0.08, u_source_ohm=0.02), board())
    assert (made.source_ohm, made.u_source_ohm) == (0.08, 0.02)


@pytest.mark.parametrize(
    ("rating", "amperes"), [({"supply_current_a": 2.0}, 2.0), ({}, 0.5)], ids=["rated", "active"]
)
@pytest.mark.parametrize("supply", [{"read_with_meter": True}, {}], ids=["read once", "label"])
def test_an_unknown_supply_may_sag_as_adapters_do(rating, amperes, supply) -> None:
    """Five per cent of the label at the rated current, or else at the board's own, both ways."""
    made = wiring(bench(**supply), board(**rating))
    assert made.source_ohm == 0
    assert made.u_source_ohm == pytest.approx(0.05 * 12 / amperes / math.sqrt(3))


def test_a_meter_that_reads_volts_sees_the_sag() -> None:
    """Nothing is assumed of a supply whose volts are read all along."""
    made = wiring(bench(("current", "voltage")), board())
    assert (made.source_ohm, made.u_source_ohm) == (0, 0)


def test_weights_cross_memory_once_for_a_batch(catalog) -> None:
    """MACs count per inference; four bytes of each float32 parameter are shared by a batch."""
    cnn = catalog.workload("seed-cnn")
    assert work(cnn, 1).macs == 49_371_200
    assert work(cnn, 1).memory_bytes == 4 * 1_039_744
    assert work(cnn, 8).memory_bytes == 4 * 1_039_744 / 8
    int8 = cnn.model_copy(update={"precision": "int8"})
    assert work(int8, 1).memory_bytes == 1_039_744


def test_roofs_are_the_peaks_at_the_precision(catalog) -> None:
    """The V100's float32 peak and bandwidth are roofs with its u; no int8 peak, no such roof."""
    v100 = catalog.device("aistudio-v100")
    found = roofs(v100, "float32")
    assert found.operations_per_s.value == pytest.approx(14.85e12)
    assert found.operations_per_s.u_relative == pytest.approx(0.033)
    assert found.memory_bytes_per_s.value == pytest.approx(900e9)
    assert roofs(v100, "int8").operations_per_s is None


def test_a_device_without_sources_has_no_roofs(catalog) -> None:
    """Estimates are no limits: nothing is held against the EdgeBoard or this computer."""
    for name in ("edgeboard", "local"):
        found = roofs(catalog.device(name), "float32")
        assert found.operations_per_s is None
        assert found.memory_bytes_per_s is None
        assert found.idle_w is None
        assert found.supply_w is None


def test_idle_and_supply_are_limits_where_sources_give_them() -> None:
    """Idle power as stated; the supply's rating, beyond which it may give half more."""
    found = roofs(board(supply_current_a=2.0), "float32")
    assert (found.idle_w.value, found.idle_w.u) == (3.0, 0.1)
    assert found.supply_w.value == 24.0
    assert found.supply_w.u == pytest.approx(math.hypot(0.6, 6.0))


def test_the_link_of_a_composite_is_a_roof_for_its_accelerator_alone():
    """An input of 602,112 bytes crosses USB 2 in 10 ms; what runs on the host crosses nothing."""
    found = load_catalog()
    stick = found.device("coral-usb-raspberry-pi-3b-plus")
    limits = roofs(stick, "int8", "edgetpu")
    assert limits.link_bytes_per_s.value == 60e6
    assert roofs(stick, "int8", "tflite").link_bytes_per_s is None
    assert roofs(found.device("coral-devboard"), "int8", "edgetpu").link_bytes_per_s is None
    image = work(found.workload("mobilenet-v2"), 1)
    assert image.link_bytes == 4 * 224 * 224 * 3
    assert least_time_s(image, limits) == pytest.approx(0.0100352)
