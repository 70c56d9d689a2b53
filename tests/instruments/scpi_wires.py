"""Wires for the SCPI drivers: an emulator in the same process, and a socket that misbehaves."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

S = 1_000_000_000


class VirtualTime:
    """A clock that moves when somebody waits."""

    def __init__(self) -> None:
        self.now_ns = 70_000 * S

    def clock(self) -> int:
        """Get the virtual instant; asking takes a microsecond."""
        self.now_ns += 1000
        return self.now_ns

    def wait_until(self, at_ns: int) -> None:
        """Let virtual time pass."""
        self.now_ns = max(self.now_ns, at_ns)

    def sleep(self, seconds: float) -> None:
        """Let seconds pass."""
        self.now_ns += round(seconds * S)


class Direct:
    """A text link straight into an emulated instrument."""

    resource = "TCPIP0::direct::5025::SOCKET"

    def __init__(self, instrument) -> None:
        self.instrument = instrument
        self.sent: list[str] = []
        self.closed = False
        self.answer: Callable[[str, str], str] = lambda _command, told: told
        self.hurt: Callable[[str, bytes], bytes] = lambda _command, told: told
        self.identity = self.query("*IDN?")

    def write(self, command: str) -> None:
        """Send a command."""
        self.sent.append(command)
        assert self.instrument.handle(command) == b"", f"{command} was answered"

    def query(self, command: str, limit_s: float = 2.0) -> str:
        """Send a query and get its answer, as ``answer`` lets it through."""
        self.sent.append(command)
        self.instrument.tick()
        told = self.instrument.handle(command)
        return self.answer(command, told.decode().rstrip("\n"))

    def query_framed(self, command: str, missing, limit_s: float = 2.0) -> bytes:
        """Send a query and get its answer as it is, to the byte that ``missing`` says."""
        self.sent.append(command)
        self.instrument.tick()
        told = self.hurt(command, self.instrument.handle(command))
        assert missing(bytearray(told)) in (0, -1), f"{command} was not answered whole"
        return told

    def close(self) -> None:
        """Note that the link was let go."""
        self.closed = True


class Stop(threading.Event):
    """A stop that is set at its n-th look, and moves virtual time instead of waiting."""

    def __init__(self, looks: int, time: VirtualTime) -> None:
        super().__init__()
        self._looks, self._time = looks, time

    def wait(self, timeout: float | None = None) -> bool:
        """Tell at once whether it is time to stop."""
        self._time.sleep(timeout or 0.0)
        self._looks -= 1
        return self._looks < 0


Send = Callable[[bytes], None]


@contextmanager
def misbehaving(serve: Callable[[str, Send], bool], seen: list[str] | None = None) -> Iterator[str]:
    """Serve on a socket, client after client: ``serve`` gets a line and how to answer it.

    The connection is closed where it returns False; ``seen`` gets the lines with their ends.
    Gets the resource string.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    clients: list[socket.socket] = []

    def attend(client: socket.socket) -> None:
        with closing(client), suppress(OSError):
            for line in client.makefile("r", encoding="ascii", newline="\n"):
                if seen is not None:
                    seen.append(line)
                if not serve(line.strip(), client.sendall):
                    client.shutdown(socket.SHUT_RDWR)
                    return

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                clients.append(client)
                threading.Thread(target=attend, args=(client,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"TCPIP0::127.0.0.1::{listener.getsockname()[1]}::SOCKET"
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for client in clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        thread.join(5)
