"""Loggers of FNIRSI FNB48, FNB58 and C1: ``timestamp sample_in_packet voltage_V current_A …``."""

from __future__ import annotations

from powerlab.evidence.contract import MeterFacts
from powerlab.evidence.loggers import Logger
from powerlab.findings import Finding, Severity

READER = Logger(
    name="fnirsi",
    title="FNIRSI logger",
    signature=lambda names: (
        {"voltage_v", "current_a"} <= set(names) and bool({"timestamp", "epoch"} & set(names))
    ),
    meter=MeterFacts(
        model="FNIRSI USB meter",
        gain_limit=0.02,
        source="estimate of 2 % of power: volts and amperes to 1 % each, uncalibrated",
    ),
    timebase="epoch seconds of the logging computer",
    fixed={"timestamp": ("time", 1.0), "epoch": ("time", 1.0)},
    energy="energy",
    findings=(
        Finding(
            "sample-rate-doubted",
            Severity.INFO,
            "these meters send 4 samples in each frame of 40 ms; an owner found three of them to "
            "be interpolated",
            "take the meter as one of 25 samples a second unless a step test shows more",
        ),
    ),
)


def reader() -> Logger:
    """Get the reader."""
    return READER
