"""What must hold of an instrument model beyond its schema."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from powerlab.catalog.instrument_profile import InstrumentProfile, Range
from powerlab.catalog.scpi_rules import scpi_rules
from powerlab.terms import Averaging

Findings = Iterator[tuple[str, str]]

SHARED_USB_IDS = {
    "0403:6001": "FTDI's serial converter",
    "067B:2303": "Prolific's serial converter",
    "10C4:EA60": "Silicon Labs' serial converter",
    "1A86:7523": "WCH's serial converter",
}
"""Of converters that are built into many products (the USB ID Repository, linux-usb.org)."""

# An aperture that differs from the interval by more does not fill it.
_BOXCAR_TOLERANCE = 0.01
# A series drop above this is no shunt of a meter but a mistaken unit.
_BURDEN_MOST_V = 5.0
_LIMIT_MOST_PERCENT = 20.0
_TEMPERATURE_MOST_PERCENT = 1.0


def instrument_rules(profile: InstrumentProfile) -> Findings:
    """Yield (dotted key, message) for everything physically or formally odd."""
    for channel, count in Counter(profile.channels).items():
        if count > 1:
            yield "channels", f"{channel} is named twice"
    for quantity in dict.fromkeys(profile.quantities):
        if not profile.ranges(quantity):
            yield "range", f"no range for the channel {quantity}"
    yield from _line_rules(profile)
    for index, item in enumerate(profile.range):
        for key, message in _range_rules(item):
            yield f"range[{index + 1}].{key}", message
    for quantity in sorted({item.quantity for item in profile.range}):
        yield from _ladder_rules(profile, quantity)
    yield from _input_rules(profile)
    yield from _sampling_rules(profile)
    yield from _rating_rules(profile)
    yield from scpi_rules(profile)
    yield from _link_rules(profile)


def _link_rules(profile: InstrumentProfile) -> Findings:
    link = profile.link
    if link.baud is not None and link.baud <= 0:
        yield "link.baud", "must be above 0"
    if not link.example.strip():
        yield "link.example", "must show a resource string"
    elif not link.takes(link.example):
        yield "link.example", f"{link.example!r} is no resource of kind {' or '.join(link.kinds)}"
    for usb_id, count in Counter(link.usb_ids).items():
        if count > 1:
            yield "link.usb_ids", f"{usb_id} is named twice"
        if usb_id in SHARED_USB_IDS:
            yield (
                "link.usb_ids",
                f"{usb_id} is {SHARED_USB_IDS[usb_id]}, which any product may have",
            )


def _input_rules(profile: InstrumentProfile) -> Findings:
    """Check what is said of the terminals against the ranges that use them."""
    for index, item in enumerate(profile.input):
        key = f"input[{index + 1}]"
        ranges = profile.ranges(item.quantity)
        if not ranges and item.quantity == "current":
            yield f"{key}.quantity", f"no range of {item.quantity} uses them"
        elif ranges and item.limit < ranges[0].full_scale:
            yield f"{key}.limit", f"is below every {item.quantity} range"
    for quantity in ("current", "voltage"):
        known = [item.limit for item in profile.input if item.quantity == quantity]
        ranges = profile.ranges(quantity)
        if known and ranges and max(known) < ranges[-1].full_scale:
            key = f"{quantity} {ranges[-1].full_scale:g}"
            yield "input", f"no terminals carry the range {key}"


def _line_rules(profile: InstrumentProfile) -> Findings:
    if not profile.quantities:
        yield "channels", "a trigger line alone measures nothing"
    if "line" in profile.channels and not profile.line_inputs:
        yield "line_inputs", "must name the digital inputs that the channel line may be"
    if profile.line_inputs and "line" not in profile.channels:
        yield "channels", "lacks line, though line_inputs names digital inputs"
    for name, count in Counter(profile.line_inputs).items():
        if not name.strip():
            yield "line_inputs", "holds a name without a letter"
        elif count > 1:
            yield "line_inputs", f"{name} is named twice"


def _range_rules(item: Range) -> Findings:
    yield from _limit_rules(item)
    if item.over_range_factor < 1:
        yield "over_range_factor", "must be at least 1"
    if item.resolution >= item.full_scale / 10:
        yield "resolution", "is a tenth of the full scale or more"
    if item.noise >= item.full_scale / 10:
        yield "noise", "is a tenth of the full scale or more"
    if item.quantity == "voltage" and item.burden_voltage_v > 0:
        yield "burden_voltage_v", "a voltage input has no series drop"
    if item.burden_voltage_v > _BURDEN_MOST_V:
        yield "burden_voltage_v", f"{item.burden_voltage_v:g} V is no burden of a meter"


def _limit_rules(item: Range) -> Findings:
    """Check the specified limit: a figure of a meter, in percent."""
    if item.gain_percent == 0 and item.offset_percent == 0:
        yield "gain_percent", "gain and offset limits are both 0: no meter is exact"
    elif item.estimated and item.gain_percent == 0:
        yield "gain_percent", "an estimate of 0 is none: give a limit that is wide enough"
    for key in ("gain_percent", "offset_percent", "curvature_percent"):
        if getattr(item, key) > _LIMIT_MOST_PERCENT:
            yield key, f"{getattr(item, key):g} % is no limit of a meter; is it in percent?"
    if item.temperature_percent_per_k > _TEMPERATURE_MOST_PERCENT:
        key = "temperature_percent_per_k"
        yield key, f"{item.temperature_percent_per_k:g} % for each kelvin is no meter"


def _ladder_rules(profile: InstrumentProfile, quantity: str) -> Findings:
    """Check the ranges of one quantity against each other, from small to large."""
    number = {id(item): index + 1 for index, item in enumerate(profile.range)}
    for small, large in pairwise(profile.ranges(quantity)):
        key = f"range[{number[id(large)]}].full_scale"
        other = f"range[{number[id(small)]}]"
        if large.full_scale == small.full_scale:
            yield key, f"{quantity} {large.full_scale:g} is given twice, also by {other}"
        elif small.full_scale * small.over_range_factor >= large.full_scale:
            yield key, f"lies within the over-range of {other}: it could never be chosen"


def _sampling_rules(profile: InstrumentProfile) -> Findings:
    sampling = profile.sampling
    tolerance = _BOXCAR_TOLERANCE * sampling.interval_s
    if sampling.aperture_s > sampling.interval_s + tolerance:
        yield "sampling.aperture_s", "is longer than the interval between samples"
    elif sampling.averaging is Averaging.BOXCAR and (
        sampling.interval_s - sampling.aperture_s > tolerance
    ):
        yield "sampling.averaging", "boxcar says that the aperture fills the interval; use gated"
    if sampling.memory_readings is not None and sampling.memory_readings < 1:
        yield "sampling.memory_readings", "must be at least 1"
    if sampling.latency_limit_s > sampling.latency_s:
        yield "sampling.latency_limit_s", "allows a reading before its aperture has ended"


def _rating_rules(profile: InstrumentProfile) -> Findings:
    """Check that a load says how it draws and a supply what it delivers, and no other does."""
    for kind, driven in (("load", "current"), ("supply", "voltage")):
        rating = getattr(profile, kind)
        if profile.kind == kind:
            if rating is None:
                yield kind, f"is missing: a {kind} states its rating"
            if not profile.ranges(driven):
                yield "range", f"a {kind} needs a {driven} range"
        elif rating is not None:
            yield kind, f"is no section of a {profile.kind}"
