"""The procurement report: a plan and its decision as a document that a committee can sign."""

from __future__ import annotations

from powerlab.report.procurement.evidence import (
    PowerOverTime,
    ProcurementEvidence,
    Roof,
    RunEvidence,
)
from powerlab.report.procurement.model import procurement_model
from powerlab.report.procurement.write import write_procurement

__all__ = [
    "PowerOverTime",
    "ProcurementEvidence",
    "Roof",
    "RunEvidence",
    "procurement_model",
    "write_procurement",
]
