"""One realistic calibration, made of arithmetic: a bench multimeter's amperes and volts.

A meter with gain, offset and curvature in amperes and nearly none in volts, read against a
reference at six levels up and down; the fits are those that the analysis chooses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from powerlab.analysis.calibration.correction import past_calibration
from powerlab.analysis.calibration.points import check_points
from powerlab.analysis.calibration.selection import choose_correction
from powerlab.findings import Finding, Severity
from powerlab.records import Accuracy, Averaging
from powerlab.records.calibration import (
    CalibrationPoint,
    CalibrationRecord,
    Environment,
    Item,
    Laboratory,
    PastCalibration,
    Reference,
    SetupTerm,
    SpecifiedRange,
    StepResponse,
)
from powerlab.records.correction import CommonError, Correction
from powerlab.store.calibration_file import certificate_id
from tests.analysis.calibration.worlds import World

METER = ("keithley-dmm6500", "04412345")
PERFORMED, DUE = "2026-11-20", "2027-11-20"
BEGUN_NS = 1_795_163_400_000_000_000  # 2026-11-20T08:30:00Z
SHEET = "DMM6500 data sheet, 1 year, 23 °C ± 5 °C"

AMPERES = CommonError("current", 1.2e-4, 3e-5, "DKD-K-11234-2026-03")
VOLTS = CommonError("voltage", 2.0e-5, 2e-5, "DKD-K-11234-2026-03")
REFERENCE = Reference(
    model="Fluke 8588A",
    serial="4512001",
    certificate="DKD-K-11234-2026-03",
    laboratory="Kalibrierzentrum Musterstadt",
    calibrated="2026-03-02",
    due="2027-03-02",
    errors=(AMPERES, VOLTS),
)
CURRENT_LIMIT = Accuracy("current", 3.0, 1e-3, 4.5e-4, SHEET, "2026-10-02", estimated=False)
VOLTAGE_LIMIT = Accuracy("voltage", 10.0, 4e-5, 5e-5, SHEET, "2026-10-02", estimated=False)
ITEM = Item(
    manufacturer="Keithley Instruments",
    name="DMM6500 6½-digit bench multimeter",
    link="TCPIP SOCKET",
    condition="no damage",
    ranges=(SpecifiedRange(CURRENT_LIMIT, 5e-5), SpecifiedRange(VOLTAGE_LIMIT, 5e-6)),
)
LABORATORY = Laboratory("Energy bench 3", "Room 2.14", "DE")


def current_points() -> list[CalibrationPoint]:
    """Get points of the 3 A range of a meter that is bent and reads a little high."""
    world = World(np.random.default_rng(11), gain=1.0006, offset=1.5e-4, curve=8e-4, noise=1e-4)
    return _timed(world.points(warm=lambda step: 22.8 + 0.03 * step), BEGUN_NS)


def voltage_points() -> list[CalibrationPoint]:
    """Get points of the 10 V range of a meter that has hardly an error."""
    world = World(np.random.default_rng(12), gain=1.00001, noise=4e-6, reference_noise=2e-6)
    factor = 10 / 3
    made = [
        replace(
            point,
            quantity="voltage",
            full_scale=10.0,
            nominal=point.nominal * factor,
            reference=point.reference * factor,
            u_reference=point.u_reference * factor,
            reading=point.reading * factor,
            u_reading=point.u_reading * factor,
            temperature_c=math.nan,
        )
        for point in world.points()
    ]
    return _timed(made, BEGUN_NS + 4_000_000_000_000)


def _timed(points: Sequence[CalibrationPoint], start_ns: int) -> list[CalibrationPoint]:
    return [replace(point, at_utc_ns=start_ns + point.at_utc_ns) for point in points]


def calibration_record() -> CalibrationRecord:
    """Get the whole record, as a calibration leaves it."""
    current, voltage = current_points(), voltage_points()
    points = (*current, *voltage)
    certificate = certificate_id(*METER, PERFORMED, points)
    amperes = choose_correction(current, AMPERES, certificate=certificate)
    volts = choose_correction(voltage, VOLTS, certificate=certificate)
    return CalibrationRecord(
        certificate=certificate,
        instrument=METER[0],
        item=ITEM,
        serial=METER[1],
        firmware="1.7.12b",
        performed=PERFORMED,
        due=DUE,
        operator="A. Sauter",
        laboratory=LABORATORY,
        customer="",
        software="powerlab 0.1.0",
        environment=Environment(22.9, 0.4, 41.0, "air-conditioned room, meter on since 07:00"),
        cable_set="red 1 m, 2.5 mm²",
        references=(REFERENCE,),
        points=points,
        corrections=(amperes, volts),
        terms=(
            SetupTerm("cable-loop", "ohm", 0.0184, 6.1e-4, 3.0, "two currents, 0.5 A and 2.5 A"),
            SetupTerm("burden", "ohm", 0.1013, 2.2e-4, None, "drop at three currents"),
            SetupTerm("tare-current", "A", 1.42e-4, 2.3e-5, None, "zero before and after"),
        ),
        step=StepResponse(
            latency_s=0.00132,
            u_latency_s=0.00021,
            aperture_s=0.02001,
            u_aperture_s=0.0003,
            interval_s=0.020004,
            u_interval_s=2e-6,
            delivered_s=0.020004,
            averaging=Averaging.BOXCAR,
            steps=24,
            chi_squared_reduced=0.94,
        ),
        history=(_earlier(amperes),),
        findings=(
            *check_points(current, CURRENT_LIMIT, AMPERES),
            *check_points(voltage, VOLTAGE_LIMIT, VOLTS),
            Finding(
                "calibration-temperature",
                Severity.WARNING,
                "the residuals of the points depend on temperature",
                "calibrate at two temperatures 5 K apart, so that a temperature term is supported",
                {"probability": 0.004},
            ),
        ),
    )


def _earlier(correction: Correction) -> PastCalibration:
    """Get what the same range was found to be a year before: a little less."""
    now = past_calibration(correction, 3.0, "2025-11-18")
    return replace(
        now, certificate="20251118-0c4e77aa", corrections=now.corrections + 5e-5 * now.readings
    )
