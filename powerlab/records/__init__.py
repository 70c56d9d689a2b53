"""The vocabulary: what flows from the meter's first byte to the report.

``Capture -> Aligned -> WindowEnergy -> Quantity + Component -> Result``. Every record
is frozen, its arrays read-only. Instants are int64 nanoseconds; unless a name says
otherwise they are on the host's CLOCK_MONOTONIC_RAW. Board instants (``*_board_ns``) are
on the board's CLOCK_MONOTONIC_RAW until ``analysis`` maps them. All else is SI floats.
"""

from powerlab.records.analysis import (
    Aligned,
    ClockFit,
    MarkerReading,
    SampleClock,
    Window,
    WindowEnergy,
)
from powerlab.records.capture import (
    Accuracy,
    Capture,
    ClockExchanges,
    FlagArray,
    FloatArray,
    Int64Array,
    MeterIdentity,
    MeterSetup,
    MeterTrace,
    Phase,
    SampleBlock,
    TargetFacts,
    Timebase,
    Wiring,
    freeze_arrays,
)
from powerlab.records.result import (
    Component,
    MeterSummary,
    Price,
    Quantity,
    Request,
    Result,
    Sync,
    Truth,
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
    "Capture",
    "ClockExchanges",
    "ClockFit",
    "Component",
    "Distribution",
    "Evidence",
    "FlagArray",
    "FloatArray",
    "Int64Array",
    "MarkerReading",
    "MeterIdentity",
    "MeterSetup",
    "MeterSummary",
    "MeterTrace",
    "Phase",
    "Price",
    "Quantity",
    "Request",
    "Result",
    "SampleBlock",
    "SampleClock",
    "SampleFlag",
    "Sync",
    "TargetFacts",
    "Timebase",
    "Truth",
    "VoltageSense",
    "Window",
    "WindowEnergy",
    "Wiring",
    "freeze_arrays",
]
