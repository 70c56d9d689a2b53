"""Names of the Digital Calibration Certificate (PTB), and its XML read without trust."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree as ET
from xml.parsers import expat

from powerlab.errors import ConfigError

DCC = "https://ptb.de/dcc"
SI = "https://ptb.de/si"

ROOT = f"{{{DCC}}}digitalCalibrationCertificate"

UNITS = {"current": r"\ampere", "voltage": r"\volt", "power": r"\watt", "temperature": r"\kelvin"}
"""Units of the Digital SI by the quantity that is stated in them."""

REFERENCE_VALUE = "basic_referenceValue"
MEASURED_VALUE = "basic_measuredValue"
MEASUREMENT_ERROR = "basic_measurementError"
RECALIBRATION = "basic_recalibration"

LARGEST_BYTES = 64 << 20


def parsed_dcc(path: Path) -> ET.Element:
    """Parse a certificate of DCC 3.

    It comes from outside: a document type, and with it every entity, is refused. Raises
    ConfigError where the file cannot be read, is too large, no XML, or has another root.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"the certificate {path} cannot be read: {error.strerror}",
            hint="give the path of the laboratory's XML file",
        ) from error
    if len(content) > LARGEST_BYTES:
        raise _unreadable(path, f"it is larger than {LARGEST_BYTES >> 20} MiB")

    def refuse(*_: object) -> NoReturn:
        raise _unreadable(path, "it declares a document type, which may hide entities")

    scanner = expat.ParserCreate()
    scanner.StartDoctypeDeclHandler = refuse
    try:
        scanner.Parse(content, True)  # noqa: FBT003  expat's own signature
        root = ET.fromstring(content)  # noqa: S314  without a document type there are no entities
    except (ET.ParseError, expat.ExpatError, ValueError, LookupError) as error:
        raise _unreadable(path, f"it is no XML: {error}") from error
    version = root.get("schemaVersion", "")
    if root.tag != ROOT or not version.startswith("3."):
        name = f"{root.tag.rpartition('}')[2]} {version}".rstrip()
        raise _unreadable(path, f"its root is {name}, not a DCC 3")
    return root


def _unreadable(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"{path} cannot be read as a Digital Calibration Certificate: {why}",
        hint="ask the laboratory for DCC 3 XML, or state the reference's uncertainty by hand",
    )
