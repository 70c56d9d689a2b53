"""A GPIO as a trigger line: the kernel's two interfaces, and what to do when it says no."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

import pytest

from powerlab.agent import gpio
from powerlab.agent.faults import AgentError


class Kernel:
    """Stands in for ``fcntl.ioctl``: answers like a kernel, and keeps what it was asked.

    ``refuses`` maps a request's number to the errno it fails with.
    """

    def __init__(self, refuses: dict[int, int] | None = None) -> None:
        self.refuses = refuses or {}
        self.asked: list[tuple[int, bytes]] = []

    def __call__(self, descriptor: int, request: int, argument: bytes | bytearray) -> int:
        """Fail as told, or hand out a descriptor for a line."""
        os.fstat(descriptor)
        self.asked.append((request, bytes(argument)))
        if request in self.refuses:
            raise OSError(self.refuses[request], os.strerror(self.refuses[request]))
        if isinstance(argument, bytearray):
            argument[-4:] = struct.pack("=i", os.open(os.devnull, os.O_RDWR))
        return 0

    def levels(self, request: int) -> list[bytes]:
        """Get the arguments of one request in their order."""
        return [argument for number, argument in self.asked if number == request]


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Get a directory with one chip in /dev's place."""
    (tmp_path / "gpiochip0").touch()
    (tmp_path / "gpiochip4").touch()
    monkeypatch.setattr(gpio, "DEVICES", str(tmp_path))
    return tmp_path


@pytest.fixture
def boot(devices: Path, monkeypatch: pytest.MonkeyPatch):
    """Get a maker of kernels that answer from now on."""

    def make(**refuses: int) -> Kernel:
        kernel = Kernel({getattr(gpio, name): number for name, number in refuses.items()})
        monkeypatch.setattr(gpio.fcntl, "ioctl", kernel)
        return kernel

    return make


def test_requests_are_the_kernels() -> None:
    """Sizes and numbers are those that a C compiler makes of linux/gpio.h."""
    assert (gpio.REQUEST_V2.size, gpio.VALUES_V2.size) == (592, 16)
    assert (gpio.REQUEST_V1.size, gpio.VALUES_V1.size) == (364, 64)
    assert gpio.GET_LINE_V2 == 0xC250B407
    assert gpio.SET_VALUES_V2 == 0xC010B40F
    assert gpio.GET_LINE_V1 == 0xC16CB403
    assert gpio.SET_VALUES_V1 == 0xC040B409


@pytest.mark.parametrize(("spec", "flags"), [("gpiochip0:17", 0x8), ("gpiochip0:17!", 0xA)])
def test_a_new_kernel_gives_one_output_line(boot, spec: str, flags: int) -> None:
    """Offset, flags and number of lines stand where version 2 of the interface has them."""
    kernel = boot()
    gpio.open_line(spec).close()
    request = kernel.levels(gpio.GET_LINE_V2)[0]
    assert struct.unpack_from("=II", request, 0) == (17, 0)
    assert request[256:265] == b"powerlab\0"
    assert struct.unpack_from("=QI", request, 288) == (flags, 0)
    assert struct.unpack_from("=I", request, 560) == (1,)


@pytest.mark.parametrize("refusal", [errno.ENOTTY, errno.EINVAL])
@pytest.mark.parametrize(("spec", "flags"), [("gpiochip4:216", 0x2), ("gpiochip4:216!", 0x6)])
def test_an_old_kernel_is_asked_in_its_own_way(boot, refusal: int, spec: str, flags: int) -> None:
    """Where version 2 is not known, version 1 gets offset, flags and a low default."""
    kernel = boot(GET_LINE_V2=refusal)
    line = gpio.open_line(spec)
    line.set(1)
    request = kernel.levels(gpio.GET_LINE_V1)[0]
    assert struct.unpack_from("=I", request, 0) == (216,)
    assert struct.unpack_from("=I64s", request, 256) == (flags, bytes(64))
    assert request[324:333] == b"powerlab\0"
    assert struct.unpack_from("=I", request, 356) == (1,)
    line.close()
    assert kernel.levels(gpio.SET_VALUES_V1) == [b"\1" + bytes(63), bytes(64)]


