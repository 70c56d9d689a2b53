"""What is unsafe on a bench is refused from its files; what is merely poor is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from powerlab.bench_check import bench_findings, check_bench, check_emulated
from powerlab.bench_readings import rest_findings
from powerlab.catalog.bench_profile import Bench
from powerlab.catalog.layers import load_catalog
from powerlab.errors import SetupError
from powerlab.findings import Severity
from tests.analysis.factories import accuracy, setup

CATALOG = load_catalog(cwd=Path("/"))
BLOCKING, WARNING, INFO = Severity.BLOCKING, Severity.WARNING, Severity.INFO
SOURCED = {"source": "a manual", "retrieved": "2026-11-21"}


def profile(name: str = "keithley-dmm6500", **changes):
    """Get a shipped model with some facts changed."""
    document = CATALOG.instrument(name).model_dump(by_alias=True)
    return type(CATALOG.instrument(name)).model_validate({**document, **changes})


def found(
    *models: str,
    device: str = "edgeboard",
    instruments=CATALOG.instruments,
    meter=(),
    **bench,
) -> dict[str, Severity]:
    """Get the findings on a bench by code, each with its severity."""
    meters = [
        {
            "model": model,
            "resource": f"serial:/dev/{index}",
            "measures": instruments[model].quantities,
            **dict(meter),
        }
        for index, model in enumerate(models)
    ]
    made = Bench(**{"device": device, "host": "h", "boundary": "board", "meter": meters, **bench})
    findings = bench_findings(made, CATALOG.device(device), instruments)
    assert all(finding.hint for finding in findings)
    return {finding.code: finding.severity for finding in findings}


@pytest.mark.parametrize(
    ("device", "model", "told"),
    [
        ("edgeboard", "keithley-dmm6500", {"terminals": INFO}),
        ("edgeboard", "yokogawa-wt310e", {}),
        ("edgeboard", "joulescope-js220", {}),
        ("raspberry-pi-4", "rdtech-tc66c", {}),
        ("jetson-orin-nano", "keithley-dmm6500", {"terminals": INFO}),
    ],
)
def test_a_sound_bench_has_nothing_against_it(device, model, told):
    """Ranges, fuse and drop suit; the boundary is stated. A multimeter has two inputs."""
    assert found(model, device=device) == told


@pytest.mark.parametrize(
    ("model", "device", "bench", "code"),
    [
        ("keithley-2450", "raspberry-pi-4", {}, "beyond-range"),
        ("nordic-ppk2", "edgeboard", {}, "beyond-input"),
        ("st-lpm01a", "edgeboard", {}, "beyond-input"),
        ("st-lpm01a", "edgeboard", {}, "beyond-range"),
        ("st-lpm01a-current", "edgeboard", {}, "beyond-input"),
        ("qoitech-otii-arc", "edgeboard", {}, "beyond-input"),
        ("joulescope-js220", "jetson-orin-nano", {}, "beyond-input"),
        ("rdtech-um25c", "edgeboard", {"boundary": "wall"}, "meter-on-mains"),
        ("keithley-dmm6500", "gtx1080-i7-7700k", {}, "meter-on-mains"),
        ("rdtech-um25c", "edgeboard", {"boundary": "wall"}, "beyond-range"),
        ("keysight-34465a", "raspberry-pi-4", {}, "undervoltage"),
        (
            "rdtech-um25c",
            "raspberry-pi-4",
            {"supply": {"voltage_v": 12.0, "u_voltage_v": 0.1}},
            "supply-volts",
        ),
        (
            "rdtech-um25c",
            "jetson-agx-orin",
            {"supply": {"voltage_v": 26.0, "u_voltage_v": 0.1}},
            "beyond-range",
        ),
    ],
)
def test_what_is_unsafe_blocks(model, device, bench, code):
    """Too much for the meter, the mains on a meter of direct current, too little for the board."""
    assert found(model, device=device, **bench)[code] is BLOCKING


@pytest.mark.parametrize(
    ("model", "device", "bench", "code", "severity"),
    [
        ("keithley-dmm6500", "raspberry-pi-4", {}, "undervoltage", WARNING),
        ("yokogawa-wt310e", "edgeboard", {"boundary": "wall"}, "supply-efficiency", INFO),
        (
            "rdtech-um25c",
            "raspberry-pi-4",
            {"supply": {"voltage_v": 4.5, "u_voltage_v": 0.1}},
            "supply-volts",
            WARNING,
        ),
    ],
)
def test_what_is_poor_is_told(model, device, bench, code, severity):
    """It does not stop a measurement."""
    assert found(model, device=device, **bench)[code] is severity


def test_a_boundary_that_nobody_stated_is_told():
    """The default is a guess."""
    meter = {"model": "rdtech-um25c", "resource": "x", "measures": ["voltage", "current"]}
    bench = Bench(device="edgeboard", host="h", meter=[meter])
    codes = [each.code for each in bench_findings(bench, CATALOG.device("edgeboard"), {})]
    assert codes == ["boundary-assumed"]


def test_long_leads_are_part_of_the_drop():
    """An ohm of leads takes more of 5 V than a board stands."""
    assert found("rdtech-tc66c", device="raspberry-pi-4", meter={"cable_ohm": 1.0}) == {
        "undervoltage": BLOCKING
    }


def test_volts_read_with_the_meter_in_circuit_hold_the_drop_already():
    """The board got its volts all the same: only its peak draws more."""
    volts = {"voltage_v": 5.0, "u_voltage_v": 0.05, "source_ohm": 0.0, "u_source_ohm": 0.0}
    bench = {"device": "raspberry-pi-4", "supply": volts}
    assert found("keysight-34465a", **bench)["undervoltage"] is BLOCKING
    volts["read_with_meter"] = True
    assert "undervoltage" not in found("keysight-34465a", **bench)


def test_the_burdens_of_two_ammeters_add_up():
    """Each alone would do; of the second that reads only volts there is none."""
    board = {"device": "raspberry-pi-4"}
    model = "siglent-sdm3065x"
    assert found(model, **board) == {"undervoltage": WARNING}
    assert found(model, "keithley-dmm6500", **board)["undervoltage"] is BLOCKING
    voltmeter = {"measures": ["voltage"]}
    assert found("keysight-34465a", meter=voltmeter, **board) == {}


def test_two_meters_at_one_resource_block():
    """One of them is not what it seems."""
    meter = {"resource": "serial:/dev/x"}
    assert found("rdtech-tc66c", "rdtech-um25c", meter=meter)["meter-twice"] is BLOCKING


def inputs(*limits: float, quantity: str = "current") -> list[dict]:
    """Get terminals with limits."""
    return [
        {"terminals": f"T{limit:g}", "quantity": quantity, "limit": limit, "fuse": "F", **SOURCED}
        for limit in limits
    ]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ((3.0, 10.0), {"terminals": INFO}),
        ((3.0,), {}),
        ((1.2,), {"near-input-limit": WARNING}),
        ((1.0,), {"beyond-input": BLOCKING}),
    ],
)
def test_the_fuse_of_the_input_that_the_range_uses(limits, expected):
    """Up to 1.05 A are expected of the board, on the 1 A range, which carries 1.2 A."""
    meter = profile(input=inputs(*limits))
    assert found(meter.id, instruments={meter.id: meter}) == expected


def test_volts_beyond_what_the_terminals_stand_block():
    """As of a logger for 5 V boards, which streams no volts."""
    meter = profile(input=inputs(5.0, quantity="voltage"))
    assert found(meter.id, instruments={meter.id: meter}) == {"beyond-input": BLOCKING}


def test_watts_are_held_against_the_ranges_of_power():
    """A meter of watts alone, whose terminals would stand the board's volts."""
    meter = profile("st-lpm01a", input=[])
    assert found(meter.id, instruments={meter.id: meter}) == {"beyond-range": BLOCKING}
    power = [{**item, "full_scale": 15.0} for item in meter.model_dump()["range"]]
    enough = profile("st-lpm01a", input=[], range=power)
    assert found(meter.id, instruments={meter.id: enough}) == {}


