"""The Yokogawa WT310E on the wire: element 1 on direct current, numeric lists, one update bit.

Written from the command lists of IM WT310E-17EN and exchanges captured from real units, not
from the driver. The real meter speaks VXI-11, USBTMC, GP-IB or RS-232; here the same text goes
over a TCP socket. It starts as a meter does that somebody used: headers on, automatic ranges.
Integration and the mains are not there. The GW Instek GPM-8310 has the same commands, a raw
socket, and ends its lines with CR LF.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.emulation.faults import GAP_S, OVERRANGE_S, FaultWatch
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.sampling import Readings
from powerlab.emulation.scpi import (
    EXECUTION_ERROR,
    Command,
    CommandTable,
    ErrorQueue,
    ScpiError,
    parse,
)
from powerlab.emulation.scpi_server import ScpiServer
from powerlab.emulation.site import LiveMeter, profile_of, site_of
from powerlab.emulation.yokogawa_settings import (
    NO_DATA,
    OVER,
    decimal_places,
    float_block,
    number_text,
    power_on,
    register_settings,
)
from powerlab.errors import PowerlabError
from powerlab.units import now_ns

IDENTITIES = {
    "WT310E": "YOKOGAWA,WT310E,{serial},F1.04",
    "WT333E": "YOKOGAWA,WT333E,{serial},F1.04",
    "GPM-8310": "GWInstek,GPM-8310,{serial},V1.00",
}
UPDATED = 1 << 0
OVER_RANGE = 1 << 6
GIVES_WAY_A = 0.2
"""A fixed current range up to this gives way to an automatic one when it is overloaded."""

_ORDER = ("voltage", "current", "power")


class Wt310e:
    """One instrument: its settings, its newest readings, and the events since they were read.

    ``wait_until`` lets host time pass while a command holds the client.
    """

    def __init__(
        self, context: EmulatorContext, watch: FaultWatch, wait_until: Callable[[int], None]
    ) -> None:
        self._profile = profile_of(context)
        self._site = site_of(context)
        self.serial = self._site.serial
        self._watch = watch
        self._wait_until = wait_until
        self.errors = ErrorQueue()
        self.state = power_on(self._profile)
        self._events = self._condition = 0
        self._newest: tuple[float, ...] | None = None
        self._taken = 0
        self._meter: LiveMeter | None = None
        model = next((name for name in IDENTITIES if name.lower() in self._profile.id), "WT310E")
        self._line_end = b"\r\n" if model == "GPM-8310" else b"\n"
        self._table = self._commands(IDENTITIES[model].format(serial=self.serial))

    def handle(self, line: str) -> bytes:
        """Carry out one program message; replies of its queries are joined by semicolons."""
        replies: list[bytes] = []
        for command in parse(line):
            try:
                reply = self._table.run(command)
            except ScpiError as error:
                self.errors.push(error.code, error.text)
                break
            except PowerlabError as error:
                self.errors.push(EXECUTION_ERROR[0], f"{EXECUTION_ERROR[1]}: {error.message}")
                break
            if reply is not None:
                replies.append(reply.encode("ascii") if isinstance(reply, str) else reply)
        return b";".join(replies) + self._line_end if replies else b""

    def tick(self) -> None:
        """Follow the bench."""
        self._watch.arm(self._site.follow())
        self.advance()

    def advance(self) -> None:
        """Take the updates that have ended by now; the last one is what the meter shows."""
        at = np.array(now_ns(), dtype=np.int64)
        meter = self._measuring()
        ready = int(meter.clock.completed(at))
        if ready > self._taken:
            readings = meter.sample(self._taken, ready - self._taken)
            for row in range(ready - self._taken):
                self._update(readings, row)
            self._taken = ready
            if self.state.current_auto and self._condition:
                self._restart()

    # --- measuring -------------------------------------------------------------------

    def _update(self, readings: Readings, row: int) -> None:
        middle_ns = int(readings.start_ns[row] + readings.stop_ns[row]) // 2
        gaps = self._watch.windows("gap", GAP_S)
        if self.state.hold or any(start <= middle_ns < stop for start, stop in gaps):
            return
        values = [float(value) for value in readings.values[row]]
        overloads = self._watch.windows("overrange", OVERRANGE_S)
        if any(start <= middle_ns < stop for start, stop in overloads):
            values[1] = math.nan
        over = math.isnan(values[0]) or math.isnan(values[1])
        self._newest = (values[0], values[1], math.nan if over else values[2])
        self._signal(OVER_RANGE if over else 0)
        if over and self.state.current_a <= GIVES_WAY_A:
            self.state.current_auto = True

    def _signal(self, condition: int) -> None:
        """Let the bits of the condition register pass the filters; an update is a fall of bit 0."""
        filters = self.state.filters
        if filters[0] in ("FALL", "BOTH"):
            self._events |= UPDATED
        for place in range(1, 16):
            was, now = self._condition >> place & 1, condition >> place & 1
            wanted = ("RISE", "BOTH") if now else ("FALL", "BOTH")
            if was != now and filters[place] in wanted:
                self._events |= 1 << place
        self._condition = condition

    def _measuring(self) -> LiveMeter:
        if self._meter is None:
            self._meter = self._start()
        return self._meter

    def _restart(self) -> None:
        """Begin anew: the next update is the first with the settings of now."""
        self._meter, self._newest, self._taken, self._condition = None, None, 0, 0

    def _start(self) -> LiveMeter:
        state, origin_ns = self.state, now_ns()
        fixed = {
            name: value
            for name, value, auto in (
                ("voltage", state.voltage_v, state.voltage_auto),
                ("current", state.current_a, state.current_auto),
            )
            if not auto
        }
        chosen = self._site.meter(
            self._profile,
            origin_ns=origin_ns,
            channels=("voltage", "current"),
            full_scales=fixed,
        )
        state.voltage_v, state.current_a = (item.range.full_scale for item in chosen.channels)
        power_w = state.voltage_v * state.current_a
        scales = {"voltage": state.voltage_v, "current": state.current_a, "power": power_w}
        return self._site.meter(
            _with_power_range(self._profile, power_w),
            origin_ns=origin_ns,
            channels=_ORDER,
            full_scales=scales,
            aperture_s=state.rate_s,
            interval_s=state.rate_s,
        )

    # --- telling ---------------------------------------------------------------------

    def _values(self, _command: Command) -> str | bytes:
        self.advance()
        numbers = [self._number(item) for item in self.state.items[: self.state.number]]
        if self.state.form == "FLO":
            return float_block(numbers)
        return ",".join(
            number if isinstance(number, str) else number_text(*number) for number in numbers
        )

    def _number(self, item: str) -> tuple[float, float] | str:
        """Get an item's value with the full scale of its display, or the word for none."""
        name = item.partition(",")[0]
        if self._newest is None or not item.endswith(",1"):
            return NO_DATA
        volts, amperes, watts = self._newest
        state = self.state
        power_w = state.voltage_v * state.current_a
        values = {
            "U": (volts, state.voltage_v),
            "I": (amperes, state.current_a),
            "P": (watts, power_w),
            "S": (abs(volts * amperes), power_w),
        }
        if name not in values:
            return NO_DATA  # direct current has no frequency and no phase
        value, scale = values[name]
        return OVER if math.isnan(value) else (value, scale)

    def _event_register(self, _command: Command) -> str:
        self.advance()
        events, self._events = self._events, 0
        return str(events)

    def _condition_register(self, _command: Command) -> str:
        self.advance()
        return str(self._condition)

    def _wait(self, command: Command) -> None:
        """Hold the client until one of the events has come."""
        wanted = int(command.number(0, 0, 0xFFFF))
        self.advance()
        while wanted and not self._events & wanted:
            number = np.array(self._taken, dtype=np.int64)
            self._wait_until(int(self._measuring().clock.available_ns(number)))
            self.advance()

    def _next_error(self, _command: Command) -> str:
        code, text = self.errors.pop()
        if not self.state.verbose_errors:
            return str(abs(code))
        return f'{abs(code)},"{text if code else "NO ERROR"}"'

    def _clear(self, _command: Command) -> None:
        self.errors.clear()
        self._events = 0

    def _reset(self, _command: Command) -> None:
        header = self.state.header, self.state.verbose, self.state.verbose_errors
        fresh = power_on(self._profile)
        for name in fresh.__slots__:
            setattr(self.state, name, getattr(fresh, name))
        self.state.header, self.state.verbose, self.state.verbose_errors = header
        self._restart()

    def _integrate(self, running: bool) -> Callable[[Command], None]:  # noqa: FBT001
        def setter(_command: Command) -> None:
            if self.state.integrating is running:
                raise ScpiError(EXECUTION_ERROR)
            self.state.integrating = running

        return setter

    def _commands(self, identity: str) -> CommandTable:
        table = CommandTable()
        for pattern, reply in {"*IDN?": identity, "*OPC?": "1", "*OPT?": "NONE"}.items():
            table.on(pattern, lambda _command, reply=reply: reply)  # type: ignore[misc]
        table.on("*CLS", self._clear)
        table.on("*RST", self._reset)
        table.on(":STATus:ERRor?", self._next_error)
        table.on(":STATus:EESR?", self._event_register)
        table.on(":STATus:CONDition?", self._condition_register)
        table.on(":COMMunicate:WAIT", self._wait)
        table.on(":NUMeric[:NORMal]:VALue?", self._values)
        table.on(":INTEGrate:STARt", self._integrate(running=True))
        table.on(":INTEGrate:STOP", self._integrate(running=False))
        table.on(":INTEGrate:RESet", lambda _command: None)
        table.on(":INTEGrate:STATe?", lambda _c: "STAR" if self.state.integrating else "RES")
        register_settings(table, self.state, self._restart)
        return table


def _with_power_range(profile: InstrumentProfile, full_scale: float) -> InstrumentProfile:
    """Get the model with the one range of watts that two ranges make: per cent of their product.

    What is over is decided by volts and amperes: watts are shown as long as these are.
    """
    model = profile.ranges("power")[0]
    factor = full_scale / model.full_scale
    power = model.model_copy(
        update={
            "full_scale": full_scale,
            "over_range_factor": 10.0,
            "resolution": 10.0 ** -decimal_places(full_scale),
            "noise": model.noise * factor,
        }
    )
    others = tuple(item for item in profile.range if item.quantity != "power")
    return profile.model_copy(update={"range": (*others, power)})


def serve(context: EmulatorContext) -> None:
    """Serve one power meter on a free port of the loopback until the parent wants an end."""
    watch = FaultWatch(context.faults)
    server = ScpiServer(watch)
    instrument = Wt310e(context, watch, server.wait_until)
    resource = f"TCPIP0::127.0.0.1::{server.port}::SOCKET"
    context.ready({"resource": resource, "serial": instrument.serial})
    server.serve(instrument)
