"""The system's ``ssh`` as a transport: one persistent process, host keys always checked.

The user's own configuration (aliases, jump hosts, agents, keys) applies; what is set here
is what a measurement needs: no prompt, no forwarding, a time limit to connect.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from powerlab.errors import ConfigError

CONNECT_TIMEOUT_S = 10

# A keep-alive in a measured window would be traffic in it. ssh sends one after so long
# without a word from the board, and the board says nothing from the start of a window, its
# guards included, to its end: runs may take minutes. A board that is gone is found out by
# the deadline of every wait for the agent, not by this; TCP's own keep-alive stays on.
KEEP_ALIVE_S = 600

_OPTIONS = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    f"ConnectTimeout={CONNECT_TIMEOUT_S}",
    f"ServerAliveInterval={KEEP_ALIVE_S}",
    "ServerAliveCountMax=2",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "RequestTTY=no",
    "EscapeChar=none",
    "LogLevel=INFO",
)


_BRACKETED = re.compile(r"\[(?P<name>[^\s\[\]]+)\](?::(?P<port>\d{1,5}))?\Z")
_NAME_AND_PORT = re.compile(r"(?P<name>[^\s:\[\]-][^\s:\[\]]*)(?::(?P<port>\d{1,5}))?\Z")
_BARE_IPV6 = re.compile(r"(?P<name>[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%\w+)?)\Z")


@dataclass(frozen=True, slots=True)
class Address:
    """Where ``ssh`` shall go: an alias or host name, with an optional user and port."""

    host: str
    user: str = ""
    port: int | None = None

    @property
    def login(self) -> str:
        """Get ``user@host``, or the host alone."""
        return f"{self.user}@{self.host}" if self.user else self.host

    @property
    def known_as(self) -> str:
        """Get the name under which a known-hosts file lists the host, as given."""
        return self.host if self.port in (None, 22) else f"[{self.host}]:{self.port}"


def parse_address(host: str) -> Address:
    """Read an ssh alias, ``user@host``, ``user@host:port`` or ``user@[IPv6]:port``.

    Raises ConfigError where it is none of them.
    """
    user, _, rest = host.rpartition("@")
    found = _BRACKETED.match(rest) or _NAME_AND_PORT.match(rest) or _BARE_IPV6.match(rest)
    if found is not None and not user.startswith("-") and not any(map(str.isspace, user)):
        port = found.groupdict().get("port")
        if port is None or 0 < int(port) < 65536:
            return Address(found["name"], user, None if port is None else int(port))
    raise ConfigError(
        f"{host!r} is no address for ssh",
        hint="give an alias of your ssh configuration, user@host or user@host:port",
    )


def ssh_command(
    host: str,
    *,
    ssh_config: str = "",
    identity_file: str = "",
    known_hosts_file: str = "",
    remote_argv: Sequence[str],
) -> list[str]:
    """Get the words that run ``remote_argv`` on ``host`` by the system's ssh.

    ``ssh_config`` is a file for ``ssh -F`` ("none": no configuration at all); empty options
    leave it to the user's configuration. Remote words are quoted for a POSIX shell; a
    leading ``~/`` is left for it to expand. Raises ConfigError for a malformed host.
    """
    address = parse_address(host)
    argv = ["ssh", "-T"]
    if ssh_config:
        argv += ["-F", ssh_config]
    for option in _OPTIONS:
        argv += ["-o", option]
    if identity_file:
        argv += ["-i", identity_file, "-o", "IdentitiesOnly=yes"]
    if known_hosts_file:
        # ssh splits this option's value at blanks and expands % in it.
        file = known_hosts_file.replace("%", "%%")
        argv += ["-o", f'UserKnownHostsFile="{file}"']
        argv += ["-o", "GlobalKnownHostsFile=none"]
    if address.port is not None:
        argv += ["-p", str(address.port)]
    remote = " ".join(_quote(word) for word in remote_argv)
    return [*argv, "--", address.login, remote]


def _quote(word: str) -> str:
    if word.startswith("~/"):
        return "~/" + shlex.quote(word[2:])
    return shlex.quote(word)
