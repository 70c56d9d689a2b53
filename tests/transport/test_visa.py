"""The guards around PyVISA, each against a real TCP socket that misbehaves on purpose."""

from __future__ import annotations

import socket

import pytest

from powerlab.errors import InstrumentError, InstrumentProtocolError
from powerlab.transport import visa
from powerlab.transport.visa import ReplyTimeout, open_visa
from tests.transport.talks import IDENTITY, Lines, identify, served


def test_identity_and_queries_come_back_without_line_ends() -> None:
    """A session knows who answered and returns bare answers."""

    def talk(connection: socket.socket, lines: Lines) -> None:
        identify(connection, lines)
        assert lines.next() == "*LANG?"
        connection.sendall(b"SCPI\r\n")

    with served(talk) as resource:
        link = open_visa(resource)
        assert link.identity == IDENTITY.decode().strip()
        assert link.query("*LANG?") == "SCPI"
        link.close()


def test_a_reply_split_at_every_byte_arrives_whole() -> None:
    """However TCP cuts a reply, the session puts it together."""

    def talk(connection: socket.socket, lines: Lines) -> None:
        assert lines.next() == "*IDN?"
        for byte in IDENTITY:
            connection.sendall(bytes([byte]))
        assert lines.next() == ":LONG?"
        connection.sendall(b"1.5," * 6000 + b"2\n")

    with served(talk) as resource:
        link = open_visa(resource)
        assert link.query(":LONG?") == "1.5," * 6000 + "2"
        link.close()


