"""What a session is decided to be before it starts, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from powerlab.catalog.layers import Catalog
from powerlab.cli._resolve import Chosen, Wanted
from powerlab.job import Job
from powerlab.session import Finished


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is decided before anything is measured.

    ``options`` are what is measured, ``(runtime, batch)`` each; ``root`` is where runs go,
    ``reports`` where the report of each option goes, none where no report was asked for.
    """

    catalog: Catalog
    wanted: Wanted
    chosen: Chosen
    options: tuple[tuple[str, int], ...]
    root: Path
    reports: tuple[Path, ...]
    lang: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The finished measurement of one option and where it is kept."""

    job: Job
    finished: Finished
    folder: Path
