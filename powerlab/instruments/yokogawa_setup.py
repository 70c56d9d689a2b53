"""What a Yokogawa WT meter is set to: sent, read back, and as the facts of a measurement."""

from __future__ import annotations

import math
from dataclasses import dataclass

from powerlab.catalog.instrument_profile import InstrumentProfile, Range
from powerlab.errors import InstrumentError
from powerlab.instruments.contract import accuracy_of, burden_of
from powerlab.instruments.scpi import broken, decode_error, decode_number
from powerlab.instruments.scpi_session import QUEUE_ENTRIES
from powerlab.instruments.yokogawa_lists import decode_items, decode_switch, split_settings
from powerlab.records import MeterSetup
from powerlab.transport.visa import TextLink

CHANNELS = ("voltage", "current", "power")
ITEMS = ("U,1", "I,1", "P,1")
FREQUENCY = "FU,1"
CREST_FACTOR = 3
ERRORS = ":STAT:ERR?"
READ_BACK = (
    ":INP:VOLT:RANG?;:INP:VOLT:AUTO?;:INP:CURR:RANG?;:INP:CURR:AUTO?;"
    ":RATE?;:INP:CFAC?;:INP:MODE?;:HOLD?"
)
SETTINGS = 8


@dataclass(frozen=True, slots=True)
class Configuration:
    """Full scales [V, A], update interval [s], and whether direct current is measured."""

    voltage_v: float
    current_a: float
    interval_s: float
    direct: bool

    @property
    def mode(self) -> str:
        """Get the measurement mode: signed means, or root mean squares."""
        return "DC" if self.direct else "RMS"


def clear(link: TextLink) -> None:
    """Put away what would alter the readings or their form, and what went wrong before."""
    for command in (
        ":COMM:HEAD OFF",
        ":COMM:VERB OFF",
        ":STAT:QMES ON",
        # Ranges cannot change while it integrates; what is not running cannot be stopped.
        ":INTEG:STOP",
        ":INTEG:RES",
        ":HOLD OFF",
        ":MEAS:MHOL OFF",
        ":MEAS:AVER:STAT OFF",
        ":INP:SCAL:STAT OFF",
        ":INP:FILT:LINE OFF",
        ":INP:FILT:FREQ OFF",
        "*CLS",
    ):
        link.write(command)


def apply(link: TextLink, wanted: Configuration, *, frequency: bool) -> None:
    """Set ranges, interval, items and the event of an update; the error queue must stay empty.

    ``frequency`` adds that of the volts to the list. The mains are synchronised to by their
    volts; direct current has nothing to be synchronised to, and fills the whole interval.
    """
    items = (*ITEMS, FREQUENCY) if frequency else ITEMS
    for command in (
        f":INP:CFAC {CREST_FACTOR}",
        f":INP:MODE {wanted.mode}",
        f":INP:SYNC {'OFF' if wanted.direct else 'VOLT'}",
        f":RATE {wanted.interval_s:g}",
        ":INP:VOLT:AUTO OFF",
        f":INP:VOLT:RANG {wanted.voltage_v:g}",
        ":INP:CURR:AUTO OFF",
        f":INP:CURR:RANG {wanted.current_a:g}",
        ":NUM:FORM ASC",
        f":NUM:NORM:NUM {len(items)}",
        *(f":NUM:NORM:ITEM{number} {item}" for number, item in enumerate(items, 1)),
        ":STAT:FILT1 FALL",
    ):
        link.write(command)
    check_errors(link)
    told = decode_items(":NUM:NORM?", link.query(":NUM:NORM?"))
    if told != items:
        raise broken(":NUM:NORM?", ";".join(told), f"is not {';'.join(items)}, which was set")


def confirm(link: TextLink, wanted: Configuration) -> None:
    """Raise ``InstrumentError`` where what decides a figure is not as it was set."""
    told = split_settings(READ_BACK, link.query(READ_BACK), SETTINGS)
    voltage_v, current_a, interval_s, crest = (
        decode_number(READ_BACK, told[place]) for place in (0, 2, 4, 5)
    )
    auto = decode_switch(READ_BACK, told[1]) or decode_switch(READ_BACK, told[3])
    for name, is_set, was_set in (
        ("voltage range", voltage_v, wanted.voltage_v),
        ("current range", current_a, wanted.current_a),
        ("update interval", interval_s, wanted.interval_s),
        ("crest factor", crest, float(CREST_FACTOR)),
    ):
        if not math.isclose(is_set, was_set, rel_tol=1e-3):
            raise _changed(name, f"{is_set:g}", f"{was_set:g}")
    if auto:
        raise _changed("auto range", "on", "off")
    if told[6].upper() != wanted.mode:
        raise _changed("measurement mode", told[6], wanted.mode)
    if decode_switch(READ_BACK, told[7]):
        raise _changed("hold", "on", "off")


def check_errors(link: TextLink) -> None:
    """Read the error queue empty; ``InstrumentError`` with all of its entries."""
    entries = []
    for _ in range(QUEUE_ENTRIES):
        (entry,) = split_settings(ERRORS, link.query(ERRORS), 1)
        code, text = decode_error(entry)
        if code == 0:
            break
        entries.append(f"{code} {text}")
    if entries:
        raise InstrumentError(
            f"the meter refused a setting: {'; '.join(entries)}",
            hint="check that it is in its own command set (UTILITY, Remote Control), not in that "
            "of a WT200; a restart clears settings that conflict",
        )


def power_range(profile: InstrumentProfile, voltage: Range, current: Range) -> Range:
    """Get the range of watts that belongs to ranges of volts and amperes: their product.

    The limits in per cent are the same for every product; resolution and noise go with it.
    """
    full_scale = voltage.full_scale * current.full_scale
    nearest = min(
        profile.ranges("power"), key=lambda item: abs(math.log(item.full_scale / full_scale))
    )
    factor = full_scale / nearest.full_scale
    return nearest.model_copy(
        update={
            "full_scale": full_scale,
            "resolution": nearest.resolution * factor,
            "noise": nearest.noise * factor,
        }
    )


def meter_setup(
    profile: InstrumentProfile, voltage: Range, current: Range, chosen: Configuration
) -> MeterSetup:
    """Get the facts of a set-up on two ranges."""
    sampling = profile.sampling
    burden_ohm, burden_limit_ohm = burden_of(current)
    ranges = (voltage, current, power_range(profile, voltage, current))
    return MeterSetup(
        channels=CHANNELS,
        accuracy=tuple(accuracy_of(item) for item in ranges),
        averaging=sampling.averaging,
        aperture_s=sampling.aperture_s,
        interval_s=sampling.interval_s,
        timestamp=sampling.timestamp,
        latency_s=sampling.latency_s,
        latency_limit_s=sampling.latency_limit_s,
        clock_limit_ppm=sampling.clock_limit_ppm,
        burden_ohm=burden_ohm,
        burden_limit_ohm=burden_limit_ohm,
        settings={
            "mode": chosen.mode,
            "voltage_range": chosen.voltage_v,
            "current_range": chosen.current_a,
            "update_interval_s": chosen.interval_s,
            "crest_factor": CREST_FACTOR,
            "synchronisation": "none" if chosen.direct else "volts",
            "items": ";".join(ITEMS),
        },
        mains=not chosen.direct,
    )


def _changed(name: str, told: str, wanted: str) -> InstrumentError:
    return InstrumentError(
        f"the meter's {name} is {told} where {wanted} was set",
        hint="somebody worked at its front panel, it was off in between, or an overload took "
        "its current range away; measure again, on a larger current range if it was that",
    )
