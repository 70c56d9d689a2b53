"""Queries that come as a scenario has them: an adapter dressed with other windows.

What the host asks of a model when it loads it: ``rate_per_s`` and ``seed`` of queries at random
instants (MLPerf's Server), ``timed`` what belongs to a pass. Without either, passes follow each
other and are the forward pass alone, as adapters make them.
"""

import array
import random
import time
from typing import Any, Dict, Optional

from powerlab.agent import edges, prepare, windows
from powerlab.agent.clock import now_ns
from powerlab.agent.faults import AgentError

END_TO_END = "end-to-end"

_NS_PER_S = 1000000000


class Dressed:
    """An adapter whose passes or windows are those that were asked for."""

    def __init__(self, adapter: Any, asked: Dict[str, Any]) -> None:
        self._adapter = adapter
        self._rate_per_s: Optional[float] = asked.get("rate_per_s")
        self._seed = int(asked.get("seed", 0))
        self._whole = asked.get("timed") == END_TO_END

    def load(self, path: str, options: Dict[str, Any]) -> Any:
        """Load the model; end to end, with an image and all that is done to it."""
        state = self._adapter.load(path, options)
        if self._whole:
            state.prepared = prepare.prepared(self._adapter, state, options["seed"])
            state.facts["timed"] = state.prepared.words
            self.invoke(state)
        return state

    def invoke(self, state: Any) -> None:
        """Make one pass."""
        if not self._whole:
            self._adapter.invoke(state)
            return
        state.prepared.fill()
        self._adapter.invoke(state)
        state.prepared.read()

    def run(self, state: Any, file: edges.EdgeFile, **options: Any) -> windows.Window:
        """Make one run of queries at their instants, or one after the other without a rate."""
        if self._rate_per_s is None:
            return windows.run(self.invoke, state, file, **options)
        # Another tag is another run, with other instants.
        draw = random.Random(self._seed * edges.RUNS_PER_SLOT + options["tag"])
        return serve(self.invoke, state, file, rate_per_s=self._rate_per_s, draw=draw, **options)


def dressed(adapter: Any, asked: Optional[Dict[str, Any]]) -> Any:
    """Get the adapter, dressed where anything beyond it was asked for.

    Raises AgentError for an adapter whose program makes windows of its own.
    """
    if not asked:
        return adapter
    if hasattr(adapter, "run"):
        raise AgentError(
            "bad-request",
            "a program that makes its inferences itself cannot be asked for queries",
            "choose a protocol without a scenario, or another runtime",
        )
    return Dressed(adapter, asked)


def serve(
    invoke: Any,
    state: Any,
    file: edges.EdgeFile,
    *,
    tag: int,
    passes: int,
    deadline_s: float,
    guard_s: float,
    rate_per_s: float,
    draw: random.Random,
) -> windows.Window:
    """Answer ``passes`` queries that come at random: a Poisson process of a mean rate.

    One that comes while another is answered waits for its turn. ``due_board_ns`` of the reply
    says when each came, ``begun_board_ns`` when its answer was begun. The board sleeps between
    queries, with an idle edge before and a busy one after, as long as the edge file has room
    for those of all of them. The window begins with the first query's instant.
    """
    windows.check_passes(passes, windows.MAX_PASSES // 3)
    if not rate_per_s > 0:
        raise AgentError(
            "bad-request", f"no queries come at a rate of {rate_per_s}", "ask for a rate above 0"
        )
    after_ns = _instants(passes, rate_per_s, draw)
    done, begun = (array.array("q", bytes(8 * passes)) for _ in range(2))
    limit_ns = round(deadline_s * _NS_PER_S)
    told = passes if file.room() >= 3 + 2 * passes else 0

    def queries(start: int) -> int:
        now, sleep, publish, stop = now_ns, time.sleep, file.publish, start + limit_ns
        at = start
        for number in range(passes):
            due = start + after_ns[number]
            if due > at:
                if told:
                    publish(edges.IDLE, tag, at)
                while due > at:
                    sleep((due - at) / _NS_PER_S)
                    at = now()
                if told:
                    publish(edges.BUSY, tag, at)
            begun[number] = at
            invoke(state)
            at = now()
            done[number] = at
            if at > stop:
                return number + 1
        return passes

    reply = windows.window(queries, done, file, tag, guard_s=guard_s, pauses=told)
    start, made = reply["start_board_ns"], reply["passes"]
    due = [start + after for after in after_ns[:made]]
    return dict(reply, begun_board_ns=begun[:made].tolist(), due_board_ns=due)


def _instants(count: int, rate_per_s: float, draw: random.Random) -> "array.array[int]":
    """Get when queries come, in ns after the first one."""
    at_ns, found = 0.0, array.array("q")
    for _ in range(count):
        found.append(round(at_ns))
        at_ns += draw.expovariate(rate_per_s) * _NS_PER_S
    return found
