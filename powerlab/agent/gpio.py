"""A GPIO of the board as an output line, by Linux's GPIO character device.

The line shows a meter what the edge file shows an emulator: high while the board is busy. Two
interfaces of the kernel, both after ``linux/gpio.h``: version 2 (since 5.10), and version 1
(since 4.8) where the kernel does not know the other, as on boards with a vendor's old one.
"""

import contextlib
import errno
import fcntl
import grp
import os
import pwd
import re
import stat
import struct
from typing import List, Tuple

from powerlab.agent.faults import AgentError, reason

DEVICES = "/dev"
CONSUMER = b"powerlab"

_SPEC = re.compile(r"(gpiochip\d{1,4}):(\d{1,6})(!?)")

# struct gpio_v2_line_request: offsets, consumer, config (flags, number of attributes, padding,
# 10 attributes), number of lines, event buffer, padding, file descriptor.
REQUEST_V2 = struct.Struct("=64I32sQI20s240sII20si")
# struct gpio_v2_line_values: bits, mask.
VALUES_V2 = struct.Struct("=QQ")
# struct gpiohandle_request: offsets, flags, default values, consumer, number of lines, file
# descriptor.
REQUEST_V1 = struct.Struct("=64II64s32sIi")
# struct gpiohandle_data: values.
VALUES_V1 = struct.Struct("=64B")

_ACTIVE_LOW_V2, _OUTPUT_V2 = 1 << 1, 1 << 3
_OUTPUT_V1, _ACTIVE_LOW_V1 = 1 << 1, 1 << 2


def read_write(number: int, size: int) -> int:
    """Get the kernel's ``_IOWR(0xB4, number, size)``, of asm-generic/ioctl.h: x86, Arm, RISC-V."""
    return 3 << 30 | size << 16 | 0xB4 << 8 | number


GET_LINE_V2 = read_write(0x07, REQUEST_V2.size)
SET_VALUES_V2 = read_write(0x0F, VALUES_V2.size)
GET_LINE_V1 = read_write(0x03, REQUEST_V1.size)
SET_VALUES_V1 = read_write(0x09, VALUES_V1.size)

# What a kernel answers to a request that it does not know, or whose content it refuses.
_NOT_KNOWN = (errno.ENOTTY, errno.EINVAL)


class Line:
    """An output line that this process holds, low until told; ``close`` gives it back."""

    def __init__(self, spec: str, descriptor: int, request: int, low: bytes, high: bytes) -> None:
        self._spec = spec
        self._descriptor = descriptor
        self._request = request
        self._levels = (low, high)

    def set(self, level: int) -> None:
        """Set the line high (1) or low (0) with one system call."""
        try:
            fcntl.ioctl(self._descriptor, self._request, self._levels[level])
        except OSError as error:
            raise AgentError(
                "line-failed",
                f"the trigger line {self._spec} does not follow: {error.strerror}",
                "look at the board's kernel messages; without 'line' in the bench powerlab "
                "measures without a trigger line",
                reason(error),
            ) from error

    def close(self) -> None:
        """Lower the line and give it back; idempotent."""
        if self._descriptor < 0:
            return
        with contextlib.suppress(AgentError):
            self.set(0)
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)


def open_line(spec: str) -> Line:
    """Take a line as an output, low: ``"gpiochip0:17"``, with ``!`` at its end active low.

    Raises AgentError where there is no such chip or line, where another program holds it, or
    where this user may not have it.
    """
    found = _SPEC.fullmatch(spec)
    if not found:
        raise AgentError(
            "bad-request",
            f"{spec!r} names no line of a GPIO chip",
            "write chip and line as in gpiochip0:17, with ! at the end for active low",
        )
    chip, offset, active_low = found.group(1), int(found.group(2)), bool(found.group(3))
    descriptor = _open_chip(chip)
    try:
        return _request(spec, descriptor, offset, active_low=active_low)
    except OSError as error:
        raise _refused(spec, chip, offset, error) from error
    finally:
        os.close(descriptor)


def _request(spec: str, chip: int, offset: int, *, active_low: bool) -> Line:
    offsets = [offset] + [0] * 63
    flags = _OUTPUT_V2 | (_ACTIVE_LOW_V2 if active_low else 0)
    wanted = [*offsets, CONSUMER, flags, 0, b"", b"", 1, 0, b"", 0]
    try:
        line = _take(chip, GET_LINE_V2, REQUEST_V2.pack(*wanted))
        return Line(spec, line, SET_VALUES_V2, VALUES_V2.pack(0, 1), VALUES_V2.pack(1, 1))
    except OSError as error:
        if error.errno not in _NOT_KNOWN:
            raise
    flags = _OUTPUT_V1 | (_ACTIVE_LOW_V1 if active_low else 0)
    wanted = [*offsets, flags, b"", CONSUMER, 1, 0]
    line = _take(chip, GET_LINE_V1, REQUEST_V1.pack(*wanted))
    levels = [VALUES_V1.pack(level, *[0] * 63) for level in (0, 1)]
    return Line(spec, line, SET_VALUES_V1, *levels)


def _take(chip: int, request: int, wanted: bytes) -> int:
    """Ask a chip for a line: get the descriptor that the kernel put at the request's end."""
    answer = bytearray(wanted)
    fcntl.ioctl(chip, request, answer)
    descriptor = struct.unpack("=i", bytes(answer[-4:]))[0]
    return int(descriptor)


def _open_chip(chip: str) -> int:
    path = os.path.join(DEVICES, chip)
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        there = ", ".join(_chips()) or "none"
        raise AgentError(
            "line-missing",
            f"the board has no {path}",
            f"its GPIO chips: {there}; correct 'line' in the bench",
        ) from None
    except OSError as error:
        raise _refused(chip, chip, 0, error) from error


def _chips() -> List[str]:
    return sorted(name for name in os.listdir(DEVICES) if name.startswith("gpiochip"))


def _refused(spec: str, chip: str, offset: int, error: OSError) -> AgentError:
    """Get the error for a request that the system refused, with what would mend it."""
    explained = {
        errno.EACCES: _not_allowed,
        errno.EPERM: _not_allowed,
        errno.EBUSY: _busy,
        errno.EINVAL: _no_such_line,
    }
    code, message, hint = explained.get(error.errno or 0, _failed)(chip, offset)
    return AgentError(code, f"the trigger line {spec}: {message}", hint, reason(error))


def _not_allowed(chip: str, _offset: int) -> Tuple[str, str, str]:
    path, user = os.path.join(DEVICES, chip), _user()
    owner = os.stat(path)
    hint = f"on the board: sudo chown {user} {path} (until its next start)"
    if owner.st_gid != 0 and owner.st_mode & stat.S_IRGRP and owner.st_mode & stat.S_IWGRP:
        hint = f"on the board: sudo usermod -aG {_group(owner.st_gid)} {user}, then connect again"
    return "line-permission", f"{user} may not open {path}", hint


def _busy(chip: str, offset: int) -> Tuple[str, str, str]:
    hint = f"on the board, gpioinfo {chip} names who holds it; stop that, or take another line"
    return "line-busy", f"line {offset} of {chip} is in use", hint


def _no_such_line(chip: str, offset: int) -> Tuple[str, str, str]:
    hint = f"on the board, gpioinfo {chip} lists its lines; correct 'line' in the bench"
    return "line-missing", f"{chip} gives no line {offset} as an output", hint


def _failed(chip: str, offset: int) -> Tuple[str, str, str]:
    hint = "look at the board's kernel messages, or measure without 'line' in the bench"
    return "line-failed", f"line {offset} of {chip} could not be had", hint


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
