"""Electronic loads and programmable supplies that speak SCPI, by the profile's ``[scpi.drive]``.

A load draws a constant current, a supply delivers constant volts with its current limit at all
that it delivers: what it feeds draws what it needs, and a supply that limits is told by its
volts. Quirks that shape this driver:

- Whatever goes wrong, the instrument is switched off, and the error raised after that.
- A range goes up when a level needs it, switched off meanwhile, and never down.
- A reading follows a change with a delay, so one other than what was set is looked at again.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile, Range
from powerlab.catalog.scpi_profile import ScpiDrive
from powerlab.errors import ConfigError, InstrumentError
from powerlab.instruments.contract import Load, Supply, accuracy_of, range_or_error
from powerlab.instruments.scpi import broken
from powerlab.instruments.scpi_dialogue import Dialogue, identify_model, open_link, section
from powerlab.instruments.scpi_reading import decode_quantity, decode_word
from powerlab.transport.visa import TextLink
from powerlab.units import nanoseconds, now_ns

FOLLOW_LIMIT_S = 1.5
"""How long an instrument's own reading may take to follow a change; owners read after 0.5 s."""

POLL_S = 0.05
WRONG = 2.0
"""Limits by which setting and reading together may differ: each has one of its own."""

_ON_OR_OFF = {"ON": True, "1": True, "OFF": False, "0": False}


class Drive:
    """The level and the switch of one instrument: amperes of a load, volts of a supply.

    ``part`` is what is switched: a load's input, a supply's output.
    """

    def __init__(self, link: TextLink, profile: InstrumentProfile, driven: str, part: str) -> None:
        self._profile, self._driven, self._part = profile, driven, part
        self._source = _source(profile)
        self._dialogue = Dialogue(link, section(profile), profile.kind)
        self._link = link
        self.identity = identify_model(self._dialogue, profile)
        limit_a = profile.supply.current_a if profile.supply else 0.0
        self._values: dict[str, object] = {"limit": f"{limit_a:g}"}
        self._range: Range | None = None
        self._level = 0.0
        self._on = False
        with self._off_on_failure():
            self._send_switch(on=False)
            self._dialogue.clear()
            self._dialogue.send(self._source.setup, self._values)
            self._dialogue.check_errors()
            self._dialogue.confirm(self._source.confirm, self._values, self._step)
            self._check_switch(on=False)
            self.set_level(0.0)

    @property
    def wanted(self) -> float:
        """Get what it was set to, 0 while it is off."""
        return self._level if self._on else 0.0

    @property
    def on(self) -> bool:
        """Tell whether it was switched on."""
        return self._on

    def set_level(self, level: float) -> None:
        """Set and read back the level; ``InstrumentError`` beyond the largest range."""
        if level < 0:
            raise ValueError("a load draws no negative current, a supply no negative volts")
        needed = range_or_error(self._profile, self._driven, level)
        with self._off_on_failure():
            if self._range is None or needed.full_scale > self._range.full_scale:
                self._take_range(needed)
            text = f"{level:.{self._source.level_digits}f}"
            self._dialogue.send((self._source.level,), {**self._values, "level": text})
            self._dialogue.check_errors()
            if self._source.level_query:
                self._dialogue.confirm_number(self._source.level_query, level, self._step)
            self._level = level

    def switch(self, *, on: bool) -> None:
        """Switch it, and read back that it did."""
        with self._off_on_failure():
            self._send_switch(on=on)
            self._dialogue.check_errors()
            self._check_switch(on=on)
            self._on = on

    def follow(
        self,
        right: Callable[[float, float], bool],
        failure: Callable[[float, float], InstrumentError],
    ) -> tuple[float, float]:
        """Measure volts and amperes until they are right; raise the failure where they stay."""
        deadline_ns = now_ns() + nanoseconds(FOLLOW_LIMIT_S)
        with self._off_on_failure():
            while True:
                volts = self._ask(self._source.volts, "V")
                amperes = self._ask(self._source.amperes, "A")
                if right(volts, amperes):
                    return volts, amperes
                if now_ns() > deadline_ns:
                    raise failure(volts, amperes)
                time.sleep(POLL_S)

    def agrees(self, reading: float) -> bool:
        """Tell whether a reading of the driven quantity is what was set, within the limits."""
        assert self._range is not None  # noqa: S101 - set when the session opened
        accuracy = accuracy_of(self._range)
        limit = accuracy.gain_limit * self.wanted + accuracy.offset_limit
        return abs(reading - self.wanted) <= WRONG * limit

    def close(self) -> None:
        """Switch it off and let it go; never raises."""
        self._let_go()
        with contextlib.suppress(Exception):
            self._dialogue.send(self._dialogue.scpi.close, {})
        self._link.close()

    @contextlib.contextmanager
    def _off_on_failure(self) -> Iterator[None]:
        """Leave nothing drawn or delivered when something goes wrong."""
        try:
            yield
        except BaseException:
            self._let_go()
            raise

    def _let_go(self) -> None:
        with contextlib.suppress(Exception):
            self._send_switch(on=False)
        self._on = False

    def _take_range(self, needed: Range) -> None:
        """Change the range, with nothing drawn or delivered while it changes."""
        was_on, self._range = self._on, needed
        if not self._source.range:
            return
        if was_on:
            self.switch(on=False)
        values = {**self._values, "range": f"{needed.full_scale:g}"}
        self._dialogue.send((self._source.range,), values)
        self._dialogue.check_errors()
        if self._source.range_query:
            self._dialogue.confirm_number(self._source.range_query, needed.full_scale, self._step)
        if was_on:
            self.switch(on=True)

    def _send_switch(self, *, on: bool) -> None:
        word = self._source.switch_words[on]
        self._dialogue.send((self._source.switch,), {**self._values, "switch": word})

    def _check_switch(self, *, on: bool) -> None:
        command = self._source.switch_query
        if not command:
            return
        told = self._dialogue.ask(command)
        word = decode_word(told)
        if word not in _ON_OR_OFF:
            raise broken(command, told, "is neither on nor off")
        if _ON_OR_OFF[word] is not on:
            raise InstrumentError(
                f"the {self._profile.kind}'s {self._part} is {word}, which was not set",
                hint="a protection has tripped, or somebody is at its front panel",
            )

    def _ask(self, command: str, unit: str) -> float:
        return decode_quantity(command, self._dialogue.ask(command), unit)

    @property
    def _step(self) -> float:
        """Get by how much a setting read back may be off at least."""
        chosen = self._range or self._profile.ranges(self._driven)[0]
        return chosen.resolution


