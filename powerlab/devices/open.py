"""Opens a bench's board, wherever it is."""

from __future__ import annotations

from powerlab.catalog.bench_profile import Bench
from powerlab.devices.line import START_LIMIT_S
from powerlab.devices.link import BoardLink
from powerlab.devices.local import LOCAL_HOST, open_locally
from powerlab.devices.ssh import open_by_ssh


def open_board(bench: Bench, *, start_limit_s: float = START_LIMIT_S) -> BoardLink:
    """Start the agent on the bench's board: by ssh, or on this computer for host "local".

    Raises TargetError where the board cannot be reached or cannot run the agent within
    ``start_limit_s``, SetupError where this computer lacks something, ConfigError where the
    bench cannot be used as it stands. Nothing is left running in any of these cases.
    """
    line = open_locally(bench) if bench.host == LOCAL_HOST else open_by_ssh(bench)
    try:
        line.start(start_limit_s)
    except BaseException:
        line.close()
        raise
    return BoardLink(line)