def test_a_closed_port_is_told_at_once() -> None:
    """pyvisa-py opens a closed port without complaint; we do not."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        resource = f"TCPIP0::127.0.0.1::{bound.getsockname()[1]}::SOCKET"
        with pytest.raises(InstrumentError, match="refused") as caught:
            open_visa(resource)
    assert caught.value.exit_code == 4
    assert "5025" in caught.value.hint


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        ("dmm6500", "no VISA resource"),
        ("", "no VISA resource"),
        ("serial:/dev/rfcomm0", "no VISA resource"),
        ("TCPIP0::127.0.0.1::http::SOCKET", "'http' is no port number"),
        ("TCPIP0::127.0.0.1::99999::SOCKET", "'99999' is no port number"),
        ("TCPIP0::127.0.0.1::0::SOCKET", "'0' is no port number"),
        ("TCPIP0::no..name::5025::SOCKET", "'no..name' is no host name"),
        ("USB0::0x05E6::0x6500::123::INSTR", "PyUSB"),
    ],
)
def test_a_wrong_resource_string_says_how_to_write_one(resource: str, reason: str) -> None:
    """Every malformed resource gives one line and an example, never a traceback."""
    with pytest.raises(InstrumentError, match=reason) as caught:
        open_visa(resource)
    assert "TCPIP0::" in caught.value.hint


def test_a_host_without_an_address_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that cannot be looked up is told with the resolver's own words."""

    def unknown(*_args: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(InstrumentError, match="dmm: Name or service not known"):
        open_visa("TCPIP0::dmm::5025::SOCKET")


def test_a_mute_port_is_no_instrument(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something that accepts and never answers is refused at open."""
    monkeypatch.setattr(visa, "REPLY_LIMIT_S", 0.05)

    def talk(connection: socket.socket, lines: Lines) -> None:
        assert lines.next() == "*IDN?"
        assert lines.next() == ""

    with served(talk) as resource, pytest.raises(InstrumentError, match="does not answer"):
        open_visa(resource)


def test_a_peer_that_closes_is_disconnected_and_not_waited_for() -> None:
    """A closed connection ends a query at once, however long its limit."""

    def talk(connection: socket.socket, lines: Lines) -> None:
        identify(connection, lines)
        assert lines.next() == ":READ?"
        connection.sendall(b"1.25E")

    with served(talk) as resource:
        link = open_visa(resource)
        with pytest.raises(InstrumentError, match="in the middle of a reply") as caught:
            link.query(":READ?", limit_s=3600)
        assert not isinstance(caught.value, ReplyTimeout)
        link.close()


def test_using_a_closed_session_is_an_instrument_error() -> None:
    """A session that was closed under its user raises our error, not pyvisa's."""
    with served(identify) as resource:
        link = open_visa(resource)
        link.close()
        link.close()
        with pytest.raises(InstrumentError):
            link.write(":INIT")
        with pytest.raises(InstrumentError):
            link.query(":READ?")


def test_closing_from_another_thread_ends_a_query() -> None:
    """A query in progress ends with our error when its session is closed under it."""

    def talk(connection: socket.socket, lines: Lines) -> None:
        identify(connection, lines)
        assert lines.next() == ":READ?"
        link.close()
        connection.sendall(b"1\n")

    with served(talk) as resource:
        link = open_visa(resource)
        with pytest.raises(InstrumentError):
            link.query(":READ?", limit_s=1.0)


def test_a_late_reply_never_answers_the_next_question() -> None:
    """After a time-out the connection is new, and the same meter must be behind it."""
    first: list[socket.socket] = []

    def late(connection: socket.socket, lines: Lines) -> None:
        identify(connection, lines)
        assert lines.next() == ":READ?"
        first.append(connection)

    def anew(connection: socket.socket, lines: Lines) -> None:
        first[0].sendall(b"111\n")
        identify(connection, lines)
        assert lines.next() == ":READ?"
        connection.sendall(b"222\n")

    with served(late, anew) as resource:
        link = open_visa(resource)
        with pytest.raises(ReplyTimeout):
            link.query(":READ?", limit_s=0.05)
        assert link.query(":READ?") == "222"
        link.close()


def test_an_answer_nobody_asked_for_makes_the_session_start_anew() -> None:
    """A stray line would shift all following answers by one, so it is never read as one."""

    def stray(connection: socket.socket, lines: Lines) -> None:
        identify(connection, lines)
        assert lines.next() == ":A?"
        connection.sendall(b"1\nstray\n")

    with served(stray, identify) as resource:
        link = open_visa(resource)
        assert link.query(":A?") == "1"
        with pytest.raises(ReplyTimeout):
            link.query(":B?")
        link.close()


def test_another_instrument_after_a_time_out_is_refused() -> None:
    """An address that changed hands is told with both identities."""

    def silent(connection: socket.socket, lines: Lines) -> None:
        identify(connection, lines)
        assert lines.next() == ":READ?"

    def other(connection: socket.socket, lines: Lines) -> None:
        assert lines.next() == "*IDN?"
        connection.sendall(b"ACME,X,1,2\n")

    with served(silent, other) as resource:
        link = open_visa(resource)
        with pytest.raises(InstrumentProtocolError, match="another instrument") as caught:
            link.query(":READ?", limit_s=0.05)
        assert "ACME" in caught.value.hint
        link.close()


def test_a_meter_that_stays_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reopening is tried for a while only."""
    monkeypatch.setattr(visa, "REOPEN_LIMIT_S", 0.0)

    def silent(connection: socket.socket, lines: Lines) -> None:
        identify(connection, lines)
        assert lines.next() == ":READ?"

    def mute(connection: socket.socket, lines: Lines) -> None:
        assert lines.next() == "*IDN?"
        assert lines.next() == ""

    with served(silent, mute) as resource:
        link = open_visa(resource)
        monkeypatch.setattr(visa, "REPLY_LIMIT_S", 0.02)
        with pytest.raises(InstrumentError, match="stopped answering"):
            link.query(":READ?", limit_s=0.02)
        link.close()


def test_a_line_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that is no SCPI port cannot fill the memory."""
    monkeypatch.setattr(visa, "MESSAGE_LIMIT_BYTES", 10_000)

    def talk(connection: socket.socket, lines: Lines) -> None:
        identify(connection, lines)
        lines.next()
        connection.sendall(b"x" * 20_000)

    with served(talk) as resource:
        link = open_visa(resource)
        with pytest.raises(InstrumentProtocolError, match="without end"):
            link.query(":READ?")
        link.close()
