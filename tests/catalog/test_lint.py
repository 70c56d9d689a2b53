"""Lint: what a schema cannot know of sources, dates, physics and references."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from powerlab.catalog.layers import builtin_lab
from powerlab.catalog.lint import lint

DEVICE = "devices/acme-board.toml"
INSTRUMENT = "instruments/acme-meter.toml"
WORKLOAD = "workloads/net.toml"
PROTOCOL = "workloads/protocols/short.toml"
BENCH = "powerlab.toml"
TODAY = date(2026, 6, 1)


def told(lab) -> list[tuple[str, str]]:
    """Get (key, message) of all problems of the lab alone."""
    return [(each.key, each.message) for each in lint([lab.root], TODAY)]


def test_what_is_shipped_is_clean() -> None:
    """No shipped profile has a problem, whatever this computer's clock says."""
    assert lint([builtin_lab()], date.max) == []


def test_the_sample_lab_is_clean(lab) -> None:
    """The fixture that the other tests bend starts without a problem."""
    assert told(lab) == []


def test_an_empty_layer_is_clean(tmp_path) -> None:
    """A directory without any profile has nothing wrong in it."""
    assert lint([tmp_path]) == []


def test_problems_of_the_schema_are_part_of_lint(lab) -> None:
    """A malformed file does not hide what is wrong with the others."""
    lab.change(DEVICE, "soc =", "soq =")
    lab.change(INSTRUMENT, "resolution = 1e-6", "resolution = 1.0")
    keys = [key for key, _ in told(lab)]
    assert {"soc", "soq", "range[1].resolution"} <= set(keys)


