"""What a session is decided to be before it starts, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from powerlab.catalog.layers import Catalog
from powerlab.cli._resolve import Chosen
from powerlab.cli._wanted import Wanted
from powerlab.errors import TargetError
from powerlab.job import Job
from powerlab.session import Finished


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is decided before anything is measured.

    ``options`` are what is measured, ``(runtime, batch)`` each, and ``points`` the names of the
    measuring points at which each is, "" for the only one. ``root`` is where runs go, ``reports``
    where the report of each of the ``parts`` goes, none where no report was asked for; ``study``
    links the runs to the study plan that asked for them.
    """

    catalog: Catalog
    wanted: Wanted
    chosen: Chosen
    options: tuple[tuple[str, int], ...]
    root: Path
    reports: tuple[Path, ...]
    lang: str
    study: Mapping[str, str] = field(default_factory=dict)
    points: tuple[str, ...] = ("",)

    @property
    def parts(self) -> tuple[tuple[str, int, int], ...]:
        """Get what has a result of its own: runtime, batch and the number of the point."""
        places = range(len(self.points))
        return tuple((*option, place) for option in self.options for place in places)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The finished measurement of one option and where it is kept."""

    job: Job
    finished: Finished
    folder: Path


@dataclass(frozen=True, slots=True)
class Refused:
    """An option that the board could not run: that is its result.

    ``option`` is its ``(runtime, batch)``; ``folder`` holds what was recorded, None for
    nothing.
    """

    option: tuple[str, int]
    error: TargetError
    folder: Path | None = None
