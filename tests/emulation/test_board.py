"""The emulated board behind the system's own ssh."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from powerlab.agent.protocol import Unpacker, pack
from powerlab.emulation.edges_tail import EdgesTail
from powerlab.emulation.faults import CLOCK_STEP_S, parse_faults
from powerlab.emulation.process import KNOWN_HOSTS, USER_KEY, EmulatorContext, EmulatorProcess
from powerlab.units import now_ns

ROOT = Path(__file__).resolve().parents[2]
S = 1_000_000_000
LIMIT_S = 30

AGENT = f"""
import os, sys, time
sys.path.insert(0, {str(ROOT)!r})
from powerlab.agent.edges import EdgeFile, edge_path
from powerlab.agent.protocol import Unpacker, pack
now = lambda: time.clock_gettime_ns(4)
edges, unpacker = EdgeFile(edge_path(os.getpid())), Unpacker()
os.write(1, b"Welcome\\n" + pack({{"pid": os.getpid()}}))
while True:
    data = os.read(0, 65536)
    if not data:
        break
    for message, blob in unpacker.feed(data):
        if message["do"] == "busy":
            edges.publish(1, 0, now())
        if message["do"] == "idle":
            edges.publish(0, 0, now())
        t = now()
        answer = {{"id": message["id"], "t_ns": t, "t_board_ns": t, "l_board_ns": [t]}}
        os.write(1, pack(answer, blob))
