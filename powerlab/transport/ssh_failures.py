"""What OpenSSH says when it fails, turned into what happened and what to do."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from dataclasses import dataclass

from powerlab.errors import ConfigError, PowerlabError, SetupError, TargetError
from powerlab.transport.ssh import Address, parse_address

COMMAND_NOT_FOUND = 127
COMMAND_NOT_EXECUTABLE = 126
SSH_FAILED = 255


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed ssh: whom it was for, the matching line, and everything it said."""

    host: str
    address: Address
    match: re.Match[str]
    stderr: str
    known_hosts_file: str


def ssh_missing() -> SetupError:
    """Get the error of a computer without an ssh client."""
    return SetupError(
        "this computer has no ssh client",
        hint="install it: apt-get install openssh-client (Debian, Ubuntu)",
    )


def ssh_killed(host: str, number: int, stderr: str) -> SetupError:
    """Get the error for an ssh client that a signal ended here, whatever the board did."""
    name = signal.strsignal(number) or "unknown"
    return SetupError(
        f"the ssh client of the connection to {host} was ended on this computer by signal "
        f"{number} ({name})",
        hint="something on this computer killed ssh, perhaps for want of memory (dmesg here "
        "tells); the board is not to blame. Measure again",
        context={"signal": number, "stderr": stderr},
    )


def explain_ssh_failure(
    stderr: str, returncode: int, host: str, *, known_hosts_file: str = "", python: str = "python3"
) -> PowerlabError:
    """Get the error for an ssh process that ended before the agent answered.

    ``returncode`` is that of ssh: 255 for its own failures, else the remote command's.
    SetupError and ConfigError where the trouble is on this computer, else TargetError.
    """
    not_started = re.search(r": (?:command )?not found$", stderr, re.MULTILINE)
    if returncode in (COMMAND_NOT_FOUND, COMMAND_NOT_EXECUTABLE) or not_started:
        return TargetError(
            f"{host} has no Python that can be started as {python}",
            hint="install python3 on the board, or name its interpreter in the bench (python = …)",
            context={"stderr": stderr},
        )
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    said = lines[-1] if lines else "it said nothing"
    if returncode == SSH_FAILED:  # any other status is the remote command's own
        known = known_ssh_failure(stderr, host, known_hosts_file=known_hosts_file)
        if known is not None:
            return known
    address = parse_address(host)
    who = "ssh" if returncode == SSH_FAILED else "the command on the board"
    return TargetError(
        f"no agent on {host}: {who} ended with status {returncode}: {said}",
        hint=f"try it by hand: ssh {_by_hand(address)} {python} --version",
        context={"stderr": stderr},
    )


def known_ssh_failure(
    stderr: str, host: str, *, known_hosts_file: str = ""
) -> PowerlabError | None:
    """Get the error for words of ssh's own that are known; None where there are none."""
    address = parse_address(host)
    for pattern, explain in _FAILURES:
        match = re.search(pattern, stderr, re.MULTILINE)
        if match:
            return explain(Failure(host, address, match, stderr, known_hosts_file))
    return None


def _by_hand(address: Address) -> str:
    return (f"-p {address.port} " if address.port else "") + address.login


def _target(what: str, hint: str) -> Callable[[Failure], PowerlabError]:
    """Get an explanation by templates: {host}, {hand} and the groups of the pattern."""

    def explain(failure: Failure) -> PowerlabError:
        words = {"host": failure.host, "hand": _by_hand(failure.address)}
        words |= {key: value or "" for key, value in failure.match.groupdict().items()}
        return TargetError(
            what.format(**words), hint=hint.format(**words), context={"stderr": failure.stderr}
        )

    return explain


def _host_key_changed(failure: Failure) -> PowerlabError:
    offending = re.search(r"^Offending \S+ key in (.+):\d+", failure.stderr, re.MULTILINE)
    file = offending[1] if offending else failure.known_hosts_file
    where = f'-f "{file}" ' if file else ""
    return TargetError(
        f"the host key of {failure.host} has changed: this is another computer than the one "
        "accepted before, or it was installed anew, or someone is in between",
        hint="find out why first; its figures would be filed under the other board's name. "
        f'If it is right: ssh-keygen {where}-R "{failure.match["name"]}", then accept the new '
        f"key with: ssh {_by_hand(failure.address)}",
        context={"stderr": failure.stderr},
    )


