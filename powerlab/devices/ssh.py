"""The agent on another computer, over one persistent ``ssh``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from powerlab.agent.bundle import command
from powerlab.agent.supervise import NO_ROOM
from powerlab.catalog.bench_profile import Bench
from powerlab.devices.ends import (
    explain_agent_end,
    explain_unknown_end,
    no_room,
    told_signal,
)
from powerlab.devices.line import AgentLine
from powerlab.errors import PowerlabError, TargetError
from powerlab.transport.process import ProcessChannel
from powerlab.transport.ssh import ssh_command
from powerlab.transport.ssh_failures import (
    SSH_FAILED,
    explain_ssh_failure,
    known_ssh_failure,
    ssh_killed,
    ssh_missing,
)

PYTHON_TOO_OLD = 98
"""The exit status by which the agent's first stage says so."""


def open_by_ssh(bench: Bench, words: Sequence[str] = ()) -> AgentLine:
    """Start ssh with the agent's first stage as its command; the agent is not sent yet.

    ``words`` say what it is to be; see ``powerlab.agent.bundle.command``.
    Raises SetupError where this computer has no ssh, ConfigError for a malformed host.
    """
    python = bench.python or "python3"
    first_stage = command(python, words)[1:]
    argv = ssh_command(
        bench.host,
        ssh_config=bench.ssh_config,
        identity_file=bench.identity_file,
        known_hosts_file=bench.known_hosts_file,
        remote_argv=[*shlex.split(python), *first_stage],
    )

    def explain_end(stderr: str, returncode: int, *, started: bool) -> PowerlabError:
        if returncode == PYTHON_TOO_OLD:
            return python_too_old(bench.host, stderr)
        if returncode == NO_ROOM:
            return no_room(bench.host, stderr)
        if returncode < 0 and told_signal(stderr) is None:
            return ssh_killed(bench.host, -returncode, stderr)
        if started and returncode != SSH_FAILED:
            return explain_agent_end(bench.host, stderr, returncode)
        if started:
            return known_ssh_failure(stderr, bench.host) or explain_unknown_end(bench.host, stderr)
        return explain_ssh_failure(
            stderr,
            returncode,
            bench.host,
            known_hosts_file=bench.known_hosts_file,
            python=python,
        )

    try:
        channel = ProcessChannel(argv)
    except FileNotFoundError as error:
        raise ssh_missing() from error
    return AgentLine(bench.host, channel, explain_end)


def python_too_old(host: str, stderr: str) -> TargetError:
    """Get the error for a board whose Python cannot run the agent."""
    said = stderr.strip().splitlines()[-1].removeprefix("powerlab-agent: ")
    return TargetError(
        f"{host}: {said}",
        hint="install Python 3.6 or newer on the board, or name its interpreter in the bench "
        "(python = …)",
        context={"stderr": stderr},
    )
