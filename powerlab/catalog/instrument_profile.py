"""What an instrument MODEL is. One profile serves driver set-up, budget and emulator."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from powerlab.catalog.device_profile import Platform
from powerlab.catalog.facts import Identifier, Model, NonNegative, Positive, Sourced, Verified
from powerlab.catalog.scpi_profile import ScpiProfile
from powerlab.terms import Averaging

Quantity = Literal["current", "voltage", "power"]


UsbId = Annotated[str, Field(pattern=r"^[0-9A-F]{4}:[0-9A-F]{4}$")]
"""Vendor and product of a USB device as in its descriptor, four hexadecimal digits each."""


class Link(Model):
    """How the instrument is reached, and an example of its resource string.

    ``usb_ids`` are those of the whole model, by which a plugged-in unit is recognised; a
    converter that many products share (a USB serial adapter) has no place among them.
    """

    kinds: tuple[Literal["visa", "serial", "usb", "hid", "tcp", "agent"], ...] = Field(min_length=1)
    example: str
    baud: int | None = None
    usb_ids: tuple[UsbId, ...] = ()
    note: str = ""

    def takes(self, resource: str) -> bool:
        """Tell whether a resource string has the form of one of the kinds."""
        return any(self._has_form(resource, kind) for kind in self.kinds)

    def _has_form(self, resource: str, kind: str) -> bool:
        lead, colon, rest = resource.partition(":")
        if kind == "visa":
            return "::" in resource
        if kind == "serial":
            return resource.startswith(("/", "serial:/"))
        if kind == "tcp":
            own = self.example.partition(":")[0]
            return bool(rest) and "::" not in resource and lead == own
        leads = (kind,) if kind == "agent" else (kind, "packets", "replay")
        return bool(colon and rest) and lead in leads


class Sampling(Sourced):
    """What one reading stands for and how well its instant is known.

    ``timestamp`` is what the meter's own time refers to, or "arrival" where it has none.
    ``latency_s`` ± ``latency_limit_s`` lies between the end of the aperture and the reading
    being available.
    """

    averaging: Averaging
    timestamp: Literal["start", "middle", "end", "arrival"]
    aperture_s: Positive
    interval_s: Positive
    latency_s: NonNegative
    latency_limit_s: NonNegative
    clock_limit_ppm: NonNegative
    memory_readings: int | None = None


class Range(Sourced):
    """One range of one quantity and its specified limit over a year.

    The limit is ±(``gain_percent`` % of reading + ``offset_percent`` % of ``full_scale`` +
    ``curvature_percent`` % of it); the last part is how far a reading may be from the straight
    line between nothing and full scale. Away from 23 °C ``temperature_percent_per_k`` % of
    reading for each kelvin come on top. ``burden_voltage_v`` is the drop over the meter's
    input at full scale at most; the true one is taken as anywhere between nothing and that.
    ``noise`` is the standard deviation of one reading and ``resolution`` its step, both in the
    unit of the quantity. An ``unsigned`` reading is 0 where it would be below: a zero offset
    that is negative cannot be seen in it.
    """

    quantity: Quantity
    full_scale: Positive
    over_range_factor: Positive = 1.0
    gain_percent: NonNegative
    offset_percent: NonNegative
    resolution: Positive
    noise: NonNegative
    burden_voltage_v: NonNegative = 0.0
    curvature_percent: NonNegative = 0.0
    temperature_percent_per_k: NonNegative = 0.0
    unsigned: bool = False

    @property
    def offset_limit(self) -> float:
        """Get the offset and curvature parts of the limit in the unit of the quantity."""
        return (self.offset_percent + self.curvature_percent) / 100 * self.full_scale

    @property
    def burden_limit_ohm(self) -> float:
        """Get the greatest series resistance the burden voltage allows."""
        return self.burden_voltage_v / self.full_scale


class InputLimit(Sourced):
    """What one pair of terminals carries for good: up to ``limit`` A or V, by ``quantity``.

    Beyond it the ``fuse`` ("" where there is none) blows, or the meter is damaged. Ranges up to
    the limit use these terminals, larger ones those with the next larger limit.
    """

    terminals: str = Field(min_length=1)
    quantity: Literal["current", "voltage"]
    limit: Positive
    fuse: str = ""


class LoadRating(Sourced):
    """How an electronic load draws its current.

    It takes up to ``power_w``. Its input is never below ``on_ohm``: where the volts do not
    suffice for that, it draws less than was set. After a change the current settles with the
    time constant ``settle_s`` and then wanders, as the load warms up, by up to
    ``drift_percent`` % with ``drift_time_s``; ``noise_percent`` is its standard deviation.
    """

    power_w: Positive
    on_ohm: Positive
    settle_s: NonNegative
    drift_percent: NonNegative
    drift_time_s: Positive
    noise_percent: NonNegative


class SupplyRating(Sourced):
    """What a programmable supply delivers: up to ``current_a``.

    After a change its volts settle with the time constant ``settle_s``.
    """

    current_a: Positive
    settle_s: NonNegative


class InstrumentProfile(Model):
    """A meter, load or supply model; ``channels`` are the columns of its sample stream.

    The channel "line" is a digital input sampled with the data, one of ``line_inputs``. The
    ranges of a load or supply hold for what it sets and for what it reads back. ``scpi`` is what
    the drivers for any line-oriented SCPI instrument go by. ``ranging`` is "automatic" where the
    instrument changes its range by itself and cannot be kept from it; ``auto_off_s`` is after how
    long without a key pressed it switches itself off, None where it does not. ``needs`` is what a
    counter is found on alone.
    """

    schema_version: Literal[1] = Field(alias="schema")
    id: Identifier
    manufacturer: str
    name: str
    kind: Literal["meter", "load", "supply"]
    summary: str
    driver: str
    emulator: str
    verified: Verified
    channels: tuple[Quantity | Literal["line"], ...] = Field(min_length=1)
    line_inputs: tuple[str, ...] = ()
    link: Link
    sampling: Sampling
    ranging: Literal["fixed", "automatic"] = "fixed"
    auto_off_s: Positive | None = None
    needs: Platform | None = None
    range: tuple[Range, ...] = Field(min_length=1)
    input: tuple[InputLimit, ...] = ()
    load: LoadRating | None = None
    supply: SupplyRating | None = None
    scpi: ScpiProfile | None = None

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Get the channels that have a unit: all but the trigger line."""
        return tuple(channel for channel in self.channels if channel != "line")

    def ranges(self, quantity: str) -> tuple[Range, ...]:
        """Get the ranges of one quantity, smallest full scale first."""
        chosen = (item for item in self.range if item.quantity == quantity)
        return tuple(sorted(chosen, key=lambda item: item.full_scale))

    def range_for(self, quantity: str, magnitude: float) -> Range | None:
        """Get the smallest range that carries ``magnitude``, None where none does."""
        for item in self.ranges(quantity):
            if magnitude <= item.full_scale * item.over_range_factor:
                return item
        return None

    def input_for(self, quantity: str, full_scale: float) -> InputLimit | None:
        """Get the terminals that a range uses, None where nothing is known of them."""
        known = [item for item in self.input if item.quantity == quantity]
        enough = [item for item in known if item.limit >= full_scale]
        return min(enough or known, key=lambda item: item.limit, default=None)
