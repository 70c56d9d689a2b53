"""The check between calibrations: one known load, its normalised error, its control chart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from powerlab.analysis.calibration.control import check_control
from powerlab.analysis.calibration.plan import Step
from powerlab.calibration.conduct import Occasion, take_points
from powerlab.calibration.worth import control_point
from powerlab.cli._calibration_bench import opened, prepare
from powerlab.cli._calibration_options import Wanted, today
from powerlab.cli._progress import View
from powerlab.errors import ConfigError, InvalidMeasurement
from powerlab.findings import Finding, Severity
from powerlab.records.calibration import CalibrationPoint, Direction
from powerlab.store.archive import lab_root
from powerlab.store.calibration_file import file_name
from powerlab.store.calibrations import FOLDER, Applicable, CalibrationStore
from powerlab.store.control_chart import CHECKS, Checked, add_check, read_checks


@dataclass(frozen=True, slots=True)
class KnownLoad:
    """One check of a known load, its chart with this check the last, and what both show."""

    check: Checked
    chart: tuple[Checked, ...]
    findings: tuple[Finding, ...]


def check_known_load(wanted: Wanted, lab: Path | None, view: View) -> tuple[KnownLoad, ...]:
    """Compare one level of each range with the newest calibration, and add it to its chart.

    The level is the highest of those asked for. Raises ConfigError where no calibration
    applies, and what is wrong with options and instruments.
    """
    planned = prepare(wanted, lab)
    legs = tuple(
        replace(leg, steps=(Step(leg.top, Direction.UP),), predicted_s=0.0)
        for leg in planned.plan.legs
    )
    plan, place = replace(planned.plan, legs=legs), lab_root(lab)
    points: list[CalibrationPoint | None] = []
    with opened(planned, view) as bench:
        instrument, serial = planned.named.meter.profile, bench.serial
        references = planned.believed(plan, bench.reference_serials)
        store = CalibrationStore(place)
        applied = [
            store.applicable(instrument.id, serial, leg.quantity, leg.full_scale, today())
            for leg in legs
        ]
        if not any(item.correction for item in applied):
            raise _nothing_applies(f"{instrument.id} {serial}".strip(), applied)
        occasion = Occasion(
            planned.temperature_c, steps=0, cable=False, show=lambda _: None, say=view.note
        )
        take_points(bench, plan, occasion, keep=lambda _, point: points.append(point))
    path = place / FOLDER / file_name(instrument.id) / file_name(serial) / CHECKS
    outcomes = []
    for leg, point, found in zip(legs, points, applied, strict=True):
        if point is None or found.record is None or found.correction is None:
            continue
        compared = control_point(
            point,
            found.record,
            found.correction,
            references[leg.reference].error(leg),
            on=today(),
        )
        check = Checked(found.record.certificate, leg.full_scale, point.nominal, compared)
        before = [item for item in read_checks(path) if item.like(check)]
        add_check(path, check)
        shown = check_control([item.point for item in (*before, check)])
        outcomes.append(KnownLoad(check, (*before, check), (*found.findings, *shown)))
    return tuple(outcomes)


def _nothing_applies(meter: str, applied: list[Applicable]) -> ConfigError:
    why = dict.fromkeys(finding.message for item in applied for finding in item.findings)
    told = f": {'; '.join(why)}" if why else ""
    return ConfigError(
        f"there is no calibration of {meter} to check{told}",
        hint="calibrate it first: the same command without --check",
    )


def check_agrees(outcomes: tuple[KnownLoad, ...]) -> None:
    """Raise InvalidMeasurement where a known load does not agree with the calibration."""
    for outcome in outcomes:
        for finding in outcome.findings:
            if finding.severity is Severity.BLOCKING:
                raise InvalidMeasurement(f"the check failed: {finding.message}", hint=finding.hint)
