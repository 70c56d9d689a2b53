"""A program of the user's that prints three marker lines (``powerlab.agent.program``).

It loops over inferences by itself: so besides ``load`` and ``invoke`` this adapter has its own
``warm_up`` and ``run``, which take the edges from the markers.
"""

import array
import contextlib
import gc
import hashlib
import os
import shutil
from typing import Any, Dict, List, Tuple

from powerlab.agent import edges, facts, windows
from powerlab.agent.clock import now_ns
from powerlab.agent.faults import AgentError
from powerlab.agent.program import Program, quoted
from powerlab.agent.protocol import read_chunks

NAME = "command"

GROWTH = 8
"""How many times more inferences a warm-up asks for from one window to the next, at most."""

_NS_PER_S = 1000000000
_RESTART_LIMIT_S = 60.0
"""For a program that ends after each window to be ready again; the host waits for longer."""

Block = Tuple[int, int, int]
"""Begin and end in ns of the board's clock, and the inferences between them."""


class State:
    """A program that is ready, and what is known of it."""

    def __init__(self, program: Program, threads: int) -> None:
        self.program = program
        self.threads = threads
        self.facts: Dict[str, str] = {}

    def close(self) -> None:
        """Kill the program."""
        self.program.close()


def load(_path: str, options: Dict[str, Any]) -> State:
    """Start the program and have it infer once.

    ``options`` has the ``command``: its words as ``argv``, and ``limit_s`` for all of this.
    Raises AgentError where it does not do as ``powerlab.agent.program`` says.
    """
    if options["batch"] != 1:
        raise AgentError(
            "bad-request",
            "a command counts its inferences itself: there is no batch to give it",
            "leave out --batch, and print the number of inputs inferred in the markers",
        )
    words = options["command"]["argv"]
    deadline_ns = now_ns() + round(options["command"]["limit_s"] * _NS_PER_S)
    state = State(Program(words), options["threads"])
    try:
        state.program.make_ready(deadline_ns)
        _, _, made = _window(state, 1, deadline_ns)
        again = state.program.is_ready_again(deadline_ns)
    except BaseException:
        state.close()
        raise
    state.facts = {
        "runtime_module": "command",
        "command": quoted(words),
        "command_sha256": _digests(words),
        # Of a program that decides for itself, a window cannot be had of any length.
        "inferences_chosen_by": "the host" if again and made == 1 else "the program",
        "passes_timed": "no",  # the program tells when a run begins and ends, no more
    }
    return state


def invoke(state: State) -> None:
    """Ask for one inference and wait for its end."""
    deadline_ns = now_ns() + round(_RESTART_LIMIT_S * _NS_PER_S)
    state.program.make_ready(deadline_ns)
    _window(state, 1, deadline_ns)


def warm_up(state: State, file: edges.EdgeFile, limit_s: float) -> Dict[str, Any]:
    """Ask for more and more inferences until ``limit_s`` has passed, once at least."""
    blocks: List[Block] = []
    start_ns, wanted = now_ns(), 1
    until_ns = start_ns + round(limit_s * _NS_PER_S)
    deadline_ns = until_ns + round(_RESTART_LIMIT_S * _NS_PER_S)
    while not blocks or blocks[-1][1] < until_ns:
        state.program.make_ready(deadline_ns)
        blocks.append(_published(state, file, edges.WARM_UP_TAG, wanted, deadline_ns))
        begun_ns, ended_ns, made = blocks[-1]
        left = (until_ns - ended_ns) * made // max(1, ended_ns - begun_ns)
        wanted = max(1, min(GROWTH * wanted, left, windows.MAX_PASSES))
    return _reply(blocks)


def run(
    state: State,
    file: edges.EdgeFile,
    *,
    tag: int,
    passes: int,
    deadline_s: float,
    guard_s: float,
) -> Dict[str, Any]:
    """Have the program infer ``passes`` times, or as often as it does by itself.

    It idles for ``guard_s`` before the busy edge and after the idle edge. Raises AgentError
    where it is not done by ``deadline_s``, and kills it then.
    """
    windows.check_passes(passes, windows.MAX_PASSES)
    state.program.make_ready(now_ns() + round(_RESTART_LIMIT_S * _NS_PER_S))
    with facts.aside(state.threads):
        guard_start = now_ns()
        state.program.rest(guard_s)
        deadline_ns = now_ns() + round(deadline_s * _NS_PER_S)
        block = _published(state, file, tag, passes, deadline_ns)
        state.program.rest(guard_s)
        guard_stop = now_ns()
    if block[0] == block[1]:
        raise AgentError(
            "command-markers",
            f"`powerlab: begin {block[2]}` and its end arrived together, so nothing was timed",
            "flush standard output after each marker (std::endl, fflush(stdout), flush=True), "
            "and infer for some milliseconds at least",
        )
    guards = {"guard_start_board_ns": guard_start, "guard_stop_board_ns": guard_stop}
    return dict(_reply([block]), **guards)


def _published(
    state: State, file: edges.EdgeFile, tag: int, wanted: int, deadline_ns: int
) -> Block:
    """Get a window of the program's with its edges published."""
    if file.room() < 3:
        raise windows.no_room()
    return _window(state, wanted, deadline_ns, lambda level, at_ns: file.publish(level, tag, at_ns))


def _window(
    state: State, wanted: int, deadline_ns: int, publish: Any = lambda _level, _at_ns: None
) -> Block:
    """Ask for ``wanted`` inferences; a program that fails in their midst leaves an idle edge."""
    program = state.program
    gc.collect()
    gc.disable()
    ended_ns = 0
    try:
        program.ask(wanted)
        begun_ns, made = program.await_begin(deadline_ns)
        publish(edges.BUSY, begun_ns)
        try:
            ended_ns = program.await_end(made, deadline_ns)
        finally:
            publish(edges.IDLE, ended_ns or now_ns())
    finally:
        gc.enable()
    return begun_ns, ended_ns, made


def _reply(blocks: List[Block]) -> Dict[str, Any]:
    return {
        "start_board_ns": blocks[0][0],
        "stop_board_ns": blocks[-1][1],
        "passes": sum(made for _, _, made in blocks),
        "counts": [made for _, _, made in blocks],
        "done_board_ns": array.array("q", [ended_ns for _, ended_ns, _ in blocks]).tolist(),
    }


def _digests(words: List[str]) -> str:
    """Get the names and digests of those words that are files: the program, its model."""
    paths = [shutil.which(words[0]) or words[0]] + words[1:]
    told = []
    for path in paths:
        digest = hashlib.sha256()
        with contextlib.suppress(OSError):
            if os.path.isfile(path):
                for piece in read_chunks(path):
                    digest.update(piece)
                told.append(f"{os.path.basename(path)} {digest.hexdigest()}")
    return ", ".join(told)
