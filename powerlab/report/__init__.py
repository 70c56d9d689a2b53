"""The procurement report: model, charts, HTML, PDF."""

from __future__ import annotations

from powerlab.report.write import write_report

__all__ = ["write_report"]
