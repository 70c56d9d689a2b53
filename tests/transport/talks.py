"""A TCP socket that says what a test wants, for the links of this folder."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

IDENTITY = b"KEITHLEY INSTRUMENTS,MODEL DMM6500,04592448,1.7.12b\n"

Talk = Callable[[socket.socket, "Lines"], None]


class Lines:
    """Lines that a client sends, read one at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("rb")

    def next(self) -> str:
        """Get the next line without its end, empty at the end of the connection."""
        return self._file.readline().decode().rstrip("\n")

    def close(self) -> None:
        """Let the connection go."""
        self._file.close()


@contextmanager
def served(*talks: Talk) -> Iterator[str]:
    """Serve one talk per connection, in order; gives the VISA resource string."""
    listener = socket.create_server(("127.0.0.1", 0))
    failures: list[BaseException] = []

    def serve() -> None:
        connections = []
        try:
            for talk in talks:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                lines = Lines(connection)
                connections.append((connection, lines))
                talk(connection, lines)
        except OSError:
            pass
        except BaseException as error:  # noqa: BLE001 - told to the test below
            failures.append(error)
        finally:
            for connection, lines in connections:
                lines.close()
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"TCPIP0::127.0.0.1::{listener.getsockname()[1]}::SOCKET"
    finally:
        listener.close()
        thread.join(10)
        assert not thread.is_alive()
    assert not failures


def identify(connection: socket.socket, lines: Lines) -> None:
    """Answer the first question of every session."""
    assert lines.next() == "*IDN?"
    connection.sendall(IDENTITY)
