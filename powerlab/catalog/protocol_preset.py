"""How a measurement proceeds: the lengths of its phases, and the scenario of its queries."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from powerlab.catalog.facts import Identifier, Model, NonNegative, Positive

Scenario = Literal["single-stream", "multi-stream", "offline", "server"]


class ProtocolPreset(Model):
    """How one measurement proceeds; times in seconds on the board.

    The warm-up ends as soon as it is steady, ``warm_up_limit_s`` at the latest. A run lasts
    for ``run_s`` and has ``least_passes`` forward passes and ``least_inferences`` (of a batch
    each input counts), in whole blocks of ``block_passes``.
    ``guard_s`` is the least idle time on both sides of a run; a slow meter widens it.
    ``marker_s`` is the most that one marker, drawn before and after the runs, may take; a
    meter too slow for it gets none, and 0 asks for none. ``batches`` are the batch sizes where
    none are asked for. ``keep_refused`` says that an option that the board cannot run, as for
    want of memory, is a result and not a failure.

    ``scenario`` says how queries come (MLPerf Inference rules): one after the other
    ("single-stream"; "multi-stream" with a batch for a query; "offline"), or at random instants
    of mean rate ``target_qps`` ("server"); without one, passes follow each other and no rule
    of percentiles applies. ``timed`` says what a pass is: the forward pass alone, or from an
    8-bit image to the class that is read back. ``did`` and ``mended`` tell of a published
    protocol what it was and what is different here.
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
    least_passes: int = Field(default=1, ge=1)
    least_inferences: int = Field(default=1, ge=1)
    block_passes: int = Field(default=1, ge=1)
    batches: tuple[int, ...] = ()
    keep_refused: bool = False
    scenario: Scenario | None = None
    target_qps: Positive | None = None
    timed: Literal["forward", "end-to-end"] = "forward"
    did: str = ""
    mended: str = ""

    @model_validator(mode="after")
    def _a_server_has_a_rate(self) -> Self:
        if (self.scenario == "server") != (self.target_qps is not None):
            raise ValueError('target_qps goes with scenario = "server", and is needed there')
        if any(batch < 1 for batch in self.batches):
            raise ValueError("batches must be whole numbers above 0")
        return self
