"""What is recorded: the meter's samples, the board's phases, the clocks between them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from powerlab.records.arrays import FlagArray, FloatArray, Int64Array, freeze_arrays
from powerlab.records.correction import ChannelCalibration
from powerlab.records.scenario import Scenario
from powerlab.records.setup import MeterIdentity, MeterSetup, Roofs, Wiring, Work


def _no_instants() -> Int64Array:
    return np.empty(0, dtype=np.int64)


# --- the meter -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SampleBlock:
    """What one poll of a meter brought: samples, and when the poll happened.

    ``values`` is float64 ``(n, channels)``; ``device_ns`` int64 ``(n,)`` on the meter's own
    clock, or None where it has none; ``flags`` uint8 ``(n,)`` of ``SampleFlag``.
    ``completed`` counts the readings that the meter had finished since its start when it
    answered (equal to the readings delivered so far for a meter that keeps no count);
    the answer was formed between ``sent_ns`` and ``received_ns``.
    """

    values: FloatArray
    device_ns: Int64Array | None
    flags: FlagArray
    sent_ns: int
    received_ns: int
    completed: int

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class MeterTrace:
    """Everything one meter delivered in a measurement, blocks joined.

    ``poll_*`` are int64 ``(polls,)``: send and receive instants, and the count of
    completed readings each reply attested.
    """

    identity: MeterIdentity
    setup: MeterSetup
    values: FloatArray
    device_ns: Int64Array | None
    flags: FlagArray
    poll_sent_ns: Int64Array
    poll_received_ns: Int64Array
    poll_completed: Int64Array

    def __post_init__(self) -> None:
        freeze_arrays(self)


# --- the board -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClockExchanges:
    """Four-timestamp exchanges: host sends t1, board receives t2 and answers t3, host gets t4.

    t1 and t4 are host nanoseconds, t2 and t3 board nanoseconds, int64 ``(n,)`` each.
    """

    t1_ns: Int64Array
    t2_board_ns: Int64Array
    t3_board_ns: Int64Array
    t4_ns: Int64Array

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class Phase:
    """One stretch of the protocol on the board, by its ``kind``.

    "idle", "warm-up" (one or more in a row), "run"; "guard", undisturbed idle next to a run;
    "marker", a known pattern of load, whose ``done_board_ns`` are its edges, to busy and to
    idle by turns; "other", a run of another option that was measured in the same session.

    ``index`` tells the phases of one kind apart; ``passes`` counts forward passes, each
    of which infers a whole batch; ``done_board_ns`` is int64 ``(passes,)``, the instant at
    which each pass was complete. ``begun_board_ns``, int64 ``(passes,)``, says when each began
    where pauses were put between them, and is empty where they follow back to back.
    ``due_board_ns``, int64 ``(passes,)``, says when the query of each came, and is empty where
    none was waited for.
    ``cpu_s`` is the processor time that the agent's process had, NaN where it is not told.
    ``edges_within_s`` is how far begin and end together may be from those of the passes, where
    a maker's program made these and its lines tell of them; 0 elsewhere.
    """

    kind: str
    index: int
    start_board_ns: int
    stop_board_ns: int
    passes: int
    done_board_ns: Int64Array
    begun_board_ns: Int64Array = field(default_factory=_no_instants)
    due_board_ns: Int64Array = field(default_factory=_no_instants)
    cpu_s: float = math.nan
    edges_within_s: float = 0.0

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What the board told of itself outside the timed windows; NaN and "" where it cannot.

    ``temperature_c`` is the hottest sensor, ``frequency_hz`` the mean clock of the processors
    online, ``load`` the processes that ran or wanted to (1 min), ``memory_free_bytes`` what is
    left; ``governor`` the frequency policy; ``throttled`` names the reasons for which the board
    holds its clock down now.
    """

    at_board_ns: int
    temperature_c: float
    frequency_hz: float
    load: float
    memory_free_bytes: float
    governor: str
    throttled: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """What the agent reports of its board and of the runtime that answered.

    ``passes_timed`` is False where only whole runs were timed, as of a program of one's own:
    the ends of its passes are then spread evenly over the run.
    """

    hostname: str
    machine: str
    system: str
    python: str
    cpu: str
    runtime: str
    runtime_module: str
    runtime_version: str
    numpy_version: str
    threads: int
    emulated: bool
    environment: Mapping[str, str] = field(default_factory=dict)
    passes_timed: bool = True


@dataclass(frozen=True, slots=True)
class Timebase:
    """Which clock a capture's host instants are on, and one anchor of it to UTC."""

    clock: str
    boot_id: str
    anchor_ns: int
    anchor_utc: str


@dataclass(frozen=True, slots=True)
class Capture:
    """One measurement as recorded: nothing computed yet.

    Where a ``precision`` (relative U) was asked for, the first ``first_stage`` runs fixed the
    number of runs; both are 0 where that number was given beforehand. ``telemetry`` is in
    rising order of time. ``work`` and ``roofs`` say what could be possible at all; None where
    speed is not the device's own (under emulation) or nothing is known. ``calibrations`` has what
    the lab knew of each of the meters' channels; none where it keeps no calibrations.
    ``voltmeter`` is what another meter read of the volts, where the trace has none.
    """

    timebase: Timebase
    trace: MeterTrace
    exchanges: ClockExchanges
    phases: tuple[Phase, ...]
    wiring: Wiring
    target: TargetFacts
    batch: int
    first_stage: int = 0
    precision: float = 0.0
    telemetry: tuple[Telemetry, ...] = ()
    work: Work | None = None
    roofs: Roofs | None = None
    calibrations: tuple[ChannelCalibration, ...] = ()
    scenario: Scenario | None = None
    voltmeter: MeterTrace | None = None
