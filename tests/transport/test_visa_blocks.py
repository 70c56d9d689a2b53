"""Binary answers over a real TCP socket: read by their length, or not believed."""

from __future__ import annotations

import socket
from contextlib import closing
from functools import partial

import pytest
from pyvisa.constants import StatusCode
from pyvisa.errors import VisaIOError

from powerlab.errors import InstrumentError, InstrumentProtocolError
from powerlab.instruments.scpi_block import ask_block, ask_blocks, missing_bytes
from powerlab.transport import visa
from powerlab.transport.visa import ReplyTimeout, VisaLink, open_visa
from tests.transport.talks import IDENTITY, Lines, Talk, identify, served

FEEDS = b"\n\r\n#15\n,;" * 3


def block(payload: bytes) -> bytes:
    """Wrap bytes into a definite block."""
    length = b"%d" % len(payload)
    return b"#%d%s%s" % (len(length), length, payload)


def answering(*answers: bytes) -> Talk:
    """Get a talk that answers the first question of a session, and the next ones with these."""

    def talk(connection: socket.socket, lines: Lines) -> None:
        identify(connection, lines)
        for answer in answers:
            assert lines.next() == "R?"
            connection.sendall(answer)

    return talk


def in_pieces(answer: bytes) -> Talk:
    """Get a talk that answers byte by byte."""

    def talk(connection: socket.socket, lines: Lines) -> None:
        identify(connection, lines)
        assert lines.next() == "R?"
        for byte in answer:
            connection.sendall(bytes([byte]))

    return talk


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("payload", [b"", b"\n", FEEDS, b"1.5,2.5", bytes(range(256))])
def test_a_block_is_read_by_its_length(payload: bytes, end: bytes) -> None:
    """Line feeds inside it are data; what follows is the answer to the next question."""
    talk = answering(block(payload) + end, block(b"next") + b"\n")
    with served(talk) as resource, closing(open_visa(resource)) as link:
        assert ask_block(link, "R?") == payload
        assert ask_block(link, "R?") == b"next"


def test_a_block_split_at_every_byte_arrives_whole() -> None:
    """However TCP cuts it, several blocks joined by commas too."""
    whole = block(FEEDS) + b"," + block(b"") + b"," + block(b"end") + b"\r\n"
    with served(in_pieces(whole)) as resource, closing(open_visa(resource)) as link:
        assert ask_blocks(link, "R?") == (FEEDS, b"", b"end")


def test_a_large_block_of_line_feeds_takes_no_time_of_its_own() -> None:
    """A million line feeds are one read or a few, not a million."""
    payload = b"\n" * 1_000_000
    talk = answering(block(payload) + b"\n")
    with served(talk) as resource, closing(open_visa(resource)) as link:
        assert ask_block(link, "R?") == payload


def test_a_block_without_a_length_ends_with_silence() -> None:
    """Its line feeds are data as long as something follows them."""

    def talk(connection: socket.socket, lines: Lines) -> None:
        answering(b"#0one\ntwo\n")(connection, lines)
        assert lines.next() == ""

    with served(talk) as resource, closing(open_visa(resource)) as link:
        assert ask_blocks(link, "R?") == (b"one\ntwo",)


@pytest.mark.parametrize(
    "broken", [b"12.5\n", b"#x\n", b"#2a0\n", b"#15hello!\n", b"#15hello,12\n", b"#1 5\n"]
)
def test_what_is_no_block_is_refused_and_forgotten(broken: bytes) -> None:
    """The connection is opened anew, so that the next answer is that to the next question."""
    talks = answering(broken), answering(block(b"next") + b"\n")
    with served(*talks) as resource, closing(open_visa(resource)) as link:
        with pytest.raises(InstrumentProtocolError, match="R\\?"):
            ask_block(link, "R?")
        assert ask_block(link, "R?") == b"next"


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 11, 13])
def test_a_truncated_block_is_a_time_out(cut: int) -> None:
    """What came of it is dropped with its connection; late bytes never reach the next answer."""
    whole = block(b"0123456789") + b"\n"
    talks = answering(whole[:cut]), answering(block(b"next") + b"\n")
    with served(*talks) as resource, closing(open_visa(resource)) as link:
        with pytest.raises(ReplyTimeout):
            ask_block(link, "R?", limit_s=0.05)
        assert ask_block(link, "R?") == b"next"


