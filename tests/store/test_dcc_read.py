"""A laboratory's Digital Calibration Certificate: read with distrust."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.errors import ConfigError
from powerlab.store.dcc_read import read_dcc

PLAIN = """<?xml version="1.0" encoding="utf-8"?>
<dcc:digitalCalibrationCertificate xmlns:dcc="https://ptb.de/dcc" xmlns:si="https://ptb.de/si"
  schemaVersion="3.1.1">
 <dcc:administrativeData>
  <dcc:coreData>
   <dcc:uniqueIdentifier>LAB-17</dcc:uniqueIdentifier>
   <dcc:endPerformanceDate>2026-03-02+01:00</dcc:endPerformanceDate>
  </dcc:coreData>
  <dcc:items><dcc:item>
   <dcc:name><dcc:content lang="en">Probe</dcc:content></dcc:name>
   <dcc:identifications>
    <dcc:identification><dcc:issuer>customer</dcc:issuer><dcc:value>C-1</dcc:value></dcc:identification>
    <dcc:identification><dcc:issuer>manufacturer</dcc:issuer><dcc:value>M-1</dcc:value></dcc:identification>
   </dcc:identifications>
  </dcc:item></dcc:items>
  <dcc:calibrationLaboratory><dcc:contact><dcc:name>
   <dcc:content>Lab Ltd</dcc:content></dcc:name></dcc:contact></dcc:calibrationLaboratory>
 </dcc:administrativeData>
 <dcc:measurementResults><dcc:measurementResult><dcc:results><dcc:result><dcc:data>
  <dcc:list>
   <dcc:quantity refType="basic_referenceValue"><si:hybrid>
    <si:realListXMLList><si:valueXMLList>33.1 100.0 175.1 250.2 320.0</si:valueXMLList>
     <si:unitXMLList>\\degreecelsius</si:unitXMLList></si:realListXMLList>
    <si:realListXMLList><si:valueXMLList>306.2 373.1 448.3 523.3 593.2</si:valueXMLList>
     <si:unitXMLList>\\kelvin</si:unitXMLList></si:realListXMLList>
   </si:hybrid></dcc:quantity>
   <dcc:quantity refType="basic_measurementError">
    <si:realListXMLList><si:valueXMLList>0.072 0.089 0.107 -0.009 -0.084</si:valueXMLList>
     <si:unitXMLList>\\kelvin</si:unitXMLList>
     <si:expandedUncXMLList><si:uncertaintyXMLList>0.061</si:uncertaintyXMLList>
      <si:coverageFactorXMLList>2</si:coverageFactorXMLList>
      <si:coverageProbabilityXMLList>0.95</si:coverageProbabilityXMLList>
      <si:distributionXMLList>normal</si:distributionXMLList></si:expandedUncXMLList>
    </si:realListXMLList>
   </dcc:quantity>
  </dcc:list>
 </dcc:data></dcc:result></dcc:results></dcc:measurementResult></dcc:measurementResults>
