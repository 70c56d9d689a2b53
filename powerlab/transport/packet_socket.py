"""A Unix socket that keeps packets whole (SOCK_SEQPACKET): how emulated USB meters are reached."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path

from powerlab.errors import InstrumentError
from powerlab.transport.packet_device import unplugged

LARGEST = 1 << 16


class PacketSocket:
    """A ``PacketLink`` over a socket's path."""

    def __init__(self, resource: str, path: str) -> None:
        self.resource = resource
        self.serial = ""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with short_path(Path(path)) as short:
                self._socket.connect(short)
        except OSError as error:
            self._socket.close()
            raise InstrumentError(
                f"nothing answers at {resource}: {error.strerror or error}",
                hint="this resource is that of an emulated meter: start its emulator first",
            ) from error

    def write(self, packet: bytes) -> None:
        """Send one packet; ``InstrumentError`` where the other end is gone."""
        try:
            self._socket.send(packet)
        except OSError as error:
            raise unplugged(self.resource, error) from error

    def read(self, limit_s: float) -> bytes | None:
        """Get the next packet, or None where none came in time."""
        try:
            if not select.select([self._socket], [], [], max(0.0, limit_s))[0]:
                return None
            packet = self._socket.recv(LARGEST)
        except (OSError, ValueError) as error:  # ValueError: closed by another thread
            raise unplugged(self.resource, error) from error
        if not packet:  # no packet of this kind is empty: the other end has closed
            raise unplugged(self.resource, "closed by the other end")
        return packet

    def close(self) -> None:
        """Close the socket; never raises."""
        with contextlib.suppress(OSError):
            self._socket.close()


@contextlib.contextmanager
def short_path(path: Path) -> Iterator[str]:
    """Get a name for a socket's path that the 107 bytes of an address can hold.

    ``OSError`` where its directory does not exist.
    """
    if len(os.fsencode(path)) < 100:
        yield str(path)
        return
    if len(os.fsencode(path.name)) > 64:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(path))
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