def test_a_level_is_one_call(boot) -> None:
    """Each level is a single request, with the line's own bit in value and mask."""
    kernel = boot()
    line = gpio.open_line("gpiochip0:3")
    before = len(kernel.asked)
    line.set(1)
    line.set(0)
    assert kernel.asked[before:] == [
        (gpio.SET_VALUES_V2, struct.pack("=QQ", 1, 1)),
        (gpio.SET_VALUES_V2, struct.pack("=QQ", 0, 1)),
    ]
    line.close()


def test_closing_lowers_and_releases_once(boot) -> None:
    """After close the line is low and its descriptor gone, also where lowering failed."""
    kernel = boot()
    line = gpio.open_line("gpiochip0:3")
    held = line._descriptor
    line.set(1)
    kernel.refuses[gpio.SET_VALUES_V2] = errno.ENODEV
    line.close()
    line.close()
    assert kernel.levels(gpio.SET_VALUES_V2)[-1] == struct.pack("=QQ", 0, 1)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(held)


def test_a_line_that_does_not_follow_is_told(boot) -> None:
    """A chip that goes away in use is an error, not a silent level."""
    kernel = boot()
    line = gpio.open_line("gpiochip0:3")
    kernel.refuses[gpio.SET_VALUES_V2] = errno.ENODEV
    with pytest.raises(AgentError, match="does not follow") as caught:
        line.set(1)
    assert caught.value.code == "line-failed"
    line.close()


@pytest.mark.parametrize(
    "spec", ["", "17", "gpiochip0", "gpiochip0:x", "/dev/gpiochip0:1", "a:1!!"]
)
def test_a_spec_that_names_no_line(devices: Path, spec: str) -> None:
    """The error shows how to write one."""
    with pytest.raises(AgentError, match="names no line") as caught:
        gpio.open_line(spec)
    assert "gpiochip0:17" in caught.value.hint


def test_a_chip_that_is_not_there(boot) -> None:
    """The hint lists the chips that are."""
    boot()
    with pytest.raises(AgentError, match="gpiochip9") as caught:
        gpio.open_line("gpiochip9:1")
    assert caught.value.code == "line-missing"
    assert "gpiochip0, gpiochip4" in caught.value.hint


def test_a_line_that_is_not_there(boot) -> None:
    """A line that both interfaces refuse is no line of the chip, or no output."""
    boot(GET_LINE_V2=errno.EINVAL, GET_LINE_V1=errno.EINVAL)
    with pytest.raises(AgentError, match="gives no line 99") as caught:
        gpio.open_line("gpiochip0:99")
    assert caught.value.code == "line-missing"
    assert "gpioinfo gpiochip0" in caught.value.hint


def test_a_busy_line_is_not_asked_for_again(boot) -> None:
    """Who holds the line is to be looked up; the old interface would say the same."""
    kernel = boot(GET_LINE_V2=errno.EBUSY)
    with pytest.raises(AgentError, match="is in use") as caught:
        gpio.open_line("gpiochip0:17")
    assert caught.value.code == "line-busy"
    assert kernel.levels(gpio.GET_LINE_V1) == []


def test_anything_else_keeps_its_own_words(boot) -> None:
    """An unforeseen refusal is reported with the system's reason."""
    boot(GET_LINE_V2=errno.EIO)
    with pytest.raises(AgentError) as caught:
        gpio.open_line("gpiochip0:17")
    assert caught.value.code == "line-failed"
    assert "Input/output error" in caught.value.detail


@pytest.mark.parametrize(
    ("owner", "hint"),
    [
        ((997, 0o660), "sudo usermod -aG {group} {user}, then connect again"),
        ((997, 0o600), "sudo chown {user} {chip}"),
        ((0, 0o660), "sudo chown {user} {chip}"),
    ],
)
def test_missing_permission_names_the_command(
    devices: Path, monkeypatch: pytest.MonkeyPatch, owner: tuple[int, int], hint: str
) -> None:
    """The chip's own group where that helps, else its owner; nothing is run."""
    chip, (group, mode) = devices / "gpiochip0", owner
    status = os.stat_result((0o020000 | mode, 0, 0, 1, 0, group, 0, 0, 0, 0))

    def refuse(path: str, *_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(gpio.os, "open", refuse)
    monkeypatch.setattr(gpio.os, "stat", lambda _path: status)
    with pytest.raises(AgentError, match="may not open") as caught:
        gpio.open_line("gpiochip0:17")
    assert caught.value.code == "line-permission"
    wanted = hint.format(group=gpio._group(group), user=gpio._user(), chip=chip)
    assert wanted in caught.value.hint
