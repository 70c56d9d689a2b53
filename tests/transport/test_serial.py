"""Serial ports through pyserial, on pseudo-terminals: every way to fail has its own words."""

from __future__ import annotations

import errno
import os
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from powerlab.errors import InstrumentError, SetupError
from powerlab.transport.serial import explain, open_serial, port_path, wait_until


class Terminal:
    """A pseudo-terminal: the master end is the instrument."""

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._open = True

    def unplug(self) -> None:
        """Close the instrument's end, as pulling its plug does."""
        if self._open:
            self._open = False
            os.close(self._slave)
            os.close(self.master)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """Get a pseudo-terminal that is gone after the test."""
    made = Terminal()
    yield made
    made.unplug()


@pytest.mark.parametrize("prefix", ["serial:", ""])
def test_bytes_go_both_ways(terminal: Terminal, prefix: str) -> None:
    """Both spellings of a port open it, and bytes pass unchanged."""
    link = open_serial(prefix + terminal.path, 9600)
    link.write(b"\xf0\r\n\x03")
    assert os.read(terminal.master, 10) == b"\xf0\r\n\x03"
    os.write(terminal.master, bytes(range(256)))
    assert link.read(256, wait_until(10)) == bytes(range(256))
    link.close()


def test_a_read_ends_at_its_deadline_with_what_had_come(terminal: Terminal) -> None:
    """A short answer is returned as it is."""
    link = open_serial(terminal.path, 9600)
    os.write(terminal.master, b"abc")
    assert link.read(130, wait_until(0.05)) == b"abc"
    assert link.read(130, wait_until(0)) == b""
    link.close()


def test_drain_returns_what_it_dropped(terminal: Terminal) -> None:
    """What arrived unasked is out of the way afterwards."""
    link = open_serial(terminal.path, 9600)
    os.write(terminal.master, b"late")
    assert link.read(1, wait_until(10)) == b"l"
    assert link.drain() == b"ate"
    assert link.drain() == b""
    link.close()


def test_unplugging_is_an_instrument_error(terminal: Terminal) -> None:
    """Read, write and drain all say that the instrument went away."""
    link = open_serial(terminal.path, 9600)
    terminal.unplug()
    for action in (lambda: link.read(1, wait_until(10)), lambda: link.write(b"x"), link.drain):
        with pytest.raises(InstrumentError, match="was disconnected"):
            action()
    link.close()
    link.close()


def test_a_port_in_use_is_told(terminal: Terminal) -> None:
    """A second opener is refused with the command that finds the first."""
    link = open_serial(terminal.path, 9600)
    with pytest.raises(InstrumentError, match="in use") as caught:
        open_serial(terminal.path, 9600)
    assert "fuser" in caught.value.hint
    link.close()


def test_a_port_that_does_not_exist_names_its_neighbours(tmp_path: Path) -> None:
    """The message shows which ports of that kind there are."""
    (tmp_path / "ttyACM1").touch()
    with pytest.raises(InstrumentError, match="there is no serial port") as caught:
        open_serial(f"serial:{tmp_path}/ttyACM0", 9600)
    assert "ttyACM1" in caught.value.message
    assert caught.value.exit_code == 4


def test_rfcomm_has_its_own_hint() -> None:
    """A Bluetooth port that is not bound says how to bind it."""
    assert "rfcomm bind" in explain("/dev/rfcomm0", errno.ENOENT, "").hint


@pytest.mark.parametrize("kind", ["file", "directory", "pipe"])
def test_what_is_no_port_is_not_opened(tmp_path: Path, kind: str) -> None:
    """A file, a folder or a pipe is told as such; a pipe does not hang."""
    path = tmp_path / "thing"
    {"file": path.touch, "directory": path.mkdir, "pipe": lambda: os.mkfifo(path)}[kind]()
    with pytest.raises(InstrumentError, match="is not a serial port"):
        open_serial(str(path), 9600)


def test_a_character_device_that_is_no_terminal() -> None:
    """/dev/null opens, but cannot be configured."""
    with pytest.raises(InstrumentError, match="is not a serial port"):
        open_serial("/dev/null", 9600)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_no_permission_names_the_group(number: int) -> None:
    """A missing group membership is this computer's set-up, with the command that mends it."""
    error = explain("/dev/ttyUSB0", number, "")
    assert isinstance(error, SetupError)
    assert "dialout" in error.hint


@pytest.mark.parametrize("number", [errno.EHOSTDOWN, errno.ETIMEDOUT, errno.EIO])
def test_other_failures_keep_their_reason(number: int) -> None:
    """Whatever else the system says is passed on."""
    error = explain("/dev/rfcomm0", number, os.strerror(number))
    assert isinstance(error, InstrumentError)
    assert os.strerror(number) in error.message


@pytest.mark.parametrize("resource", ["", "COM3", "serial:", "serial:rfcomm0"])
def test_a_resource_without_a_path_is_refused(resource: str) -> None:
    """Only absolute device paths are taken."""
    with pytest.raises(InstrumentError, match="names no serial port"):
        port_path(resource)


def test_an_impossible_rate_is_an_instrument_error(terminal: Terminal) -> None:
    """A baud rate that the system refuses is no traceback."""
    with pytest.raises(InstrumentError, match="cannot open"):
        open_serial(terminal.path, -1)
