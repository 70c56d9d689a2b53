"""A calibration as a Digital Calibration Certificate: XML of DCC 3.2.0 with D-SI 2.1.0.

Elements and their order follow the published schema of that version and the reference types
of PTB's good-practice examples. The schema itself is not shipped with powerlab, so a file is
not validated against it here. Texts are in English; figures have 12 digits.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree as ET

from powerlab.analysis.conformity import Verdict
from powerlab.records.calibration import CalibrationRecord, Laboratory, Reference
from powerlab.store.certified import AsFound, begun, is_emulated, ranges_found
from powerlab.store.dcc import (
    DCC,
    MEASURED_VALUE,
    MEASUREMENT_ERROR,
    RECALIBRATION,
    REFERENCE_VALUE,
    SI,
    UNITS,
)

SCHEMA_VERSION = "3.2.0"

XSI = "http://www.w3.org/2001/XMLSchema-instance"

LANGUAGE = "en"

UNKNOWN_COUNTRY = "ZZ"
"""The code that ISO 3166-1 leaves to users for a country that is not known."""

KELVIN = 273.15

ABSENT = "not stated"

ILLEGAL = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold."""

CONFORMITY = {
    Verdict.PASS: "pass",
    Verdict.CONDITIONAL_PASS: "conditionalPass",
    Verdict.CONDITIONAL_FAIL: "conditionalFail",
    Verdict.FAIL: "fail",
}

UNCERTAINTY = (
    "The expanded uncertainty is the half-width of the interval that holds the error with 95 %, "
    "from the convolved distributions of the readings and of the reference's certificate; "
    "k is the ratio to the standard uncertainty."
)
METHOD = (
    "Item and reference read the same quantity at each point. The item was not adjusted: the "
    "results are as found."
)
RELATES = (
    "The results relate only to the item calibrated, at the time of calibration. "
    "The issuing laboratory claims no accreditation by this document."
)
RULE = (
    "Decision rule: ILAC-G8:09/2019, guard band w = U: pass where |error| + U is within the "
    "specified limit, fail where |error| - U is beyond it, conditional between."
)
DUE = "The laboratory set this date for its own instrument."
DUE_AGREED = "This date was agreed with the customer."
NOTHING_MEASURED = "EMULATED: item, reference and load are models; nothing was measured."


def dcc_bytes(record: CalibrationRecord) -> bytes:
    """Get the certificate of a record as XML: the same bytes for the same record."""
    for prefix, space in (("dcc", DCC), ("si", SI), ("xsi", XSI)):
        ET.register_namespace(prefix, space)
    root = ET.Element(f"{{{DCC}}}digitalCalibrationCertificate")
    root.set("schemaVersion", SCHEMA_VERSION)
    root.set(f"{{{XSI}}}schemaLocation", f"{DCC} {DCC}/v{SCHEMA_VERSION}/dcc.xsd")
    ranges = [found for _, found in ranges_found(record)]
    administrative = _add(root, "administrativeData")
    _software(administrative, record.software)
    _core_data(administrative, record)
    _items(administrative, record)
    _contact(_add(_add(administrative, "calibrationLaboratory"), "contact"), record.laboratory)
    person = _add(_add(administrative, "respPersons"), "respPerson")
    _text(_add(person, "person"), "name", record.operator or ABSENT)
    _add(person, "mainSigner", "true")
    customer = record.laboratory
    if record.customer:
        customer = Laboratory(record.customer, "", "")
    _contact(_add(administrative, "customer"), customer)
    _statements(_add(administrative, "statements"), record, ranges)
    result = _add(_add(root, "measurementResults"), "measurementResult")
    _text(result, "name", "Calibration results")
    _methods(_add(result, "usedMethods"))
    if record.references:
        equipment = _add(result, "measuringEquipments")
        for reference in record.references:
            _reference(_add(equipment, "measuringEquipment", refType="basic_normalUsed"), reference)
    _environment(result, record)
    results = _add(result, "results")
    for found in ranges:
        _range(results, found)
    ET.indent(root, " ")
    content: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _add(parent: ET.Element, name: str, text: str | None = None, **attributes: str) -> ET.Element:
    """Add an element of the certificate; "si:" marks one of the Digital SI."""
    space, _, local = name.rpartition(":")
    child = ET.SubElement(parent, f"{{{SI if space == 'si' else DCC}}}{local}", attributes)
    if text is not None:
        child.text = _clean(text)
    return child


