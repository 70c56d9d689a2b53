"""The timed windows: stamps and edges around inference, and nothing else inside."""

import array
import gc
import random
import time
from typing import Any, Callable, Dict, List, Tuple

from powerlab.agent import edges
from powerlab.agent.clock import now_ns
from powerlab.agent.faults import AgentError, reason

MAX_PASSES = 2000000
"""In one window; the stamps of more would not fit into one frame. Half of it with pauses."""

NO_MEMORY = ("out of memory", "bad_alloc", "failed to allocate", "cannot allocate memory")
"""What runtimes write, in one case or another, where there is too little of it."""

Window = Dict[str, Any]


def warm_up(
    invoke: Callable[[Any], None], state: Any, file: edges.EdgeFile, limit_s: float
) -> Window:
    """Repeat inference until ``limit_s`` has passed, once at least."""
    limit_ns = round(limit_s * 1e9)

    done = array.array("q")

    def until_limit(start: int) -> int:
        append, now, stop = done.append, now_ns, start + limit_ns
        for _ in range(MAX_PASSES):
            invoke(state)
            at = now()
            append(at)
            if at >= stop:
                break
        return len(done)

    return window(until_limit, done, file, edges.WARM_UP_TAG)


def run(
    invoke: Callable[[Any], None],
    state: Any,
    file: edges.EdgeFile,
    *,
    tag: int,
    passes: int,
    deadline_s: float,
    guard_s: float,
) -> Window:
    """Infer ``passes`` times, or fewer where ``deadline_s`` passes first.

    Nothing but sleep happens for ``guard_s`` before the busy edge and after the idle edge:
    the reply is made afterwards. It tells where the guards begin and end.
    """
    check_passes(passes, MAX_PASSES)
    done = array.array("q", bytes(8 * passes))
    limit_ns = round(deadline_s * 1e9)

    def fixed(start: int) -> int:
        now, stamps, stop = now_ns, done, start + limit_ns
        for number in range(passes):
            invoke(state)
            at = now()
            stamps[number] = at
            if at > stop:
                return number + 1
        return passes

    return window(fixed, done, file, tag, guard_s=guard_s)


