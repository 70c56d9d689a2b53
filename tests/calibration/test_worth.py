"""What a calibration is worth, and where it is worth nothing; how a meter's link is named."""

from __future__ import annotations

import pytest

from powerlab.calibration.subject import link_name
from powerlab.calibration.worth import Worth, useless, worths
from powerlab.findings import Severity
from tests.store.calibrated import calibration_record


def test_each_range_is_worth_what_its_record_says():
    """Told within the span, from the record alone; it ages until it is due."""
    record = calibration_record()
    current, voltage = worths(record)
    assert (current.quantity, voltage.quantity) == ("current", "voltage")
    for worth, correction in zip((current, voltage), record.corrections, strict=True):
        (span,) = correction.spans
        assert span.low <= worth.level <= span.high
        assert worth.after < worth.at_due
    assert current.after < current.before / 3
    assert list(useless((current, voltage))) == []


def test_a_fit_that_knows_less_than_the_data_sheet_is_not_to_be_used():
    """It is a blocking finding that names both figures and the range."""
    good = Worth("voltage", 10.0, 5.0, 1e-2, 1.05e-2, 2e-2)
    bad = Worth("current", 5.0, 2.0, 0.02, 0.04, 0.05)
    (finding,) = useless((good, bad))
    assert finding.severity is Severity.BLOCKING
    assert "current range 5 A" in finding.message
    assert "from 1 % to 2 %" in finding.message


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        ("TCPIP0::192.168.1.50::5025::SOCKET", "TCPIP SOCKET"),
        ("USB0::0x05E6::0x6500::04381234::INSTR", "USB INSTR"),
        ("serial:/dev/rfcomm0", "serial"),
    ],
)
def test_a_link_is_named_without_the_place(resource, name):
    """No address or device path of a laboratory gets into its certificates."""
    assert link_name(resource) == name
