"""Build the files of a workload once, and keep them on this computer."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from powerlab.catalog.workload_profile import COMMAND, WorkloadProfile
from powerlab.errors import ConfigError, SetupError, UnknownId
from powerlab.recipes.layers import Dense, Recipe, macs, parameters
from powerlab.recipes.networks import RECIPES
from powerlab.recipes.openvino_ir import write_openvino_ir
from powerlab.recipes.tflite_file import tflite_bytes
from powerlab.recipes.weights import draw_weights

# File names by format. The file that a runtime opens comes last: it is moved into place
# last, so that where it stands, the files it needs stand too.
FILES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"tflite": ("model.tflite",), "openvino-ir": ("model.bin", "model.xml")}
)


def cache_dir() -> Path:
    """Get the folder of built models: ``$POWERLAB_CACHE``, else the user's cache folder."""
    chosen = os.environ.get("POWERLAB_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs  # noqa: PLC0415

    return Path(platformdirs.user_cache_dir("powerlab")) / "models"


def build_workload(profile: WorkloadProfile, format: str, cache: Path) -> dict[str, Path]:  # noqa: A002
    """Get a workload's files by name, building under ``cache`` those that are missing.

    ``format`` is "tflite" (``model.tflite``), "openvino-ir" (``model.xml``, ``model.bin``) or
    "command", whose program is on the board: no files. The same recipe and seed give the same
    bytes, whoever builds; builders that run at the same time do not disturb each other, and a
    file is whole or absent.

    Raises ``UnknownId`` for a recipe or format that does not exist, ``ConfigError`` for a
    profile that describes something else than its recipe builds, ``SetupError`` where a
    package is missing or the cache cannot be written.
    """
    if format == COMMAND:
        return {}
    recipe = _recipe(profile)
    if format not in FILES:
        raise UnknownId(
            f"workload {profile.id}: there is no model format {format!r}",
            hint=f"In the workload's [formats] use one of {', '.join(sorted(FILES))}.",
        )
    folder = cache / f"{recipe.id}-v{recipe.version}-seed{profile.seed}" / format
    files = {name: folder / name for name in FILES[format]}
    if not all(path.is_file() for path in files.values()):
        _build(recipe, profile.seed, format, folder)
    return files


def _recipe(profile: WorkloadProfile) -> Recipe:
    """Get the profile's recipe, having checked that the profile describes it rightly."""
    if profile.recipe is None:
        raise ConfigError(
            f"workload {profile.id} has no recipe: it is what its command infers",
            hint="measure it with --runtime command, or name a recipe in its file",
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
        "precision": "float32",
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


def _build(recipe: Recipe, seed: int, format: str, folder: Path) -> None:  # noqa: A002
    """Build all files of one format in a folder of their own, then move them in place."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".building-", dir=folder) as scratch:
            _write(recipe, seed, format, Path(scratch))
            for name in FILES[format]:
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


def _write(recipe: Recipe, seed: int, format: str, folder: Path) -> None:  # noqa: A002
    weights = draw_weights(recipe, seed)
    if format == "tflite":
        content = tflite_bytes(recipe, weights, description=f"{recipe.id} seed {seed}")
        (folder / "model.tflite").write_bytes(content)
        return
    write_openvino_ir(recipe, weights, folder / "model.xml")


def _flush(path: Path) -> None:
    """Have the file's content on the disk before its name appears in the cache."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
