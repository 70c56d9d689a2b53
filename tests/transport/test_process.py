"""The child process channel: deadlines, both pipes, and an end in every case."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from powerlab.transport.process import STDERR_KEPT, ProcessChannel
from powerlab.units import NS_PER_S, now_ns


def _python(source: str) -> ProcessChannel:
    return ProcessChannel([sys.executable, "-c", source])


def _within(seconds: float) -> int:
    return now_ns() + round(seconds * NS_PER_S)


def _read_all(channel: ProcessChannel) -> bytes:
    got = b""
    while piece := channel.read(_within(20)):
        got += piece
    return got


def test_echo_of_more_than_a_pipe_holds() -> None:
    """Megabytes pass in both directions, one after the other."""
    data = os.urandom(3_000_000)
    with _python(
        "import sys\nd = sys.stdin.buffer.read(3000000)\nsys.stdout.buffer.write(d)"
    ) as channel:
        channel.write(data, _within(20))
        assert _read_all(channel) == data
        assert channel.close() == 0


def test_read_deadline() -> None:
    """A child that says nothing costs no more than the deadline."""
    with _python("import sys; sys.stdin.read()") as channel:
        start = now_ns()
        with pytest.raises(TimeoutError):
            channel.read(_within(0.05))
        assert now_ns() - start >= 0.05 * NS_PER_S


def test_write_deadline() -> None:
    """A child that reads nothing does not hold up the writer beyond the deadline."""
    with _python("import signal; signal.pause()") as channel:
        with pytest.raises(TimeoutError):
            channel.write(bytes(1_000_000), _within(0.05))
        assert channel.close(grace_s=0.1) == -15


def test_write_to_the_deaf() -> None:
    """Writing to a child that has closed its input is a broken pipe."""
    source = "import os, signal\nos.close(0)\nprint('deaf', flush=True)\nsignal.pause()"
    with _python(source) as channel:
        assert channel.read(_within(20)).startswith(b"deaf")
        with pytest.raises(BrokenPipeError):
            channel.write(b"hello", _within(20))


def test_stderr_never_blocks_the_child() -> None:
    """However much goes to stderr, the child goes on, and the end of it is kept."""
    source = "import sys\nsys.stderr.write('x' * 1000000 + 'last words')\nprint('done')"
    with _python(source) as channel:
        assert _read_all(channel) == b"done\n"
        assert len(channel.stderr_tail) == STDERR_KEPT
        assert channel.stderr_tail.endswith("last words")
        channel.close()
        assert channel.stderr_tail.endswith("last words")


def test_close_ends_whoever_ignores_everything() -> None:
    """A child that ignores the end of its input and SIGTERM is killed, with its children."""
    source = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = os.fork()\n"
        "if child: print(child, flush=True)\n"
        "while True: signal.pause()\n"
    )
    channel = _python(source)
    grandchild = int(channel.read(_within(20)))
    assert channel.close(grace_s=0.1) == -9
    with pytest.raises(ProcessLookupError):
        _wait_for_the_end_of(grandchild)
    assert channel.close() == -9


def _wait_for_the_end_of(pid: int) -> None:
    deadline = _within(20)
    while now_ns() < deadline:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
        if state == "Z":
            raise ProcessLookupError  # dead, and only its new parent has not noticed


def test_exit_status() -> None:
    """The status is the child's own."""
    with _python("raise SystemExit(42)") as channel:
        assert _read_all(channel) == b""
        assert channel.close() == 42


def test_environment() -> None:
    """The child gets the environment that was asked for."""
    argv = [sys.executable, "-c", "import os; print(os.environ['ANSWER'])"]
    with ProcessChannel(argv, env={**os.environ, "ANSWER": "42"}) as channel:
        assert _read_all(channel) == b"42\n"


def test_program_that_does_not_exist() -> None:
    """A missing program is the system's own error."""
    with pytest.raises(FileNotFoundError):
        ProcessChannel(["/no/such/program"])
