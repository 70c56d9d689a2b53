"""Evidence concluded anew: runs, their reports, and procurements, against what they state."""

from __future__ import annotations
