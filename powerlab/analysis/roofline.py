"""What an inference takes, layer by layer, and how fast a device can be at most.

A device that does P operations and moves B bytes a second needs at least
``max(2 MACs / P, bytes / B)`` for a piece of work (Williams, Waterman and Patterson, Roofline,
2009); which of the two is longer says whether it is bound by memory or by arithmetic. Bytes
are counted as the article on memory traffic does: weights read, inputs read and outputs
written of every layer, the weights once for a whole batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from powerlab.records import Roofs, Work

OPERATIONS_PER_MAC = 2

Movement = Literal["moves", "in-place", "view"]
"""Whether a layer moves its values, can be applied where they are written, or only renames."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer at batch 1.

    ``macs`` and bytes are None where the layer's kind or its shapes are not known.
    """

    name: str
    kind: str
    parameters: int
    macs: int | None
    weight_bytes: int
    input_bytes: int | None
    output_bytes: int | None
    movement: Movement = "moves"


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes per inference: of weights (their share of a batch) and of layers' values."""

    weight_bytes: float
    value_bytes: float

    @property
    def total_bytes(self) -> float:
        """Get all bytes of an inference."""
        return self.weight_bytes + self.value_bytes


@dataclass(frozen=True, slots=True)
class Bound:
    """The least time of an inference, s, under each roof; None where the roof is not known."""

    arithmetic_s: float | None
    memory_s: float | None
    link_s: float | None = None

    @property
    def least_time_s(self) -> float | None:
        """Get the longest of them."""
        known = (self.arithmetic_s, self.memory_s, self.link_s)
        return max((one for one in known if one), default=None)

    @property
    def bound_by(self) -> str:
        """Get "memory", "arithmetic" or "link", "" without a roof of either of the first two."""
        if self.arithmetic_s is None or self.memory_s is None:
            return ""
        named = {"link": self.link_s or 0, "arithmetic": self.arithmetic_s, "memory": self.memory_s}
        return max(named, key=lambda name: named[name])


def unknown_layers(layers: Iterable[Layer]) -> tuple[Layer, ...]:
    """Get the layers whose work or traffic is not known."""
    return tuple(
        layer for layer in layers if None in (layer.macs, layer.input_bytes, layer.output_bytes)
    )


def total_macs(layers: Iterable[Layer]) -> int:
    """Get the multiply-accumulates of an inference, of all layers known."""
    return sum(layer.macs or 0 for layer in layers)


def total_parameters(layers: Iterable[Layer]) -> int:
    """Get the number of weights and biases."""
    return sum(layer.parameters for layer in layers)


def traffic(layers: Iterable[Layer], batch: int = 1, *, fused: bool = True) -> Traffic:
    """Get the bytes of an inference, of all layers known.

    With ``fused``, an activation that the layer before can apply moves nothing; without, it
    reads and writes its values like any other.
    """
    still = ("in-place", "view") if fused else ("view",)
    moving = [layer for layer in layers if layer.movement not in still]
    return Traffic(
        weight_bytes=sum(layer.weight_bytes for layer in moving) / batch,
        value_bytes=sum((layer.input_bytes or 0) + (layer.output_bytes or 0) for layer in moving),
    )


def least_traffic(layers: Sequence[Layer], ends_bytes: int, batch: int = 1) -> Traffic:
    """Get the bytes that cross memory even where all values between layers stay in caches.

    Weights, and ``ends_bytes`` of the model's own inputs and outputs.
    """
    weights = sum(layer.weight_bytes for layer in layers)
    return Traffic(weight_bytes=weights / batch, value_bytes=ends_bytes)


def intensity(macs: float, moved: Traffic) -> float:
    """Get the arithmetic intensity: operations per byte."""
    return OPERATIONS_PER_MAC * macs / moved.total_bytes


def bound(work: Work, roofs: Roofs) -> Bound:
    """Get the least time of an inference under a device's roofs."""
    peak, bandwidth = roofs.operations_per_s, roofs.memory_bytes_per_s
    link = roofs.link_bytes_per_s
    return Bound(
        arithmetic_s=None if peak is None else OPERATIONS_PER_MAC * work.macs / peak.value,
        memory_s=None if bandwidth is None else work.memory_bytes / bandwidth.value,
        link_s=None if link is None else work.link_bytes / link.value,
    )


def layered_bound(layers: Iterable[Layer], roofs: Roofs, batch: int = 1) -> float | None:
    """Get the least time of an inference, s, where layers run one after the other.

    Each layer takes the longer of its arithmetic and its traffic, and no layer's traffic hides
    behind another's arithmetic; None without both roofs.
    """
    if roofs.operations_per_s is None or roofs.memory_bytes_per_s is None:
        return None
    total_s = 0.0
    for layer in layers:
        one = bound(Work(layer.macs or 0, traffic([layer], batch).total_bytes), roofs)
        total_s += one.least_time_s or 0.0
    return total_s
