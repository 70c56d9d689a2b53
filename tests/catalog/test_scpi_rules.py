"""Lint of ``[scpi]``: a command that could not be sent, or an answer not read, shows at once."""

from __future__ import annotations

import pytest

from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.instrument_rules import instrument_rules
from powerlab.catalog.layers import builtin_lab, load_catalog
from powerlab.catalog.lint import lint
from powerlab.catalog.scpi_answer import forms

CATALOG = load_catalog()
METER, LOAD, SUPPLY = "keysight-34465a", "rigol-dl3021", "rigol-dp832"


def changed(identifier: str, **changes: object) -> list[tuple[str, str]]:
    """Get what lint says of a shipped profile with its ``[scpi]`` bent; dots name deeper keys."""
    table = CATALOG.instrument(identifier).model_dump(mode="json", by_alias=True)
    for path, value in changes.items():
        place = table
        *parents, last = path.split("__")
        for name in parents:
            place = place[int(name) if name.isdigit() else name]
        place[last] = value
    return list(instrument_rules(InstrumentProfile.model_validate(table)))


FUNCTION = "scpi__function__0__"
FIELD = FUNCTION + "field__0__"
SOURCE = "scpi__drive__"


@pytest.mark.parametrize(
    ("identifier", "changes", "key", "message"),
    [
        (METER, {"scpi": None}, "scpi", "is missing: the driver scpi-meter goes by it"),
        (METER, {"scpi__identity": "Keysight,34465A,1,2"}, "scpi.identity", "{serial}"),
        (METER, {"scpi__identity": "Keysight,34465A,{serial}"}, "scpi.identity", "four fields"),
        (METER, {"scpi__identity": "Keysight,{"}, "scpi.identity", "brace"),
        (METER, {"scpi__models": ["34470A"]}, "scpi.models", "none of them is the 34465A"),
        (METER, {"scpi__over_range": []}, "scpi.over_range", "overload"),
        (METER, {"scpi__open": ["RANG {range}"]}, "scpi.open", "not filled in (known: none)"),
        (METER, {"scpi__error_query": "SYST:ERR"}, "scpi.error_query", "asks nothing"),
        (METER, {"scpi__language_query": "*LANG?"}, "scpi.language", "and its answer"),
        (METER, {"scpi__function": []}, "scpi.function", "is missing"),
        (METER, {FUNCTION + "setup": ["A {rang}"]}, "scpi.function[1].setup", "{rang}"),
        (METER, {FUNCTION + "setup": ["A {"]}, "scpi.function[1].setup", "brace"),
        (METER, {FUNCTION + "setup": ["A {range:g}"]}, "scpi.function[1].setup", "more than"),
        (METER, {FUNCTION + "setup": ["A\nB"]}, "scpi.function[1].setup", "no line of ASCII"),
        (METER, {FUNCTION + "confirm": {"A": "1"}}, "scpi.function[1].confirm", "asks nothing"),
        (METER, {FUNCTION + "read": ""}, "scpi.function[1].read", "is missing"),
        (METER, {FUNCTION + "answer": "one"}, "scpi.function[1].answer", "'one' is no number"),
        (METER, {FUNCTION + "answer": "1.0V"}, "scpi.function[1].field[1]", "in V, which is no A"),
        (METER, {FIELD + "unit": "mV"}, "scpi.function[1].field[1].unit", "no unit of current"),
        (METER, {FIELD + "index": 2}, "scpi.function[1].field[1].index", "has 1 fields"),
        (METER, {FIELD + "name": "I"}, "scpi.function[1].field[1].name", "heads no field"),
        (METER, {FIELD + "quantity": "power"}, "scpi.function[1].field", "no range for power"),
        (METER, {"channels": ["current", "voltage"]}, "channels", "no function of [scpi] reads"),
        (LOAD, {"scpi__drive": None}, "scpi.drive", "how the load is driven"),
        (LOAD, {SOURCE + "level": "A 1"}, "scpi.drive.level", "has no {level} in it"),
        (LOAD, {SOURCE + "range": ""}, "scpi.drive.range", "several ranges of current"),
        (LOAD, {SOURCE + "volts": "V"}, "scpi.drive.volts", "asks nothing"),
        (LOAD, {SOURCE + "volts_answer": "1.0A"}, "scpi.drive.volts_answer", "no V"),
        (LOAD, {SOURCE + "amperes_answer": "x"}, "scpi.drive.amperes_answer", "is no number"),
        (SUPPLY, {SOURCE + "setup": ["A {level}"]}, "scpi.drive.setup", "(known: {limit})"),
    ],
)
def test_each_rule(identifier: str, changes: dict[str, object], key: str, message: str) -> None:
    """One change, one problem of that key, in words that tell what to do."""
    found = [text for at, text in changed(identifier, **changes) if at == key]
    assert any(message in text for text in found), changed(identifier, **changes)


def test_a_source_is_no_section_of_a_meter() -> None:
    """A meter sets nothing that a board feels."""
    source = CATALOG.instrument(LOAD).scpi.drive.model_dump(mode="json")
    found = dict(changed(METER, scpi__drive=source))
    assert found["scpi.drive"] == "is no section of a meter"


def test_one_function_for_each_quantity_once() -> None:
    """A quantity cannot be two fields of one row."""
    field = {"quantity": "current", "unit": "A", "index": 1}
    found = dict(changed(METER, scpi__function__0__field=[field, field]))
    assert "named twice" in found["scpi.function[1].field"]


@pytest.mark.parametrize(("model", "kind"), [(LOAD, "load"), (SUPPLY, "supply")])
def test_a_bench_is_measured_with_a_meter(lab, model: str, kind: str) -> None:
    """A load or a supply reads volts and amperes, and is no meter of a board for that."""
    text = f"""
schema = 1
[bench.odd]
device = "acme-board"
host = "user@board"
[[bench.odd.meter]]
model = "{model}"
resource = "TCPIP0::meter::5025::SOCKET"
"""
    lab.write("powerlab.toml", text)
    found = lint([builtin_lab(), lab.root])
    assert any(
        each.key == "bench.odd.meter[1].model" and f"is a {kind}, not a meter" in each.message
        for each in found
    )


@pytest.mark.parametrize(
    ("example", "value", "text"),
    [
        ("+4.27150000E-01", 0.5, "+5.00000000E-01"),
        ("-4.999995E-01", -0.25, "-2.500000E-01"),
        ("+1.2300E-4", 1e-12, "+1.0000E-12"),
        ("3.14V", 12.0, "12.00V"),
        ("A 10.5A", 0.25, "A 0.2A"),
        ("+1.73730000E+00 VDC", 5.0, "+5.00000000E+00 VDC"),
        ("7", 3.0, "3"),
    ],
)
def test_a_number_is_written_as_its_example(example: str, value: float, text: str) -> None:
    """Sign, digits, exponent, header and unit are the example's."""
    (form,) = forms(example)
    assert form.write(value) == text