def _clean(text: str) -> str:
    """Get a text that the schema takes: legal characters, no blanks at its ends, not empty."""
    return ILLEGAL.sub("\ufffd", text).strip() or ABSENT


def _text(parent: ET.Element, name: str, text: str) -> None:
    _add(_add(parent, name), "content", text, lang=LANGUAGE)


def _identification(parent: ET.Element, issuer: str, value: str, name: str) -> None:
    entry = _add(parent, "identification")
    _add(entry, "issuer", issuer)
    _add(entry, "value", value)
    _text(entry, "name", name)


def _software(parent: ET.Element, made_by: str) -> None:
    software = _add(_add(parent, "dccSoftware"), "software")
    name, _, release = made_by.rpartition(" ")
    _text(software, "name", name)
    _add(software, "release", release)


def _core_data(parent: ET.Element, record: CalibrationRecord) -> None:
    core = _add(parent, "coreData")
    _add(core, "countryCodeISO3166_1", record.laboratory.country or UNKNOWN_COUNTRY)
    _add(core, "usedLangCodeISO639_1", LANGUAGE)
    _add(core, "mandatoryLangCodeISO639_1", LANGUAGE)
    _add(core, "uniqueIdentifier", record.certificate)
    _add(core, "beginPerformanceDate", begun(record))
    _add(core, "endPerformanceDate", record.performed)
    _add(core, "performanceLocation", "laboratory")
    _add(core, "issueDate", record.performed)


def _items(parent: ET.Element, record: CalibrationRecord) -> None:
    entry, item = _add(_add(parent, "items"), "item"), record.item
    _text(entry, "name", item.name)
    condition = f"Condition: {item.condition or ABSENT}. Leads: {record.cable_set or ABSENT}."
    _text(entry, "description", condition)
    if record.firmware:
        software = _add(_add(entry, "installedSoftwares"), "software")
        _text(software, "name", "firmware")
        _add(software, "release", record.firmware)
        _add(software, "type", "firmware")
    _text(_add(entry, "manufacturer"), "name", item.manufacturer)
    _add(entry, "model", item.name)
    identifications = _add(entry, "identifications")
    _identification(identifications, "manufacturer", record.serial, "Serial no.")
    _identification(identifications, "calibrationLaboratory", record.instrument, "Profile")


def _contact(parent: ET.Element, laboratory: Laboratory) -> None:
    _text(parent, "name", laboratory.name or ABSENT)
    location = _add(parent, "location")
    _add(location, "countryCode", laboratory.country or UNKNOWN_COUNTRY)
    if laboratory.place:
        _text(location, "further", laboratory.place)


def _statements(parent: ET.Element, record: CalibrationRecord, ranges: Sequence[AsFound]) -> None:
    relates = _add(parent, "statement")
    _add(relates, "norm", "ISO/IEC 17025:2017")
    _add(relates, "reference", "7.8.2.1 l")
    _text(relates, "declaration", RELATES)
    if is_emulated(record):
        _text(_add(parent, "statement"), "declaration", NOTHING_MEASURED)
    verdicts = [found.verdict for found in ranges if found.verdict is not None]
    if verdicts:
        conformity = _add(parent, "statement", refType="basic_conformity")
        _text(conformity, "declaration", RULE)
        _add(conformity, "conformity", CONFORMITY[max(verdicts, key=list(Verdict).index)])
    due = _add(parent, "statement", refType=RECALIBRATION)
    _text(due, "declaration", DUE_AGREED if record.customer else DUE)
    _add(due, "date", record.due)


def _methods(parent: ET.Element) -> None:
    uncertainty = _add(parent, "usedMethod", refType="basic_uncertainty")
    _text(uncertainty, "name", "Expanded uncertainty")
    _text(uncertainty, "description", UNCERTAINTY)
    _add(uncertainty, "norm", "JCGM 100:2008")
    _add(uncertainty, "norm", "JCGM 101:2008")
    method = _add(parent, "usedMethod")
    _text(method, "name", "Comparison with a reference")
    _text(method, "description", METHOD)


