"""Reaching what is plugged in by entry point: the emulation, drivers, emulators."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from powerlab.errors import SetupError


def load_entry(group: str, name: str) -> Any:
    """Get what an entry point names. Raises SetupError where it is not installed or fails."""
    found = tuple(entry_points(group=group, name=name))
    if not found:
        raise SetupError(
            f"the part {name!r} of {group} is not installed",
            hint="install powerlab again: its list of entry points is incomplete",
        )
    try:
        return found[0].load()
    except (ImportError, AttributeError) as error:
        raise SetupError(
            f"{group}: {name} ({found[0].value}) cannot be loaded: {error}",
            hint="install the package that it names, or correct its entry point",
        ) from error
