"""A load or a supply on the wire that understands what its profile's ``[scpi]`` section says.

Nothing of it comes from the driver. What it aims at, its own error included, goes into the
bench's file of set-points, which the meters follow.
"""

from __future__ import annotations

import math

import numpy as np

from powerlab.catalog.instrument_profile import Range
from powerlab.catalog.scpi_answer import forms
from powerlab.catalog.scpi_profile import ScpiDrive
from powerlab.emulation.circuit import LOAD, SUPPLY
from powerlab.emulation.faults import FaultWatch
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.scpi import (
    ILLEGAL_VALUE,
    OUT_OF_RANGE,
    Command,
    ScpiError,
    number_text,
)
from powerlab.emulation.scpi_instrument import (
    HEAD_START_S,
    ScpiInstrument,
    carry_out,
    effect_ns,
    newest_value,
    serve_on_socket,
)
from powerlab.emulation.scpi_profile_meter import number_of, scpi_of
from powerlab.emulation.scpi_templates import templates
from powerlab.emulation.set_points import SetPointFile, point_path
from powerlab.emulation.site import LiveMeter, loop_site, profile_of
from powerlab.errors import SetupError
from powerlab.units import nanoseconds, now_ns

CHANNELS = ("voltage", "current")


class ProfileSource(ScpiInstrument):
    """One load or supply: its level, range, limit and switch."""

    def __init__(self, context: EmulatorContext, watch: FaultWatch) -> None:
        site = loop_site(context)
        self._profile = profile_of(context)
        self._scpi = scpi_of(self._profile)
        super().__init__(site, watch, self._scpi.identity.format_map({"serial": site.serial}))
        self._source = _source(self._scpi.drive, self._profile.id)
        name, driven = (SUPPLY, "voltage") if self._profile.kind == SUPPLY else (LOAD, "current")
        self._points = SetPointFile(point_path(site.loop.points, name))
        self._ranges = self._profile.ranges(driven)
        self._range = self._ranges[-1]
        limit_a = self._profile.supply.current_a if self._profile.supply else math.inf
        self._level, self._limit_a, self._on = 0.0, limit_a, False
        self._meter = self._own_meter()

    def handle(self, line: str) -> bytes:
        """Carry out one program message; replies of its queries are joined by semicolons."""
        return carry_out(line, self._run, self.errors)

    def _run(self, command: Command) -> str | bytes | None:
        reply = self._answer(command) if command.query else self._take(command)
        return self.table.run(command) if reply is None else reply or None

    def _take(self, command: Command) -> str | None:
        """Carry a command out: an empty answer, None where it is none of the profile's."""
        source = self._source
        known = (*source.setup, *self._scpi.open, *self._scpi.close, self._scpi.clear)
        for text in (source.level, source.range, source.switch, *known):
            for template in templates(text):
                values = template.match(command)
                if values is not None:
                    self._set(values)
                    if text == self._scpi.clear:
                        self.errors.clear()
                    return ""
        return None

    def _set(self, values: dict[str, str]) -> None:
        for name, text in values.items():
            if name == "switch":
                words = [word.upper() for word in self._source.switch_words]
                if text.upper() not in words:
                    raise ScpiError(ILLEGAL_VALUE)
                self._on = words.index(text.upper()) == 1
            elif name == "range":
                self._set_range(number_of(text))
            elif name == "level":
                most = self._range.full_scale * self._range.over_range_factor
                self._level = _within(number_of(text), most)
            else:
                self._limit_a = _within(number_of(text), self._limit_a)
        if values:
            self._publish()

    def _set_range(self, asked: float) -> None:
        found = next((item for item in self._ranges if asked <= item.full_scale), None)
        if found is None:
            raise ScpiError(OUT_OF_RANGE)
        self._range, self._level = found, min(self._level, found.full_scale)
        self._meter = self._own_meter()

    def _answer(self, command: Command) -> str | None:
        source = self._source
        answers = {
            source.volts: lambda: _written(source.volts_answer, newest_value(self._meter, 0)),
            source.amperes: lambda: _written(source.amperes_answer, newest_value(self._meter, 1)),
            source.level_query: lambda: _written(
                source.level_answer or f"{0:.{source.level_digits}f}", self._level
            ),
            source.range_query: lambda: number_text(self._range.full_scale),
            source.switch_query: lambda: source.switch_words[self._on],
            self._scpi.error_query: self._oldest_error,
        }
        for query, text in source.confirm.items():
            answers[query] = lambda text=text: text.format(  # type: ignore[misc]
                limit=number_text(self._limit_a), level=number_text(self._level)
            )
        for query, answer in answers.items():
            if any(known.match(command) is not None for known in templates(query)):
                return answer()
        return None

    def _oldest_error(self) -> str:
        code, text = self.errors.pop()
        return f'{code or self._scpi.no_error},"{text}"'

    def _publish(self) -> None:
        """Tell the bench what it truly aims at: its setting errs as its range may."""
        aim = 0.0
        if self._on and self._level > 0:
            channel = self._site.unit.channel(self._range)
            aim = max(0.0, float(channel.steady(np.array([self._level]))[0]))
        self._points.publish(effect_ns(), aim, self._limit_a)

    def _own_meter(self) -> LiveMeter:
        return self._site.meter(
            self._profile,
            origin_ns=now_ns() - nanoseconds(HEAD_START_S),
            channels=CHANNELS,
            full_scales={
                quantity: self._scale(quantity, self._profile.ranges(quantity)[-1])
                for quantity in CHANNELS
            },
        )

    def _scale(self, quantity: str, largest: Range) -> float:
        """Get the range that reads a quantity back: that which sets it, or the largest."""
        own = self._range if self._range.quantity == quantity else largest
        return own.full_scale


def _written(example: str, value: float) -> str:
    return forms(example)[0].write(value)


def _within(value: float, most: float) -> float:
    if not 0 <= value <= most:
        raise ScpiError(OUT_OF_RANGE)
    return value


def _source(source: ScpiDrive | None, identifier: str) -> ScpiDrive:
    if source is None:
        raise SetupError(
            f"the profile {identifier} does not say how it is driven",
            hint="give it an [scpi.drive] section, or name another emulator",
        )
    return source


def serve(context: EmulatorContext) -> None:
    """Serve one load or supply until the parent wants an end."""
    serve_on_socket(context, ProfileSource)
