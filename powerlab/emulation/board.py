"""The emulated board: an SSH server on loopback that runs commands as real processes.

Its host key and its user's key are made for one bench. What a command writes to standard output
goes out with every ``*_board_ns`` mapped to the board's own clock; all else passes unchanged.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import shlex
import shutil
import signal
from pathlib import Path
from typing import Any

import asyncssh

from powerlab.emulation.clock import BoardClock, BusyTime, draw_clock, map_board_instants
from powerlab.emulation.command import Command
from powerlab.emulation.edges_tail import EdgesTail
from powerlab.emulation.faults import CLOCK_STEP_S, FaultWatch
from powerlab.emulation.process import (
    HOST_KEY,
    KNOWN_HOSTS,
    PARENT,
    USER,
    USER_KEY,
    EmulatorContext,
    parent_died,
)
from powerlab.emulation.world import Edges, emulation_of
from powerlab.units import nanoseconds, now_ns

TICK_S = 0.02

_COMMAND_NOT_FOUND = 127


class Board:
    """The state that all sessions of one board share: clock, edges, living commands."""

    def __init__(self, context: EmulatorContext, clock: BoardClock) -> None:
        self.context = context
        self.commands: set[Command] = set()
        self._clock = clock
        self._tail = EdgesTail(context.box, keep=context.edges)
        self._watch = FaultWatch(context.faults)
        self._edges: Edges | None = None
        self._busy = BusyTime(self._tail.poll())

    def on_board_clock(self, message: object) -> object:
        """Map the instants in one message of the agent."""
        self._follow()
        steps = [start for start, _ in self._watch.windows("clock-step", 0.0)]
        return map_board_instants(message, self._clock, self._busy, steps)

    def start(self, words: list[str], channel: Any) -> Command:
        """Start a command for a session; OSError where the program is not there."""
        context = self.context
        command = Command(
            words,
            context.box,
            context.cores,
            channel,
            rewrite=self.on_board_clock,
            ended=self.command_ended,
        )
        self.commands.add(command)
        return command

    def tick(self) -> None:
        """Follow the edges and let the faults strike that are due."""
        self._follow()
        if self._watch.strikes("agent-crash", now_ns()):
            for command in self.commands:
                command.kill()

    def command_ended(self, command: Command) -> None:
        """Forget a command; where none is left, nothing can be busy any more."""
        self.commands.discard(command)
        self._tail.poll(scan=True)
        if not self.commands:
            self._tail.settle(now_ns())

    def close(self) -> None:
        """Kill what still runs and settle its edges."""
        for command in tuple(self.commands):
            command.kill()
            self.command_ended(command)

    def _follow(self) -> None:
        edges = self._tail.poll()
        if edges is not self._edges:
            self._edges = edges
            self._busy = BusyTime(edges)
            self._watch.arm(self._tail.first_busy_ns)


class Session(asyncssh.SSHServerSession[bytes]):  # type: ignore[misc]
    """One session channel: an exec request becomes a command; there is no login shell."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._channel: Any = None
        self._words: list[str] = []
        self._command: Command | None = None

    def connection_made(self, chan: Any) -> None:
        """Keep the channel."""
        self._channel = chan

    def exec_requested(self, command: str) -> bool:
        """Accept any command whose words can be told apart."""
        try:
            self._words = shlex.split(command)
        except ValueError:
            return False
        return bool(self._words)

    def session_started(self) -> None:
        """Start the command as soon as the client has been told that it may."""
        try:
            self._command = self._board.start(self._words, self._channel)
        except OSError as error:
            reason = error.strerror if "/" in self._words[0] else "command not found"
            text = f"bash: line 1: {self._words[0]}: {reason}\n"
            self._channel.write(text.encode(), asyncssh.EXTENDED_DATA_STDERR)
            self._channel.exit(_COMMAND_NOT_FOUND)

    def data_received(self, data: bytes, _datatype: int | None) -> None:
        """Hand the client's bytes to the command."""
        if self._command is not None:
            self._command.feed(data)

    def eof_received(self) -> bool:
        """Close the command's input; its output may still follow."""
        if self._command is not None:
            self._command.feed_eof()
        return True

    def signal_received(self, _signal: str) -> None:
        """End the command, whatever the signal asked for."""
        if self._command is not None:
            self._command.kill()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Kill the command: a board without its host stops working."""
        if self._command is not None:
            self._command.kill()


class Server(asyncssh.SSHServer):  # type: ignore[misc]
    """Lets one user in, by key."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def begin_auth(self, username: str) -> bool:
        """Ask everyone for a key; only the bench's own opens."""
        del username
        return True

    def session_requested(self) -> Session:
        """Open a session channel."""
        return Session(self._board)


def make_keys(directory: Path) -> None:
    """Write the board's host key and its user's key, ed25519, readable by their owner alone."""
    for name in (HOST_KEY, USER_KEY):
        path = directory / name
        path.touch(mode=0o600)
        key = asyncssh.generate_private_key("ssh-ed25519", comment=f"powerlab emulation {name}")
        path.write_bytes(key.export_private_key("openssh"))
        path.with_suffix(".pub").write_bytes(key.export_public_key("openssh"))


def serve(context: EmulatorContext) -> None:
    """Serve one board until the parent wants an end.

    A parent that died cannot remove the bench's directory: then the board does.
    """
    gc.freeze()
    with asyncio.Runner() as runner:
        runner.run(_serve(context))
    if parent_died():
        shutil.rmtree(context.directory, ignore_errors=True)


async def _serve(context: EmulatorContext) -> None:
    make_keys(context.directory)
    clock = draw_clock(
        emulation_of(context.device), context.seed, now_ns(), nanoseconds(CLOCK_STEP_S)
    )
    board = Board(context, clock)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # Not the loop's own signal handler: that one leaves the default behind, and the parent's
    # death sends SIGTERM while we are still cleaning up for it.
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    loop.add_reader(PARENT, stop.set)
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=lambda: Server(board),
        server_host_keys=[str(context.directory / HOST_KEY)],
        authorized_client_keys=str(context.directory / f"{USER_KEY}.pub"),
        password_auth=False,
        kbdint_auth=False,
        encoding=None,
        line_editor=False,
        compression_algs=["none"],
        agent_forwarding=False,
        allow_scp=False,
        server_version="powerlab-emulated-board",
    )
    port = server.sockets[0].getsockname()[1]
    host_key = (context.directory / f"{HOST_KEY}.pub").read_text().split()[:2]
    known = f"[127.0.0.1]:{port} {' '.join(host_key)}\n"
    (context.directory / KNOWN_HOSTS).write_text(known)
    context.ready({"host": "127.0.0.1", "port": port, "user": USER})
    try:
        while not stop.is_set():
            board.tick()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), TICK_S)
    finally:
        board.close()
        loop.remove_reader(PARENT)
        server.close()
