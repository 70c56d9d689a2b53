"""What emulated SCPI instruments share: messages, errors, common commands, one reading."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import numpy as np

from powerlab.emulation.faults import FaultWatch
from powerlab.emulation.process import EmulatorContext, die_with_parent, parent_died
from powerlab.emulation.scpi import (
    EXECUTION_ERROR,
    Command,
    CommandTable,
    ErrorQueue,
    ScpiError,
    parse,
)
from powerlab.emulation.scpi_server import ScpiServer
from powerlab.emulation.site import LiveMeter, LoopSite
from powerlab.errors import PowerlabError
from powerlab.units import nanoseconds, now_ns

HEAD_START_S = 1.0
"""How long the instrument has been on when the bench opens: its first answer is a reading."""

NO_SIGNAL = 0
PROCESSING_S = 0.005
"""From a command to its effect, an estimate: time for every meter to know of it before."""


class ScpiInstrument:
    """A command table with its error queue, at a place in the loop of a calibration.

    ``handle`` and ``tick`` are what ``ScpiServer`` needs of an instrument.
    """

    def __init__(self, site: LoopSite, watch: FaultWatch, identity: str) -> None:
        self.errors = ErrorQueue()
        self.table = CommandTable()
        self.serial = site.serial
        self.bench = site.loop.points
        self._site = site
        self._watch = watch
        for pattern, reply in {"*IDN?": identity, "*OPC?": "1", "*TST?": "0", "*STB?": "0"}.items():
            self.table.on(pattern, lambda _command, reply=reply: reply)  # type: ignore[misc]
        self.table.on("*CLS", lambda _command: self.errors.clear())
        self.table.on(":SYSTem:ERRor[:NEXT]?", lambda _command: self._next_error())

    def handle(self, line: str) -> bytes:
        """Carry out one program message; replies of its queries are joined by semicolons."""
        return carry_out(line, self.table.run, self.errors)

    def tick(self) -> None:
        """Follow the bench."""
        self._watch.arm(self._site.follow())

    def setting(
        self,
        pattern: str,
        setter: Callable[[float], None],
        low: float,
        high: float,
        getter: Callable[[], float],
    ) -> None:
        """Add a numeric setting between two limits, and its query."""
        self.table.on(pattern, lambda command: setter(command.number(0, low, high)))
        self.table.on(pattern + "?", lambda _command: f"{getter():.6f}")

    def _next_error(self) -> str:
        code, text = self.errors.pop()
        return f'{code},"{text}"'


def carry_out(line: str, run: Callable[[Command], str | bytes | None], errors: ErrorQueue) -> bytes:
    """Carry out one program message; replies of its queries are joined by semicolons.

    What ``run`` refuses goes to the error queue, and ends the message.
    """
    replies: list[bytes] = []
    for command in parse(line):
        try:
            reply = run(command)
        except ScpiError as error:
            errors.push(error.code, error.text)
            break
        except PowerlabError as error:
            errors.push(EXECUTION_ERROR[0], f"{EXECUTION_ERROR[1]}: {error.message}")
            break
        if reply is not None:
            replies.append(reply.encode("ascii", "replace") if isinstance(reply, str) else reply)
    return b";".join(replies) + b"\n" if replies else b""


def newest(meter: LiveMeter, column: int) -> str:
    """Get one channel of a meter's last completed reading, as text."""
    return f"{newest_value(meter, column):.6f}"


def newest_value(meter: LiveMeter, column: int) -> float:
    """Get one channel of a meter's last completed reading, NaN where it is out of range."""
    at = np.array(now_ns(), dtype=np.int64)
    last = max(0, int(meter.clock.completed(at)) - 1)
    return float(meter.sample(last, 1).values[0, column])


def effect_ns() -> int:
    """Get when a command that came now takes effect."""
    return now_ns() + nanoseconds(PROCESSING_S)


def serve_on_socket(
    context: EmulatorContext, build: Callable[[EmulatorContext, FaultWatch], ScpiInstrument]
) -> None:
    """Serve an instrument on a free port of the loopback until the parent wants an end.

    A parent that died cannot remove the bench's directory: then it is done here.
    """
    # The end of standard input tells it as well, and cannot interrupt what is done then.
    die_with_parent(NO_SIGNAL)
    watch = FaultWatch(context.faults)
    server = ScpiServer(watch)
    instrument = build(context, watch)
    resource = f"TCPIP0::127.0.0.1::{server.port}::SOCKET"
    context.ready({"resource": resource, "serial": instrument.serial})
    server.serve(instrument)
    if parent_died():
        shutil.rmtree(instrument.bench, ignore_errors=True)
