"""What a reference may err by: from its certificate, or from its specified limits alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from powerlab.analysis.calibration.drift import drift_from_limits, years_between
from powerlab.analysis.calibration.inputs import UNKNOWN_K
from powerlab.analysis.calibration.plan import UNITS, Leg
from powerlab.analysis.calibration.use import SPECIFIED_DAYS
from powerlab.analysis.uncertainty import rectangular
from powerlab.catalog.instrument_profile import InstrumentProfile, Range
from powerlab.catalog.reference_certificate import ReferenceCertificate, read_certificate
from powerlab.errors import ConfigError
from powerlab.instruments.contract import accuracy_of
from powerlab.records import Distribution
from powerlab.records.calibration import Reference
from powerlab.records.correction import REFERENCE_TEMPERATURE_C, CommonError
from powerlab.store.dcc_read import read_dcc

NOT_CERTIFIED = "none: the specified limits of its model are believed"


@dataclass(frozen=True, slots=True)
class Believed:
    """A reference with what it errs by on each of its ranges that is used."""

    reference: Reference
    errors: Mapping[tuple[str, float], CommonError]

    def error(self, leg: Leg) -> CommonError:
        """Get the common error of the range that a leg is read against."""
        return self.errors[leg.quantity, leg.reference_full_scale]


def believed(
    profile: InstrumentProfile,
    serial: str,
    certificate: Path | None,
    legs: Sequence[Leg],
    *,
    on: str,
    temperature_c: float,
    any_owner: bool = False,
) -> Believed:
    """Get what a reference errs by on the ISO date ``on``.

    Without a ``certificate`` it is what the model's limits allow. A certificate's figures age
    as those limits do, by the years since, so a reference past its due date is believed the less.
    Raises ConfigError for a file that is no certificate, does not cover a range, or, unless
    ``any_owner`` may have it, is of another meter than ``serial`` ("": not known yet).
    """
    ranges = {(leg.quantity, leg.reference_full_scale): leg for leg in legs}
    chosen = {key: _range_of(profile, *key) for key in ranges}
    if certificate is None:
        limits = {key: _specified(profile, serial, item) for key, item in chosen.items()}
        errors = {key: _warmed(item, chosen[key], temperature_c) for key, item in limits.items()}
        facts = Reference(profile.id, serial, "", NOT_CERTIFIED, "", on, tuple(errors.values()))
        return Believed(facts, errors)
    if certificate.suffix.lower() == ".xml":
        facts, found = _from_dcc(certificate, ranges)
    else:
        facts, found = _from_table(read_certificate(certificate), certificate, ranges)
    if not any_owner:
        _check_owner(facts, profile, serial, certificate)
    years = max(0.0, years_between(facts.calibrated, on))
    errors = {
        key: _warmed(_aged(_named(item, key), chosen[key], years), chosen[key], temperature_c)
        for key, item in found.items()
    }
    facts = replace(facts, model=profile.id, serial=serial, errors=tuple(errors.values()))
    return Believed(facts, errors)


def _range_of(profile: InstrumentProfile, quantity: str, full_scale: float) -> Range:
    found = (r for r in profile.ranges(quantity) if math.isclose(r.full_scale, full_scale))
    return next(found)


def _specified(profile: InstrumentProfile, serial: str, chosen: Range) -> CommonError:
    """Get the limits of a range as rectangles."""
    limit = accuracy_of(chosen)
    unit = UNITS[chosen.quantity]
    return CommonError(
        quantity=chosen.quantity,
        u_gain=rectangular(limit.gain_limit),
        u_offset=rectangular(limit.offset_limit),
        certificate=f"specification of {profile.id} {serial}, {chosen.full_scale:g} {unit} range",
        distribution=Distribution.RECTANGULAR,
    )


def _from_dcc(
    path: Path, ranges: Mapping[tuple[str, float], Leg]
) -> tuple[Reference, dict[tuple[str, float], CommonError]]:
    """Read a laboratory's certificate, for each range the table that reaches so far."""
    facts, found = read_dcc(path), {}
    for key, leg in ranges.items():
        facts = read_dcc(path, reaching={leg.quantity: leg.top})
        own = [item for item in facts.errors if item.quantity == leg.quantity]
        if not own:
            raise _not_covered(path, leg.quantity, leg.reference_full_scale)
        found[key] = own[0]
    return facts, found


def _from_table(
    content: ReferenceCertificate, path: Path, ranges: Mapping[tuple[str, float], Leg]
) -> tuple[Reference, dict[tuple[str, float], CommonError]]:
    """Take over a certificate that was copied by hand."""
    found = {}
    for quantity, full_scale in ranges:
        own = [
            item
            for item in content.range
            if item.quantity == quantity and math.isclose(item.full_scale, full_scale)
        ]
        if not own:
            raise _not_covered(path, quantity, full_scale)
        found[quantity, full_scale] = CommonError(
            quantity=quantity,
            u_gain=own[0].gain_percent / 100 / own[0].k,
            u_offset=own[0].offset / own[0].k,
            certificate=content.certificate,
        )
    facts = Reference(
        model=content.model,
        serial=content.serial,
        certificate=content.certificate,
        laboratory=content.laboratory,
        calibrated=content.calibrated,
        due=content.due,
        errors=(),
    )
    return facts, found


def _not_covered(path: Path, quantity: str, full_scale: float) -> ConfigError:
    return ConfigError(
        f"{path} says nothing of the reference's {quantity} range of {full_scale:g} "
        f"{UNITS[quantity]}",
        hint="add that range from the certificate, choose ranges that it covers with --range, or "
        "leave --reference-certificate out to believe the specified limits",
    )


def _check_owner(facts: Reference, profile: InstrumentProfile, serial: str, path: Path) -> None:
    """Raise ConfigError where a certificate is of another meter than the one attached."""
    if facts.serial and serial and facts.serial != serial:
        raise ConfigError(
            f"{path} is the certificate of serial number {facts.serial}, "
            f"the reference attached is {profile.name} {serial}",
            hint="attach that reference, or give the certificate of this one",
        )


def _named(error: CommonError, key: tuple[str, float]) -> CommonError:
    """Tell the errors of two ranges of one reference apart: they are not the same error."""
    quantity, full_scale = key
    name = f"{error.certificate}, {full_scale:g} {UNITS[quantity]} range"
    return replace(error, certificate=name)


def _aged(error: CommonError, chosen: Range, years: float) -> CommonError:
    """Add what the range may have drifted by since, at the rate of its specified limit."""
    drift = drift_from_limits({SPECIFIED_DAYS: accuracy_of(chosen)})
    return replace(
        error,
        u_gain=math.hypot(error.u_gain, rectangular(drift.gain * years)),
        u_offset=math.hypot(error.u_offset, rectangular(drift.offset * years)),
    )


def _warmed(error: CommonError, chosen: Range, temperature_c: float) -> CommonError:
    """Add what the range may err by away from the temperature of its limits."""
    away_k = abs(temperature_c - REFERENCE_TEMPERATURE_C)
    if math.isnan(away_k):
        away_k = UNKNOWN_K
    gain = chosen.temperature_percent_per_k / 100 * away_k
    return replace(error, u_gain=math.hypot(error.u_gain, rectangular(gain)))
