"""Findings: what a measurement has to say about its own quality.

A finding is data. It is kept with the result, printed in the terminal and in the
report, and never stops the program by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding weighs: a blocking one makes the result not valid."""

    INFO = "info"
    WARNING = "warning"
    BLOCKING = "blocking"


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement on the quality of a measurement.

    ``code`` is stable and machine-readable (``supply-voltage-nominal``), ``message``
    says what was seen, ``hint`` what would mend it, ``evidence`` the figures behind it.
    """

    code: str
    severity: Severity
    message: str
    hint: str
    evidence: Mapping[str, float | int | str] = field(default_factory=dict)
