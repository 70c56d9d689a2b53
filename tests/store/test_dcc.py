"""Digital Calibration Certificates: written in the schema's order, read with distrust."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from powerlab.findings import Finding, Severity
from powerlab.records.calibration import Environment, Laboratory
from powerlab.store.certified import ranges_found
from powerlab.store.dcc_read import read_dcc
from powerlab.store.dcc_write import dcc_bytes
from tests.store.calibrated import ITEM, REFERENCE, calibration_record

DCC = "{https://ptb.de/dcc}"
SI = "{https://ptb.de/si}"

# The children of each element in the order of the schema (DCC 3.2.0, D-SI 2.1.0), as far as used.
ORDER = {
    "digitalCalibrationCertificate": "administrativeData measurementResults",
    "administrativeData": "dccSoftware coreData items calibrationLaboratory respPersons customer "
    "statements",
    "software": "name release type description",
    "coreData": "countryCodeISO3166_1 usedLangCodeISO639_1 mandatoryLangCodeISO639_1 "
    "uniqueIdentifier beginPerformanceDate endPerformanceDate performanceLocation issueDate",
    "item": "name description installedSoftwares manufacturer model identifications",
    "identification": "issuer value name",
    "contact": "name location",
    "customer": "name location",
    "respPerson": "person description role mainSigner",
    "statement": "name description norm reference declaration date conformity data",
    "metaData": "name description norm reference declaration date conformityXMLList data",
    "measurementResult": "name description usedMethods measuringEquipments influenceConditions "
    "results",
    "usedMethod": "name description norm reference",
    "measuringEquipment": "name description model identifications",
    "influenceCondition": "name description data",
    "result": "name description data",
    "quantity": "name description realListXMLList real measurementMetaData",
    "real": "value unit expandedUnc",
    "realListXMLList": "valueXMLList unitXMLList expandedUncXMLList",
    "expandedUnc": "uncertainty coverageFactor coverageProbability",
    "expandedUncXMLList": "uncertaintyXMLList coverageFactorXMLList coverageProbabilityXMLList "
    "distributionXMLList",
}


@pytest.fixture(scope="module")
def record():
    """Get a record with everything in it."""
    return calibration_record()


@pytest.fixture
def written(tmp_path, record):
    """Get the file of that record."""
    path = tmp_path / "dcc.xml"
    path.write_bytes(dcc_bytes(record))
    return path


def with_ranges(record, ranges):
    """Get a record whose meter is specified so."""
    return replace(record, item=replace(ITEM, ranges=ranges))


def local(element: ET.Element) -> str:
    """Get an element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def test_elements_stand_in_the_order_of_the_schema(written) -> None:
    """No element is out of its place, and none has a child that the schema does not know."""
    root = ET.parse(written).getroot()
    assert root.get("schemaVersion") == "3.2.0"
    for element in root.iter():
        if local(element) in ORDER:
            known = ORDER[local(element)].split()
            places = [known.index(local(child)) for child in element]
            assert places == sorted(places), local(element)


def test_no_text_is_empty_or_starts_with_a_blank(written) -> None:
    """The schema takes no empty string, and no blank at either end."""
    for element in ET.parse(written).getroot().iter():
        text = (element.text or "").strip() if len(element) else element.text
        assert len(element) or (text and text == text.strip()), local(element)


