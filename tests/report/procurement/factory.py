"""Plans and evidence for the report's tests: ten boards, of which some are declared."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np

from powerlab.findings import Finding, Severity
from powerlab.records import CalibrationUsed, Component, Quantity
from powerlab.records.procurement import (
    Amount,
    Basis,
    ExchangeRate,
    FleetRule,
    Host,
    Load,
    Offer,
    Option,
    Plan,
    PriceBreak,
    Requirement,
    Sense,
    Tariff,
    Uncertain,
)
from powerlab.report.evidence import Attached
from powerlab.report.procurement import PowerOverTime, ProcurementEvidence, Roof, RunEvidence
from powerlab.terms import Boundary, Distribution, Evidence
from powerlab.units import Money

DATE = "2026-11-01"

BOARDS = (
    # name, throughput 1/s, active W, idle W, price, p99 s, accuracy, evidence
    ("Raspberry Pi 4 Model B 8 GB", 3.12, 5.81, 2.7, 75, 0.330, 0.7646, Evidence.MEASURED),
    ("Firefly RK3588S", 13.0, 7.55, 2.9, 150, 0.081, 0.7646, Evidence.MEASURED),
    ("Jetson AGX Orin MaxQ", 778.0, 18.2, 7.5, 1999, 0.0015, 0.7601, Evidence.IMPORTED),
    ("Jetson Nano 4 GB", 36.0, 9.4, 1.6, 129, 0.029, 0.7640, Evidence.MEASURED),
    ("Coral Dev Board Mini", 52.0, 3.4, 1.8, 99.99, 0.021, 0.7480, Evidence.MEASURED),
    ("EdgeBoard FZ3", 41.0, 8.4, 5.1, 690, 0.026, 0.7590, Evidence.DECLARED),
    ("RTX A2000 in a rack server", 1900.0, 68.0, 9.0, 649, 0.0012, 0.7646, Evidence.DECLARED),
    (
        "Hailo-8 M.2 on an industrial carrier board",
        1320.0,
        9.1,
        3.2,
        269,
        0.0016,
        0.7550,
        Evidence.DECLARED,
    ),
    ("Neural Compute Stick 2", 24.0, 2.1, 0.6, 89, 0.043, 0.7601, Evidence.MEASURED),
    ("Emulated board", 60.0, 6.0, 2.0, 110, 0.019, 0.7646, Evidence.EMULATED),
)


def money(value: float | str, currency: str = "USD") -> Money:
    """Get an amount dated like the plan."""
    return Money(Decimal(str(value)), currency, DATE)


def measured(value: float, relative: float, kind: Evidence, source: str) -> Uncertain:
    """Get a figure with two lines of a budget, the gain common to one meter."""
    if kind is Evidence.DECLARED:
        return Uncertain(value, relative * 5 * value, Distribution.RECTANGULAR, source=source)
    lines = (
        Component(
            "meter-current-gain",
            "B",
            relative * 0.9 * value,
            Distribution.RECTANGULAR,
            None,
            0.81,
            "specification",
            input="meter/1/gain",
        ),
        Component(
            "run-to-run",
            "A",
            relative * 0.436 * value,
            Distribution.T,
            9.0,
            0.19,
            "scatter of 10 runs",
        ),
    )
    return Uncertain(value, evidence=kind, source=source, budget=lines)


def option(row: tuple[object, ...], number: int) -> Option:
    """Get an option of one line of ``BOARDS``."""
    name, rate, active, idle, price, late, accuracy, kind = row
    source = f"0197-{number:04d}" if kind is not Evidence.DECLARED else "data sheet, rev. 1.2"
    breaks = [
        PriceBreak(
            1,
            Amount(
                money(price),
                0.02,
                input=f"quote/{number}",
                basis=Basis.QUOTE if number % 2 else Basis.LIST,
                source=f"offer no. {1000 + number}",
            ),
        )
    ]
    if number in (1, 4):
        breaks.append(PriceBreak(10, replace(breaks[0].price, money=money(price * 0.9))))
    return Option(
        id=f"option-{number}",
        name=name,
        workload="resnet50-int8",
        boundary=Boundary.WALL,
        energy_per_inference_j=measured(active / rate, 0.011, kind, source),
        power_idle_w=measured(idle, 0.02, kind, source),
        throughput_per_s=measured(rate, 0.004, kind, source),
        offer=Offer(
            supplier="Example Components Ltd" if number % 3 else "第一电子有限公司",
            sku=f"EX-{4711 + number}-B",
            breaks=tuple(breaks),
            tax_rate=Decimal("0.13"),
            tax_included=number == 4,
            freight_per_unit=Amount(money("3.50")) if number % 2 else None,
            freight_per_order=Amount(money(25)) if number == 2 else None,
            most_units=500 if number == 8 else None,
            availability="in stock" if number != 5 else "eight weeks",
            end_of_life="2028-06-30" if number in (3, 8) else "",
            warranty_years=1.0 if number % 2 else 2.0,
        ),
        life_years=Uncertain(5.0, 0.5),
        figures={
            "latency_p99": measured(late, 0.01, kind, source),
            "accuracy": Uncertain(accuracy, 0.0025, evidence=kind, source=source),
            "width_mm": Uncertain(85.0 + 5 * number, source=source),
        },
        runs=() if kind is Evidence.DECLARED else (source,),
        units_measured=(1, 0)[kind is Evidence.DECLARED] if number != 4 else 3,
        valid=number != 8,
        findings=("clock-step",) if number == 8 else (),
        host=Host(1, Amount(money(2400), 0.05), Uncertain(55.0, 5.0)) if number == 6 else None,
        residual=Uncertain(0.05, 0.02),
        failure_rate=Uncertain(0.03, 0.008),
        labour_h_per_failure=Uncertain(1.0, 0.2),
        engineering=Amount(money(1500), 0.2) if number in (5, 7) else None,
        embodied_kg=Uncertain(12.0, 3.0) if number != 6 else None,
    )


def ten_options() -> Plan:
    """Get the plan of ten options with everything in it that a plan can have."""
    day = [
        20,
        15,
        12,
        10,
        10,
        14,
        30,
        55,
        80,
        95,
        100,
        98,
        96,
        97,
        99,
        100,
        92,
        85,
        80,
        76,
        66,
        50,
        38,
        27,
    ]
    tariff = ["0.09"] * 7 + ["0.17"] * 14 + ["0.09"] * 3
    return Plan(
        sha256="5e" * 32,
        title="Inference boards for the sorting line",
        date=DATE,
        currency="USD",
        options=tuple(option(row, number) for number, row in enumerate(BOARDS)),
        load=Load(tuple(map(float, day)), 120.0, 0.06, source="counter of the line, October"),
        tariff=Tariff(tuple(map(Decimal, tariff)), "USD", DATE, 0.08),
        horizon_years=4,
        requirements=(
            Requirement("latency_p99", Sense.AT_MOST, 0.1),
            Requirement("accuracy", Sense.AT_LEAST, 0.74),
            Requirement("fleet_power", Sense.AT_MOST, 400.0),
            Requirement("width_mm", Sense.AT_MOST, 130.0, "mm"),
        ),
        fleet=FleetRule(
            headroom=Uncertain(1.2),
            utilisation=Uncertain(0.9),
            spare_units=1,
            availability=0.99,
            repair_days=14.0,
            most_units=100,
        ),
        discount_rate=Uncertain(0.06, 0.01),
        pue=Uncertain(1.35, 0.05),
        labour_rate=Amount(money(60), 0.05),
        rates=(ExchangeRate("USD", "CNY", Decimal("7.12"), "2026-10-30", 0.005),),
        tax_counts=True,
        carbon_intensity=Uncertain(420.0, 30.0),
        requester="R. Example, production engineering",
        report_number="PR-2026-014",
        valid_until="2027-01-31",
        needed_by="2027-03-01",
        purpose="The line needs an image classifier for every lane",
        assumptions=("the cameras stay as they are",),
        exclusions=("cabling and cabinets", "training of the model"),
        risks=("the firmware of the boards is the supplier's",),
    )


def energy(figure: Uncertain) -> Quantity:
    """Get the quantity of a run that a figure of an option came from."""
    u = float(np.hypot(*(line.u for line in figure.budget)))
    value, half = figure.value, 2 * u
    return Quantity(
        "energy_per_inference",
        "J",
        value,
        u,
        half,
        2.0,
        None,
        0.95,
        value - half,
        value + half,
        figure.budget,
    )


def evidence(plan: Plan) -> ProcurementEvidence:
    """Get a run for every measured or imported option of a plan."""
    time = np.arange(0.0, 120.0, 0.02)
    return ProcurementEvidence(
        plan_file=b'schema = 1\ntitle = "Inference boards for the sorting line"\n',
        runs=tuple(
            RunEvidence(
                option=each.id,
                run=each.runs[0],
                created="2026-10-28T09:12:44+00:00",
                evidence=each.evidence,
                boundary=each.boundary,
                meter="Keithley DMM6500",
                serial="04592871",
                valid=each.valid,
                calibrations=(
                    CalibrationUsed("current", "CAL-2026-07", "2026-07-01", "2027-07-01"),
                ),
                findings=(Finding("gap", Severity.WARNING, "a gap", "look"),),
                quantities={"energy_per_inference": energy(each.energy_per_inference_j)},
                files={"result.json": "ab" * 32, "samples.parquet": "cd" * 32},
                power=PowerOverTime(
                    time,
                    each.power_idle_w.value + 4 * ((time % 30) > 8) + 0.2 * np.sin(time * 7) ** 2,
                ),
                roof=Roof(4e12, 5e10, 30.0, 6e11),
                attached=(
                    Attached(
                        f"{each.runs[0]}-result.json",
                        "application/json",
                        b"{}\n",
                        "Data",
                        "powerlab.result/1",
                    ),
                ),
            )
            for each in plan.options
            if each.runs
        ),
        versions={"powerlab": "0.1.0", "numpy": "2.4.0", "scipy": "1.17.0"},
    )