@pytest.mark.parametrize(
    ("model", "volts", "told"),
    [
        ("nordic-ppk2", False, "12 V are expected at VIN and VOUT, which carry 5 V"),
        ("st-lpm01a", False, "12.6 W are expected"),
        ("st-lpm01a-current", False, "1.05 A are expected"),
        ("nordic-ppk2", True, "12 V are expected"),
    ],
)
def test_an_emulated_meter_is_refused_where_a_real_one_would_be_destroyed(model, volts, told):
    """By the volts and watts of the emulated board."""
    with pytest.raises(SetupError, match="edgeboard-emulated is not safe") as caught:
        check_emulated(CATALOG.device("edgeboard"), CATALOG.instrument(model), volts=volts)
    assert any(told in message for message in caught.value.context["findings"].values())


@pytest.mark.parametrize(
    ("device", "model"),
    [
        ("edgeboard", "keithley-dmm6500"),
        ("edgeboard", "rdtech-um25c"),
        ("edgeboard", "linux-rapl"),
        ("raspberry-pi-3b", "keithley-dmm6500"),
        ("raspberry-pi-4", "nordic-ppk2"),
    ],
)
def test_an_emulated_meter_that_fits_is_let_through(device, model):
    """As is a counter on the board, and a board that is not emulated at all."""
    check_emulated(CATALOG.device(device), CATALOG.instrument(model))


