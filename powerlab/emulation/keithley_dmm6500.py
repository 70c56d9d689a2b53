"""The Keithley DMM6500 on the wire: SCPI over a TCP socket, a virtual sample clock behind it.

Written from the reference manual DMM6500-901-01 and published exchanges, not from the driver.
DC current and DC voltage are there, plain and digitized; AC, resistance and the scanner are not.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from powerlab.emulation.acquisition import Acquisition
from powerlab.emulation.dmm6500_digitize import Block, new_digitizers, register_digitize
from powerlab.emulation.dmm6500_sense import LINE_HZ, FunctionSettings, new_settings, register_sense
from powerlab.emulation.dmm6500_trace import BufferStore, register_trace
from powerlab.emulation.faults import FaultWatch
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.reading_buffer import ReadingBuffer
from powerlab.emulation.scpi import (
    ILLEGAL_VALUE,
    SETTINGS_CONFLICT,
    Command,
    CommandTable,
    ErrorQueue,
    ScpiError,
    number_text,
)
from powerlab.emulation.scpi_instrument import carry_out
from powerlab.emulation.scpi_server import ScpiServer
from powerlab.emulation.site import profile_of, site_of
from powerlab.records import VoltageSense
from powerlab.units import NS_PER_S, now_ns

MODELS = ("DMM6500", "DAQ6510")
FIRMWARE = "1.7.12b"
INIT_IGNORED = (-213, "Init ignored")
STALE = (-230, "Data corrupt or stale")
NEVER_S = 1e9

_TRIGGER_MODELS = ("EMPTy", "SIMPLELoop", "DURATIONLoop", "LOOPUNTILEVent")


class Dmm6500:
    """One instrument: its settings, buffers, errors and, while it measures, its readings.

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
        self.buffers = BufferStore(self.advance)
        self.functions = new_settings(self._profile)
        self.function = "VOLT:DC"
        self.count = 1
        self.digitizers = new_digitizers(self._profile)
        self.digitizer: str | None = None
        self.digitize_count = 1
        self.blocks: dict[int, Block] = {}
        self._model: tuple[str, float, float, str] = ("EMPT", 0, 0.0, BufferStore.DEFAULT)
        self._taking: Acquisition | None = None
        self._aborted = False
        self._table = self._commands()

    @property
    def settings(self) -> FunctionSettings:
        """Get the settings of the measure function chosen."""
        return self.functions[self.function]

    def handle(self, line: str) -> bytes:
        """Carry out one program message; replies of its queries are joined by semicolons."""
        return carry_out(line, self._table.run, self.errors)

    def tick(self) -> None:
        """Follow the bench."""
        self._watch.arm(self._site.follow())

    def advance(self) -> None:
        """Bring the buffer up to this instant."""
        at_ns = now_ns()
        self.tick()
        if self._taking is not None:
            self._taking.advance(at_ns)

    # --- measuring -------------------------------------------------------------------

    def _start(self, buffer: ReadingBuffer, most: int | None, delay_s: float) -> Acquisition:
        """Start readings with the function's settings, as an autozero cycle allows."""
        if self.digitizer is not None:
            return self._start_digitizer(buffer, most)
        settings = self.settings
        sampling = self._profile.sampling
        aperture_s = settings.nplc / LINE_HZ
        overhead_s = max(0.0, sampling.interval_s - sampling.aperture_s) + delay_s
        cycle_s = 2 * aperture_s if settings.autozero else aperture_s
        meter = self._site.meter(
            self._profile,
            origin_ns=now_ns(),
            channels=(settings.quantity,),
            full_scales={} if settings.autorange else {settings.quantity: settings.range},
            sense=VoltageSense.BOARD,
            aperture_s=aperture_s,
            interval_s=cycle_s + overhead_s,
        )
        settings.range = meter.channels[0].range.full_scale
        return Acquisition(meter, buffer, self._watch, most)

    def _start_digitizer(self, buffer: ReadingBuffer, most: int | None) -> Acquisition:
        settings = self.digitizers[self.digitizer or ""]
        meter = self._site.meter(
            self._profile,
            origin_ns=now_ns(),
            channels=(settings.quantity,),
            full_scales={settings.quantity: settings.range},
            sense=VoltageSense.BOARD,
            aperture_s=settings.true_aperture_s,
            interval_s=settings.interval_s,
        )
        return Acquisition(meter, buffer, self._watch, most)

    def _run_blocks(self) -> None:
        """Go through the trigger blocks up to the one that measures, which ends the tour."""
        for place in sorted(self.blocks):
            block = self.blocks[place]
            if block.kind == "clear":
                self.buffers.get(block.buffer).clear()
            elif block.kind == "measure":
                self._taking = self._start(self.buffers.get(block.buffer), block.count, 0.0)
                return
        raise ScpiError(SETTINGS_CONFLICT)

    def _measure(self, command: Command) -> str | bytes:
        """Take SENS:COUN readings into a buffer, waiting for them, and reply with the last."""
        if self._running():
            raise ScpiError(SETTINGS_CONFLICT)
        name = command.string(0, BufferStore.DEFAULT)
        buffer = self.buffers.get(name)
        count = self.count if self.digitizer is None else self.digitize_count
        self._taking = self._start(buffer, count, 0.0)
        self._wait_idle()
        return self.buffers.data(buffer, buffer.last, buffer.last, command.parameters[1:])

    def _fetch(self, command: Command) -> str | bytes:
        self.advance()
        buffer = self.buffers.get(command.string(0, BufferStore.DEFAULT))
        if buffer.actual == 0:
            raise ScpiError(STALE)
        return self.buffers.data(buffer, buffer.last, buffer.last, command.parameters[1:])

    def _trace_trigger(self, command: Command) -> None:
        self._measure(Command(command.header, query=True, parameters=command.parameters[:1]))

    def _wait_idle(self) -> None:
        """Wait, as *WAI does, until no reading is outstanding."""
        while self._running() and self._taking is not None:
            most = self._taking.most
            self._wait_until(
                self._taking.due_ns(1 if most is None else most - self._taking.delivered)
            )

    def _running(self) -> bool:
        self.advance()
        return self._taking is not None and not self._taking.done

    # --- trigger model ---------------------------------------------------------------

    def _load(self, command: Command) -> None:
        if self._running():
            raise ScpiError(SETTINGS_CONFLICT)
        word = command.string(0).upper()
        name = next((m.upper() for m in _TRIGGER_MODELS if m.upper().startswith(word)), "")
        if len(word) < 4 or not name:
            raise ScpiError(ILLEGAL_VALUE)
        amount, delay_at = 0.0, 2
        if name == "SIMPLELOOP":
            amount = command.number(1, 1, NEVER_S)
        elif name == "DURATIONLOOP":
            amount = command.number(1, 5e-7, 1e5)
        elif name == "LOOPUNTILEVENT":
            command.parameter(1)
            amount, delay_at = command.number(2, 0, 100, default=50, optional=True), 4
        delay_s = command.number(delay_at, 0, 1e4, default=0.0, optional=True)
        buffer = command.string(delay_at + 1, BufferStore.DEFAULT)
        self.buffers.get(buffer)
        self._model, self.blocks = (name, amount, delay_s, buffer), {}

    def _initiate(self, _command: Command) -> None:
        if self._running():
            raise ScpiError(INIT_IGNORED)
        name, amount, delay_s, buffer_name = self._model
        self._aborted = False
        if name.startswith("EMPT"):
            self._run_blocks()
            return
        most = int(amount) if name == "SIMPLELOOP" else None
        taking = self._start(self.buffers.get(buffer_name), most, delay_s)
        if name == "DURATIONLOOP":
            taking.finish(max(1, round(amount * NS_PER_S / taking.meter.clock.device_interval_ns)))
        self._taking = taking

    def _trigger(self, _command: Command) -> None:
        """Take *TRG as the event that a LoopUntilEvent waits for."""
        if self._running() and self._model[0] == "LOOPUNTILEVENT" and self._taking is not None:
            after = round((1 - self._model[1] / 100) * self._taking.buffer.capacity)
            self._taking.finish(self._taking.delivered + after)

    def _abort(self, _command: Command | None = None) -> None:
        self._aborted = self._running()
        if self._taking is not None:
            self._taking.finish(self._taking.delivered)

    def _state(self, _command: Command) -> str:
        state = "ABORTED" if self._aborted else "IDLE"
        if self._running():
            state = "RUNNING"
        elif self._model[0].startswith("EMPT") and not self.blocks:
            state = "EMPTY"
        return f"{state};{state};{0 if state in ('EMPTY', 'IDLE') else 3}"

    # --- the rest --------------------------------------------------------------------

    def _reset(self, _command: Command) -> None:
        self._abort()
        self._taking, self._aborted = None, False
        self.functions = new_settings(self._profile)
        self.function, self.count = "VOLT:DC", 1
        self.digitizers, self.digitizer = new_digitizers(self._profile), None
        self.digitize_count, self.blocks = 1, {}
        self._model = ("EMPT", 0, 0.0, BufferStore.DEFAULT)
        self.buffers.reset()

    def _next_error(self, _command: Command) -> str:
        code, text = self.errors.pop()
        if code == 0:
            return '0,"No error;0;0 0"'
        stamp = time.strftime("%Y/%m/%d %H:%M:%S.000", time.gmtime())
        return f'{code},"{text};1;{stamp}"'

    def _wait(self, _command: Command) -> None:
        self._wait_idle()

    def _complete(self, _command: Command) -> str:
        self._wait_idle()
        return "1"

    def _language(self, command: Command) -> None:
        if command.parameter(0).upper() != "SCPI":
            raise ScpiError(ILLEGAL_VALUE)  # another set asks for a restart of the instrument

    def _set_count(self, command: Command) -> None:
        self.count = int(command.number(0, 1, 1_000_000, default=1))

    def _commands(self) -> CommandTable:
        table = CommandTable()
        model = next((name for name in MODELS if name.lower() in self._profile.id), MODELS[0])
        identity = f"KEITHLEY INSTRUMENTS,MODEL {model},{self.serial},{FIRMWARE}"
        fixed = {
            "*IDN?": identity,
            "*LANG?": "SCPI",
            "*TST?": "0",
            "*ESR?": "0",
            "*STB?": "0",
            ":SYSTem:LFRequency?": number_text(LINE_HZ),
            ":SYSTem:VERSion?": "1996.0",
            ":ROUTe:TERMinals?": "REAR",
        }
        for pattern, reply in fixed.items():
            table.on(pattern, lambda _command, reply=reply: reply)  # type: ignore[misc]
        texts = (":DISPlay:USER1:TEXT[:DATA]", ":DISPlay:USER2:TEXT[:DATA]")
        for pattern in (":DISPlay:CLEar", ":DISPlay:SCReen", *texts, "*ESE", "*SRE", "*OPC"):
            table.on(pattern, lambda _command: None)
        table.on("*RST", self._reset)
        table.on("*CLS", lambda _command: self.errors.clear())
        table.on(":SYSTem:CLEar", lambda _command: self.errors.clear())
        table.on("*LANG", self._language)
        table.on("*WAI", self._wait)
        table.on("*OPC?", self._complete)
        table.on("*TRG", self._trigger)
        table.on(":SYSTem:ERRor[:NEXT]?", self._next_error)
        table.on(":SYSTem:ERRor:COUNt?", lambda _command: str(len(self.errors)))
        table.on("[:SENSe]:COUNt", self._set_count)
        table.on("[:SENSe]:COUNt?", lambda _command: str(self.count))
        table.on(":READ?", self._measure)
        table.on(":FETCh?", self._fetch)
        table.on(":TRACe:TRIGger", self._trace_trigger)
        table.on(":TRIGger:LOAD", self._load)
        table.on(":TRIGger:STATe?", self._state)
        table.on(":INITiate[:IMMediate]", self._initiate)
        table.on(":ABORt", self._abort)
        table.on(":READ:DIGitize?", self._measure)
        table.on(":MEASure:DIGitize?", self._measure)
        table.on(":TRACe:TRIGger:DIGitize", self._trace_trigger)
        register_sense(table, self)
        register_digitize(table, self)
        register_trace(table, self.buffers)
        return table


def serve(context: EmulatorContext) -> None:
    """Serve one multimeter on a free port of the loopback until the parent wants an end."""
    watch = FaultWatch(context.faults)
    server = ScpiServer(watch)
    instrument = Dmm6500(context, watch, server.wait_until)
    resource = f"TCPIP0::127.0.0.1::{server.port}::SOCKET"
    context.ready({"resource": resource, "serial": instrument.serial})
    server.serve(instrument)
