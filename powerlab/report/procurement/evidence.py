"""What stands behind the figures of a plan: runs with their meters, checks, hashes and files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from powerlab.findings import Finding
from powerlab.records import CalibrationUsed, FloatArray, Quantity, freeze_arrays
from powerlab.report.evidence import Attached
from powerlab.terms import Boundary, Evidence


@dataclass(frozen=True, slots=True)
class PowerOverTime:
    """Power at a run's boundary: float64 ``(n,)`` each, seconds from the first reading."""

    time_s: FloatArray
    power_w: FloatArray

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class Roof:
    """A device's limits and what a run reached of them (Williams, Waterman, Patterson, 2009).

    ``operations_per_s`` and ``bytes_per_s`` bound the device, ``intensity`` is the workload's
    operations per byte of memory traffic, ``reached_per_s`` the operations per second measured.
    """

    operations_per_s: float
    bytes_per_s: float
    intensity: float
    reached_per_s: float


@dataclass(frozen=True, slots=True)
class RunEvidence:
    """One stored run, or an imported one, that an option's figures rest on.

    ``created`` is an ISO 8601 instant. ``files`` maps names of the run's files to their SHA-256
    in hexadecimal. ``attached`` travels inside the report; give each file a name of its own.
    """

    option: str
    run: str
    created: str
    evidence: Evidence
    boundary: Boundary
    meter: str
    serial: str = ""
    valid: bool = True
    calibrations: tuple[CalibrationUsed, ...] = ()
    findings: tuple[Finding, ...] = ()
    quantities: Mapping[str, Quantity] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    power: PowerOverTime | None = None
    roof: Roof | None = None
    attached: tuple[Attached, ...] = ()


@dataclass(frozen=True, slots=True)
class ProcurementEvidence:
    """All that a report rests on beside plan and decision; empty where all is declared.

    ``plan_file`` holds the bytes of the plan as it was read, of which ``Plan.sha256`` is the
    hash. ``versions`` maps names of software to versions.
    """

    plan_name: str = "procurement.toml"
    plan_file: bytes = b""
    runs: tuple[RunEvidence, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
