"""The calibration certificate: a record as a PDF that says what it claims and what it does not."""

from __future__ import annotations

from powerlab.report.certificate.write import write_certificate

__all__ = ["write_certificate"]