def _host_key_unknown(failure: Failure) -> PowerlabError:
    address = failure.address
    name = failure.match["name"]
    bracketed = re.fullmatch(r"\[(.+)\]:(\d+)", name)
    target = f"-p {bracketed[2]} {bracketed[1]}" if bracketed else name
    file = failure.known_hosts_file or "~/.ssh/known_hosts"
    return TargetError(
        f"the host key of {failure.host} is not known yet on this computer",
        hint=f"accept it once: ssh {_by_hand(address)} (or: ssh-keyscan {target} >> {file}), and "
        "compare the fingerprint with the board's own: "
        "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
        context={"stderr": failure.stderr},
    )


def _denied(failure: Failure) -> PowerlabError:
    key = re.search(
        r"^(?:Warning: Identity file \S+ not accessible.*|Load key .+: .+|"
        r"Permissions .+ for '.+' are too open)",
        failure.stderr,
        re.MULTILINE,
    )
    if key:
        hint = f"ssh could not use the key: {key[0].strip()}"
    else:
        hint = (
            f"copy your key to the board: ssh-copy-id {_by_hand(failure.address)}, or name the "
            "right key and user (identity_file in the bench, or ~/.ssh/config)"
        )
    return TargetError(
        f"{failure.host} refuses the login ({failure.match['methods']})",
        hint=hint,
        context={"stderr": failure.stderr},
    )


def _no_passwd_entry(failure: Failure) -> PowerlabError:
    return SetupError(
        f"ssh cannot run as this user: user id {failure.match['uid']} has no passwd entry here",
        hint="run as a user that `getent passwd $(id -u)` knows; in a container, add one with "
        "useradd or mount /etc/passwd",
        context={"stderr": failure.stderr},
    )


def _configuration(failure: Failure) -> PowerlabError:
    return ConfigError(
        f"ssh refuses its configuration: {failure.match[0].strip()}",
        hint="mend that file, or name another one in the bench (ssh_config = …)",
        context={"stderr": failure.stderr},
    )


_FAILURES: tuple[tuple[str, Callable[[Failure], PowerlabError]], ...] = (
    (
        r"^(?:Host key for|Password authentication|.*host key for) (?P<name>\S+) has changed",
        _host_key_changed,
    ),
    (r"^No .*host key is known for (?P<name>\S+) and you have requested", _host_key_unknown),
    (
        r"^Host key verification failed",
        _target(
            "the host key of {host} could not be verified",
            "see what ssh says: ssh {hand}",
        ),
    ),
    (r"^No user exists for uid (?P<uid>\d+)", _no_passwd_entry),
    (
        (
            r"^(?:Can't open user config file .+|Bad owner or permissions on .+|"
            r".*line \d+: (?:Bad|keyword|missing argument|unsupported option|no argument) ?.+|"
            r".*: terminating, \d+ bad configuration options)"
        ),
        _configuration,
    ),
    (r"Permission denied \((?P<methods>[^)]*)\)", _denied),
    (
        r"Too many authentication failures",
        _target(
            "{host} refuses the login: too many keys were offered",
            "name the right one (identity_file in the bench, or IdentitiesOnly in ~/.ssh/config)",
        ),
    ),
    (
        r"^ssh: Could not resolve hostname (?P<name>\S+): (?P<why>.+)$",
        _target(
            "the name {name} cannot be resolved: {why}",
            "check its spelling in the bench and in ~/.ssh/config, or give the board's address",
        ),
    ),
    (
        r"^ssh: connect to host (?P<name>\S+) port (?P<port>\d+): Connection refused",
        _target(
            "{name} is there, but nothing listens on its port {port}",
            "start the ssh server on the board (sudo systemctl start ssh), or correct the port",
        ),
    ),
    (
        (
            r"^ssh: connect to host \S+ port \d+: "
            r"(?P<why>(?:Connection|Operation) timed out|No route to host|Network is unreachable)"
            r"|^(?P<late>Connection timed out) during banner exchange"
        ),
        _target(
            "{host} cannot be reached: {why}{late}",
            "check that the board is on and in the same network: ping it, then ssh {hand}",
        ),
    ),
    (
        r"^ssh: connect to host \S+ port \d+: (?P<why>.+)$",
        _target("{host} cannot be reached: {why}", "check it by hand: ssh {hand}"),
    ),
    (
        r"^Unable to negotiate with .*: (?P<why>.+)$",
        _target(
            "ssh and {host} have no algorithm in common: {why}",
            "update the board's ssh server, or allow its algorithms in ~/.ssh/config",
        ),
    ),
    (
        (
            r"^(?:Timeout, server .* not responding|Connection to .* closed by remote host|"
            r"client_loop: send disconnect: .*|(?:kex|ssh)_exchange_identification: .*|"
            r"Connection (?:closed|reset) by .*)"
        ),
        _target(
            "the connection to {host} was closed",
            "check that the board is still on, that an ssh server listens there, and the network",
        ),
    ),
)