class ScpiLoad:
    """One load on a text link, its input off; satisfies ``contract.Load``."""

    def __init__(self, link: TextLink, profile: InstrumentProfile) -> None:
        self._drive = Drive(link, profile, "current", "input")
        self.identity = self._drive.identity

    def set_current(self, a: float) -> None:
        """Set the current [A] that the load draws while its input is on.

        ``InstrumentError`` beyond the largest range, and where the load refuses.
        """
        self._drive.set_level(a)

    def input(self, on: bool) -> None:  # noqa: FBT001 - a switch has a position
        """Switch the load's input, and read back that it did."""
        self._drive.switch(on=on)

    def measure(self) -> tuple[float, float]:
        """Measure volts [V] and amperes [A] at the load's input.

        A current other than the one set is looked at again for ``FOLLOW_LIMIT_S``;
        ``InstrumentError``, with the input off, where it stays.
        """
        return self._drive.follow(lambda _, amperes: self._drive.agrees(amperes), self._saturated)

    def close(self) -> None:
        """Switch the input off and let the load go; never raises."""
        self._drive.close()

    def _saturated(self, volts: float, amperes: float) -> InstrumentError:
        wanted = self._drive.wanted
        return InstrumentError(
            f"the load was set to {wanted:g} A and draws {amperes:.4g} A at {volts:.4g} V",
            hint="raise the supply's voltage or current limit, shorten the cables, or stay below; "
            "the load's input is off now",
            context={"set_a": wanted, "drawn_a": amperes, "volts_v": volts},
        )


class ScpiSupply:
    """One channel of a supply on a text link, its output off; satisfies ``contract.Supply``."""

    def __init__(self, link: TextLink, profile: InstrumentProfile) -> None:
        if profile.supply is None:
            raise ConfigError(
                f"the profile {profile.id} does not say what the supply delivers",
                hint="give it a [supply] section",
            )
        self._drive = Drive(link, profile, "voltage", "output")
        self.identity = self._drive.identity

    def set_voltage(self, v: float) -> None:
        """Set the volts [V] that the supply delivers while its output is on.

        ``InstrumentError`` beyond the range, and where the supply refuses.
        """
        self._drive.set_level(v)

    def output(self, on: bool) -> None:  # noqa: FBT001 - a switch has a position
        """Switch the supply's output, and read back that it did."""
        self._drive.switch(on=on)

    def measure(self) -> tuple[float, float]:
        """Measure volts [V] and amperes [A] at the supply's output.

        Volts other than those set are looked at again for ``FOLLOW_LIMIT_S``;
        ``InstrumentError``, with the output off, where they stay. While it is off nothing is
        promised: a capacitor at the output may hold its volts for seconds.
        """
        return self._drive.follow(
            lambda volts, _: not self._drive.on or self._drive.agrees(volts), self._limiting
        )

    def close(self) -> None:
        """Switch the output off and let the supply go; never raises."""
        self._drive.close()

    def _limiting(self, volts: float, amperes: float) -> InstrumentError:
        return InstrumentError(
            f"the supply was set to {self._drive.wanted:g} V and delivers {volts:.4g} V "
            f"at {amperes:.4g} A",
            hint="what it feeds draws more than its channel delivers: draw less, or "
            "take a stronger supply; its output is off now",
        )


def open_session(profile: InstrumentProfile, bench_meter: BenchMeter) -> Load | Supply:
    """Open the load or supply of a bench; ``InstrumentError`` where it is not there or another."""
    link = open_link(profile, bench_meter)
    try:
        return ScpiLoad(link, profile) if profile.kind == "load" else ScpiSupply(link, profile)
    except BaseException:
        link.close()
        raise


def _source(profile: InstrumentProfile) -> ScpiDrive:
    source = section(profile).drive
    if source is None:
        raise ConfigError(
            f"the profile {profile.id} does not say how the {profile.kind} is driven",
            hint="give it an [scpi.drive] section, see docs/how-to/add-an-scpi-meter.md",
        )
    return source
