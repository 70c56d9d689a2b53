"""What a measurement is decided to be before it starts, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from powerlab.catalog.layers import Catalog
from powerlab.cli._resolve import Chosen, Wanted
from powerlab.session import Finished, Job


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is decided before anything is measured.

    ``root`` is where runs go, ``reports`` where the report of each batch size goes.
    """

    catalog: Catalog
    wanted: Wanted
    chosen: Chosen
    root: Path
    reports: Mapping[int, Path]
    lang: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished measurement and where it is kept."""

    job: Job
    finished: Finished
    folder: Path
