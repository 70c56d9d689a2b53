"""The report of an audit: other tools' figures, recomputed, as a PDF that names its originals."""

from __future__ import annotations

from powerlab.report.audit.subject import (
    AuditedRun,
    AuditEvidence,
    Original,
    Recorded,
    Stated,
    Stretch,
)
from powerlab.report.audit.write import write_audit

__all__ = [
    "AuditEvidence",
    "AuditedRun",
    "Original",
    "Recorded",
    "Stated",
    "Stretch",
    "write_audit",
]
