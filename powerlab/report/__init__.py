"""The procurement report: model, charts, HTML, PDF."""