def _reference(entry: ET.Element, reference: Reference) -> None:
    _text(entry, "name", reference.model)
    described = (
        f"Certificate {reference.certificate or ABSENT} of {reference.laboratory or ABSENT}, "
        f"calibrated {reference.calibrated or ABSENT}, due {reference.due or ABSENT}."
    )
    _text(entry, "description", described)
    _add(entry, "model", reference.model)
    identifications = _add(entry, "identifications")
    _identification(identifications, "manufacturer", reference.serial, "Serial no.")
    _identification(identifications, "other", reference.certificate, "Certificate no.")


def _environment(parent: ET.Element, record: CalibrationRecord) -> None:
    """Add temperature and humidity, as far as they were noted."""
    environment = record.environment
    told = [
        ("Temperature", "basic_temperature", environment.temperature_c + KELVIN, r"\kelvin"),
        (
            "Relative humidity",
            "basic_humidityRelative",
            environment.humidity_percent / 100,
            r"\one",
        ),
    ]
    known = [entry for entry in told if math.isfinite(entry[2])]
    if not known:
        return
    conditions = _add(parent, "influenceConditions")
    for name, kind, value, unit in known:
        condition = _add(conditions, "influenceCondition", refType=kind)
        _text(condition, "name", name)
        real = _add(_add(_add(condition, "data"), "quantity"), "si:real")
        _add(real, "si:value", _number(value))
        _add(real, "si:unit", unit)
        if unit == r"\kelvin" and environment.u_temperature_c > 0:
            uncertainty = _add(real, "si:expandedUnc")
            _add(uncertainty, "si:uncertainty", _number(2 * environment.u_temperature_c))
            _add(uncertainty, "si:coverageFactor", "2")
            _add(uncertainty, "si:coverageProbability", "0.95")


def _range(parent: ET.Element, found: AsFound) -> None:
    """Add the table of one range: reference, reading, error with U, and conformity."""
    result = _add(parent, "result")
    _text(result, "name", f"{found.quantity}, range {found.full_scale:g}, as found")
    table = _add(_add(result, "data"), "list")
    unit = UNITS[found.quantity]
    for kind, name, values in (
        (REFERENCE_VALUE, "Reference value", [point.reference for point in found.points]),
        (MEASURED_VALUE, "Reading of the item", [point.reading for point in found.points]),
    ):
        quantity = _add(table, "quantity", refType=kind)
        _text(quantity, "name", name)
        _list(quantity, values, unit)
    quantity = _add(table, "quantity", refType=MEASUREMENT_ERROR)
    _text(quantity, "name", "Error: reading less reference")
    _uncertain(_list(quantity, found.error.tolist(), unit), found)
    if found.verdicts:
        _conformity(_add(_add(quantity, "measurementMetaData"), "metaData"), found, unit)


def _list(parent: ET.Element, values: Iterable[float], unit: str) -> ET.Element:
    entries = _add(parent, "si:realListXMLList")
    _add(entries, "si:valueXMLList", " ".join(map(_number, values)))
    _add(entries, "si:unitXMLList", unit)
    return entries


def _uncertain(entries: ET.Element, found: AsFound) -> None:
    uncertainty = _add(entries, "si:expandedUncXMLList")
    _add(uncertainty, "si:uncertaintyXMLList", " ".join(map(_number, found.expanded.tolist())))
    factors = (f"{k:.6f}" for k in found.k.tolist())
    _add(uncertainty, "si:coverageFactorXMLList", " ".join(factors))
    _add(uncertainty, "si:coverageProbabilityXMLList", "0.95")
    _add(uncertainty, "si:distributionXMLList", "normal")


def _conformity(entry: ET.Element, found: AsFound, unit: str) -> None:
    entry.set("refType", "basic_conformity")
    _text(entry, "declaration", RULE)
    verdicts = " ".join(CONFORMITY[verdict] for verdict in found.verdicts)
    _add(entry, "conformityXMLList", verdicts)
    data = _add(entry, "data")
    accepted = found.limit - found.expanded  # the specified limit less the guard band U
    for kind, name, limit in (
        ("basic_acceptanceLimitLower", "Lower acceptance limit", -accepted),
        ("basic_acceptanceLimitUpper", "Upper acceptance limit", accepted),
    ):
        quantity = _add(data, "quantity", refType=kind)
        _text(quantity, "name", name)
        _list(quantity, limit.tolist(), unit)


def _number(value: float) -> str:
    return f"{value:.12g}"
