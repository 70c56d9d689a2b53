"""What a calibration is of: the meter, the occasion, who calibrates for whom."""

from __future__ import annotations

from dataclasses import dataclass

from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.instruments.contract import accuracy_of
from powerlab.records.calibration import Environment, Item, Laboratory, SpecifiedRange


@dataclass(frozen=True, slots=True)
class Subject:
    """The meter that was calibrated, and everything about the occasion but its readings.

    ``resource`` is where the meter was reached, ``condition`` in what state it came ("": not
    noted); ``customer`` is "" for the laboratory's own meter.
    """

    profile: InstrumentProfile
    serial: str
    firmware: str
    resource: str
    condition: str
    emulated: bool
    performed: str
    due: str
    operator: str
    laboratory: Laboratory
    customer: str
    environment: Environment
    cable_set: str


def item_of(subject: Subject) -> Item:
    """Get the meter as its profile names it, with what every range is specified for."""
    profile = subject.profile
    return Item(
        manufacturer=profile.manufacturer,
        name=profile.name,
        link=link_name(subject.resource),
        condition=subject.condition,
        ranges=tuple(
            SpecifiedRange(accuracy_of(part), part.temperature_percent_per_k / 100)
            for part in profile.range
        ),
    )


def link_name(resource: str) -> str:
    """Get the kind of link of a resource string, without the place: "TCPIP SOCKET", "serial"."""
    first, *rest = resource.split("::")
    if rest:  # VISA: the interface with its number, the address, the class
        return f"{first.rstrip('0123456789')} {rest[-1]}"
    return resource.partition(":")[0]
