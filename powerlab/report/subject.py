"""Everything a report is written from, in one record, with the look-ups its sections share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from powerlab.catalog.device_profile import DeviceProfile, Runtime
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.protocol_preset import ProtocolPreset
from powerlab.catalog.workload_profile import WorkloadProfile
from powerlab.records import Aligned, Capture, Evidence, Quantity, Result
from powerlab.report.numbers import COUNT_UNITS, Magnitude, Shown, interval_text, shown_quantity
from powerlab.report.texts import Texts


@dataclass(frozen=True, slots=True)
class Subject:
    """One finished measurement, its records and profiles, and the language to tell it in.

    ``created`` is the instant of the result document, ISO 8601 in UTC.
    """

    result: Result
    capture: Capture
    aligned: Aligned
    device: DeviceProfile
    instrument: InstrumentProfile
    workload: WorkloadProfile
    protocol: ProtocolPreset
    versions: Mapping[str, str]
    texts: Texts
    created: str

    @property
    def emulated(self) -> bool:
        """Tell whether every page must say EMULATED."""
        return self.result.evidence is Evidence.EMULATED

    @property
    def runtime(self) -> Runtime | None:
        """Get the device's entry of the runtime that answered."""
        wanted = self.result.request.runtime
        return next((item for item in self.device.runtime if item.id == wanted), None)

    @property
    def workload_name(self) -> str:
        """Get the workload's name for running text, without what stands in parentheses."""
        return self.workload.name.partition(" (")[0]

    @property
    def origin_ns(self) -> int:
        """Get the instant that charts and tables count from: the first reading."""
        starts = self.aligned.clock.start_ns
        return int(starts[0]) if len(starts) else 0

    def quantity(self, name: str) -> Quantity | None:
        """Get a quantity of the result, None where this measurement has none or no number."""
        quantity = self.result.quantities.get(name)
        return None if quantity is None or not math.isfinite(quantity.value) else quantity

    def shown(self, name: str) -> Shown | None:
        """Get a quantity as a figure to be set, None where this measurement has none."""
        quantity = self.quantity(name)
        return None if quantity is None else self.figure(quantity)

    def figure(self, quantity: Quantity) -> Shown:
        """Get a quantity as a figure in the units of the report's language."""
        return shown_quantity(quantity, self.unit_text(quantity), self._magnitudes(quantity))

    def interval(self, quantity: Quantity) -> str:
        """Get the interval of a quantity in the scale of its figure."""
        return interval_text(quantity, self._magnitudes(quantity))

    def unit_text(self, quantity: Quantity) -> str:
        """Get the text of a unit that counts inferences: "inf/s", "inf/CNY"; else the unit."""
        if quantity.unit in COUNT_UNITS:
            return self.texts.say(COUNT_UNITS[quantity.unit])
        if quantity.unit.startswith("1/"):
            return self.texts.say("unit.per_currency", currency=quantity.unit[2:])
        return quantity.unit

    def _magnitudes(self, quantity: Quantity) -> tuple[Magnitude, ...]:
        return self.texts.magnitudes if quantity.unit not in COUNT_UNITS else ()
