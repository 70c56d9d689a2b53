"""A meter on the wire that understands what its profile's ``[scpi]`` section says, and no more.

Nothing of it comes from the driver: it takes commands to pieces, keeps what it was set to, and
writes its answers in the form of the profile's example. A TCP socket stands for whatever link
the real instrument has.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, isnan

import numpy as np

from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.scpi_answer import FIELD, FieldForm, forms
from powerlab.catalog.scpi_profile import ScpiFunction, ScpiProfile
from powerlab.emulation.faults import GAP_S, OVERRANGE_S, FaultWatch
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.scpi import (
    ILLEGAL_VALUE,
    OUT_OF_RANGE,
    UNDEFINED_HEADER,
    Command,
    ErrorQueue,
    ScpiError,
    number_text,
)
from powerlab.emulation.scpi_instrument import carry_out
from powerlab.emulation.scpi_server import ScpiServer
from powerlab.emulation.scpi_templates import Template, same_line, templates
from powerlab.emulation.site import LiveMeter, profile_of, site_of
from powerlab.errors import SetupError
from powerlab.records import VoltageSense
from powerlab.units import now_ns

LINE_HZ = 50.0
GRID_S = 0.0005
"""Instants at which a query can start a reading: to within this it starts when it is asked."""


class ProfileMeter:
    """One instrument: the function it is in, what that was set to, and its errors.

    ``wait_until`` lets host time pass while a query holds the client.
    """

    def __init__(
        self, context: EmulatorContext, watch: FaultWatch, wait_until: Callable[[int], None]
    ) -> None:
        self._profile = profile_of(context)
        self._scpi = scpi_of(self._profile)
        self._site = site_of(context)
        self.serial = self._site.serial
        self.errors = ErrorQueue()
        self._watch = watch
        self._wait_until = wait_until
        self._function = self._scpi.function[0]
        self._values: dict[tuple[str, ...], dict[str, str]] = {}
        self._live: LiveMeter | None = None
        self._fixed = fixed_answers(self._scpi, self.serial)
        self._silent = [
            each for text in (*self._scpi.open, *self._scpi.close) for each in templates(text)
        ]
        self._settings = [
            (each, function)
            for function in self._scpi.function
            for text in function.setup
            for each in templates(text)
        ]

    def handle(self, line: str) -> bytes:
        """Carry out one program message; replies of its queries are joined by semicolons."""
        function = self._asked(line)
        if function is None:
            return carry_out(line, self._run, self.errors)
        return carry_out("READ", lambda _command: self._read(function), self.errors)

    def tick(self) -> None:
        """Follow the bench."""
        self._watch.arm(self._site.follow())

    def _asked(self, line: str) -> ScpiFunction | None:
        """Get the function that a line reads: the present one first."""
        for function in (self._function, *self._scpi.function):
            if same_line(line, function.read):
                return function
        return None

    def _run(self, command: Command) -> str | None:
        if command.query:
            return self._answer(command)
        for known in templates(self._scpi.clear):
            if known.match(command) is not None:
                self.errors.clear()
                return None
        found = [
            (function, values)
            for known, function in self._settings
            if (values := known.match(command)) is not None
        ]
        if found:
            self._set(found)
        elif all(known.match(command) is None for known in self._silent):
            raise ScpiError(UNDEFINED_HEADER)
        return None

    def _answer(self, command: Command) -> str:
        for known, reply in self._fixed:
            if known.match(command) is not None:
                return reply
        if any(known.match(command) is not None for known in templates(self._scpi.error_query)):
            code, text = self.errors.pop()
            return f'{code or self._scpi.no_error},"{text}"'
        for function in (self._function, *self._scpi.function):
            for query, text in function.confirm.items():
                if any(known.match(command) is not None for known in templates(query)):
                    return self._setting(function, text)
        raise ScpiError(UNDEFINED_HEADER)

    def _set(self, found: list[tuple[ScpiFunction, dict[str, str]]]) -> None:
        """Take a setting; one that only another function has selects that function."""
        functions = [function for function, _ in found]
        if self._function not in functions:
            self._function = functions[0]
        _, values = found[functions.index(self._function)]
        for name, text in values.items():
            self._check(name, text)
            self._values.setdefault(self._function.quantities, {})[name] = text
        self._live = None

    def _check(self, name: str, text: str) -> None:
        value = number_of(text)
        if name.endswith("range"):
            quantity = name.removesuffix("range").rstrip("_") or self._function.quantities[0]
            if self._profile.range_for(quantity, value) is None:
                raise ScpiError(OUT_OF_RANGE)
        elif value <= 0:
            raise ScpiError(OUT_OF_RANGE)

    def _setting(self, function: ScpiFunction, text: str) -> str:
        """Get a setting as it stands: numbers as the instrument rounds them."""
        told = {
            name: number_text(number_of(value))
            for name, value in self._values.get(function.quantities, {}).items()
        }
        try:
            return text.format_map(told)
        except KeyError:  # asked before it was set
            raise ScpiError(ILLEGAL_VALUE) from None

    # --- measuring -------------------------------------------------------------------

    def _start(self, function: ScpiFunction) -> LiveMeter:
        """Start readings with the function's settings."""
        sampling, told = self._profile.sampling, self._values.get(function.quantities, {})
        aperture_s = sampling.aperture_s
        if "nplc" in told:
            aperture_s = number_of(told["nplc"]) / LINE_HZ
        elif "aperture_s" in told:
            aperture_s = number_of(told["aperture_s"])
        interval_s = aperture_s + sampling.interval_s - sampling.aperture_s
        scales = {}
        for quantity in function.quantities:
            text = told.get(f"{quantity}_range") or told.get("range")
            chosen = text and self._profile.range_for(quantity, number_of(text))
            if chosen:
                scales[quantity] = chosen.full_scale
        only_volts = function.quantities == ("voltage",)
        return self._site.meter(
            self._profile,
            origin_ns=now_ns(),
            channels=function.quantities,
            full_scales=scales,
            sense=VoltageSense.BOARD if only_volts else VoltageSense.METER,
            aperture_s=aperture_s,
            interval_s=GRID_S if function.takes == "triggered" else interval_s,
        )

    def _read(self, function: ScpiFunction) -> str:
        """Take a reading, or the newest of those that go on, and write the answer."""
        if self._live is None or function is not self._function:
            self._function = function
            self._live = self._start(function)
        live = self._live
        self._wait_for_end_of_gap()
        at = np.array(now_ns(), dtype=np.int64)
        if function.takes == "triggered":
            since_ns = int(at) - live.clock.start_ns
            index = max(0, ceil(since_ns / live.clock.interval_ns))
        else:
            index = max(0, int(live.clock.completed(at)) - 1)
        self._wait_until(int(live.clock.available_ns(np.array(index, dtype=np.int64))))
        readings = live.sample(index, 1)
        middle_ns = int(readings.start_ns[0] + readings.stop_ns[0]) // 2
        windows = self._watch.windows("overrange", OVERRANGE_S)
        over = any(start <= middle_ns < stop for start, stop in windows)
        row = [float("nan") if over else float(value) for value in readings.values[0]]
        return write_answer(function, self._scpi, row)

    def _wait_for_end_of_gap(self) -> None:
        at_ns = now_ns()
        for start_ns, stop_ns in self._watch.windows("gap", GAP_S):
            if start_ns <= at_ns < stop_ns:
                self._wait_until(stop_ns)


