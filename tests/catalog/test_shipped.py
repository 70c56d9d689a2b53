"""What the shipped profiles promise to the rest of the product."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from powerlab.catalog.layers import Catalog, load_catalog


@pytest.fixture
def catalog(tmp_path) -> Catalog:
    """Get the shipped catalogue alone."""
    return load_catalog(cwd=tmp_path)


def test_the_first_ids_are_there(catalog) -> None:
    """The ids that documents and defaults name are shipped."""
    assert {"keithley-dmm6500", "rdtech-um25c"} <= set(catalog.instruments)
    assert {"edgeboard", "local", "aistudio-cpu-2core", "aistudio-v100"} <= set(catalog.devices)
    assert {"seed-cnn", "mobilenet-v2"} <= set(catalog.workloads)
    assert "quick" in catalog.protocols


def test_edgeboard_is_what_its_article_says(catalog) -> None:
    """0.6 A to 0.8 A at 12 V, 5,000 CNY over three years, Paddle-Lite as native runtime."""
    board = catalog.device("edgeboard")
    low_w, high_w = 0.6 * 12, 0.8 * 12
    active = board.power.active_w
    assert active.value == pytest.approx((low_w + high_w) / 2)
    assert active.u == pytest.approx((high_w - low_w) / 2 / math.sqrt(3), abs=0.01)
    assert board.power.idle_w.estimated
    assert [(p.amount, p.currency, p.life_years) for p in board.price] == [
        (Decimal(5000), "CNY", 3.0)
    ]
    assert [runtime.id for runtime in board.runtime if runtime.native] == ["paddle-lite"]
    stand_ins = {r.id: r.stands_in_for for r in board.runtime if not r.native}
    assert stand_ins == {"tflite": "paddle-lite", "openvino": "paddle-lite"}
    assert board.emulation is not None
    assert (board.emulation.meter, board.emulation.runtime) == ("keithley-dmm6500", "tflite")


def test_the_articles_other_systems_cost_what_it_says(catalog) -> None:
    """The server and the V100 carry the article's prices and tens of times the power."""
    board_w = catalog.device("edgeboard").power.active_w.value
    for name, amount in (("aistudio-cpu-2core", 10_000), ("aistudio-v100", 100_000)):
        device = catalog.device(name)
        (price,) = device.price
        assert (price.amount, price.currency, price.life_years) == (Decimal(amount), "CNY", 3.0)
        assert 10 < device.power.active_w.value / board_w < 50
        assert device.emulation is None
        assert device.verified == "never"


def test_nothing_claims_hardware_that_was_never_there(catalog) -> None:
    """No shipped profile is marked as tried on hardware."""
    profiles = (*catalog.devices.values(), *catalog.instruments.values())
    assert {profile.verified for profile in profiles} <= {"emulator", "never"}


def test_workloads_run_where_the_emulated_boards_can(catalog) -> None:
    """Each workload has a file for the stand-in runtime of each emulated board."""
    for workload in catalog.workloads.values():
        for device in catalog.devices.values():
            if device.emulation is not None:
                assert device.emulation.runtime in workload.formats


def test_the_seed_cnn_has_its_published_size(catalog) -> None:
    """The published layer list sums to the parameters and multiply-adds of the profile."""
    cnn = catalog.workload("seed-cnn")
    layers = [  # kernel, inputs, outputs, positions of the output
        (7, 1, 16, 82 * 82),
        (6, 16, 48, 36 * 36),
        (5, 48, 96, 8 * 8),
        (8, 96, 128, 1),
        (1, 128, 848, 1),
    ]
    assert sum(k * k * i * o + o for k, i, o, _ in layers) == cnn.parameters == 1_039_744
    assert sum(k * k * i * o * at for k, i, o, at in layers) == cnn.macs == 49_371_200


def test_mobilenet_v2_has_its_published_size(catalog) -> None:
    """The table of the MobileNetV2 paper gives the profile's parameters and multiply-adds."""
    size, channels = 112, 32
    parameters, macs = 27 * 32 + 32, size * size * 27 * 32
    blocks = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)]
    blocks += [(6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    for expansion, outputs, repeats, first_stride in blocks:
        for index in range(repeats):
            wide = channels * expansion
            if expansion != 1:
                parameters += channels * wide + wide
                macs += size * size * channels * wide
            size //= first_stride if index == 0 else 1
            parameters += 9 * wide + wide + wide * outputs + outputs
            macs += size * size * (9 * wide + wide * outputs)
            channels = outputs
    parameters += 320 * 1280 + 1280 + 1280 * 1000 + 1000
    macs += size * size * 320 * 1280 + 1280 * 1000
    net = catalog.workload("mobilenet-v2")
    assert (net.parameters, net.macs) == (parameters, macs)


def test_quick_stays_under_a_minute(catalog) -> None:
    """Idle before and after, warm-up and five guarded runs of six seconds fit in a minute."""
    quick = catalog.protocol("quick")
    assert (quick.idle_s, quick.runs, quick.run_s, quick.guard_s) == (5.0, 5, 6.0, 0.25)
    total_s = 2 * quick.idle_s + quick.warm_up_limit_s
    total_s += quick.runs * (quick.run_s + 2 * quick.guard_s)
    assert total_s < 60
