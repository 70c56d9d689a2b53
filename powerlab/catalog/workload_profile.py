"""What a model is, and how a measurement of it proceeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from powerlab.catalog.facts import Identifier, Model, NonNegative, Positive, Sourced

COMMAND = "command"
"""The runtime that is a program on the board, which brings its model itself."""

FORMATS = ("tflite", "openvino-ir", COMMAND)
"""The file formats that the recipes write and the agent's adapters read."""


class WorkloadProfile(Model):
    """A model built by a recipe from a fixed seed, or what a program on the board infers.

    ``recipe`` names a builder of ``powerlab.recipes``; ``formats`` maps a runtime id to the
    file format it loads, one of FORMATS. ``input_shape`` is NHWC at batch 1. ``command`` is
    the program that the runtime of this name starts and its arguments, word by word.
    """

    schema_version: Literal[1] = Field(alias="schema")
    id: Identifier
    name: str
    summary: str
    recipe: Identifier | None = None
    seed: int = 0
    precision: Literal["float32", "int8"]
    input_shape: tuple[int, int, int, int]
    outputs: int
    parameters: int
    macs: int
    formats: dict[str, str] = Field(default_factory=dict)
    command: tuple[str, ...] = ()
    origin: Sourced

    @model_validator(mode="after")
    def _command_is_a_runtime(self) -> Self:
        if bool(self.command) != (COMMAND in self.formats):
            with_it = {COMMAND: COMMAND} if self.command else {}
            rest = {key: kind for key, kind in self.formats.items() if key != COMMAND}
            object.__setattr__(self, "formats", {**rest, **with_it})
        return self

    def with_command(self, words: Sequence[str]) -> Self:
        """Get the same workload as a program on the board infers it."""
        formats = {**self.formats, COMMAND: COMMAND}
        return self.model_copy(update={"command": tuple(words), "formats": formats})


class ProtocolPreset(Model):
    """How one measurement proceeds; times in seconds on the board.

    The warm-up ends as soon as it is steady, ``warm_up_limit_s`` at the latest.
    ``guard_s`` is the least idle time on both sides of a run; a slow meter widens it.
    ``marker_s`` is the most that one marker, drawn before and after the runs, may take; a
    meter too slow for it gets none, and 0 asks for none.
    """

    schema_version: Literal[1] = Field(alias="schema")
    id: Identifier
    name: str
    summary: str
    idle_s: Positive
    warm_up_limit_s: Positive
    runs: int = Field(ge=2, le=4096)
    run_s: Positive
    guard_s: NonNegative
    marker_s: NonNegative = 0.0