def test_habits_of_a_meter_are_told():
    """Ranges that change by themselves, and an end that comes unasked."""
    meter = profile("rdtech-um25c", ranging="automatic", auto_off_s=900.0)
    told = found(meter.id, instruments={meter.id: meter})
    assert told == {"ranging": INFO, "auto-off": WARNING}


def test_a_counter_inside_the_board_sees_no_other_boundary():
    """It sits in no lead: volts and amperes of the supply are none of its business."""
    link = {"kinds": ["agent"], "example": "agent:hwmon"}
    meter = profile("rdtech-um25c", link=link)
    instruments = {meter.id: meter}
    assert found(meter.id, device="gtx1080-i7-7700k", instruments=instruments) == {}
    wall = found(meter.id, instruments=instruments, boundary="wall")
    assert wall["boundary-unseen"] is WARNING


@pytest.mark.parametrize(
    ("model", "device", "told"),
    [
        ("linux-rapl", "edgeboard", True),
        ("jetson-ina3221", "raspberry-pi-4", True),
        ("nvidia-nvml", "core-i7-7700k", True),
        ("linux-rapl", "core-i7-7700k", False),
        ("jetson-tegrastats", "jetson-nano", False),
        ("nvidia-nvml", "gtx1080-i7-7700k", False),
        ("linux-rapl", "local", False),
        ("linux-hwmon-ina226", "edgeboard", False),
    ],
)
def test_a_counter_that_the_board_cannot_have_is_told(model, device, told):
    """What nobody said of a board is not held against it; a sensor may be added to any."""
    assert found(model, device=device) == ({"counter-absent": WARNING} if told else {})


def test_a_meter_in_one_rail_is_not_held_against_the_whole_supply():
    """Its volts are those of the rail, which nobody states."""
    assert found("rdtech-um25c", device="jetson-agx-orin", meter={"rail": "VDD"}) == {}


def test_an_unsafe_bench_is_a_set_up_error_with_all_of_it():
    """Exit code 3, the gravest first, the others counted."""
    bench = Bench(
        device="edgeboard",
        host="h",
        boundary="wall",
        meter=[{"model": "rdtech-um25c", "resource": "x"}],
    )
    with pytest.raises(SetupError, match="bench desk is not safe") as caught:
        check_bench(bench, CATALOG.device("edgeboard"), CATALOG.instruments, "desk")
    assert caught.value.exit_code == 3
    assert "more)" in caught.value.message
    assert {"meter-on-mains", "beyond-range"} <= set(caught.value.context["findings"])


def test_a_safe_bench_gets_its_other_findings_back():
    """For the record."""
    bench = Bench(device="edgeboard", host="h", meter=[{"model": "nobody", "resource": "x"}])
    (finding,) = check_bench(bench, CATALOG.device("edgeboard"), CATALOG.instruments, "desk")
    assert finding.code == "boundary-assumed"


@pytest.mark.parametrize(
    ("idle_a", "boundary", "offset_a", "told"),
    [
        (0.0, "board", 0.001, True),
        (0.01, "dc", 0.001, True),
        (0.25, "board", 0.001, False),
        (0.0, "wall", 0.001, False),
        (0.0, "board", 0.5, False),
        (float("nan"), "board", 0.001, False),
    ],
)
def test_a_board_that_answers_and_draws_nothing_is_fed_elsewhere(idle_a, boundary, offset_a, told):
    """A quarter ampere is usual at idle."""
    bench = Bench(
        device="edgeboard", host="h", boundary=boundary, meter=[{"model": "x", "resource": "x"}]
    )
    made = setup(accuracy=(accuracy("current", offset_limit=offset_a),))
    findings = rest_findings(idle_a, made, bench, CATALOG.device("edgeboard"))
    assert [each.code for each in findings] == (["fed-elsewhere"] if told else [])
