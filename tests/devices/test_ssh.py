"""The agent behind a real ssh client and a real SSH server, on loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from powerlab.agent import edges
from powerlab.catalog.bench_profile import Bench
from powerlab.devices.open import open_board
from powerlab.errors import ConfigError, SetupError, TargetError
from powerlab.transport import ssh_failures
from tests.devices.conftest import LoopbackServer

pytestmark = pytest.mark.skipif(
    subprocess.run(["which", "ssh"], capture_output=True, check=False).returncode != 0,
    reason="no ssh client is installed here",
)

MakeBench = Callable[..., Bench]
MakeModel = Callable[[bytes], dict[str, Path]]


def _failure(bench: Bench) -> TargetError:
    with pytest.raises(TargetError) as caught:
        open_board(bench)
    return caught.value


def _agent_of(file: Path) -> int:
    return int(file.stem.removeprefix(edges.PREFIX))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    return state != "Z"


def test_whole_conversation(ssh_bench: MakeBench, server: LoopbackServer, model: MakeModel) -> None:
    """Through banners and noise the agent comes up, works, and goes without a trace."""
    with open_board(ssh_bench()) as link:
        assert b"Welcome" in link._line.noise.encode()
        facts = link.load(model(b"weights"), "model.tflite", runtime="steady")
        assert facts.runtime_module == "steady"
        assert link.warm_up(0.01).passes >= 1
        assert link.run(0, 5, 30.0, 0.0)[1].passes == 5
        assert link.idle(0.001, 0).kind == "idle"
        got = link.exchange_clocks(20)
        assert (got.t2_board_ns - got.t1_ns).min() > 0
        assert (got.t4_ns - got.t3_board_ns).min() > 0
        (file,) = server.place.edge_files()
        agent = _agent_of(file)
    assert server.place.leftovers() == []
    assert not _alive(agent)


def test_large_model(ssh_bench: MakeBench, model: MakeModel) -> None:
    """Megabytes of model pass through the channel's windows whole."""
    with open_board(ssh_bench()) as link:
        link.load(model(os.urandom(5_000_000)), "model.tflite", runtime="steady")


def test_unknown_host_key(ssh_bench: MakeBench) -> None:
    """A host never seen before is not trusted; the two ways to accept it are told."""
    error = _failure(ssh_bench(known_hosts=""))
    assert "is not known yet" in error.message
    assert "ssh-keyscan -p" in error.hint


def test_unknown_host_key_is_cured_by_the_hint(
    ssh_bench: MakeBench, server: LoopbackServer
) -> None:
    """What ssh-keyscan prints for the hint's words makes the host known."""
    hint = _failure(ssh_bench(known_hosts="")).hint
    command = hint.partition("ssh-keyscan ")[2].partition(" >>")[0].split()
    scanned = subprocess.run(
        ["ssh-keyscan", *command], capture_output=True, text=True, check=True
    ).stdout
    assert server.known_hosts_line.strip() in scanned
    open_board(ssh_bench(known_hosts=scanned)).close()


def test_changed_host_key(ssh_bench: MakeBench, server: LoopbackServer, tmp_path: Path) -> None:
    """Another key than the accepted one stops everything, and the hint's line mends it."""
    error = _failure(ssh_bench(known_hosts=server.line_for("other_key")))
    assert "the host key" in error.message
    assert "has changed" in error.message
    known_hosts = tmp_path / "known_hosts"
    assert f'ssh-keygen -f "{known_hosts}" -R "[127.0.0.1]:{server.port}"' in error.hint


def test_refused_key(ssh_bench: MakeBench, server: LoopbackServer) -> None:
    """A key that the board does not accept is an authentication failure with the cure."""
    error = _failure(ssh_bench(identity_file=str(server.directory / "other_key")))
    assert "refuses the login (publickey)" in error.message
    assert f"ssh-copy-id -p {server.port} someone@127.0.0.1" in error.hint


def test_key_that_is_not_there(ssh_bench: MakeBench) -> None:
    """A missing key file is named."""
    error = _failure(ssh_bench(identity_file="/no/such/key"))
    assert "/no/such/key not accessible" in error.hint


def test_closed_port(ssh_bench: MakeBench) -> None:
    """A host without an SSH server is told from one that is off."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        error = _failure(ssh_bench(host=f"someone@127.0.0.1:{port}"))
    assert f"nothing listens on its port {port}" in error.message


def _close_first_caller(listener: socket.socket) -> None:
    listener.accept()[0].close()


def test_port_that_is_no_ssh(ssh_bench: MakeBench) -> None:
    """Something else than SSH behind the port closes the connection, and that is said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_close_first_caller, args=(listener,))
        thread.start()
        port = listener.getsockname()[1]
        error = _failure(ssh_bench(host=f"someone@127.0.0.1:{port}"))
        thread.join()
    assert "was closed" in error.message


def test_port_that_never_answers(ssh_bench: MakeBench) -> None:
    """A listener that says nothing costs no more than the time limit."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        bench = ssh_bench(host=f"someone@127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(TargetError, match="did not answer in time while starting the agent"):
            open_board(bench, start_limit_s=0.3)


def test_name_that_does_not_exist(ssh_bench: MakeBench) -> None:
    """A host name that cannot be resolved is told with the resolver's words."""
    error = _failure(ssh_bench(host="no-such-board.invalid"))
    assert "no-such-board.invalid cannot be resolved" in error.message


