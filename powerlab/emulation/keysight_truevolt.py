"""The Keysight 34465A and 34470A on the wire: a sample timer, a memory, blocks of readings.

Written from the operating and service guide of the Truevolt series, not from the driver. Direct
current and volts are there; the option DIG is where the profile's interval asks for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from powerlab.emulation.faults import FaultWatch
from powerlab.emulation.live_log import LiveLog
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.scpi import (
    ILLEGAL_VALUE,
    OUT_OF_RANGE,
    OVERLOAD,
    SETTINGS_CONFLICT,
    Command,
    ScpiError,
    definite_block,
    number_text,
)
from powerlab.emulation.scpi_panel import Panel, serve_panel
from powerlab.records import FloatArray, VoltageSense
from powerlab.units import now_ns

IDENTITY = "Keysight Technologies,{model},{{serial}},A.02.14-02.40-02.14-00.49-02-01"
MODELS = ("34465A", "34470A")
MEMORY_READINGS = 50_000
MEMORY_OVERFLOW = 1 << 14
NO_DATA = (-230, "Data corrupt or stale")
INIT_IGNORED = (-213, "INIT ignored")
PLAIN_SHORTEST_S, DIG_SHORTEST_S = 3e-4, 2e-5
MOST_SAMPLES = 1_000_000_000
LINE_HZ = 50.0


@dataclass(slots=True)
class Settings:
    """What is set; ``full_scale`` None is the automatic range."""

    quantity: str = "voltage"
    full_scale: float | None = None
    aperture_s: float = 10 / LINE_HZ
    autozero: bool = True
    timed: bool = False
    timer_s: float = 1.0
    count: int = 1
    binary: bool = False
    swapped: bool = False


class Truevolt:
    """One instrument: its settings and, once initiated, its memory of readings."""

    def __init__(
        self, context: EmulatorContext, watch: FaultWatch, wait_until: Callable[[int], None]
    ) -> None:
        identifier = "" if context.instrument is None else context.instrument.id
        model = next((name for name in MODELS if name.lower() in identifier), MODELS[0])
        self.panel = Panel(context, watch, IDENTITY.format(model=model))
        self.panel.advance = self.advance
        self._wait_until = wait_until
        self._settings = Settings()
        self._log: LiveLog | None = None
        self._most = 0
        self._events = 0
        self._last: float | None = None
        self._in_use = 0.0
        interval_s = self.panel.profile.sampling.interval_s
        self._shortest_s = DIG_SHORTEST_S if interval_s < PLAIN_SHORTEST_S else PLAIN_SHORTEST_S
        memory = self.panel.profile.sampling.memory_readings
        self._memory = memory or MEMORY_READINGS
        self._register()

    def advance(self) -> None:
        """Bring the memory up to this instant."""
        if self._log is None:
            return
        self._log.advance(now_ns(), self._most)
        if self._log.overflowed:
            self._events |= MEMORY_OVERFLOW
            self._log.overflowed = False
        if self._log.waiting:
            self._last = float(self._log.look()[-1, 0])

    # --- measuring -------------------------------------------------------------------

    def _running(self) -> bool:
        self.advance()
        return self._log is not None and self._log.taken < self._most

    def _initiate(self, _command: Command) -> None:
        if self._running():
            raise ScpiError(INIT_IGNORED)
        settings = self._settings
        interval_s = settings.aperture_s * (2 if settings.autozero else 1) + 1e-5
        if settings.timed:
            if settings.timer_s < self._shortest_s:
                raise ScpiError(SETTINGS_CONFLICT)
            interval_s = settings.timer_s
        fixed = {} if settings.full_scale is None else {settings.quantity: settings.full_scale}
        meter = self.panel.site.meter(
            self.panel.profile,
            origin_ns=now_ns(),
            channels=(settings.quantity,),
            full_scales=fixed,
            sense=VoltageSense.BOARD,
            aperture_s=min(settings.aperture_s, interval_s),
            interval_s=interval_s,
        )
        self._log = LiveLog(meter, self.panel.watch, self._memory)
        self._most, self._last = settings.count, None
        self._in_use = meter.channels[0].range.full_scale

    def _stop(self, _command: Command | None = None) -> None:
        self.advance()
        if self._log is not None:
            self._most = self._log.taken

    def _changed(self) -> None:
        """Forget the readings, as any change of the configuration does."""
        self._log, self._most, self._last = None, 0, None

    # --- telling ---------------------------------------------------------------------

    def _told(self, values: FloatArray) -> bytes:
        """Write readings in the format that is set."""
        readings = np.where(np.isnan(values[:, 0]), OVERLOAD, values[:, 0])
        if self._settings.binary:
            kind = "<f8" if self._settings.swapped else ">f8"
            return definite_block(readings.astype(kind).tobytes())
        return ",".join(f"{value:+.8E}" for value in readings).encode()

    def _erase(self, command: Command) -> bytes:
        """Carry out ``R? [n]``: a block, empty where nothing waits."""
        self.advance()
        most = int(command.number(0, 1, MOST_SAMPLES, default=MOST_SAMPLES, optional=True))
        values = np.empty((0, 1)) if self._log is None else self._log.take(most)
        told = self._told(values)
        return told if self._settings.binary else definite_block(told)

    def _remove(self, command: Command) -> bytes:
        """Carry out ``DATA:REMove? n[,WAIT]``; without WAIT all of them must be there."""
        count = int(command.number(0, 1, MOST_SAMPLES))
        log, wait = self._log, command.parameter(1, "").upper() == "WAIT"
        self.advance()
        if log is None or (not wait and log.waiting < count):
            raise ScpiError(NO_DATA)
        while log.waiting < count and self._running():
            self._wait_until(log.due_ns(count - log.waiting))
        return self._told(log.take(count))

    def _fetch(self, _command: Command) -> bytes:
        """Carry out ``FETCh?``: all readings of the series, waiting for the last."""
        if self._log is None:
            raise ScpiError(NO_DATA)
        while self._running():
            self._wait_until(self._log.due_ns(self._most - self._log.taken))
        return self._told(self._log.look())

    def _read(self, command: Command) -> bytes:
        self._initiate(command)
        return self._fetch(command)

    def _points(self, _command: Command) -> str:
        self.advance()
        return f"{0 if self._log is None else self._log.waiting:+d}"

    def _newest(self, _command: Command) -> str:
        self.advance()
        unit = "ADC" if self._settings.quantity == "current" else "VDC"
        value = 9.91e37 if self._last is None else self._last
        return f"{OVERLOAD if math.isnan(value) else value:+.8E} {unit}"

    def _questionable(self, _command: Command) -> str:
        self.advance()
        events, self._events = self._events, 0
        return f"{events:+d}"

    # --- settings --------------------------------------------------------------------

    def _configure(self, quantity: str) -> Callable[[Command], None]:
        def configure(command: Command) -> None:
            word = command.parameter(0, "AUTO").upper()
            scale = None if word in ("AUTO", "DEF") else self._scale(quantity, command)
            if scale is None and len(command.parameters) > 1:
                raise ScpiError(SETTINGS_CONFLICT)  # a resolution needs a range
            binary, swapped = self._settings.binary, self._settings.swapped
            self._settings = Settings(quantity, scale, binary=binary, swapped=swapped)
            self._changed()

        return configure

    def _scale(self, quantity: str, command: Command) -> float:
        scales = [item.full_scale for item in self.panel.profile.ranges(quantity)]
        asked = command.number(0, 0, max(scales), default=scales[0])
        return next(scale for scale in scales if asked <= scale)

    def _set(self, name: str, value: Callable[[Command], object]) -> Callable[[Command], None]:
        def setter(command: Command) -> None:
            setattr(self._settings, name, value(command))
            self._changed()

        return setter

    def _aperture(self, command: Command) -> float:
        return command.number(0, min(self._shortest_s, 2e-5), 1.0, default=0.1)

    def _set_format(self, command: Command) -> None:
        word = command.choice(0, "ASCii", "REAL")
        if word == "REAL" and command.parameter(1, "64") not in ("64", "32"):
            raise ScpiError(ILLEGAL_VALUE)
        if word == "REAL" and command.parameter(1, "64") == "32":
            raise ScpiError(OUT_OF_RANGE)
        self._settings.binary = word == "REAL"

    def _set_order(self, command: Command) -> None:
        self._settings.swapped = command.choice(0, "NORMal", "SWAPped") == "SWAP"

    def _clear(self, _command: Command) -> None:
        self.advance()
        self.panel.errors.clear()
        self._events = 0

    def _timer(self, command: Command) -> str:
        word = command.parameter(0, "").upper()
        return f"{self._shortest_s if word == 'MIN' else self._settings.timer_s:+.8E}"

    def _register(self) -> None:
        panel, table = self.panel, self.panel.table
        panel.ignore("[:SENSe]:CURRent:SWITch:MODE", ":TRIGger:SOURce", ":TRIGger:COUNt")
        panel.ignore(":TRIGger:DELay", ":TRIGger:SLOPe", ":DISPlay[:STATe]")
        table.on("*CLS", self._clear)
        table.on(":SYSTem:LFRequency?", lambda _command: f"{LINE_HZ:+.0f}")
        table.on(":ABORt", self._stop)
        table.on(":INITiate[:IMMediate]", self._initiate)
        table.on(":R?", self._erase)
        table.on(":DATA:REMove?", self._remove)
        table.on(":DATA:POINts?", self._points)
        table.on(":DATA:LAST?", self._newest)
        table.on(":FETCh?", self._fetch)
        table.on(":READ?", self._read)
        table.on(":STATus:QUEStionable[:EVENt]?", self._questionable)
        for quantity, name in (("current", "CURRent"), ("voltage", "VOLTage")):
            table.on(f":CONFigure:{name}[:DC]", self._configure(quantity))
            self._register_function(f"[:SENSe]:{name}[:DC]")
        source = self._set(
            "timed", lambda command: command.choice(0, "IMMediate", "TIMer") == "TIM"
        )
        panel.pair(":SAMPle:SOURce", source, lambda: "TIM" if self._settings.timed else "IMM")
        table.on(":SAMPle:TIMer", self._set("timer_s", lambda c: c.number(0, 0, 3600)))
        table.on(":SAMPle:TIMer?", self._timer)
        count = self._set("count", lambda c: int(c.number(0, 1, MOST_SAMPLES)))
        panel.pair(":SAMPle:COUNt", count, lambda: f"{self._settings.count:+d}")
        form = {False: "ASC,9", True: "REAL,64"}
        panel.pair(":FORMat[:DATA]", self._set_format, lambda: form[self._settings.binary])
        order = {False: "NORM", True: "SWAP"}
        panel.pair(":FORMat:BORDer", self._set_order, lambda: order[self._settings.swapped])

    def _register_function(self, root: str) -> None:
        panel = self.panel
        panel.table.on(
            f"{root}:RANGe?", lambda _c: number_text(self._settings.full_scale or self._in_use)
        )
        panel.pair(
            f"{root}:APERture",
            self._set("aperture_s", self._aperture),
            lambda: f"{self._settings.aperture_s:+.8E}",
        )
        panel.pair(
            f"{root}:NPLCycles",
            self._set("aperture_s", lambda c: c.number(0, 0.001, 100) / LINE_HZ),
            lambda: f"{self._settings.aperture_s * LINE_HZ:+.8E}",
        )
        panel.pair(
            f"{root}:ZERO:AUTO",
            self._set("autozero", lambda c: c.boolean(0)),
            lambda: str(int(self._settings.autozero)),
        )


def serve(context: EmulatorContext) -> None:
    """Serve one multimeter on a free port of the loopback until the parent wants an end."""
    serve_panel(context, Truevolt)
