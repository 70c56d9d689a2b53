"""An SSH server on loopback for the tests, as a process: runs commands as a board would.

It makes its host key and a user key in the directory given, prints its port, greets every
login with a banner and with noise on the command's stdout (a talkative .bashrc), and ends,
with everything it started, when its stdin does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

import asyncssh

NOISE = b"Welcome to the board!\r\n\x01PL reboot required\n"


class Server(asyncssh.SSHServer):
    """Greets before authentication, then asks for the user's key."""

    def connection_made(self, conn: Any) -> None:
        """Keep the connection for the banner."""
        self._conn = conn

    def begin_auth(self, username: str) -> bool:
        """Send the banner; everyone must authenticate."""
        self._conn.send_auth_banner(f"Authorized use only, {username}\n")
        return True


async def _pump(source: Any, sink: Any) -> None:
    """Pass bytes on to the end; who reads no more loses them, as with OpenSSH's server."""
    with contextlib.suppress(OSError, asyncssh.Error):
        while data := await source.read(1 << 16):
            sink.write(data)
            await sink.drain()
    if isinstance(sink, asyncio.StreamWriter):
        sink.close()


async def _run(process: asyncssh.SSHServerProcess[bytes]) -> None:
    process.stdout.write(NOISE)
    child = await asyncio.create_subprocess_shell(
        process.command or "",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    feeding = asyncio.create_task(_pump(process.stdin, child.stdin))
    try:
        await asyncio.gather(
            _pump(child.stdout, process.stdout), _pump(child.stderr, process.stderr)
        )
        status = await child.wait()
        if status < 0:
            process.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))
        else:
            process.exit(status)
    finally:
        feeding.cancel()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def _make_key(path: Path) -> None:
    path.touch(mode=0o600)
    key = asyncssh.generate_private_key("ssh-ed25519")
    path.write_bytes(key.export_private_key("openssh"))
    path.with_suffix(".pub").write_bytes(key.export_public_key("openssh"))


async def _serve(directory: Path) -> None:
    for name in ("host_key", "user_key", "other_key"):
        _make_key(directory / name)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_reader(0, stop.set)
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=Server,
        server_host_keys=[str(directory / "host_key")],
        authorized_client_keys=str(directory / "user_key.pub"),
        process_factory=_run,
        encoding=None,
    )
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await stop.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
