"""The Keysight N6705C with two N6781A on the wire: the external data log of volts and amperes.

Written from the N6700/N6705 programming guide, not from the driver. Least and greatest values
are not there, nor is anything that an output delivers: it supplies the bench as it is. Outputs
that log together share the board's current.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import numpy as np

from powerlab.emulation.faults import FaultWatch
from powerlab.emulation.live_log import LiveLog
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.scpi import (
    ILLEGAL_VALUE,
    OUT_OF_RANGE,
    SETTINGS_CONFLICT,
    Command,
    ScpiError,
    definite_block,
    number_text,
)
from powerlab.emulation.scpi_panel import Panel, serve_panel
from powerlab.records import FloatArray
from powerlab.units import now_ns

IDENTITY = "Keysight Technologies,N6705C,{serial},E.02.13.3280"
MODULE = "N6781A"
OUTPUTS = (1, 2)
STEP_S = 20.48e-6
LEAST_STEPS = 5
LONGEST_S = 60.0
KEPT_S = 20.0
MOST_RECORDS = 16_384
OVERLOAD = 9.9e37
NOT_LOGGING = (308, "This command is not allowed while not logging")


@dataclass(slots=True)
class Output:
    """What is set of one output's data log, and its log while it runs."""

    ranges: dict[str, float]
    enabled: dict[str, bool]
    period_s: float = 0.1
    bus: bool = False
    armed: bool = False
    log: LiveLog | None = None


