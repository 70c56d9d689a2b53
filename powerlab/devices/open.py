"""Opens a bench's board, wherever it is: the agent on it, or its counters as a meter."""

from __future__ import annotations

from collections.abc import Sequence

from powerlab.agent.supervise import COUNTERS
from powerlab.catalog.bench_profile import Bench
from powerlab.devices.line import START_LIMIT_S, AgentLine
from powerlab.devices.link import BoardLink
from powerlab.devices.local import LOCAL_HOST, open_locally
from powerlab.devices.ssh import open_by_ssh


def open_board(bench: Bench, *, start_limit_s: float = START_LIMIT_S) -> BoardLink:
    """Start the agent on the bench's board: by ssh, or on this computer for host "local".

    Raises TargetError where the board cannot be reached or cannot run the agent within
    ``start_limit_s``, SetupError where this computer lacks something, ConfigError where the
    bench cannot be used as it stands. Nothing is left running in any of these cases.
    """
    return BoardLink(_started(bench, (), start_limit_s))


def open_counters(
    bench: Bench, words: Sequence[str], *, start_limit_s: float = START_LIMIT_S
) -> AgentLine:
    """Start what reads the board's counters, a process with a channel of its own.

    ``words`` are a kind and its options, "KIND key=value ..."; which it has stands in
    ``powerlab.agent.counters``. Raises what ``open_board`` raises; whether there are such
    counters, the first request tells.
    """
    return _started(bench, (COUNTERS, *words), start_limit_s)


def _started(bench: Bench, words: Sequence[str], start_limit_s: float) -> AgentLine:
    local = bench.host == LOCAL_HOST
    line = open_locally(bench, words) if local else open_by_ssh(bench, words)
    try:
        line.start(start_limit_s)
    except BaseException:
        line.close()
        raise
    return line