def test_the_table_holds_what_the_record_says(written, record) -> None:
    """Reference, reading and error of every point, each error with its U, k and verdict."""
    tables = list(ET.parse(written).getroot().iter(f"{DCC}list"))
    assert len(tables) == 2
    points = [point for point in record.points if point.quantity == "current"]
    lists = {
        quantity.get("refType"): np.array(
            quantity.findtext(f"{SI}realListXMLList/{SI}valueXMLList").split(), dtype=float
        )
        for quantity in tables[0].findall(f"{DCC}quantity")
    }
    assert np.allclose(lists["basic_referenceValue"], [point.reference for point in points])
    assert np.allclose(lists["basic_measuredValue"], [point.reading for point in points])
    assert np.allclose(
        lists["basic_measurementError"],
        lists["basic_measuredValue"] - lists["basic_referenceValue"],
        atol=1e-11,
    )
    uncertainty = tables[0].find(f".//{SI}expandedUncXMLList")
    widths = np.array(uncertainty.findtext(f"{SI}uncertaintyXMLList").split(), dtype=float)
    factors = np.array(uncertainty.findtext(f"{SI}coverageFactorXMLList").split(), dtype=float)
    assert widths.shape == factors.shape == (len(points),)
    assert ((factors > 1.9) & (factors < 2.3)).all()
    verdicts = tables[0].findtext(f".//{DCC}conformityXMLList").split()
    assert len(verdicts) == len(points)
    assert set(verdicts) <= {"pass", "fail", "conditionalPass", "conditionalFail"}


def test_the_verdict_of_the_certificate_is_its_worst(record) -> None:
    """One point that fails fails the item, and without limits there is no verdict."""
    strict = tuple(replace(part, limit=replace(part.limit, gain_limit=0.0)) for part in ITEM.ranges)
    root = ET.fromstring(dcc_bytes(with_ranges(record, strict)))
    assert root.findtext(f".//{DCC}statement/{DCC}conformity") == "fail"
    root = ET.fromstring(dcc_bytes(with_ranges(record, ())))
    assert root.find(f".//{DCC}conformity") is None
    assert root.find(f".//{DCC}conformityXMLList") is None


def test_the_same_record_gives_the_same_bytes(record) -> None:
    """Nothing of the time of day is in the file."""
    assert dcc_bytes(record) == dcc_bytes(record)


def test_what_is_not_known_is_left_out_and_no_text_breaks_the_file(record) -> None:
    """Without room temperature, firmware, reference or names the file is still well-formed."""
    bare = replace(
        record,
        operator=" ",
        item=replace(ITEM, condition=""),
        laboratory=Laboratory("", "", ""),
        firmware="",
        cable_set="a\x00b\x1b<&>",
        environment=Environment(float("nan"), float("nan"), float("nan")),
        references=(),
    )
    content = dcc_bytes(bare)
    root = ET.fromstring(content)
    assert root.find(f".//{DCC}influenceConditions") is None
    assert root.find(f".//{DCC}measuringEquipments") is None
    assert root.findtext(f".//{DCC}person/{DCC}name/{DCC}content") == "not stated"
    assert "nan" not in content.decode()


def test_an_emulated_calibration_says_that_nothing_was_measured(record) -> None:
    """No reader of the XML can take it for a measurement."""
    note = Finding("emulated", Severity.INFO, "emulated, not measured", "attach a meter")
    content = dcc_bytes(replace(record, findings=(note,))).decode()
    assert "EMULATED" in content
    assert "EMULATED" not in dcc_bytes(record).decode()


def test_the_record_s_own_reference_is_named(written) -> None:
    """Traceability: which instrument was believed, and on which certificate."""
    (equipment,) = ET.parse(written).getroot().iter(f"{DCC}measuringEquipment")
    values = [item.text for item in equipment.iter(f"{DCC}value")]
    assert values == [REFERENCE.serial, REFERENCE.certificate]


def test_a_written_certificate_is_read_back_as_a_reference(written, record) -> None:
    """Who, when, until when, and parts that reach every stated uncertainty."""
    read = read_dcc(written, corrected=True)
    assert (read.model, read.serial) == (ITEM.name, record.serial)
    assert read.certificate == record.certificate
    assert read.laboratory == "Energy bench 3"
    assert (read.calibrated, read.due) == (record.performed, record.due)
    assert [item.quantity for item in read.errors] == ["current", "voltage"]
    ranges = [found for _, found in ranges_found(record)]
    for common, found in zip(read.errors, ranges, strict=True):
        level = np.array([point.reference for point in found.points])
        reached = np.hypot(common.u_gain * level, common.u_offset)
        stated = found.expanded / found.k
        assert np.min(reached / stated) == pytest.approx(1.0, abs=1e-6)
        assert np.mean(reached / stated) < 1.2
        assert common.certificate == record.certificate