def write_answer(function: ScpiFunction, scpi: ScpiProfile, row: list[float]) -> str:
    """Write values [A, V or W], NaN for an overload, in the form of the function's example."""
    example = forms(function.answer)
    texts = [item.strip() for item in function.answer.replace(";", ",").split(",")]
    heads = [form.header.upper() for form in example]
    for item, value in zip(function.field, row, strict=True):
        at = heads.index(item.name.upper()) if item.name else item.index - 1
        texts[at] = _written(example[at], value / item.scale, scpi.over_range[0])
    return (";" if ";" in function.answer else ",").join(texts)


def fixed_answers(scpi: ScpiProfile, serial: str) -> list[tuple[Template, str]]:
    """Get what an instrument answers whatever it was set to."""
    answers = {
        "*IDN?": scpi.identity.format_map({"serial": serial}),
        scpi.language_query: scpi.language,
        scpi.line_frequency_query: number_text(LINE_HZ),
    }
    return [(known, text) for query, text in answers.items() for known in templates(query)]


def number_of(text: str) -> float:
    """Get a parameter's number; error -224 where it is none."""
    try:
        return float(text)
    except ValueError:
        raise ScpiError(ILLEGAL_VALUE) from None


def scpi_of(profile: InstrumentProfile) -> ScpiProfile:
    """Get a profile's ``[scpi]`` section; ``SetupError`` where it has none."""
    if profile.scpi is None:
        raise SetupError(
            f"the profile {profile.id} does not say what the instrument understands",
            hint="give it an [scpi] section, or name another emulator",
        )
    return profile.scpi


def _written(form: FieldForm, value: float, over_range: str) -> str:
    if not isnan(value):
        return form.write(value)
    number = FIELD.fullmatch(over_range)
    return over_range if number is None else form.write(float(number["number"]))


def serve(context: EmulatorContext) -> None:
    """Serve one meter on a free port of the loopback until the parent wants an end."""
    watch = FaultWatch(context.faults)
    server = ScpiServer(watch)
    instrument = ProfileMeter(context, watch, server.wait_until)
    resource = f"TCPIP0::127.0.0.1::{server.port}::SOCKET"
    context.ready({"resource": resource, "serial": instrument.serial})
    server.serve(instrument)
