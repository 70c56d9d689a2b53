"""What the sessions with SCPI instruments share: identity, settings read back, error queue."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.errors import InstrumentError
from powerlab.instruments.scpi import OVERLOAD, decode_error, decode_identity, decode_number
from powerlab.records import Accuracy, MeterIdentity
from powerlab.transport.visa import REPLY_LIMIT_S, TextLink

QUEUE_ENTRIES = 64
"""More than any queue holds: an instrument that never says "no error" is not asked forever."""


def identify(
    link: TextLink, profile: InstrumentProfile, models: tuple[str, ...], *, trim: str = ""
) -> MeterIdentity:
    """Get who answers, ``InstrumentError`` where it is none of the models.

    A profile whose id names one of ``models`` wants that very one. ``trim`` are letters at
    the end of a model's name that make no other model of it.
    """
    manufacturer, model, serial, firmware = decode_identity(link.identity)
    wanted = named_model(profile.id, models) or models
    if model not in wanted and model.rstrip(trim) not in wanted:
        raise InstrumentError(
            f"{link.resource} is a {manufacturer} {model}, not a {' or '.join(wanted)}",
            hint=f"correct the {profile.kind}'s resource or model in the bench; "
            "powerlab instruments list shows the known models",
        )
    return MeterIdentity(
        model=model,
        manufacturer=manufacturer,
        name=profile.name,
        serial=serial,
        firmware=firmware,
        resource=link.resource,
        emulated=serial.startswith("EMULATED"),
    )


def named_model(identifier: str, models: tuple[str, ...]) -> tuple[str, ...]:
    """Get the model that a profile's id names, the longest of those; () where it names none."""
    named = [model for model in models if model.lower() in identifier]
    return (max(named, key=len),) if named else ()


def ask_number(link: TextLink, command: str) -> float:
    """Ask for one number."""
    return decode_number(command, link.query(command))


def confirm(link: TextLink, name: str, command: str, wanted: float, *, step: float = 1e-9) -> None:
    """Raise ``InstrumentError`` where a setting read back is not what was set.

    It may differ by a thousandth, or by the instrument's ``step``.
    """
    check_setting(name, command, ask_number(link, command), wanted, step)


def check_setting(name: str, command: str, told: float, wanted: float, step: float) -> None:
    """Raise ``InstrumentError`` where what was told is not what was set, as ``confirm`` does."""
    if not math.isclose(told, wanted, rel_tol=1e-3, abs_tol=step):
        raise InstrumentError(
            f"the {name} answers {told:g} to {command} where {wanted:g} was set",
            hint="check that nobody works at its front panel, then measure again",
        )


def mean_voltage(name: str, values: Sequence[float]) -> float:
    """Get the mean of some readings of the board's volts; ``InstrumentError`` where it is none."""
    if max(abs(value) for value in values) >= OVERLOAD * (1 - 1e-6):
        raise InstrumentError(
            f"the {name}'s voltage input is overloaded",
            hint="check the leads: HI and LO across the board's supply, nothing above 1000 V",
        )
    mean = statistics.fmean(values)
    if mean <= 0:
        raise InstrumentError(
            f"the {name} reads {mean:.4g} V at the board",
            hint="put HI on the supply's plus and LO on its minus, with the board running",
        )
    return mean


def voltage_uncertainty(values: Sequence[float], accuracy: Accuracy) -> float:
    """Get the standard uncertainty of the mean of some readings [V].

    It joins the range's specified limit (rectangular) and the scatter of the readings (their
    standard deviation over the root of their number).
    """
    limit = accuracy.gain_limit * statistics.fmean(values) + accuracy.offset_limit
    scatter = statistics.stdev(values) / math.sqrt(len(values))
    return math.hypot(limit / math.sqrt(3), scatter)


def check_errors(
    link: TextLink,
    name: str,
    limit_s: float = REPLY_LIMIT_S,
    *,
    command: str = ":SYST:ERR?",
    no_error: int = 0,
) -> None:
    """Read the error queue empty; ``InstrumentError`` with all of its entries."""
    entries = []
    for _ in range(QUEUE_ENTRIES):
        code, text = decode_error(link.query(command, limit_s), command)
        if code == no_error:
            break
        entries.append(f"{code} {text}".strip())
    if entries:
        raise InstrumentError(
            f"the {name} refused a setting: {'; '.join(entries)}",
            hint="compare its firmware with docs/how-to/meters.md; a restart of the instrument "
            "clears settings that conflict",
        )
