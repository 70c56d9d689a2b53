"""The part of lint that needs what is plugged in: drivers, emulators, recipes."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points

from powerlab.catalog.layers import Catalog
from powerlab.cli._entry import load_entry
from powerlab.errors import Problem, SetupError
from powerlab.recipes import RECIPES

_GROUPS = {"driver": "powerlab.drivers", "emulator": "powerlab.emulators"}


def plugin_problems(catalog: Catalog) -> Iterator[Problem]:
    """Get every driver, emulator and recipe that a profile names and that cannot be had."""
    for name, profile in catalog.instruments.items():
        path = str(catalog.origin("instrument", name))
        for key, group in _GROUPS.items():
            wanted = getattr(profile, key)
            known = entry_points(group=group).names
            if wanted not in known:
                told = ", ".join(sorted(known)) or "none"
                yield Problem(path, key, f"there is no {key} {wanted!r} (installed: {told})")
                continue
            try:
                load_entry(group, wanted)
            except SetupError as error:
                yield Problem(path, key, error.message)
    for name, workload in catalog.workloads.items():
        if workload.recipe is not None and workload.recipe not in RECIPES:
            path = str(catalog.origin("workload", name))
            known_recipes = ", ".join(sorted(RECIPES))
            message = f"there is no recipe {workload.recipe!r} (known: {known_recipes})"
            yield Problem(path, "recipe", message)
