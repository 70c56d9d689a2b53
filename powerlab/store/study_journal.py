"""The journal of a study beside its runs: what is measured already, so that it is not again.

``studies/<name>.jsonl`` in the lab's root, one JSON object a line, written as each option ends:
``option`` (its key), ``status``, ``run`` (of a measured one), and what failed of another. A line
with ``begun`` says that the study was started anew: what stands above it counts no more.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from powerlab.errors import SetupError
from powerlab.store.manifest import utc_now

FOLDER = "studies"
MEASURED, REFUSED, SKIPPED, NOT_REACHED = "measured", "refused", "skipped", "not reached"
"""How an option ended: with a result, the board cannot run it, not tried, not its own fault."""


class StudyJournal:
    """The journal of one study; ``resume`` goes on with what stands there."""

    def __init__(self, root: Path, name: str, *, sha256: str, resume: bool) -> None:
        """Open it below a lab's root. Raises SetupError where it cannot be written."""
        self.path = root / FOLDER / f"{name}.jsonl"
        self._done = self._read() if resume else {}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._append({"resumed" if resume else "begun": utc_now(), "plan_sha256": sha256})
        except OSError as error:
            raise SetupError(
                f"the study's journal {self.path} cannot be written: {error.strerror}",
                hint="make room there, or keep runs elsewhere with --lab DIR",
            ) from error

    def of(self, option: str) -> Mapping[str, Any] | None:
        """Get the line of an option that is done; one that was not reached is not."""
        line = self._done.get(option)
        return line if line is not None and line["status"] in (MEASURED, REFUSED) else None

    def keep(self, option: str, status: str, **facts: Any) -> None:
        """Add the line of an option, on the disk before this returns. Raises SetupError."""
        try:
            self._append({"option": option, "status": status, "at": utc_now(), **facts})
        except OSError as error:
            raise SetupError(
                f"the study's journal {self.path} cannot be written: {error.strerror}",
                hint="make room there; the runs so far are kept, --resume goes on with them",
            ) from error

    def _append(self, line: Mapping[str, Any]) -> None:
        text = json.dumps(line, ensure_ascii=False) + "\n"
        with self.path.open("a", encoding="utf-8") as file:
            if file.tell() and not self._ends_a_line():
                file.write("\n")  # after a line that a crash has cut
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def _ends_a_line(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def _read(self) -> dict[str, Mapping[str, Any]]:
        """Get the last line of each option; a line that a crash has cut is passed over."""
        done: dict[str, Mapping[str, Any]] = {}
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return done
        for text in lines:
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if not isinstance(line, dict):
                continue
            if "begun" in line:
                done.clear()
            elif isinstance(line.get("option"), str) and "status" in line:
                done[line["option"]] = line
        return done