@pytest.mark.parametrize(
    "case",
    [
        # sources and dates
        (
            DEVICE,
            'source = "label"',
            'source = "TODO"',
            "power.supply_voltage_v.source",
            "no source",
        ),
        (DEVICE, 'source = "a shop"', 'source = "    "', "price[1].source", "names no source"),
        (INSTRUMENT, '"2026-01-02"', '"2026-06-02"', "sampling.retrieved", "has not come yet"),
        (WORKLOAD, '"2026-01-02"', '"2027-01-02"', "origin.retrieved", "has not come yet"),
        (
            DEVICE,
            'u = 0.1\nsource = "label"',
            'u = 0\nestimated = true\nsource = "label"',
            "power.supply_voltage_v.u",
            "an estimate needs an uncertainty",
        ),
        # instruments
        (
            INSTRUMENT,
            "gain_percent = 0.1\noffset_percent = 0.04",
            "gain_percent = 0\noffset_percent = 0",
            "range[1].gain_percent",
            "no meter is exact",
        ),
        (
            INSTRUMENT,
            "gain_percent = 0.1",
            "gain_percent = 100",
            "range[1].gain_percent",
            "in percent?",
        ),
        (INSTRUMENT, "full_scale = 3.0", "full_scale = 1.0", "range[2].full_scale", "given twice"),
        (
            INSTRUMENT,
            "over_range_factor = 1.2",
            "over_range_factor = 3.5",
            "range[2].full_scale",
            "within the over-range of range[1]",
        ),
        (
            INSTRUMENT,
            "over_range_factor = 1.2",
            "over_range_factor = 0.5",
            "range[1].over_range_factor",
            "at least 1",
        ),
        (
            INSTRUMENT,
            "resolution = 1e-6",
            "resolution = 0.1",
            "range[1].resolution",
            "tenth of the full",
        ),
        (INSTRUMENT, "noise = 1e-6", "noise = 1.0", "range[1].noise", "tenth of the full scale"),
        (
            INSTRUMENT,
            "burden_voltage_v = 0.5",
            "burden_voltage_v = 500",
            "range[1].burden_voltage_v",
            "no burden of a meter",
        ),
        (
            INSTRUMENT,
            '[[range]]\nquantity = "current"',
            '[[range]]\nquantity = "voltage"',
            "range[1].burden_voltage_v",
            "no series drop",
        ),
        (
            INSTRUMENT,
            'channels = ["current"]',
            'channels = ["current", "voltage"]',
            "range",
            "no range for the channel voltage",
        ),
        (
            INSTRUMENT,
            'channels = ["current"]',
            'channels = ["current", "current"]',
            "channels",
            "current is named twice",
        ),
        (
            INSTRUMENT,
            "interval_s = 0.025",
            "interval_s = 0.01",
            "sampling.aperture_s",
            "longer than",
        ),
        (INSTRUMENT, '"gated"', '"boxcar"', "sampling.averaging", "use gated"),
        (
            INSTRUMENT,
            "latency_limit_s = 0.005",
            "latency_limit_s = 0.05",
            "sampling.latency_limit_s",
            "before its aperture has ended",
        ),
        (
            INSTRUMENT,
            "latency_s = 0.01",
            "memory_readings = 0\nlatency_s = 0.01",
            "sampling.memory_readings",
            "at least 1",
        ),
        (INSTRUMENT, 'kinds = ["visa"]', 'kinds = ["visa"]\nbaud = 0', "link.baud", "above 0"),
        (INSTRUMENT, '"TCPIP0::meter::5025::SOCKET"', '" "', "link.example", "resource string"),
        # devices
        (DEVICE, "value = 2.0", "value = -2.0", "power.idle_w.value", "must be above 0"),
        (DEVICE, "value = 2.0", "value = 9.0", "power.idle_w.value", "above the active power"),
        (
            DEVICE,
            "supply_current_a = 2.0",
            "supply_current_a = 0.5",
            "power.active_w.value",
            "(6 W)",
        ),
        (DEVICE, 'id = "tflite"', 'id = "paddle-lite"', "runtime", "'paddle-lite' is named twice"),
        (
            DEVICE,
            'stands_in_for = "paddle-lite"',
            'stands_in_for = "paddle"',
            "runtime[2].stands_in_for",
            "no native runtime",
        ),
        (DEVICE, "native = false", "native = true", "runtime[2].stands_in_for", "is native here"),
        (DEVICE, 'date = "2026-01-02"', 'date = "2026-01-03"', "price[1].date", "after the day"),
        (DEVICE, "u_relative = 0.05", "u_relative = 5", "price[1].u_relative", "is a fraction"),
        (
            DEVICE,
            "u_relative = 0.05",
            "u_relative = 0\nestimated = true",
            "price[1].u_relative",
            "an estimate needs",
        ),
        (DEVICE, "life_years = 3.0", "life_years = 3000", "price[1].life_years", "no life"),
        (
            DEVICE,
            "[[price]]",
            (
                '[peaks]\nfloat32_gflops = 10\nsource = "guess"\nretrieved = "2026-01-02"\n'
                "estimated = true\n[[price]]"
            ),
            "peaks.u_relative",
            "an estimate needs",
        ),
        # the emulated world
        (
            DEVICE,
            'meter = "acme-meter"',
            'meter = "acme-metre"',
            "emulation.meter",
            "there is no instrument 'acme-metre'; did you mean 'acme-meter'?",
        ),
        (
            DEVICE,
            'runtime = "tflite"',
            'runtime = "onnx"',
            "emulation.runtime",
            "none of the device's",
        ),
        (DEVICE, "idle_w = 2.0", "idle_w = 8.0", "emulation.idle_w", "not below the active"),
        (
            DEVICE,
            "active_w = 8.0",
            "active_w = 5.0",
            "emulation.active_w",
            "3 u from power.active_w",
        ),
        (DEVICE, "run_to_run = 0.003", "run_to_run = 0.3", "emulation.run_to_run", "is a fraction"),
        (DEVICE, "noise_w = 0.03", "noise_w = 7.0", "emulation.noise_w", "fall below 0"),
        (DEVICE, "drift_w = 0.05", "drift_w = -3.0", "emulation.drift_w", "fall below 0"),
        (DEVICE, "cable_ohm = 0.05", "cable_ohm = 5.0", "emulation.cable_ohm", "could not draw"),
        (
            DEVICE,
            "supply_voltage_v = 12.0",
            "supply_voltage_v = 2.0",
            "emulation.meter",
            "no current range of 'acme-meter' takes 4.8",
        ),
        # workloads and protocols
        (
            WORKLOAD,
            'tflite = "tflite"',
            'tflight = "tflite"',
            "formats.tflight",
            "did you mean 'tflite'",
        ),
        (
            WORKLOAD,
            'tflite = "tflite"',
            'tflite = "hdf9"',
            "formats.tflite",
            "no file format 'hdf9'",
        ),
        (WORKLOAD, 'tflite = "tflite"', "", "formats", "no runtime can load it"),
        (WORKLOAD, "[1, 8, 8, 1]", "[2, 8, 8, 1]", "input_shape", "batch 1"),
        (WORKLOAD, "[1, 8, 8, 1]", "[1, 8, 0, 1]", "input_shape", "positive"),
        (WORKLOAD, "macs = 10000", "macs = 0", "macs", "at least 1"),
        (PROTOCOL, "guard_s = 0.25", "guard_s = 3.0", "guard_s", "leave nothing of a run"),
        (PROTOCOL, "idle_s = 5.0", "idle_s = 0.1", "guard_s", "longer than the idle"),
        (PROTOCOL, "run_s = 6.0", "run_s = 60000.0", "runs", "more than a day"),
        (
            PROTOCOL,
            "warm_up_limit_s = 5.0",
            "warm_up_limit_s = 5000.0",
            "warm_up_limit_s",
            "an hour",
        ),
        # benches
        (BENCH, '"acme-board"', '"acme-bord"', "bench.desk.device", "did you mean 'acme-board'?"),
        (
            BENCH,
            '"acme-meter"',
            '"acme-metr"',
            "bench.desk.meter[1].model",
            "did you mean 'acme-meter'?",
        ),
        (
            BENCH,
            'model = "acme-meter"',
            'model = "acme-meter"\nmeasures = ["current", "power"]',
            "bench.desk.meter[1].measures",
            "does not stream power",
        ),
        (
            BENCH,
            'model = "acme-meter"',
            'model = "acme-meter"\nmeasures = ["voltage"]',
            "bench.desk.meter",
            "no meter reads current or power",
        ),
        (
            BENCH,
            "[[bench.desk.meter]]",
            (
                '[[bench.desk.meter]]\nmodel = "acme-meter"\n'
                'resource = "TCPIP0::meter::5025::SOCKET"\n'
                "[[bench.desk.meter]]"
            ),
            "bench.desk.meter[2].resource",
            "another meter",
        ),
        (
            BENCH,
            "[[bench.desk.meter]]",
            '[[bench.desk.meter]]\nmodel = "acme-meter"\nresource = "b"\n[[bench.desk.meter]]',
            "bench.desk.meter",
            "2 meters read power",
        ),
        (
            BENCH,
            "[[bench.desk.meter]]",
            "[bench.desk.supply]\nvoltage_v = 12.0\nu_voltage_v = 12.0\n[[bench.desk.meter]]",
            "bench.desk.supply.u_voltage_v",
            "too large",
        ),
        (
            BENCH,
            "[[bench.desk.meter]]",
            (
                "[bench.desk.supply]\nvoltage_v = 12.0\nu_voltage_v = 0.1\nsource_ohm = 0.1\n"
                "[[bench.desk.meter]]"
            ),
            "bench.desk.supply.source_ohm",
            "state both",
        ),
    ],
    ids=lambda case: f"{case[3]}: {case[4]}",
)
def test_each_rule_finds_what_breaks_it(lab, case) -> None:
    """Each rule names the file, the dotted key and what is wrong."""
    name, old, new, key, message = case
    path = lab.change(name, old, new)
    found = lint([lab.root], TODAY)
    assert any(
        (each.path, each.key) == (str(path), key) and message in each.message for each in found
    ), found


def test_an_emulated_meter_must_be_a_meter(lab) -> None:
    """A supply cannot stand where the world needs a meter."""
    lab.change(INSTRUMENT, 'kind = "meter"', 'kind = "supply"')
    assert ("emulation.meter", "'acme-meter' is a supply, not a meter") in told(lab)


def test_references_reach_into_earlier_layers(lab) -> None:
    """A bench may name a shipped device and a shipped meter."""
    lab.change(BENCH, "acme-board", "edgeboard")
    lab.change(BENCH, "acme-meter", "keithley-dmm6500")
    assert lint([builtin_lab(), lab.root], date.max) == []


def test_dates_are_judged_by_today(lab) -> None:
    """Without a named day, a date far in the future is found by the clock."""
    lab.change(DEVICE, "2026-01-02", "9999-12-31")
    (problem,) = lint([lab.root])
    assert problem.key == "power.idle_w.retrieved"
    assert Path(problem.path).name == "acme-board.toml"