def test_bad_configuration(ssh_bench: MakeBench, tmp_path: Path) -> None:
    """An ssh configuration that ssh refuses is a configuration error."""
    config = tmp_path / "config"
    config.write_text("Hots nano\n")
    with pytest.raises(ConfigError, match="Bad configuration option: hots"):
        open_board(ssh_bench(ssh_config=str(config)))


def test_configuration_is_obeyed(
    ssh_bench: MakeBench, server: LoopbackServer, tmp_path: Path
) -> None:
    """Alias, user, port and key may all stand in the user's ssh configuration."""
    known_hosts, config = tmp_path / "known_hosts", tmp_path / "config"
    config.write_text(
        f"Host nano\n  HostName 127.0.0.1\n  Port {server.port}\n  User someone\n"
        f"  IdentityFile {server.directory / 'user_key'}\n  UserKnownHostsFile {known_hosts}\n"
    )
    bench = ssh_bench(host="nano", ssh_config=str(config), identity_file="", known_hosts_file="")
    with open_board(bench) as link:
        assert link.hello()["python"]


def test_no_python(ssh_bench: MakeBench) -> None:
    """A board without the interpreter is told by its name."""
    error = _failure(ssh_bench(python="python4.2"))
    assert "has no Python that can be started as python4.2" in error.message


def test_no_ssh_client(ssh_bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ssh the Debian package to install is named."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SetupError, match="no ssh client") as caught:
        open_board(ssh_bench())
    assert "openssh-client" in caught.value.hint


@pytest.mark.parametrize(
    ("way", "said"), [(b"s", "signal 11 (SIGSEGV)"), (b"k", "signal 9 (SIGKILL)")]
)
def test_crash_of_the_runtime(
    ssh_bench: MakeBench, server: LoopbackServer, model: MakeModel, way: bytes, said: str
) -> None:
    """A crash on the far side is told by its signal, which ssh alone would not tell."""
    with open_board(ssh_bench()) as link:
        link.load(model(way), "model.tflite", runtime="crash")
        with pytest.raises(TargetError) as caught:
            link.run(0, 5, 30.0, 0.0)
    assert f"the agent on someone@127.0.0.1:{server.port} ended with {said}" in caught.value.message
    assert server.place.leftovers() == []


def test_ssh_client_killed_here(ssh_bench: MakeBench, server: LoopbackServer) -> None:
    """A killed ssh client is this computer's trouble: the board is not accused."""
    with open_board(ssh_bench()) as link:
        os.kill(link._line._channel.pid, signal.SIGKILL)
        with pytest.raises(SetupError, match="was ended on this computer by signal 9") as caught:
            link.hello()
    assert "the board is not to blame" in caught.value.hint
    assert caught.value.context["signal"] == 9
    while server.place.leftovers():
        pass


def test_everything_killed_on_the_board(
    ssh_bench: MakeBench, server: LoopbackServer, model: MakeModel
) -> None:
    """Agent and supervisor killed at once: a clear line still; the next agent tidies up."""
    with open_board(ssh_bench()) as link:
        link.load(model(b"weights"), "model.tflite", runtime="steady")
        (file,) = server.place.edge_files()
        agent = _agent_of(file)
        killer = threading.Thread(target=_kill_group_once_busy, args=(file, agent))
        killer.start()
        with pytest.raises(TargetError, match="was ended by a signal"):
            link.run(0, 100_000, 60.0, 0.0)
        killer.join()
    assert not _alive(agent)
    assert server.place.edge_files() == [file]
    open_board(ssh_bench()).close()
    assert server.place.leftovers() == []


def _kill_group_once_busy(file: Path, pid: int) -> None:
    while not edges.read_edges(file.read_bytes()):
        pass
    os.killpg(os.getpgid(pid), signal.SIGKILL)


HOST = """
import os, sys
from powerlab.catalog.bench_profile import Bench
from powerlab.devices.open import open_board
link = open_board(Bench.model_validate_json(sys.argv[1]))
print(link._line._channel.pid, flush=True)
sys.stdin.read()
"""


def test_host_killed(ssh_bench: MakeBench, server: LoopbackServer) -> None:
    """When powerlab itself is killed, ssh and agent go, and the edge file with them."""
    argv = [sys.executable, "-c", HOST, ssh_bench().model_dump_json()]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as host:
        assert host.stdout is not None
        client = int(host.stdout.readline())
        (file,) = server.place.edge_files()
        agent = _agent_of(file)
        assert _alive(client)
        assert _alive(agent)
        host.kill()
    while _alive(client) or _alive(agent) or server.place.leftovers():
        pass


def test_wrong_user_id(ssh_bench: MakeBench, tmp_path: Path) -> None:
    """A user without a passwd entry is told that ssh needs one, by ssh's own words."""
    if os.getuid() != 0:
        pytest.skip("only root can try another user id")
    done = subprocess.run(
        ["ssh", "-F", "none", "127.0.0.1"], user=54321, capture_output=True, text=True, check=False
    )
    error = ssh_failures.explain_ssh_failure(done.stderr, done.returncode, "127.0.0.1")
    assert isinstance(error, SetupError)
    assert "54321" in error.message
