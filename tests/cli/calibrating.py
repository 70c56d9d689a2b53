"""Words, a lab and a certificate for short emulated calibrations."""

from __future__ import annotations

from pathlib import Path

METER = ("--instrument", "keithley-dmm6500", "--range", "1", "--points", "20,50,80")
SHORT = (*METER, "--readings", "6", "--steps", "0", "--temperature", "23±0.5")
CERTIFICATE = """
schema = 1
certificate = "K-2026-08-15"
laboratory = "Example Calibration"
model = "keithley-dmm6500"
serial = "04381234"
calibrated = 2026-03-01
due = {due}
[[range]]
quantity = "current"
full_scale = 1.0
gain_percent = 0.01
offset = 1e-5
"""


WHO = ("--laboratory", "Bench 3", "--place", "Room 2", "--country", "de", "--humidity", "45")
WHO = (*WHO, "--customer", "Board Works", "--condition", "no damage")


def emulated(*more, seed=7):
    """Get the words of a short emulated calibration."""
    words = ("calibrate", *SHORT, "--reference", "keithley-dmm6500", "--emulate")
    return [str(word) for word in (*words, "--seed", seed, *more)]


def new_lab(place: Path) -> Path:
    """Make an empty lab in a directory."""
    lab = place / "lab"
    lab.mkdir()
    (lab / "powerlab.toml").write_text("schema = 1\n")
    return lab


def new_certificate(place: Path) -> Path:
    """Write the certificate of a reference that is in time."""
    path = place / "reference.toml"
    path.write_text(CERTIFICATE.format(due="2036-03-01"))
    return path
