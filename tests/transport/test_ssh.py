"""The ssh command line, and OpenSSH's own words turned into errors."""

from __future__ import annotations

import itertools

import pytest

from powerlab.errors import ConfigError, SetupError, TargetError
from powerlab.transport.ssh import Address, parse_address, ssh_command
from powerlab.transport.ssh_failures import explain_ssh_failure

CHANGED = """\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
Someone could be eavesdropping on you right now (man-in-the-middle attack)!
It is also possible that a host key has just been changed.
The fingerprint for the ED25519 key sent by the remote host is
SHA256:5tbqb7eePzbFBDIVEjTdTkMDMNEsFxJRLhNJEcBsJWE.
Please contact your system administrator.
Add correct host key in /home/me/.ssh/known_hosts to get rid of this message.
Offending ED25519 key in /home/me/.ssh/known_hosts:7
  remove with:
  ssh-keygen -f "/home/me/.ssh/known_hosts" -R "nano"
Host key for nano has changed and you have requested strict checking.
Host key verification failed.
"""

UNKNOWN = """\
No ED25519 host key is known for [10.0.0.7]:2222 and you have requested strict checking.
Host key verification failed.
"""


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("nano", Address("nano")),
        ("me@nano", Address("nano", "me")),
        ("me@10.0.0.7:2222", Address("10.0.0.7", "me", 2222)),
        ("nano:2222", Address("nano", "", 2222)),
        ("[fe80::1%eth0]:22", Address("fe80::1%eth0", "", 22)),
        ("me@[::1]", Address("::1", "me")),
        ("::1", Address("::1")),
        ("me@corp@nano", Address("nano", "me@corp")),
    ],
)
def test_addresses(host: str, address: Address) -> None:
    """Aliases, users, ports and IPv6 addresses are told apart."""
    assert parse_address(host) == address


@pytest.mark.parametrize(
    "host",
    ["", "-oProxyCommand=evil", "me@", "nano:", "nano:0", "nano:65536", "nano:ssh", "na no",
     "-l@nano", "[nano", "me@-x"],
)  # fmt: skip
def test_no_addresses(host: str) -> None:
    """What ssh could not use, or would take for an option, is refused."""
    with pytest.raises(ConfigError, match="no address for ssh") as caught:
        parse_address(host)
    assert "user@host:port" in caught.value.hint


def test_command_for_a_real_bench() -> None:
    """Without options of its own a bench leaves all to the user's configuration."""
    argv = ssh_command("nano", remote_argv=["python3", "-c", "print('a b')"])
    assert argv[:2] == ["ssh", "-T"]
    assert argv[-3:] == ["--", "nano", "python3 -c 'print('\"'\"'a b'\"'\"')'"]
    assert not {"-F", "-i", "-p"} & set(argv)
    assert {"BatchMode=yes", "StrictHostKeyChecking=yes", "ServerAliveInterval=600"} <= set(argv)
    assert not any("UserKnownHostsFile" in word for word in argv)


def test_command_with_everything() -> None:
    """Configuration, key, known hosts and port become ssh's options."""
    argv = ssh_command(
        "me@10.0.0.7:2222",
        ssh_config="none",
        identity_file="/keys/id",
        known_hosts_file="/a b/known%",
        remote_argv=["~/venv/bin/python"],
    )
    pairs = list(itertools.pairwise(argv))
    assert ("-F", "none") in pairs
    assert ("-i", "/keys/id") in pairs
    assert ("-p", "2222") in pairs
    assert "IdentitiesOnly=yes" in argv
    assert 'UserKnownHostsFile="/a b/known%%"' in argv
    assert argv[-2:] == ["me@10.0.0.7", "~/venv/bin/python"]


def test_host_key_changed() -> None:
    """A changed host key names the file and line to mend, and why not to do so blindly."""
    error = explain_ssh_failure(CHANGED, 255, "nano")
    assert isinstance(error, TargetError)
    assert "host key of nano has changed" in error.message
    assert 'ssh-keygen -f "/home/me/.ssh/known_hosts" -R "nano"' in error.hint
    assert error.context["stderr"] == CHANGED