def test_a_stray_byte_before_the_question_makes_the_session_start_anew() -> None:
    """It would shift the block by one, and every number in it."""
    talks = answering(block(b"one") + b"\nx"), answering(block(b"next") + b"\n")
    with served(*talks) as resource, closing(open_visa(resource)) as link:
        assert ask_block(link, "R?") == b"one"
        with pytest.raises(ReplyTimeout):
            ask_block(link, "R?")
        assert ask_block(link, "R?") == b"next"


@pytest.mark.parametrize("cut", [0, 1, 3, 8])
def test_a_connection_closed_in_a_block_is_told(cut: int) -> None:
    """How much had come is told, and no time-out is waited for."""
    talk = answering(block(b"0123456789")[:cut])
    with (
        served(talk) as resource,
        closing(open_visa(resource)) as link,
        pytest.raises(InstrumentError, match="closed the connection") as caught,
    ):
        ask_block(link, "R?", limit_s=3600)
    assert caught.value.exit_code == 4
    assert not isinstance(caught.value, ReplyTimeout)
    assert ("in the middle" in str(caught.value)) is bool(cut)


def test_a_length_beyond_reason_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong length cannot fill the memory."""
    monkeypatch.setattr(visa, "BLOCK_LIMIT_BYTES", 1000)
    talks = answering(b"#9999999999"), identify
    with (
        served(*talks) as resource,
        closing(open_visa(resource)) as link,
        pytest.raises(InstrumentProtocolError, match="without end"),
    ):
        ask_block(link, "R?")


def test_asking_on_a_closed_link_is_an_instrument_error() -> None:
    """As with text."""
    with served(identify) as resource:
        link = open_visa(resource)
        link.close()
        with pytest.raises(InstrumentError, match="closed"):
            ask_block(link, "R?")


class Framed:
    """A VISA resource whose protocol frames messages by itself, as VXI-11 and USBTMC do."""

    def __init__(self, answers: list[bytes | Exception]) -> None:
        self.read_termination: str | None = "\n"
        self.timeout = 0
        self.seen: list[tuple[str, str | None]] = []
        self._answers = answers

    def write(self, command: str) -> None:
        """Note a command and how answers end just now."""
        self.seen.append((command, self.read_termination))

    def query(self, command: str) -> str:
        """Answer in text."""
        self.write(command)
        return self.read_raw().decode()

    def read_raw(self) -> bytes:
        """Give the next answer."""
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """Let it go."""


def framed(monkeypatch: pytest.MonkeyPatch, *answers: bytes | Exception) -> tuple[VisaLink, Framed]:
    """Get a link to such a resource, and it."""
    made = Framed([IDENTITY, *answers])
    monkeypatch.setattr(visa, "open_resource", lambda *_args: made)
    return open_visa("TCPIP0::meter::INSTR"), made


def test_a_block_over_a_protocol_with_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line feed ends a message there while it is read; afterwards all is as before."""
    link, made = framed(monkeypatch, block(FEEDS) + b"\n", b"1.5\n")
    assert ask_block(link, "R?") == FEEDS
    assert link.query("READ?") == "1.5"
    assert made.seen[1:] == [("R?", None), ("READ?", "\n")]


def test_a_short_message_of_a_protocol_with_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """USBTMC may end a message early: its length tells."""
    link, made = framed(monkeypatch, block(b"0123456789")[:8], IDENTITY)
    with pytest.raises(InstrumentProtocolError, match="less than it announced"):
        ask_block(link, "R?")
    assert made.read_termination == "\n"


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (VisaIOError(StatusCode.error_timeout), ReplyTimeout),
        (VisaIOError(StatusCode.error_io), InstrumentError),
        (OSError("gone"), InstrumentError),
    ],
)
def test_failures_of_a_protocol_with_frames(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, kind: type[InstrumentError]
) -> None:
    """A late answer is told as one, a lost connection as one."""
    link, _ = framed(monkeypatch, failure, IDENTITY)
    with pytest.raises(kind):
        link.query_framed("R?", partial(missing_bytes, "R?"))