class N6705c:
    """One instrument: its outputs with their logs, and the format of answers."""

    def __init__(
        self,
        context: EmulatorContext,
        watch: FaultWatch,
        wait_until: Callable[[int], None],  # noqa: ARG002 - nothing here waits
    ) -> None:
        self.panel = Panel(context, watch, IDENTITY)
        self.panel.advance = self.advance
        largest = {
            name: self.panel.profile.ranges(name)[-1].full_scale for name in ("current", "voltage")
        }
        self._outputs = {
            number: Output(dict(largest), {"current": False, "voltage": False})
            for number in OUTPUTS
        }
        self._binary = self._swapped = False
        self._register()

    def advance(self) -> None:
        """Bring the logs up to this instant."""
        for output in self._outputs.values():
            if output.log is not None:
                output.log.advance(now_ns())

    # --- the log ---------------------------------------------------------------------

    def _initiate(self, command: Command) -> None:
        for output in self._named(command, 0):
            if not any(output.enabled.values()):
                raise ScpiError(SETTINGS_CONFLICT)
            output.armed, output.log = True, None
            if not output.bus:
                self._start(output)

    def _trigger(self, command: Command) -> None:
        for output in self._named(command, 0):
            if output.armed:
                self._start(output)

    def _start(self, output: Output) -> None:
        output.armed = False
        meter = self.panel.site.meter(
            self.panel.profile,
            origin_ns=now_ns(),
            channels=("current", "voltage"),
            full_scales=output.ranges,
            aperture_s=output.period_s,
            interval_s=output.period_s,
        )
        output.log = LiveLog(meter, self.panel.watch, ceil(KEPT_S / output.period_s))

    def _abort(self, command: Command) -> None:
        for output in self._named(command, 0):
            output.armed, output.log = False, None

    def _fetch(self, command: Command) -> bytes:
        most = int(command.number(0, 1, MOST_RECORDS))
        self.advance()
        told = []
        outputs = self._named(command, 1)
        for output in outputs:
            if output.log is None:
                raise ScpiError(NOT_LOGGING)
            told.append(self._told(output, output.log.take(most), len(outputs)))
        return b",".join(told)

    def _told(self, output: Output, records: FloatArray, sharing: int) -> bytes:
        names = [name for name in ("current", "voltage") if output.enabled[name]]
        shared = records / np.array([sharing, 1])
        chosen = shared[:, [("current", "voltage").index(name) for name in names]]
        numbers = np.where(np.isnan(chosen), OVERLOAD, chosen).ravel()
        if self._binary:
            return definite_block(numbers.astype("<f4" if self._swapped else ">f4").tobytes())
        return ",".join(f"{number:.6E}" for number in numbers).encode()

    # --- settings --------------------------------------------------------------------

    def _named(self, command: Command, at: int) -> list[Output]:
        """Get the outputs of a list such as ``(@1,2)``, which commas have taken to pieces."""
        listed = ",".join(command.parameters[at:]) or "(@1)"
        if not (listed.startswith("(@") and listed.endswith(")")):
            raise ScpiError(ILLEGAL_VALUE)
        try:
            return [self._outputs[int(number)] for number in listed[2:-1].split(",")]
        except (KeyError, ValueError):
            raise ScpiError(OUT_OF_RANGE) from None

    def _set(self, apply: Callable[[Output, Command], None]) -> Callable[[Command], None]:
        def setter(command: Command) -> None:
            for output in self._named(command, 1):
                if output.log is not None or output.armed:
                    raise ScpiError(SETTINGS_CONFLICT)
                apply(output, command)

        return setter

    def _get(self, tell: Callable[[Output], str]) -> Callable[[Command], str]:
        return lambda command: ",".join(tell(output) for output in self._named(command, 0))

    def _set_period(self, output: Output, command: Command) -> None:
        asked_s = command.number(0, LEAST_STEPS * STEP_S, LONGEST_S)
        parameters = sum(sum(item.enabled.values()) for item in self._outputs.values())
        least = LEAST_STEPS * (1 << (max(parameters, 1) - 1).bit_length())
        output.period_s = max(least, round(asked_s / STEP_S)) * STEP_S

    def _set_range(self, name: str) -> Callable[[Output, Command], None]:
        def apply(output: Output, command: Command) -> None:
            scales = [item.full_scale for item in self.panel.profile.ranges(name)]
            asked = command.number(0, 0, scales[-1])
            output.ranges[name] = next(scale for scale in scales if asked <= scale)

        return apply

    def _set_source(self, output: Output, command: Command) -> None:
        output.bus = command.choice(0, "IMMediate", "BUS") == "BUS"

    def _refuse_extremes(self, _output: Output, command: Command) -> None:
        if command.boolean(0):
            raise ScpiError(ILLEGAL_VALUE)

    def _set_format(self, command: Command) -> None:
        self._binary = command.choice(0, "ASCii", "REAL") == "REAL"

    def _set_order(self, command: Command) -> None:
        self._swapped = command.choice(0, "NORMal", "SWAPped") == "SWAP"

    def _register(self) -> None:
        panel, table = self.panel, self.panel.table
        table.on("*CLS", lambda _command: panel.errors.clear())
        table.on(":SYSTem:CHANnel:MODel?", self._get(lambda _output: f'"{MODULE}"'))
        panel.ignore(":SENSe:SWEep:TINTerval:RESolution")
        panel.pair(":FORMat[:DATA]", self._set_format, lambda: "REAL" if self._binary else "ASC")
        order = {False: "NORM", True: "SWAP"}
        panel.pair(":FORMat:BORDer", self._set_order, lambda: order[self._swapped])
        for name, word in (("current", "CURRent"), ("voltage", "VOLTage")):
            self._register_quantity(name, word)
        table.on(":SENSe:ELOG:PERiod", self._set(self._set_period))
        table.on(":SENSe:ELOG:PERiod?", self._get(lambda output: f"{output.period_s:.6E}"))
        table.on(":TRIGger:ELOG:SOURce", self._set(self._set_source))
        table.on(":INITiate[:IMMediate]:ELOG", self._initiate)
        table.on(":TRIGger:ELOG[:IMMediate]", self._trigger)
        table.on(":ABORt:ELOG", self._abort)
        table.on(":FETCh:ELOG?", self._fetch)

    def _register_quantity(self, name: str, word: str) -> None:
        table = self.panel.table

        def enable(output: Output, command: Command) -> None:
            output.enabled[name] = command.boolean(0)

        root = f":SENSe:ELOG:FUNCtion:{word}"
        table.on(root, self._set(enable))
        table.on(f"{root}?", self._get(lambda output: str(int(output.enabled[name]))))
        table.on(f"{root}:MINMax", self._set(self._refuse_extremes))
        scale = f":SENSe:ELOG:{word}[:DC]:RANGe[:UPPer]"
        table.on(scale, self._set(self._set_range(name)))
        table.on(f"{scale}?", self._get(lambda output: number_text(output.ranges[name])))


def serve(context: EmulatorContext) -> None:
    """Serve one instrument on a free port of the loopback until the parent wants an end."""
    serve_panel(context, N6705c)
