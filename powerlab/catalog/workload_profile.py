"""What a model is, and how a measurement of it proceeds."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from powerlab.catalog.facts import Identifier, Model, NonNegative, Positive, Sourced

FORMATS = ("tflite", "openvino-ir")
"""The file formats that the recipes write and the agent's adapters read."""


class WorkloadProfile(Model):
    """A model built by a recipe from a fixed seed: no download.

    ``recipe`` names a builder of ``powerlab.recipes``; ``formats`` maps a runtime id to the
    file format it loads, one of FORMATS. ``input_shape`` is NHWC at batch 1.
    """

    schema_version: Literal[1] = Field(alias="schema")
    id: Identifier
    name: str
    summary: str
    recipe: Identifier
    seed: int
    precision: Literal["float32", "int8"]
    input_shape: tuple[int, int, int, int]
    outputs: int
    parameters: int
    macs: int
    formats: dict[str, str]
    origin: Sourced


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
