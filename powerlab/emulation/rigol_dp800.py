"""Channel 1 of the Rigol DP800 supply on the wire: SCPI over a TCP socket.

Written from the DP800 programming guide and owners' reports, not from the driver. What it aims
at, its own error included, goes into the bench's file of set-points, which the meters follow.
"""

from __future__ import annotations

import numpy as np

from powerlab.emulation.circuit import SUPPLY
from powerlab.emulation.faults import FaultWatch
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.scpi import ILLEGAL_VALUE, Command, ScpiError
from powerlab.emulation.scpi_instrument import (
    HEAD_START_S,
    ScpiInstrument,
    effect_ns,
    newest,
    serve_on_socket,
)
from powerlab.emulation.set_points import SetPointFile, point_path
from powerlab.emulation.site import loop_site, profile_of
from powerlab.units import nanoseconds, now_ns

FIRMWARE = "00.01.19"
MODEL = "DP832"
CHANNEL = "CH1"
CHANNELS = ("voltage", "current")


class Dp800(ScpiInstrument):
    """One supply: the volts, the current limit and the switch of its first channel."""

    def __init__(self, context: EmulatorContext, watch: FaultWatch) -> None:
        site = loop_site(context)
        profile = profile_of(context)
        suffix = profile.id.rsplit("-", 1)[-1].upper()
        model = suffix if suffix.startswith("DP") else MODEL
        super().__init__(site, watch, f"RIGOL TECHNOLOGIES,{model},{site.serial},{FIRMWARE}")
        self._points = SetPointFile(point_path(site.loop.points, SUPPLY))
        self._volts, self._amperes = (
            profile.ranges(quantity)[-1] for quantity in ("voltage", "current")
        )
        self._channel = site.unit.channel(self._volts)
        self._level_v, self._limit_a, self._on = 0.0, self._amperes.full_scale, False
        self._meter = site.meter(
            profile,
            origin_ns=now_ns() - nanoseconds(HEAD_START_S),
            channels=CHANNELS,
            full_scales={"voltage": self._volts.full_scale, "current": self._amperes.full_scale},
        )
        self._register()

    def _publish(self) -> None:
        """Tell the bench what the supply truly aims at: its setting errs as its range may."""
        aim = 0.0
        if self._on and self._level_v > 0:
            aim = max(0.0, float(self._channel.steady(np.array([self._level_v]))[0]))
        self._points.publish(effect_ns(), aim, self._limit_a)

    def _set_volts(self, volts: float) -> None:
        self._level_v = volts
        self._publish()

    def _set_limit(self, amperes: float) -> None:
        self._limit_a = amperes
        self._publish()

    def _set_output(self, command: Command) -> None:
        self._check_channel(command)
        self._on = Command(command.header, query=False, parameters=command.parameters[1:]).boolean(
            0
        )
        self._publish()

    def _check_channel(self, command: Command) -> None:
        if command.parameter(0).upper() != CHANNEL:
            raise ScpiError(ILLEGAL_VALUE)

    def _read(self, command: Command, column: int) -> str:
        self._check_channel(command)
        return newest(self._meter, column)

    def _output(self, command: Command) -> str:
        self._check_channel(command)
        return "ON" if self._on else "OFF"

    def _register(self) -> None:
        most_v = self._volts.full_scale * self._volts.over_range_factor
        most_a = self._amperes.full_scale * self._amperes.over_range_factor
        root = ":SOURce1:{}[:LEVel][:IMMediate][:AMPLitude]"
        self.setting(root.format("VOLTage"), self._set_volts, 0.0, most_v, lambda: self._level_v)
        self.setting(root.format("CURRent"), self._set_limit, 0.0, most_a, lambda: self._limit_a)
        self.table.on(":OUTPut[:STATe]", self._set_output)
        self.table.on(":OUTPut[:STATe]?", self._output)
        self.table.on(":MEASure[:VOLTage][:DC]?", lambda command: self._read(command, 0))
        self.table.on(":MEASure:CURRent[:DC]?", lambda command: self._read(command, 1))


def serve(context: EmulatorContext) -> None:
    """Serve one supply until the parent wants an end."""
    serve_on_socket(context, Dp800)
