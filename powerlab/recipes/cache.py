"""Build the files of a workload once, and keep them on this computer."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from powerlab.catalog.workload_profile import COMMAND, WorkloadProfile, board_names
from powerlab.errors import ConfigError, SetupError, UnknownId
from powerlab.recipes.layers import Dense, Recipe, macs, parameters
from powerlab.recipes.networks import RECIPES
from powerlab.recipes.own_files import own_files
from powerlab.recipes.writers import BUILT, write_model


def cache_dir() -> Path:
    """Get the folder of built models: ``$POWERLAB_CACHE``, else the user's cache folder."""
    chosen = os.environ.get("POWERLAB_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs  # noqa: PLC0415

    return Path(platformdirs.user_cache_dir("powerlab")) / "models"


def build_workload(profile: WorkloadProfile, format: str, cache: Path) -> dict[str, Path]:  # noqa: A002
    """Get a workload's files by their names on the board, the one that a runtime opens first.

    Files that the profile names are taken as they are, those of its recipe are built under
    ``cache`` where they are missing; the format "command", whose program is on the board, has
    none. The same recipe, seed and precision give the same bytes, whoever builds; builders
    that run at the same time do not disturb each other, and a file is whole or absent.

    Raises ``UnknownId`` for a recipe or format that does not exist, ``ConfigError`` for a
    profile that describes something else than its recipe builds or its files hold,
    ``SetupError`` where a package is missing or the cache cannot be written.
    """
    if format == COMMAND:
        return {}
    if format in profile.files:
        return own_files(profile, format)
    recipe = _recipe(profile)
    known = BUILT[profile.precision]
    if format not in known:
        raise UnknownId(
            f"workload {profile.id}: a recipe of {profile.precision} builds no {format!r}",
            hint=f"in [formats] use one of {', '.join(sorted(known))}, or name files of your own "
            f"in [[files.{format}]]",
        )
    suffix = "" if profile.precision == "float32" else f"-{profile.precision}"
    folder = cache / f"{recipe.id}-v{recipe.version}-seed{profile.seed}{suffix}" / format
    files = {name: folder / name for name in board_names(format)}
    if not all(path.is_file() for path in files.values()):
        _build(recipe, profile, format, folder)
    return files


def main_file(files: Mapping[str, Path]) -> str:
    """Get the name on the board of the file that the runtime opens, empty where there is none."""
    return next(iter(files), "")


def _recipe(profile: WorkloadProfile) -> Recipe:
    """Get the profile's recipe, having checked that the profile describes it rightly."""
    if profile.recipe is None:
        raise ConfigError(
            f"workload {profile.id} has no recipe and no such file",
            hint="measure it with --runtime command, or name a recipe or [[files]] in its file",
        )
    recipe = RECIPES.get(profile.recipe)
    if recipe is None:
        near = difflib.get_close_matches(profile.recipe, RECIPES, n=1)
        guess = f"Did you mean {near[0]}? " if near else ""
        raise UnknownId(
            f"workload {profile.id}: there is no recipe {profile.recipe!r}",
            hint=f"{guess}Recipes: {', '.join(sorted(RECIPES))}.",
        )
    if profile.seed < 0:
        raise ConfigError(
            f"workload {profile.id}: seed is {profile.seed}",
            hint="Give a seed of zero or more.",
        )
    outputs = [layer.units for layer in recipe.layers if isinstance(layer, Dense)][-1]
    built = {
        "input_shape": (1, *recipe.input_shape),
        "outputs": outputs,
        "parameters": parameters(recipe),
        "macs": macs(recipe),
    }
    for key, value in built.items():
        stated = getattr(profile, key)
        if stated != value:
            raise ConfigError(
                f"workload {profile.id}: {key} is {stated}, but recipe {recipe.id} builds {value}",
                hint=f"Write {key} = {value} in the workload's file, or name another recipe.",
            )
    return recipe


def _build(recipe: Recipe, profile: WorkloadProfile, format: str, folder: Path) -> None:  # noqa: A002
    """Build all files of one format in a folder of their own, then move them in place.

    The file that a runtime opens is moved last: where it stands, the others stand, too.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".building-", dir=folder) as scratch:
            write_model(recipe, profile.seed, profile.precision, format, Path(scratch))
            for name in reversed(board_names(format)):
                _flush(Path(scratch, name))
                Path(scratch, name).replace(folder / name)
    except ImportError as error:
        package = (error.name or "a package").partition(".")[0]
        raise SetupError(
            f"building {recipe.id} as {format} needs {package}, which cannot be imported: {error}",
            hint='Run: pip install "powerlab[local]"',
        ) from error
    except OSError as error:
        raise SetupError(
            f"the model cache {folder} cannot be written: {error.strerror or error}",
            hint="Free space or correct its permissions, or set POWERLAB_CACHE to another folder.",
        ) from error


def _flush(path: Path) -> None:
    """Have the file's content on the disk before its name appears in the cache."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
