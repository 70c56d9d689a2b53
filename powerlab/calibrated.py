"""What the lab's calibrations say of a meter as it was set up, and of the leads behind it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from powerlab.analysis.calibration.setup_terms import BURDEN, CABLE_LOOP
from powerlab.analysis.calibration.use import use_of
from powerlab.analysis.calibration.validity import check_conditions
from powerlab.catalog.bench_profile import Bench
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.findings import Finding
from powerlab.records import Accuracy, MeterIdentity, MeterSetup, Wiring
from powerlab.records.calibration import CalibrationRecord, SetupTerm
from powerlab.records.correction import ChannelCalibration, Drift, Use
from powerlab.store.calibrations import Applicable, CalibrationStore


@dataclass(frozen=True, slots=True)
class Occasion:
    """Which meter is used on which bench, ``on`` which ISO date."""

    profile: InstrumentProfile
    bench: Bench
    identity: MeterIdentity
    on: str

    @property
    def temperature_c(self) -> float:
        """Get the room's temperature, NaN where the bench does not say."""
        told = self.bench.room_temperature_c
        return math.nan if told is None else told

    @property
    def cable_set(self) -> str:
        """Get the name of the bench's leads, "" where it has none."""
        return self.bench.calibration.cable_set if self.bench.calibration is not None else ""

    @property
    def leads_stated(self) -> bool:
        """Tell whether the bench states the loop resistance of its leads itself."""
        return self.bench.meter[0].cable_ohm > 0 or self.bench.meter[0].u_cable_ohm > 0


@dataclass(frozen=True, slots=True)
class SetUp:
    """A set-up and what calibrations know of it, by channel."""

    setup: MeterSetup
    wiring: Wiring
    channels: tuple[ChannelCalibration, ...] = ()


def calibrated(store: CalibrationStore, occasion: Occasion, told: SetUp) -> SetUp:
    """Find the newest valid calibration of each channel's range.

    What calibrations measured of the set-up replaces what the profile assumes: latency, burden
    and, with the same leads and where the bench states none, their loop resistance.
    """
    channels, records = [], []
    for channel, limit in zip(told.setup.channels, told.setup.accuracy, strict=True):
        found = store.applicable(
            occasion.profile.id, occasion.identity.serial, channel, limit.full_scale, occasion.on
        )
        if found.record is not None:
            records.append(found.record)
        if found.record is not None or found.findings:
            channels.append(_channel(occasion, channel, limit, found))
    setup, wiring = told.setup, told.wiring
    for record in sorted(records, key=lambda item: item.performed):
        setup = _known_meter(record, setup)
        wiring = _known_leads(record, occasion, wiring)
    return SetUp(setup, wiring, tuple(channels))


def _channel(
    occasion: Occasion, channel: str, limit: Accuracy, found: Applicable
) -> ChannelCalibration:
    record, correction = found.record, found.correction
    if record is None or correction is None:
        unknown = Use(limit, Drift(0.0, 0.0, ""), 0.0)
        return ChannelCalibration(channel, None, unknown, "", "", found.findings)
    use = use_of(
        record,
        correction,
        limit,
        on=occasion.on,
        temperature_c=occasion.temperature_c,
        gain_per_k=_gain_per_k(occasion.profile, channel, limit),
    )
    conditions = check_conditions(
        record,
        correction,
        full_scale=limit.full_scale,
        cable_set=occasion.cable_set,
        temperature_c=occasion.temperature_c,
    )
    findings = (*found.findings, *_apart_from_leads(conditions, occasion))
    return ChannelCalibration(channel, correction, use, record.performed, record.due, findings)


def _gain_per_k(profile: InstrumentProfile, quantity: str, limit: Accuracy) -> float:
    """Get the limit of a range's temperature coefficient as a fraction per kelvin."""
    same = (
        item for item in profile.ranges(quantity) if math.isclose(item.full_scale, limit.full_scale)
    )
    return max((item.temperature_percent_per_k / 100 for item in same), default=0.0)


def _apart_from_leads(findings: Iterable[Finding], occasion: Occasion) -> Iterable[Finding]:
    """Yield findings; other leads are none where the bench states their resistance itself."""
    for finding in findings:
        if finding.code != "calibration-cables" or not occasion.leads_stated:
            yield finding


def _known_leads(record: CalibrationRecord, occasion: Occasion, wiring: Wiring) -> Wiring:
    """Take over the measured loop resistance of the leads, where they are the same."""
    term = _term(record, CABLE_LOOP)
    if term is None or occasion.leads_stated or record.cable_set != occasion.cable_set:
        return wiring
    return replace(wiring, cable_ohm=max(0.0, term.value), u_cable_ohm=term.u)


def _known_meter(record: CalibrationRecord, setup: MeterSetup) -> MeterSetup:
    """Take over the measured latency and burden, where they are known better by it.

    A record does not say on which range a burden was measured: it counts where only one
    range of current was calibrated, and is the one in use.
    """
    step, burden = record.step, _term(record, BURDEN)
    if step is not None and _limit(step.u_latency_s) < setup.latency_limit_s:
        setup = replace(setup, latency_s=step.latency_s, latency_limit_s=_limit(step.u_latency_s))
    if (
        burden is not None
        and _limit(burden.u) < setup.burden_limit_ohm
        and _one_range(record, setup)
    ):
        setup = replace(setup, burden_ohm=max(0.0, burden.value), burden_limit_ohm=_limit(burden.u))
    return setup


def _limit(u: float) -> float:
    """Get the half-width of the rectangular density that has a standard uncertainty."""
    return math.sqrt(3) * u


def _term(record: CalibrationRecord, name: str) -> SetupTerm | None:
    return next((term for term in record.terms if term.name == name), None)


def _one_range(record: CalibrationRecord, setup: MeterSetup) -> bool:
    calibrated = [
        span.full_scale
        for correction in record.corrections
        if correction.quantity == "current"
        for span in correction.spans
    ]
    used = [limit.full_scale for limit in setup.accuracy if limit.quantity == "current"]
    return len(calibrated) == 1 == len(used) and math.isclose(calibrated[0], used[0])