edges.finish(now())
"""


class Board:
    """A running emulated board and how ssh reaches it."""

    def __init__(self, context: EmulatorContext) -> None:
        self.context = context
        self.process = EmulatorProcess("board", "powerlab.emulation.board:serve", context)

    def ssh(self, command: str, *options: str) -> list[str]:
        """Get the command line of the system's ssh for one remote command."""
        directory = self.context.directory
        return [
            *("ssh", "-F", "none", "-T", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"),
            *options,
            *("-o", "StrictHostKeyChecking=yes", "-i", str(directory / USER_KEY)),
            *("-o", f"UserKnownHostsFile={directory / KNOWN_HOSTS}"),
            *("-p", str(self.process.address["port"]), "powerlab@127.0.0.1", command),
        ]

    def run(self, command: str, *options: str, data: bytes = b"") -> subprocess.CompletedProcess:
        """Run one remote command to its end."""
        argv = self.ssh(command, *options)
        return subprocess.run(argv, input=data, capture_output=True, timeout=LIMIT_S, check=False)


class Talk:
    """A conversation with a small agent on the board."""

    def __init__(self, board: Board) -> None:
        command = shlex.join([sys.executable, "-u", "-c", AGENT])
        self.child = subprocess.Popen(
            board.ssh(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self.unpacker = Unpacker()
        self.pid = self.next()[0]["pid"]

    def next(self):
        """Get the next frame."""
        while True:
            data = self.child.stdout.read(65536)
            assert data, "the agent is gone"
            frames = self.unpacker.feed(data)
            if frames:
                return frames[0]

    def ask(self, do: str, blob: bytes = b""):
        """Send one message and get its answer."""
        self.child.stdin.write(pack({"do": do, "id": 1}, blob))
        return self.next()

    def close(self) -> int:
        """End the conversation as a host does, and get ssh's exit status."""
        self.child.stdin.close()
        self.child.stdout.close()
        return self.child.wait(LIMIT_S)


def wait_for(condition):
    """Wait for a state within the limit; fail where it does not come."""
    deadline = now_ns() + LIMIT_S * S
    while not (found := condition()):
        assert now_ns() < deadline, "the awaited state never came"
        time.sleep(0.002)
    return found


def gone(pid: int) -> bool:
    """Tell whether a process has ended."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


@pytest.fixture
def start(tmp_path, device):
    """Get a starter of emulated boards with faults."""
    boards = []

    def begin(*faults: str) -> Board:
        context = EmulatorContext(tmp_path, 5, device, faults=parse_faults(faults))
        context.edges.mkdir()
        context.box.mkdir()
        boards.append(Board(context))
        boards[-1].process.wait_ready()
        return boards[-1]

    yield begin
    for board in boards:
        board.process.stop()


def test_commands_are_real_processes(start):
    """Output, errors, exit status, input and environment are those of a process in the box."""
    board = start()
    done = board.run("sh -c 'echo out; echo err >&2; pwd; exit 3'")
    box = str(board.context.box)
    assert (done.returncode, done.stdout, done.stderr) == (3, f"out\n{box}\n".encode(), b"err\n")
    data = os.urandom(1 << 21)
    assert board.run("cat", data=data).stdout == data
    names = dict(line.split("=", 1) for line in board.run("env").stdout.decode().splitlines())
    assert names["POWERLAB_EMULATED"] == "1"
    assert names["HOME"] == names["TMPDIR"] == box
    assert "POWERLAB_HOME" not in names
    missing = board.run("no-such-python -c 1")
    assert missing.returncode == 127
    assert b"no-such-python: command not found" in missing.stderr
    assert board.run("sh -c 'kill -9 $$'").returncode == 255


def test_only_the_bench_s_own_keys_open(start, tmp_path):
    """Another user key is refused, and so is the board where its host key is not known."""
    board = start()
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", str(other)], check=True)
    refused = board.run("true", "-i", str(other), "-o", "PasswordAuthentication=no")
    assert refused.returncode == 0  # ssh goes on to the right key
    other.replace(board.context.directory / USER_KEY)
    refused = board.run("true")
    assert (refused.returncode, b"Permission denied" in refused.stderr) == (255, True)
    (board.context.directory / KNOWN_HOSTS).write_text("")
    unknown = board.run("true")
    assert unknown.returncode == 255
    assert b"Host key verification failed" in unknown.stderr


def test_instants_come_on_the_board_s_clock(start, device):
    """Board instants are shifted by offset and a small rate; plain ones and blobs are not."""
    talk = Talk(start())
    answers = [talk.ask("ping", b"\0\1PL1") for _ in range(20)]
    assert talk.unpacker.noise == b"Welcome\n"
    offset_ns = round(device.emulation.clock_offset_s * S)
    for message, blob in answers:
        assert blob == b"\0\1PL1"
        assert message["l_board_ns"] == [message["t_board_ns"]]
        drift_ns = message["t_board_ns"] - message["t_ns"] - offset_ns
        assert abs(drift_ns) < 40e-6 * LIMIT_S * S
    assert talk.close() == 0


def test_edges_are_kept_and_a_killed_agent_ends_idle(start):
    """The edge file outlives its agent; killed while busy, it has stopped drawing power."""
    board = start()
    talk = Talk(board)
    talk.ask("busy")
    talk.ask("idle")
    talk.ask("busy")
    os.kill(talk.pid, 9)
    assert talk.child.wait(LIMIT_S) == 255
    talk.close()
    tail = EdgesTail(board.context.edges)
    wait_for(lambda: tail.poll(scan=True).level.tolist() == [1, 0, 1, 0])


def test_a_host_that_leaves_ends_its_command(start):
    """When ssh is killed the command on the board dies, children included."""
    board = start()
    script = "sleep 1000 & echo $!; echo $$; wait"
    child = subprocess.Popen(board.ssh(f"sh -c {shlex.quote(script)}"), stdout=subprocess.PIPE)
    pids = [int(child.stdout.readline()) for _ in range(2)]
    child.kill()
    child.wait(LIMIT_S)
    child.stdout.close()
    for pid in pids:
        wait_for(lambda pid=pid: gone(pid))


def test_a_stopped_board_leaves_nothing_running(start):
    """Ending the board's process ends what runs on it."""
    board = start()
    talk = Talk(board)
    board.process.stop()
    wait_for(lambda: gone(talk.pid))
    talk.close()


def test_a_killed_board_leaves_nothing_running(start):
    """Even killed it takes its commands with it."""
    board = start()
    talk = Talk(board)
    os.kill(board.process.pid, 9)
    wait_for(lambda: gone(talk.pid))
    talk.close()


def test_an_agent_crashes_on_request(start):
    """The fault kills the agent some time after its first busy edge."""
    board = start("agent-crash@0.05s")
    talk = Talk(board)
    talk.ask("busy")
    assert talk.child.wait(LIMIT_S) == 255
    talk.close()


def test_the_clock_steps_on_request(start):
    """Board time jumps ahead once, at the instant asked for after the first busy edge."""
    talk = Talk(start("clock-step@0.1s"))
    message, _ = talk.ask("busy")
    busy_ns, before = message["t_ns"], message["t_board_ns"] - message["t_ns"]
    while message["t_ns"] - busy_ns < 0.15 * S:
        message, _ = talk.ask("ping")
        jump_ns = message["t_board_ns"] - message["t_ns"] - before
        late = message["t_ns"] - busy_ns > 0.1 * S + 1_000_000
        assert abs(jump_ns - (CLOCK_STEP_S * S if late else 0)) < 1_000_000 or not late
    assert jump_ns > 0.2 * S
    talk.close()
