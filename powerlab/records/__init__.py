"""The vocabulary: what flows from the meter's first byte to the report.

``Capture -> Aligned -> WindowEnergy -> Quantity + Component -> Result``. Every record
is frozen, its arrays read-only. Instants are int64 nanoseconds; unless a name says
otherwise they are on the host's CLOCK_MONOTONIC_RAW. Board instants (``*_board_ns``) are
on the board's CLOCK_MONOTONIC_RAW until ``analysis`` maps them. All else is SI floats.
"""

from powerlab.records.analysis import (
    Aligned,
    ClockFit,
    LineReading,
    MarkerReading,
    PassEnergies,
    RunClock,
    SampleClock,
    Window,
    WindowEnergy,
)
from powerlab.records.arrays import FlagArray, FloatArray, Int64Array, freeze_arrays
from powerlab.records.capture import (
    Capture,
    ClockExchanges,
    MeterTrace,
    Phase,
    SampleBlock,
    TargetFacts,
    Telemetry,
    Timebase,
)
from powerlab.records.result import (
    CalibrationUsed,
    Component,
    Latency,
    MeterSummary,
    Percentile,
    Price,
    Quantity,
    Request,
    Result,
    Sync,
    Truth,
)
from powerlab.records.setup import (
    Accuracy,
    Figure,
    Joined,
    MeterIdentity,
    MeterSetup,
    Roofs,
    Wiring,
    Work,
)
from powerlab.terms import (
    Averaging,
    Boundary,
    Distribution,
    Evidence,
    SampleFlag,
    VoltageSense,
)

__all__ = [
    "Accuracy",
    "Aligned",
    "Averaging",
    "Boundary",
    "CalibrationUsed",
    "Capture",
    "ClockExchanges",
    "ClockFit",
    "Component",
    "Distribution",
    "Evidence",
    "Figure",
    "FlagArray",
    "FloatArray",
    "Int64Array",
    "Joined",
    "Latency",
    "LineReading",
    "MarkerReading",
    "MeterIdentity",
    "MeterSetup",
    "MeterSummary",
    "MeterTrace",
    "PassEnergies",
    "Percentile",
    "Phase",
    "Price",
    "Quantity",
    "Request",
    "Result",
    "Roofs",
    "RunClock",
    "SampleBlock",
    "SampleClock",
    "SampleFlag",
    "Sync",
    "TargetFacts",
    "Telemetry",
    "Timebase",
    "Truth",
    "VoltageSense",
    "Window",
    "WindowEnergy",
    "Wiring",
    "Work",
    "freeze_arrays",
]
