"""Boards for the tests: this computer as one, directly and behind a real ssh server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from powerlab.agent import edges
from powerlab.catalog.bench_profile import Bench
from powerlab.devices.link import BoardLink
from powerlab.devices.open import open_board

HERE = Path(__file__).parent


@dataclass(frozen=True)
class BoardPlace:
    """The directories of the board under test: its home and its temporary directory."""

    home: Path
    temporary: Path

    def leftovers(self) -> list[str]:
        """Get what is left in the temporary directory."""
        return sorted(path.name for path in self.temporary.iterdir())

    def edge_files(self) -> list[Path]:
        """Get the edge files there now."""
        return sorted(self.temporary.glob(f"{edges.PREFIX}*{edges.SUFFIX}"))


def _environment(root: Path) -> dict[str, str]:
    place = {"HOME": str(root / "home"), "TMPDIR": str(root / "tmp")}
    for path in place.values():
        Path(path).mkdir()
    return {**place, "XDG_CACHE_HOME": "", "PYTHONPATH": str(HERE / "board_adapters")}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BoardPlace:
    """Get the place where a local agent lives, with the tests' own adapters on its path."""
    for key, value in _environment(tmp_path).items():
        monkeypatch.setenv(key, value)
    return BoardPlace(tmp_path / "home", tmp_path / "tmp")


@pytest.fixture
def make_bench() -> Callable[..., Bench]:
    """Get a bench on this computer, or elsewhere, as the options say."""

    def make(**options: Any) -> Bench:
        meter = {"model": "keithley-dmm6500", "resource": "TCPIP::127.0.0.1::1::SOCKET"}
        defaults = {"device": "edgeboard", "host": "local", "python": "", "meter": [meter]}
        return Bench.model_validate(defaults | options)

    return make


@pytest.fixture
def board(place: BoardPlace, make_bench: Callable[..., Bench]) -> Iterator[BoardLink]:
    """Get this computer as a board; afterwards nothing but the model cache may be left."""
    with open_board(make_bench()) as link:
        yield link
    assert place.leftovers() == []


@pytest.fixture
def model(tmp_path: Path) -> Callable[[bytes], dict[str, Path]]:
    """Get a model's files from the content of its main file, "model.tflite"."""

    def make(content: bytes) -> dict[str, Path]:
        path = tmp_path / "model.tflite"
        path.write_bytes(content)
        return {"model.tflite": path}

    return make


@dataclass(frozen=True)
class LoopbackServer:
    """A running server: where it is, its keys, and the board behind it."""

    port: int
    directory: Path
    place: BoardPlace

    @property
    def known_hosts_line(self) -> str:
        """Get the line that makes the server's host key known."""
        return self.line_for("host_key")

    def line_for(self, key: str) -> str:
        """Get a known-hosts line with another key of the directory."""
        words = (self.directory / f"{key}.pub").read_text("ascii").split()[:2]
        return f"[127.0.0.1]:{self.port} {' '.join(words)}\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackServer]:
    """Start the SSH server for the tests of a module."""
    root = tmp_path_factory.mktemp("board")
    environment = _environment(root)
    script = [sys.executable, str(HERE / "loopback_ssh.py"), str(root)]
    with subprocess.Popen(
        script,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**environment, "PATH": "/usr/bin:/bin"},
        cwd=root / "home",
    ) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        yield LoopbackServer(port, root, BoardPlace(root / "home", root / "tmp"))


@pytest.fixture
def ssh_bench(
    server: LoopbackServer, tmp_path: Path, make_bench: Callable[..., Bench]
) -> Callable[..., Bench]:
    """Get a bench behind the server, good unless the options say otherwise."""

    def make(**options: Any) -> Bench:
        known_hosts = tmp_path / "known_hosts"
        known_hosts.write_text(options.pop("known_hosts", server.known_hosts_line))
        defaults = {
            "host": f"someone@127.0.0.1:{server.port}",
            "python": sys.executable,
            "ssh_config": "none",
            "identity_file": str(server.directory / "user_key"),
            "known_hosts_file": str(known_hosts),
        }
        return make_bench(**(defaults | options))

    return make