def run_dithered(
    invoke: Callable[[Any], None],
    state: Any,
    file: edges.EdgeFile,
    *,
    tag: int,
    passes: int,
    deadline_s: float,
    guard_s: float,
    dither_s: float,
    dither_every: int,
) -> Window:
    """Infer as ``run`` does, with a pause after every ``dither_every`` passes but the last.

    Each pause is slept between an idle and a busy edge, its length uniform on 0 to
    ``dither_s``: that breaks a lock between inferences and samples (method section 2.3).
    ``begun_board_ns`` of the reply says when each pass began.
    """
    check_passes(passes, MAX_PASSES // 2)
    if not (dither_s > 0 and dither_every >= 1):
        raise AgentError(
            "bad-request",
            f"no pauses of up to {dither_s} s can follow every {dither_every} passes",
            "ask for a pause above 0 s after every pass, or after every second one, …",
        )
    done, begun = (array.array("q", bytes(8 * passes)) for _ in range(2))
    pauses = [random.uniform(0.0, dither_s) for _ in range((passes - 1) // dither_every)]
    limit_ns = round(deadline_s * 1e9)

    def paused(start: int) -> int:
        now, publish, sleep, stop = now_ns, file.publish, time.sleep, start + limit_ns
        at, coming = start, iter(pauses)
        for number in range(passes):
            begun[number] = at
            invoke(state)
            at = now()
            done[number] = at
            if at > stop:
                return number + 1
            if (number + 1) % dither_every == 0 and number + 1 < passes:
                publish(edges.IDLE, tag, at)
                sleep(next(coming))
                at = now()
                publish(edges.BUSY, tag, at)
        return passes

    reply = window(paused, done, file, tag, guard_s=guard_s, pauses=len(pauses))
    return dict(reply, begun_board_ns=begun[: reply["passes"]].tolist())


def check_passes(passes: int, most: int) -> None:
    """Raise AgentError for a number of passes that one run cannot have."""
    if not 1 <= passes <= most:
        raise AgentError(
            "bad-request",
            f"a run of {passes} passes cannot be timed",
            f"ask for 1 to {most} passes in one run",
        )


def idle(seconds: float) -> Window:
    """Sleep for ``seconds``."""
    start = now_ns()
    time.sleep(seconds)
    return _reply(start, now_ns(), array.array("q"))


def draw(
    invoke: Callable[[Any], None],
    state: Any,
    file: edges.EdgeFile,
    chips: List[int],
    chip_s: float,
) -> Window:
    """Draw a marker: one chip of load for each 1 in ``chips``, of rest for each 0.

    Chips end on a schedule kept from the start, or with the inference under way then.
    ``done_board_ns`` of the reply holds the edges drawn, to busy and to idle by turns.
    """
    if file.room() < 2 * len(chips) + 2:
        raise no_room()
    drawn = array.array("q")
    now, chip_ns, level = now_ns, round(chip_s * 1e9), edges.IDLE
    gc.collect()
    gc.disable()
    try:
        start = now()
        for number, chip in enumerate(chips):
            if chip != level:
                level = edges.BUSY if chip else edges.IDLE
                drawn.append(now())
                file.publish(level, edges.MARKER_TAG, drawn[-1])
            until = start + (number + 1) * chip_ns
            if level == edges.BUSY:
                while now() < until:
                    invoke(state)
            else:
                time.sleep(max(0, until - now()) / 1e9)
    except Exception as error:
        raise _failed(error) from error
    finally:
        if level == edges.BUSY:
            drawn.append(now())
            file.publish(edges.IDLE, edges.MARKER_TAG, drawn[-1])
        gc.enable()
    return dict(_reply(start, now(), drawn), passes=0)


def no_room() -> AgentError:
    """Get the error for a window whose edges the edge file cannot hold."""
    return AgentError(
        "edge-file-full",
        "the agent has published more edges than its edge file holds",
        "split the measurement into several",
    )


def _failed(error: Exception) -> AgentError:
    if isinstance(error, AgentError):  # the trigger line's
        return error
    if isinstance(error, MemoryError) or any(word in str(error).lower() for word in NO_MEMORY):
        return AgentError(
            "out-of-memory",
            f"the board ran out of memory in the middle of a window: {reason(error)}",
            "choose a smaller batch or model, or stop other programs on the board",
            reason(error),
        )
    return AgentError(
        "inference-failed",
        f"the runtime failed in the middle of a window: {reason(error)}",
        "run the model on the board by hand to see whether it runs at all",
        reason(error),
    )


def window(
    loop: Callable[[int], int],
    done: "array.array[int]",
    file: edges.EdgeFile,
    tag: int,
    *,
    guard_s: float = 0.0,
    pauses: int = 0,
) -> Window:
    """Run ``loop(start)``, which stamps into ``done``, between a busy and an idle edge.

    It returns how many stamps it took; the window ends with the last of them. Both guards
    are slept inside, so that no reply is built and sent next to the window. ``pauses`` is
    how many times the loop itself publishes an idle and a busy edge.
    """
    if file.room() < 3 + 2 * pauses:
        raise no_room()
    gc.collect()
    gc.disable()
    try:
        guard_start = now_ns()
        time.sleep(guard_s)
        start, stop, passes, cpu_s = _busy(loop, done, file, tag)
        time.sleep(guard_s)
        guard_stop = now_ns()
    finally:
        gc.enable()
    guards = {"guard_start_board_ns": guard_start, "guard_stop_board_ns": guard_stop}
    return dict(_reply(start, stop, done[:passes]), cpu_s=cpu_s, **guards)


def _busy(
    loop: Callable[[int], int], done: "array.array[int]", file: edges.EdgeFile, tag: int
) -> Tuple[int, int, int, float]:
    """Get start, stop, the number of passes and the CPU time of the loop, its edges published."""
    stop = 0
    cpu_before = time.process_time()
    start = now_ns()
    try:
        file.publish(edges.BUSY, tag, start)
        passes = loop(start)
        stop = done[passes - 1]
    except Exception as error:
        raise _failed(error) from error
    finally:
        file.publish(edges.IDLE, tag, stop or now_ns())
    return start, stop, passes, time.process_time() - cpu_before


def _reply(start: int, stop: int, done: "array.array[int]") -> Window:
    return {
        "start_board_ns": start,
        "stop_board_ns": stop,
        "passes": len(done),
        "done_board_ns": done.tolist(),
    }
