"""The Rohde & Schwarz NGU201 on the wire: a fast log in chunks, and the bits that tell of them.

Written from the user manual and the maker's examples, not from the driver. A chunk waits until
the next one is ready, which is kinder than the 20 ms that an example names. What the output
delivers is not there: it supplies the bench as it is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from powerlab.emulation.faults import FaultWatch
from powerlab.emulation.live_log import LiveLog
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.scpi import (
    ILLEGAL_VALUE,
    SETTINGS_CONFLICT,
    Command,
    ScpiError,
    definite_block,
    number_text,
)
from powerlab.emulation.scpi_panel import Panel, serve_panel
from powerlab.records import FloatArray
from powerlab.units import now_ns

IDENTITY = "Rohde&Schwarz,{model},{{serial}},03.068"
MODELS = ("NGU201", "NGU401", "NGU411", "NGM201", "NGM202")
RATES = {"S100": 100, "S001k": 1000, "S010k": 10_000, "S050k": 50_000, "S250k": 250_000}
RATES["S500k"] = 500_000
CHUNKS_PER_S = 4
CHUNK_READY = 1 << 12
CHUNK_SKIPPED = 1 << 11
OVERLOAD = 9.9e37
NO_DATA = (-230, "Data corrupt or stale")
MOST_CHUNKS = 1000


class Ngu:
    """One instrument: its fast log, the chunk that waits, and the two event registers."""

    def __init__(
        self,
        context: EmulatorContext,
        watch: FaultWatch,
        wait_until: Callable[[int], None],  # noqa: ARG002 - nothing here waits
    ) -> None:
        identifier = "" if context.instrument is None else context.instrument.id
        model = next((name for name in MODELS if name.lower() in identifier), MODELS[0])
        self.panel = Panel(context, watch, IDENTITY.format(model=model))
        self.panel.advance = self.advance
        self._range_a = self.panel.profile.ranges("current")[-1].full_scale
        self._rate = "S010k"
        self._to_scpi = False
        self._log: LiveLog | None = None
        self._chunk: FloatArray | None = None
        self._operation = self._questionable = 0
        self._passing = {"operation": 0, "questionable": 0}
        self._register()

    def advance(self) -> None:
        """Bring the log up to this instant: the newest whole chunk is the one that waits."""
        if self._log is None:
            return
        self._log.advance(now_ns())
        size = RATES[self._rate] // CHUNKS_PER_S
        while self._log.waiting >= size:
            if self._chunk is not None:
                self._questionable |= CHUNK_SKIPPED & self._passing["questionable"]
            self._chunk = self._log.take(size)
            self._operation |= CHUNK_READY & self._passing["operation"]

    def _switch(self, command: Command) -> None:
        if not command.boolean(0):
            self._log = self._chunk = None
            return
        if self._log is not None or not self._to_scpi:
            raise ScpiError(SETTINGS_CONFLICT)
        interval_s = 1 / RATES[self._rate]
        meter = self.panel.site.meter(
            self.panel.profile,
            origin_ns=now_ns(),
            channels=("voltage", "current"),
            full_scales={"current": self._range_a},
            aperture_s=interval_s,
            interval_s=interval_s,
        )
        self._log = LiveLog(meter, self.panel.watch, MOST_CHUNKS * RATES[self._rate])

    def _data(self, _command: Command) -> bytes:
        self.advance()
        if self._chunk is None:
            raise ScpiError(NO_DATA)
        told, self._chunk = np.where(np.isnan(self._chunk), OVERLOAD, self._chunk), None
        return definite_block(told.astype("<f4").tobytes())

    def _operation_events(self, _command: Command) -> str:
        self.advance()
        events, self._operation = self._operation, 0
        return str(events)

    def _questionable_events(self, _command: Command) -> str:
        self.advance()
        events, self._questionable = self._questionable, 0
        return str(events)

    def _set_range(self, command: Command) -> None:
        scales = [item.full_scale for item in self.panel.profile.ranges("current")]
        asked = command.number(0, 0, scales[-1])
        self._range_a = next(scale for scale in scales if asked <= scale)

    def _set_rate(self, command: Command) -> None:
        word = command.parameter(0).upper()
        named = [rate for rate in RATES if rate.upper() == word]
        if not named or self._log is not None:
            raise ScpiError(SETTINGS_CONFLICT if named else ILLEGAL_VALUE)
        self._rate = named[0]

    def _set_target(self, command: Command) -> None:
        self._to_scpi = command.choice(0, "SCPI", "USB") == "SCPI"

    def _pass(self, register: str) -> Callable[[Command], None]:
        def setter(command: Command) -> None:
            self._passing[register] = int(command.number(0, 0, 0x7FFF))

        return setter

    def _clear(self, _command: Command) -> None:
        self.advance()
        self.panel.errors.clear()
        self._operation = self._questionable = 0

    def _register(self) -> None:
        panel, table = self.panel, self.panel.table
        table.on("*CLS", self._clear)
        panel.ignore(":INSTrument[:SELect]")
        panel.pair(
            ":SENSe:CURRent:RANGe[:UPPer]", self._set_range, lambda: number_text(self._range_a)
        )
        running = {False: "0", True: "1"}
        panel.pair(":FLOG[:STATe]", self._switch, lambda: running[self._log is not None])
        target = {False: "USB", True: "SCPI"}
        panel.pair(":FLOG:TARGet", self._set_target, lambda: target[self._to_scpi])
        panel.pair(":FLOG:SRATe", self._set_rate, lambda: self._rate)
        table.on(":FLOG:DATA?", self._data)
        for name, word in (("operation", "OPERation"), ("questionable", "QUEStionable")):
            root = f":STATus:{word}:INSTrument:ISUMmary1"
            passing = self._passing
            panel.pair(
                f"{root}:PTRansition",
                self._pass(name),
                lambda name=name, passing=passing: str(passing[name]),  # type: ignore[misc]
            )
            panel.ignore(f"{root}:NTRansition", f"{root}:ENABle")
        table.on(":STATus:OPERation:INSTrument:ISUMmary1[:EVENt]?", self._operation_events)
        table.on(":STATus:QUEStionable:INSTrument:ISUMmary1[:EVENt]?", self._questionable_events)


def serve(context: EmulatorContext) -> None:
    """Serve one instrument on a free port of the loopback until the parent wants an end."""
    serve_panel(context, Ngu)