def test_host_key_unknown() -> None:
    """An unknown host key comes with the two ways to accept it."""
    error = explain_ssh_failure(UNKNOWN, 255, "me@10.0.0.7:2222", known_hosts_file="/lab/known")
    assert "not known yet" in error.message
    assert "ssh -p 2222 me@10.0.0.7" in error.hint
    assert "ssh-keyscan -p 2222 10.0.0.7 >> /lab/known" in error.hint


CONNECT = "ssh: connect to host 10.0.0.7 port 22: "
DENIED = "root@nano: Permission denied (publickey,password)."
TOO_MANY = "Received disconnect from 10.0.0.7 port 22:2: Too many authentication failures"
BANNER = "Connection timed out during banner exchange\nConnection to UNKNOWN port -1 timed out"
NO_KEY = "Warning: Identity file /k/id not accessible: No such file or directory.\n" + DENIED
BAD_KEY = 'Load key "/k/id": error in libcrypto\n' + DENIED
ALGORITHMS = "Unable to negotiate with 10.0.0.7 port 22: no matching host key type found."
CLOSED = "the connection to nano was closed"


@pytest.mark.parametrize(
    ("stderr", "message", "hint"),
    [
        (CONNECT + "Connection refused", "nothing listens on its port 22", "ssh server"),
        (CONNECT + "Connection timed out", "cannot be reached", "ping"),
        (CONNECT + "No route to host", "No route to host", "ping"),
        (CONNECT + "Cannot assign requested address", "Cannot assign", "ssh nano"),
        (BANNER, "cannot be reached: Connection timed out", "ping"),
        ("ssh: Could not resolve hostname nano: Name unknown", "cannot be resolved", "spelling"),
        (DENIED, "refuses the login (publickey,password)", "ssh-copy-id nano"),
        (NO_KEY, "refuses the login", "/k/id not accessible"),
        (BAD_KEY, "refuses the login", "libcrypto"),
        (TOO_MANY, "too many keys", "identity_file"),
        (ALGORITHMS, "no algorithm in common", "update"),
        ("kex_exchange_identification: Connection closed by remote host", CLOSED, "still on"),
        ("Connection closed by 10.0.0.7 port 22", CLOSED, "still on"),
        ("Timeout, server nano not responding.", CLOSED, "still on"),
        ("Host key verification failed.", "could not be verified", "ssh nano"),
    ],
)
def test_failures_of_the_target(stderr: str, message: str, hint: str) -> None:
    """Each of OpenSSH's complaints becomes one line and what to do, in the target's family."""
    error = explain_ssh_failure(stderr + "\r\n", 255, "nano")
    assert isinstance(error, TargetError)
    assert message in error.message
    assert hint in error.hint
    assert "{" not in error.message + error.hint


@pytest.mark.parametrize(
    "stderr",
    [
        "Can't open user config file /x: No such file or directory",
        "/home/me/.ssh/config: line 3: Bad configuration option: hots\n/home/me/… terminating",
        "Bad owner or permissions on /home/me/.ssh/config",
    ],
)
def test_failures_of_the_configuration(stderr: str) -> None:
    """What ssh dislikes in its configuration is a configuration error with its words."""
    error = explain_ssh_failure(stderr, 255, "nano")
    assert isinstance(error, ConfigError)
    assert stderr.splitlines()[0] in error.message


def test_user_without_a_passwd_entry() -> None:
    """A container's nameless user is this computer's trouble, and how to mend it is said."""
    error = explain_ssh_failure("No user exists for uid 4711\n", 255, "nano")
    assert isinstance(error, SetupError)
    assert "4711" in error.message


@pytest.mark.parametrize(("status", "said"), [(127, "not found"), (126, "Permission denied")])
def test_no_python_on_the_board(status: int, said: str) -> None:
    """A shell that cannot start the interpreter is told from ssh's own failures."""
    error = explain_ssh_failure(
        f"bash: line 1: python4: {said}\n", status, "nano", python="python4"
    )
    assert "nano has no Python that can be started as python4" in error.message


def test_anything_else() -> None:
    """What is not known is shown: the status, the last words, and how to try by hand."""
    error = explain_ssh_failure("Welcome\nquota exceeded\n", 1, "me@nano:2222")
    assert "status 1: quota exceeded" in error.message
    assert error.hint == "try it by hand: ssh -p 2222 me@nano python3 --version"
    assert "said nothing" in explain_ssh_failure("", 255, "nano").message
