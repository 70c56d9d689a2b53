"""Model files of the user's: found in the labs, and checked against what the profile says."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from powerlab.catalog.layers import lab_layers
from powerlab.catalog.workload_profile import (
    FORMATS,
    ModelFile,
    WorkloadProfile,
    board_names,
    ending_of,
)
from powerlab.errors import ConfigError

_PIECE_BYTES = 1 << 20


def own_files(profile: WorkloadProfile, format: str) -> dict[str, Path]:  # noqa: A002
    """Get the files of a format that a profile names, by their names on the board.

    The file to be opened comes first. Raises ``ConfigError`` for one that is not there or
    holds something else than the profile says.
    """
    by_ending = {ending_of(format, file): file for file in profile.files[format]}
    return {
        name: _found(profile, by_ending[ending], lab_layers())
        for name, ending in zip(board_names(format), FORMATS[format], strict=True)
    }


def _found(profile: WorkloadProfile, file: ModelFile, labs: Sequence[Path]) -> Path:
    """Get where a file lies: the latest lab that has it wins, as with profiles."""
    path = Path(file.path).expanduser()
    places = [lab / path for lab in reversed(labs)]
    there = next((place for place in places if place.is_file()), None)
    if there is None:
        tried = ", ".join(dict.fromkeys(map(str, places)))
        raise ConfigError(
            f"workload {profile.id}: the model file {file.path} is not there",
            hint=f"put it where its lab says, or correct files in the workload; tried {tried}",
        )
    digest = sha256_of(there)
    if digest != file.sha256:
        raise ConfigError(
            f"workload {profile.id}: {there} has the SHA-256 {digest[:12]}…, "
            f"not {file.sha256[:12]}… as the workload says",
            hint=f'take the file that was meant, or write sha256 = "{digest}"',
        )
    return there


def sha256_of(path: Path) -> str:
    """Get a file's SHA-256 in hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
