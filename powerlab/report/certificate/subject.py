"""Everything a certificate is written from, in one record, with what its sections share."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from powerlab.findings import Severity
from powerlab.records import Accuracy
from powerlab.records.calibration import CalibrationRecord
from powerlab.records.correction import CorrectionForm, Drift, Use
from powerlab.report.numbers import NO_BREAK, fixed, given, tidy
from powerlab.report.texts import Texts
from powerlab.store.certified import AsFound, specified
from powerlab.units import prefixed

ABSENT = "\u2013"

QUANTITY_UNITS = {"current": "A", "voltage": "V", "power": "W"}

MOST_PLACES = 9


@dataclass(frozen=True, slots=True)
class Subject:
    """One calibration and the language to tell it in."""

    record: CalibrationRecord
    texts: Texts

    def limit(self, quantity: str, full_scale: float) -> Accuracy | None:
        """Get the specified limit of a range, None where there is none."""
        found = specified(self.record.item, quantity, full_scale)
        return found.limit if found is not None else None

    @property
    def valid(self) -> bool:
        """Tell whether no finding forbids to use the calibration."""
        return all(item.severity is not Severity.BLOCKING for item in self.record.findings)

    @property
    def created(self) -> str:
        """Get the instant that dates the file: the day of the calibration."""
        return f"{self.record.performed}T00:00:00+00:00"

    def range_name(self, quantity: str, full_scale: float) -> str:
        """Get the name of a range: "current, range 3 A"."""
        return self.texts.say(
            "certificate_range.name",
            quantity=self.texts.known("channel", quantity),
            full_scale=given(full_scale, QUANTITY_UNITS[quantity]),
        )

    def form_name(self, form: CorrectionForm) -> str:
        """Get the words for a form, its temperature term included."""
        return self.model_name(str(form.model), temperature=form.temperature)

    def model_name(self, model: str, *, temperature: bool) -> str:
        """Get the words for a model with or without a temperature term."""
        name = self.texts.say(f"certificate_form.{model}")
        return name + self.texts.say("certificate_form.temperature") if temperature else name


@dataclass(frozen=True, slots=True)
class Scale:
    """One unit for a whole column: numbers are multiplied by ``factor`` and have ``places``."""

    factor: float
    unit: str
    places: int

    def show(self, value: float) -> str:
        """Get a number in the column's unit and decimals, a dash where there is none."""
        if not math.isfinite(value):
            return ABSENT
        rounded = round(value * self.factor, self.places)
        return fixed(rounded or 0.0, self.places)  # zero has no sign


def scale_for(magnitude: float, unit: str, uncertainties: Iterable[float]) -> Scale:
    """Get a scale that suits a magnitude and shows two digits of the smallest uncertainty."""
    factor, prefixed_unit = prefixed(magnitude, unit)
    usable = [abs(u) for u in uncertainties if math.isfinite(u) and u != 0]
    if not usable:
        return Scale(factor, prefixed_unit, 3)
    places = 1 - math.floor(math.log10(min(usable) * factor))
    return Scale(factor, prefixed_unit, min(MOST_PLACES, max(0, places)))


def use_at_once(subject: Subject, found: AsFound) -> Use:
    """Get the use of a range on the day of its calibration: no drift, the same temperature."""
    nothing = Accuracy(
        found.quantity, found.full_scale, 0.0, 0.0, "", subject.record.performed, estimated=False
    )
    limit = subject.limit(found.quantity, found.full_scale) or nothing
    return Use(limit, Drift(0.0, 0.0, ""), 0.0)


def temperature_text(celsius: float) -> str:
    """Get a temperature to a tenth of a degree, a dash where it is not known."""
    return f"{tidy(f'{celsius:.1f}')}{NO_BREAK}°C" if math.isfinite(celsius) else ABSENT
