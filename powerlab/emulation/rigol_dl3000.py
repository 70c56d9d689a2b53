"""The Rigol DL3000 load on the wire: SCPI over a TCP socket, constant current only.

Written from the DL3000 programming guide and owners' reports, not from the driver. What it aims
at, its own error included, goes into the bench's file of set-points, which the meters follow.
"""

from __future__ import annotations

import numpy as np

from powerlab.emulation.circuit import LOAD
from powerlab.emulation.faults import FaultWatch
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.scpi import ILLEGAL_VALUE, SETTINGS_CONFLICT, Command, ScpiError
from powerlab.emulation.scpi_instrument import (
    HEAD_START_S,
    ScpiInstrument,
    effect_ns,
    newest,
    serve_on_socket,
)
from powerlab.emulation.set_points import SetPointFile, point_path
from powerlab.emulation.site import LiveMeter, loop_site, profile_of
from powerlab.units import nanoseconds, now_ns

FIRMWARE = "00.01.05.00.01"
MODEL = "DL3021"
LEFT_OVER_START_V = 20.0
"""The starting voltage that a careless driver forgets to clear."""

FUNCTIONS = {"CURR": "CC", "VOLT": "CV", "RES": "CR", "POW": "CP"}
CHANNELS = ("voltage", "current")


class Dl3000(ScpiInstrument):
    """One load: its function, range, level, starting voltage and input."""

    def __init__(self, context: EmulatorContext, watch: FaultWatch) -> None:
        site = loop_site(context)
        self._profile = profile_of(context)
        suffix = self._profile.id.rsplit("-", 1)[-1].upper()
        model = suffix if suffix.startswith("DL") else MODEL
        super().__init__(site, watch, f"RIGOL TECHNOLOGIES,{model},{site.serial},{FIRMWARE}")
        self._unit = site.unit
        self._points = SetPointFile(point_path(site.loop.points, LOAD))
        self._ranges = self._profile.ranges("current")
        self._most_v = self._profile.ranges("voltage")[-1].full_scale
        self._function, self._on = "CV", False  # as its last user left it
        self._range, self._level_a, self._start_v = self._ranges[-1], 0.0, LEFT_OVER_START_V
        self._meter = self._own_meter()
        self._register()

    def _reset(self, _command: Command) -> None:
        self._function, self._on = "CC", False
        self._range, self._level_a, self._start_v = self._ranges[-1], 0.0, 0.0
        self._meter = self._own_meter()
        self._publish()

    def _own_meter(self) -> LiveMeter:
        return self._site.meter(
            self._profile,
            origin_ns=now_ns() - nanoseconds(HEAD_START_S),
            channels=CHANNELS,
            full_scales={"current": self._range.full_scale, "voltage": self._most_v},
        )

    def _publish(self) -> None:
        """Tell the bench what the load truly aims at: its setting errs as its range may."""
        at_ns = effect_ns()
        starts = self._site.present(at_ns)["voltage"] >= self._start_v
        if self._on and starts and self._level_a > 0:
            aim = self._unit.channel(self._range).steady(np.array([self._level_a]))
            self._points.publish(at_ns, max(0.0, float(aim[0])))
        else:
            self._points.publish(at_ns, 0.0)

    def _set_function(self, command: Command) -> None:
        word = command.choice(0, "CURRent", "VOLTage", "RESistance", "POWer")
        if self._on and FUNCTIONS[word] != self._function:
            raise ScpiError(SETTINGS_CONFLICT)
        self._function = FUNCTIONS[word]

    def _set_range(self, asked: float) -> None:
        self._range = next(item for item in self._ranges if asked <= item.full_scale)
        self._level_a = min(self._level_a, self._range.full_scale)
        self._meter = self._own_meter()
        self._publish()

    def _set_level(self, command: Command) -> None:
        self._level_a = command.number(0, 0.0, self._range.full_scale)
        self._publish()

    def _set_start(self, volts: float) -> None:
        self._start_v = volts

    def _set_input(self, command: Command) -> None:
        if self._function != "CC":
            raise ScpiError(ILLEGAL_VALUE)  # only constant current is emulated
        self._on = command.boolean(0)
        self._publish()

    def _register(self) -> None:
        on, top = self.table.on, self._ranges[-1].full_scale
        on("*RST", self._reset)
        on("[:SOURce]:FUNCtion", self._set_function)
        on("[:SOURce]:FUNCtion?", lambda _command: self._function)
        level = "[:SOURce]:CURRent[:LEVel][:IMMediate]"
        on(level, self._set_level)
        on(level + "?", lambda _command: f"{self._level_a:.6f}")
        self.setting(
            "[:SOURce]:CURRent:RANGe", self._set_range, 0.0, top, lambda: self._range.full_scale
        )
        self.setting(
            "[:SOURce]:CURRent:VON", self._set_start, 0.0, self._most_v, lambda: self._start_v
        )
        on("[:SOURce]:INPut[:STATe]", self._set_input)
        on("[:SOURce]:INPut[:STATe]?", lambda _command: str(int(self._on)))
        on(":MEASure:VOLTage[:DC]?", lambda _command: newest(self._meter, 0))
        on(":MEASure:CURRent[:DC]?", lambda _command: newest(self._meter, 1))


def serve(context: EmulatorContext) -> None:
    """Serve one load until the parent wants an end."""
    serve_on_socket(context, Dl3000)
