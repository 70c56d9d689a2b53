"""What an inference of a workload takes, counted in one of its own files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from powerlab.analysis.roofline import (
    Layer,
    least_traffic,
    total_macs,
    total_parameters,
    traffic,
    unknown_layers,
)
from powerlab.catalog.workload_profile import WorkloadProfile
from powerlab.errors import ConfigError
from powerlab.models import layers_of, read_model
from powerlab.models.layers import ends_bytes
from powerlab.recipes.cache import build_workload, main_file
from powerlab.records import Work

_READABLE = ("onnx", "tflite")
"""Formats that can be counted; ONNX first, whose building needs no package."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The layers of a file, and the bytes of the model's own inputs and outputs."""

    path: Path
    layers: tuple[Layer, ...]
    input_bytes: int
    output_bytes: int

    @property
    def ends_bytes(self) -> int:
        """Get the bytes of inputs and outputs together."""
        return self.input_bytes + self.output_bytes

    def least_work(self, batch: int) -> Work:
        """Get what no inference can do without, even where caches hold all that lies between."""
        moved = least_traffic(self.layers, self.ends_bytes, batch)
        return self._work(moved.total_bytes)

    def layered_work(self, batch: int) -> Work:
        """Get the same where every layer reads from memory and writes to it."""
        moved = traffic(self.layers, batch)
        return self._work(moved.total_bytes)

    def _work(self, memory_bytes: float) -> Work:
        macs = float(total_macs(self.layers))
        return Work(macs, memory_bytes, link_bytes=float(self.input_bytes))


def counted(profile: WorkloadProfile, cache: Path) -> Counted | None:
    """Count a workload in its ONNX or TFLite file, None where it has neither.

    Raises as ``build_workload`` and ``read_model`` do.
    """
    formats = {*profile.formats.values(), *profile.files}
    chosen = next((kind for kind in _READABLE if kind in formats), None)
    if chosen is None:
        return None
    files = build_workload(profile, chosen, cache)
    return count_file(files[main_file(files)])


def count_file(path: Path) -> Counted:
    """Count a model file. Raises ``ConfigError`` where it cannot be read."""
    graph = read_model(path)
    return Counted(path, layers_of(graph), *ends_bytes(graph))


def check_counts(profile: WorkloadProfile, found: Counted) -> None:
    """Make sure that a profile says of its file what can be counted in it.

    Raises ``ConfigError``. Where some layers are not known, the profile may say more.
    """
    counts = {
        "parameters": total_parameters(found.layers),
        "macs": total_macs(found.layers),
    }
    partly = bool(unknown_layers(found.layers))
    for key, count in counts.items():
        stated = getattr(profile, key)
        if stated < count or (stated > count and not partly):
            raise ConfigError(
                f"workload {profile.id}: {key} is {stated}, but {found.path.name} holds {count}",
                hint=f"write {key} = {count} in the workload's file, or name the file meant",
            )
