"""What must hold of an ``[scpi]`` section: a command that is wrong shows before a bench does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.scpi_answer import FieldForm, forms, unit_scale
from powerlab.catalog.scpi_profile import (
    METER_PLACEHOLDERS,
    OF_ONE_QUANTITY,
    SOURCE_PLACEHOLDERS,
    UNITS,
    ScpiDrive,
    ScpiFunction,
    ScpiProfile,
    placeholders,
)

Findings = Iterator[tuple[str, str]]

METER_DRIVER, SOURCE_DRIVER = "scpi-meter", "scpi-source"


def scpi_rules(profile: InstrumentProfile) -> Findings:
    """Yield (dotted key, message) for everything that the drivers could not go by."""
    scpi = profile.scpi
    if scpi is None:
        for key in ("driver", "emulator"):
            if getattr(profile, key) in (METER_DRIVER, SOURCE_DRIVER):
                yield "scpi", f"is missing: the {key} {getattr(profile, key)} goes by it"
        return
    yield from _identity_rules(scpi)
    yield from _common_rules(scpi)
    if profile.kind == "meter":
        yield from _meter_rules(profile, scpi)
    elif scpi.drive is None:
        yield "scpi.drive", f"is missing: it says how the {profile.kind} is driven"
    else:
        yield from _source_rules(profile, scpi.drive)


def _common_rules(scpi: ScpiProfile) -> Findings:
    for key in ("open", "close"):
        for text in getattr(scpi, key):
            yield from _command_rules(f"scpi.{key}", text, ())
    for key in ("language_query", "error_query", "line_frequency_query"):
        yield from _query_rules(f"scpi.{key}", getattr(scpi, key))
    if bool(scpi.language_query) != bool(scpi.language):
        yield "scpi.language", "states language_query and its answer, or none of them"
    if not scpi.over_range:
        yield "scpi.over_range", "must say what stands for an overload: it must not be a reading"


def _identity_rules(scpi: ScpiProfile) -> Findings:
    try:
        names = placeholders(scpi.identity)
    except ValueError as error:
        yield "scpi.identity", str(error)
        return
    if names != ("serial",):
        yield "scpi.identity", "must have {serial} in the place of the serial number, and no other"
        return
    fields = [text.strip() for text in scpi.identity.split(",")]
    if len(fields) < 4:
        yield "scpi.identity", "has not the four fields of an answer to *IDN?"
        return
    model = fields[1].removeprefix("MODEL ").upper()
    if not any(fnmatchcase(model, pattern.upper()) for pattern in scpi.models):
        yield "scpi.models", f"none of them is the {fields[1]} of identity"


def _meter_rules(profile: InstrumentProfile, scpi: ScpiProfile) -> Findings:
    if scpi.drive is not None:
        yield "scpi.drive", "is no section of a meter"
    if not scpi.function:
        yield "scpi.function", "is missing: it says what the meter reads"
    functions = [set(item.quantities) for item in scpi.function]
    if functions and not any(set(profile.channels) <= each for each in functions):
        yield "channels", "no function of [scpi] reads all of them at once"
    for index, item in enumerate(scpi.function):
        for key, message in _function_rules(profile, item):
            yield f"scpi.function[{index + 1}].{key}", message


def _function_rules(profile: InstrumentProfile, item: ScpiFunction) -> Findings:
    known = tuple(
        name
        for name in METER_PLACEHOLDERS
        if name not in OF_ONE_QUANTITY or len(item.quantities) == 1
    )
    for text in item.setup:
        yield from _command_rules("setup", text, known)
    yield from _confirm_rules("confirm", item.confirm, known)
    yield from _query_rules("read", item.read)
    if not item.read:
        yield "read", "is missing: the query that brings a reading"
    for quantity in item.quantities:
        if item.quantities.count(quantity) > 1:
            yield "field", f"{quantity} is named twice"
        if not profile.ranges(quantity):
            yield "field", f"there is no range for {quantity}"
    yield from _field_rules(item)


def _field_rules(item: ScpiFunction) -> Findings:
    try:
        found = forms(item.answer)
    except ValueError as error:
        yield "answer", str(error)
        return
    for number, entry in enumerate(item.field, start=1):
        key = f"field[{number}]"
        if entry.unit[-1] != UNITS[entry.quantity]:
            yield f"{key}.unit", f"{entry.unit} is no unit of {entry.quantity}"
            continue
        heads = [form.header.upper() for form in found]
        if entry.name and heads.count(entry.name.upper()) != 1:
            yield f"{key}.name", f"heads no field of the answer, or several: {item.answer}"
        elif not entry.name and entry.index > len(found):
            yield f"{key}.index", f"the answer has {len(found)} fields"
        else:
            at = heads.index(entry.name.upper()) if entry.name else entry.index - 1
            yield from _unit_rules(key, found[at], UNITS[entry.quantity])


def _source_rules(profile: InstrumentProfile, source: ScpiDrive) -> Findings:
    for text in source.setup:
        yield from _command_rules("scpi.drive.setup", text, ("limit",))
    yield from _confirm_rules("scpi.drive.confirm", source.confirm, ("limit",))
    for key, name in (("switch", "switch"), ("level", "level"), ("range", "range")):
        text = getattr(source, key)
        yield from _command_rules(f"scpi.drive.{key}", text, SOURCE_PLACEHOLDERS)
        if text and f"{{{name}}}" not in text:
            yield f"scpi.drive.{key}", f"has no {{{name}}} in it"
    for key in ("switch_query", "level_query", "range_query", "volts", "amperes"):
        yield from _query_rules(f"scpi.drive.{key}", getattr(source, key))
    driven = "current" if profile.kind == "load" else "voltage"
    if len(profile.ranges(driven)) > 1 and not source.range:
        yield "scpi.drive.range", f"is missing: there are several ranges of {driven}"
    for key, unit in (("volts_answer", "V"), ("amperes_answer", "A")):
        try:
            found = forms(getattr(source, key))
        except ValueError as error:
            yield f"scpi.drive.{key}", str(error)
        else:
            yield from _unit_rules(f"scpi.drive.{key}", found[0], unit)


def _unit_rules(key: str, form: FieldForm, unit: str) -> Findings:
    if form.suffix.strip() and unit_scale(form.suffix.strip(), unit) is None:
        yield key, f"the answer is in {form.suffix.strip()}, which is no {unit}"


def _command_rules(key: str, text: str, known: Sequence[str]) -> Findings:
    try:
        names = placeholders(text)
    except ValueError as error:
        yield key, f"{text!r}: {error}"
        return
    for name in names:
        if name not in known:
            allowed = ", ".join(f"{{{each}}}" for each in known) or "none"
            yield key, f"{text!r} has {{{name}}}, which is not filled in (known: {allowed})"
    if not text.isascii() or "\n" in text or "\r" in text:
        yield key, f"{text!r} is no line of ASCII"


def _confirm_rules(key: str, expected: Mapping[str, str], known: Sequence[str]) -> Findings:
    for query, text in expected.items():
        yield from _query_rules(key, query)
        yield from _command_rules(key, text, known)


def _query_rules(key: str, text: str) -> Findings:
    yield from _command_rules(key, text, ())
    if text and "?" not in text:
        yield key, f"{text!r} asks nothing: a query has a question mark"
