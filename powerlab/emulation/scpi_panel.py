"""What emulated SCPI meters on a board's bench share: identity, errors, settings, a socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from powerlab.emulation.faults import FaultWatch
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.scpi import Command, CommandTable, ErrorQueue
from powerlab.emulation.scpi_instrument import carry_out
from powerlab.emulation.scpi_server import ScpiServer
from powerlab.emulation.site import profile_of, site_of


class Panel:
    """A command table with its error queue; satisfies ``scpi_server.Instrument``.

    ``identity`` is the answer to ``*IDN?`` with ``{serial}`` in it. ``advance`` is called with
    each look at the bench.
    """

    def __init__(self, context: EmulatorContext, watch: FaultWatch, identity: str) -> None:
        self.profile = profile_of(context)
        self.site = site_of(context)
        self.watch = watch
        self.serial = self.site.serial
        self.errors = ErrorQueue()
        self.table = CommandTable()
        self.advance: Callable[[], None] = lambda: None
        fixed = {"*IDN?": identity.format(serial=self.serial), "*OPC?": "1", "*TST?": "+0"}
        for pattern, reply in fixed.items():
            self.table.on(pattern, lambda _command, reply=reply: reply)  # type: ignore[misc]
        self.table.on(":SYSTem:ERRor[:NEXT]?", self._next_error)

    def handle(self, line: str) -> bytes:
        """Carry out one program message; replies of its queries are joined by semicolons."""
        return carry_out(line, self.table.run, self.errors)

    def tick(self) -> None:
        """Follow the bench."""
        self.watch.arm(self.site.follow())
        self.advance()

    def ignore(self, *patterns: str) -> None:
        """Add commands that are understood and change nothing here."""
        for pattern in patterns:
            self.table.on(pattern, lambda _command: None)

    def pair(
        self, pattern: str, setter: Callable[[Command], None], getter: Callable[[], str]
    ) -> None:
        """Add a setting and its query."""
        self.table.on(pattern, setter)
        self.table.on(pattern + "?", lambda _command: getter())

    def _next_error(self, _command: Command) -> str:
        code, text = self.errors.pop()
        return f'{code:+d},"{text}"'


class OnPanel(Protocol):
    """An instrument whose commands are those of its panel."""

    panel: Panel


def serve_panel(
    context: EmulatorContext,
    build: Callable[[EmulatorContext, FaultWatch, Callable[[int], None]], OnPanel],
) -> None:
    """Serve an instrument on a free port of the loopback until the parent wants an end.

    ``build`` gets the context, the faults, and a way to let time pass while a command holds
    the client.
    """
    watch = FaultWatch(context.faults)
    server = ScpiServer(watch)
    panel = build(context, watch, server.wait_until).panel
    resource = f"TCPIP0::127.0.0.1::{server.port}::SOCKET"
    context.ready({"resource": resource, "serial": panel.serial})
    server.serve(panel)