</dcc:digitalCalibrationCertificate>
"""
KNOWN = (
    "<si:expandedUncXMLList><si:uncertaintyXMLList>0.061</si:uncertaintyXMLList>\n"
    "      <si:coverageFactorXMLList>2</si:coverageFactorXMLList>\n"
    "      <si:coverageProbabilityXMLList>0.95</si:coverageProbabilityXMLList>\n"
    "      <si:distributionXMLList>normal</si:distributionXMLList></si:expandedUncXMLList>"
)


def read(tmp_path: Path, text: str, **options):
    """Read a certificate from its text."""
    path = tmp_path / "laboratory.xml"
    path.write_text(text, "utf-8")
    return read_dcc(path, **options)


def test_a_laboratory_s_constant_uncertainty_becomes_an_offset(tmp_path) -> None:
    """Five errors in kelvin, U = 0.061 with k = 2: a standard uncertainty of 0.0305 everywhere."""
    found = read(tmp_path, PLAIN, corrected=True)
    (common,) = found.errors
    assert common.quantity == "temperature"
    assert common.u_gain == 0.0
    assert common.u_offset == pytest.approx(0.0305)
    assert (found.model, found.serial, found.laboratory) == ("Probe", "M-1", "Lab Ltd")
    assert (found.certificate, found.calibrated) == ("LAB-17", "2026-03-02")
    assert found.due == "2027-03-02"


def test_errors_that_nobody_corrects_count_as_uncertainty(tmp_path) -> None:
    """A reference that is read as it stands is no better than its known errors."""
    (common,) = read(tmp_path, PLAIN).errors
    level = np.array([306.2, 373.1, 448.3, 523.3, 593.2])
    reached = np.hypot(common.u_gain * level, common.u_offset)
    errors = np.array([0.072, 0.089, 0.107, 0.009, 0.084])
    assert (reached >= np.hypot(errors, 0.0305) * (1 - 1e-9)).all()
    assert common.u_offset <= np.hypot(0.107, 0.0305) * (1 + 1e-9)


@pytest.mark.parametrize(
    ("wrapping", "value", "number"),
    [
        ("expandedMUXMLList", "valueExpandedMUXMLList", "0.061 0.061 0.061 0.061 0.061"),
        ("standardMUXMLList", "valueStandardMUXMLList", "0.0305"),
        ("coverageIntervalXMLList", "standardUncXMLList", "0.0305"),
    ],
)
def test_every_way_to_state_an_uncertainty_is_read(tmp_path, wrapping, value, number) -> None:
    """Newer files name the same thing otherwise."""
    assert KNOWN in PLAIN
    stated = (
        f"<si:measurementUncertaintyUnivariateXMLList><si:{wrapping}><si:{value}>{number}"
        f"</si:{value}><si:coverageFactorXMLList>2</si:coverageFactorXMLList></si:{wrapping}>"
        "</si:measurementUncertaintyUnivariateXMLList>"
    )
    (common,) = read(tmp_path, PLAIN.replace(KNOWN, stated), corrected=True).errors
    assert common.u_offset == pytest.approx(0.0305)


def test_prefixes_of_units_are_read(tmp_path) -> None:
    """Millikelvin are not taken for kelvin."""
    (common,) = read(tmp_path, PLAIN.replace("\\kelvin", "\\milli\\kelvin"), corrected=True).errors
    assert common.u_offset == pytest.approx(0.0305e-3)


def single(unit: str, value: str, u: str) -> str:
    """Get a certificate of one ammeter point."""
    table = (
        f'<dcc:quantity refType="basic_referenceValue"><si:real><si:value>{value}</si:value>'
        f"<si:unit>{unit}</si:unit></si:real></dcc:quantity>"
        f'<dcc:quantity refType="basic_measurementError"><si:real><si:value>0</si:value>'
        f"<si:unit>{unit}</si:unit><si:expandedUnc><si:uncertainty>{u}</si:uncertainty>"
        "<si:coverageFactor>2</si:coverageFactor></si:expandedUnc></si:real></dcc:quantity>"
    )
    head, rest = PLAIN.split("  <dcc:list>")
    return f"{head}{table}{rest.split('</dcc:list>')[1]}"


def test_a_single_value_beside_no_list_is_read(tmp_path) -> None:
    """Some certificates state each point by itself."""
    (common,) = read(tmp_path, single("\\ampere", "2", "0.004")).errors
    assert common.quantity == "current"
    assert np.hypot(common.u_gain * 2, common.u_offset) == pytest.approx(0.002)


def ranges(*spans: tuple[float, float]) -> str:
    """Get a certificate of several ranges: full scale and relative uncertainty (k = 2)."""
    head, rest = PLAIN.split("  <dcc:list>")
    lists = ""
    for full_scale, relative in spans:
        levels = [full_scale * part for part in (0.1, 0.5, 1.0)]
        values = " ".join(f"{level:g}" for level in levels)
        widths = " ".join(f"{2 * relative * level:g}" for level in levels)
        lists += (
            '<dcc:list><dcc:quantity refType="basic_referenceValue"><si:realListXMLList>'
            f"<si:valueXMLList>{values}</si:valueXMLList><si:unitXMLList>\\volt</si:unitXMLList>"
            "</si:realListXMLList></dcc:quantity>"
            '<dcc:quantity refType="basic_measurementError"><si:realListXMLList>'
            "<si:valueXMLList>0 0 0</si:valueXMLList><si:unitXMLList>\\volt</si:unitXMLList>"
            f"<si:expandedUncXMLList><si:uncertaintyXMLList>{widths}</si:uncertaintyXMLList>"
            "<si:coverageFactorXMLList>2</si:coverageFactorXMLList></si:expandedUncXMLList>"
            "</si:realListXMLList></dcc:quantity></dcc:list>"
        )
    return f"{head}{lists}{rest.split('</dcc:list>')[1]}"


def test_a_proportional_uncertainty_becomes_a_gain(tmp_path) -> None:
    """U in parts of the reading leaves no offset."""
    (common,) = read(tmp_path, ranges((10.0, 1e-4))).errors
    assert common.u_gain == pytest.approx(1e-4)
    assert common.u_offset == pytest.approx(0.0, abs=1e-9)


def test_the_shortest_range_that_reaches_far_enough_counts(tmp_path) -> None:
    """The uncertainty of the kilovolt range is not that of the 10 V range."""
    text = ranges((1.0, 3e-4), (10.0, 1e-4), (1000.0, 2e-3))
    (common,) = read(tmp_path, text, reaching={"voltage": 9.0}).errors
    assert common.u_gain == pytest.approx(1e-4)
    (common,) = read(tmp_path, text, reaching={"voltage": 0.9}).errors
    assert common.u_gain == pytest.approx(3e-4)
    (common,) = read(tmp_path, text).errors
    assert common.u_gain == pytest.approx(2e-3)
    with pytest.raises(ConfigError, match="up to 1000"):
        read(tmp_path, text, reaching={"voltage": 1001.0})


def test_the_stated_date_of_recalibration_is_the_due_date(tmp_path) -> None:
    """A laboratory that states a date is believed."""
    statement = (
        '<dcc:statements><dcc:statement refType="other_type basic_recalibration">'
        "<dcc:date>2026-12-31</dcc:date></dcc:statement></dcc:statements></dcc:administrativeData>"
    )
    text = PLAIN.replace("</dcc:administrativeData>", statement)
    assert read(tmp_path, text).due == "2026-12-31"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({KNOWN: ""}, "no uncertainty"),
        ({"<si:coverageFactorXMLList>2<": "<si:coverageFactorXMLList><"}, "coverage factor"),
        ({"<si:coverageFactorXMLList>2<": "<si:coverageFactorXMLList>0<"}, "coverage factor"),
        ({">0.061<": ">-0.061<"}, "negative"),
        ({">0.061<": ">0.061 0.061<"}, "does not belong"),
        ({">0.061<": ">INF<"}, "no list of numbers"),
        ({"0.072 0.089": "0,072 0,089"}, "no list of numbers"),
        ({"\\kelvin": "\\ohm"}, "no measurement errors in"),
        ({"basic_measurementError": "basic_other"}, "no measurement errors"),
        ({"2026-03-02+01:00": "2 March"}, "no date"),
        ({'schemaVersion="3.1.1"': 'schemaVersion="2.4.0"'}, "not a DCC 3"),
        ({'="https://ptb.de/dcc"': '="https://ptb.de/other"'}, "not a DCC 3"),
        ({"digitalCalibrationCertificate": "certificate"}, "not a DCC 3"),
        ({"</dcc:digitalCalibrationCertificate>": ""}, "no XML"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path, changes, why) -> None:
    """Every refusal says what is missing, and names the file."""
    text = PLAIN
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    with pytest.raises(ConfigError, match=why) as caught:
        read(tmp_path, text)
    assert "laboratory.xml" in caught.value.message
    assert caught.value.hint


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in itertools.pairwise("abcdefghij")
    )
    + "]>"
)


@pytest.mark.parametrize(
    "prologue",
    [
        BOMB,
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">',
        '<!DOCTYPE x [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>',
        "<!DOCTYPE x>",
    ],
)
def test_document_types_and_entities_are_refused(tmp_path, prologue) -> None:
    """Neither a bomb nor another file comes in by way of a certificate."""
    text = PLAIN.replace('encoding="utf-8"?>', f'encoding="utf-8"?>{prologue}')
    text = text.replace("Lab Ltd", "&j;" if prologue is BOMB else "Lab Ltd")
    with pytest.raises(ConfigError, match="document type"):
        read(tmp_path, text)


@pytest.mark.parametrize("content", [b"", b"{}", b"\x00\x01", b"%PDF-1.7", b"<a>", b"<a/>"])
def test_what_is_no_certificate_is_refused(tmp_path, content) -> None:
    """Any other file is told as such."""
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="Digital Calibration Certificate"):
        read_dcc(path)


def test_a_missing_file_is_told(tmp_path) -> None:
    """The error names the path."""
    with pytest.raises(ConfigError, match="No such file"):
        read_dcc(tmp_path / "absent.xml")


@given(st.data())
def test_no_damaged_certificate_does_more_than_be_refused(tmp_path_factory, data) -> None:
    """Cut off or overwritten anywhere, a certificate is read or refused, nothing else."""
    content = bytearray(PLAIN.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content) - 1))
        length = data.draw(st.integers(0, 60))
        content[start : start + length] = data.draw(st.binary(max_size=20))
    path = tmp_path_factory.mktemp("odd") / "odd.xml"
    path.write_bytes(bytes(content))
    with contextlib.suppress(ConfigError):
        found = read_dcc(path)
        assert all(np.isfinite([item.u_gain, item.u_offset]).all() for item in found.errors)


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(1e-9, 1.0)), min_size=1, max_size=12))
def test_gain_and_offset_reach_every_stated_uncertainty(tmp_path_factory, pairs) -> None:
    """Whatever the laboratory states, no point is believed better than it says."""
    head, rest = PLAIN.split("306.2 373.1 448.3 523.3 593.2")
    text = head + " ".join(repr(level) for level, _ in pairs) + rest
    text = text.replace("0.072 0.089 0.107 -0.009 -0.084", " ".join("0" for _ in pairs))
    text = text.replace(">0.061<", f">{' '.join(repr(2 * u) for _, u in pairs)}<")
    (common,) = read(tmp_path_factory.mktemp("pairs"), text).errors
    level, u = np.array(pairs).T
    reached = np.hypot(common.u_gain * level, common.u_offset)
    assert (reached >= u * (1 - 1e-6)).all()
    assert common.u_offset <= u.max() * (1 + 1e-6)
