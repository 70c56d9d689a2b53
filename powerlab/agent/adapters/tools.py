"""The makers' benchmark programs in the place of an adapter: trtexec and its kind.

Each run starts the program anew. Where it says when its passes begin, it is stopped there for as
long as the guard takes and then let go on, and stopped again when they end: so both guards are
idle. Where it says nothing, the whole of it is the window, its loading too. How far the edges may
be from the passes' own is told as ``edges_within_s`` of a run.
"""

import os
import shutil
import tempfile
import time
from typing import Any, Dict, List, Tuple

from powerlab.agent import edges, facts, windows
from powerlab.agent.clock import now_ns
from powerlab.agent.faults import AgentError
from powerlab.agent.models import temporary_prefix
from powerlab.agent.program import quoted
from powerlab.agent.tools import Asked, Stated, find_tool
from powerlab.agent.tools.process import Process

FIRST_PASSES = 10
GROWTH = 8
LINE_DELAY_S = 0.001
"""For a line to pass from the program to the agent: an estimate, its limit."""

_NS_PER_S = 1000000000
_RUN_LIMIT_S = 180.0

Window = Tuple[int, int, Stated, float, int, int]
"""Begin, end, what is stated, how far the edges may be off, begin and end of the guards."""


class State:
    """A program, the file that it is given, and what is known of both."""

    def __init__(self, tool: Any, words: List[str], path: str, options: Dict[str, Any]) -> None:
        self.tool = tool
        self.words = words
        self.path = path
        self.threads = options["threads"]
        self.batch = options["batch"]
        self.folder = tempfile.mkdtemp(prefix=temporary_prefix(os.getpid()))
        self.facts: Dict[str, str] = {}

    def close(self) -> None:
        """Remove what was built."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Tool:
    """The adapter of one such program."""

    def __init__(self, runtime: str) -> None:
        self.NAME = runtime
        self._tool = find_tool(runtime)

    def load(self, path: str, options: Dict[str, Any]) -> State:
        """Have the program read the model and make a few passes.

        ``options`` may have a ``command``: the program's words, with arguments of the user's.
        Raises AgentError where it cannot be started, fails, or prints something else.
        """
        if options["batch"] != 1 and not self._tool.BATCHES:
            raise AgentError(
                "bad-request",
                f"{self._tool.PROGRAM} is not given a batch here",
                "leave out --batch, or let the model file have it",
            )
        command = options.get("command") or {}
        state = State(self._tool, command.get("argv") or [self._tool.PROGRAM], path, options)
        limit_s = command.get("limit_s") or _RUN_LIMIT_S
        try:
            if hasattr(self._tool, "build_words") and not path.endswith(self._tool.ENGINES):
                engine = os.path.join(state.folder, "model.engine")
                words = state.words + self._tool.build_words(path, engine)
                _finish(Process(words, _deadline_ns(limit_s)))
                state.path = engine
            _, _, stated, within_s, _, _ = _window(state, FIRST_PASSES, limit_s)
        except BaseException:
            state.close()
            raise
        state.facts = {
            "runtime_module": self._tool.PROGRAM,
            "command": quoted(state.words),
            "tool_stated_at_load": stated.in_words(),
            "edges_within_s": "%.6f" % within_s,
            "inferences_chosen_by": "the program",
            "passes_timed": "no",  # it tells of all passes together
        }
        return state

    def invoke(self, state: State) -> None:
        """Have it make one pass."""
        _window(state, 1, _RUN_LIMIT_S)

    def warm_up(self, state: State, file: edges.EdgeFile, limit_s: float) -> Dict[str, Any]:
        """Ask for more and more passes until ``limit_s`` has passed; tell of the last ones."""
        until_ns, passes = now_ns() + round(limit_s * _NS_PER_S), FIRST_PASSES
        while True:
            found = _published(state, file, edges.WARM_UP_TAG, passes, limit_s + _RUN_LIMIT_S)
            begun_ns, ended_ns, stated = found[:3]
            left_ns = until_ns - ended_ns
            if left_ns <= 0:
                return _reply(found)
            most = left_ns * stated.passes // max(1, ended_ns - begun_ns)
            passes = max(FIRST_PASSES, min(GROWTH * passes, most))

    def run(
        self,
        state: State,
        file: edges.EdgeFile,
        *,
        tag: int,
        passes: int,
        deadline_s: float,
        guard_s: float,
    ) -> Dict[str, Any]:
        """Have it make so many passes between two guards, and kill it after ``deadline_s``."""
        windows.check_passes(passes, windows.MAX_PASSES)
        limit_s = deadline_s + _RUN_LIMIT_S
        with facts.aside(state.threads):
            found = _published(state, file, tag, passes, limit_s, guard_s=guard_s)
        return dict(
            _reply(found),
            guard_start_board_ns=found[4],
            guard_stop_board_ns=found[5],
            edges_within_s=found[3],
        )


def _reply(found: Window) -> Dict[str, Any]:
    begun_ns, ended_ns, stated = found[:3]
    made = stated.passes + stated.warm_ups
    return {
        "start_board_ns": begun_ns,
        "stop_board_ns": ended_ns,
        "passes": made,
        "counts": [made],
        "done_board_ns": [ended_ns],
    }


def _published(
    state: State,
    file: edges.EdgeFile,
    tag: int,
    passes: int,
    limit_s: float,
    *,
    guard_s: float = 0.0,
) -> Window:
    """Get a window with its edges published; one that fails in its midst leaves an idle edge."""
    if file.room() < 3:
        raise windows.no_room()
    levels: List[int] = []

    def publish(level: int, at_ns: int) -> None:
        levels.append(level)
        file.publish(level, tag, at_ns)

    try:
        return _window(state, passes, limit_s, guard_s, publish)
    finally:
        if levels[-1:] == [edges.BUSY]:
            file.publish(edges.IDLE, tag, now_ns())


def _window(
    state: State,
    passes: int,
    limit_s: float,
    guard_s: float = 0.0,
    publish: Any = lambda _level, _at_ns: None,
) -> Window:
    """Run the program once, with its passes between two guards."""
    tool, words, late_s = state.tool, state.words + _arguments(state, passes), 0.0
    guard_start = now_ns()
    begun_ns = 0 if tool.START else _begin(guard_s, publish)
    process = Process(words, _deadline_ns(limit_s))
    try:
        if tool.START:
            seen_ns = process.await_line((tool.START,), getattr(tool, "START_AT", 1))
            process.halt()
            guard_start = now_ns()
            late_s = (guard_start - seen_ns) / _NS_PER_S
            begun_ns = _begin(guard_s, publish)
            process.go_on()
        ended_ns = process.await_line(tool.END)
        publish(edges.IDLE, ended_ns)
        process.halt()
        time.sleep(guard_s)
        guard_stop = now_ns()
        process.go_on()
        process.await_end()
        stated = _parsed(state, process)
    finally:
        process.close()
    within_s = late_s + LINE_DELAY_S
    if not tool.START:
        made_s = (stated.passes + stated.warm_ups) * (stated.mean_s or 0.0)
        within_s += max(0.0, (ended_ns - begun_ns) / _NS_PER_S - made_s)
    return begun_ns, ended_ns, stated, within_s, guard_start, guard_stop


def _begin(guard_s: float, publish: Any) -> int:
    time.sleep(guard_s)
    begun_ns = now_ns()
    publish(edges.BUSY, begun_ns)
    return begun_ns


def _finish(process: Process) -> None:
    try:
        process.await_end()
    finally:
        process.close()


def _arguments(state: State, passes: int) -> List[str]:
    try:
        asked = Asked(state.path, passes, state.threads, state.batch)
        words: List[str] = state.tool.words(asked)
    except (OSError, ValueError) as error:
        raise AgentError(
            "model-refused",
            f"{state.tool.PROGRAM} cannot be given this model: {error}",
            "write the size of its input into the file",
        ) from error
    return words


def _parsed(state: State, process: Process) -> Stated:
    try:
        stated: Stated = state.tool.parse(process.told)
    except ValueError as error:
        raise process.failed("tool-output", f"printed {error}") from error
    if stated.passes < 1:
        raise process.failed("tool-output", "made no pass")
    return stated


def _deadline_ns(limit_s: float) -> int:
    return now_ns() + round(limit_s * _NS_PER_S)
