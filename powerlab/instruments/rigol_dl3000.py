"""Rigol DL3000 electronic loads (DL3021, DL3031, and their A): constant current, over SCPI.

Protocol: DL3000 programming guide, and what owners' drivers report of firmware 00.01.05. Never
tried on hardware: checked against the published exchanges and against the emulator. Quirks that
shape this driver:

- ``:SOUR:FUNC?`` answers "CC" where "CURR" was set. ``:SOUR:FUNC:MODE?`` answers wrongly and is
  never asked: whether the load draws what was set tells more.
- A starting voltage (``:SOUR:CURR:VON``) left over from another user keeps the input from
  drawing anything below it: it is set to 0.
- The range goes up when a current needs it, with the input off meanwhile, and never down.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile, Range
from powerlab.errors import InstrumentError
from powerlab.instruments.contract import accuracy_of, range_or_error
from powerlab.instruments.scpi import broken
from powerlab.instruments.scpi_session import ask_number, check_errors, confirm, identify
from powerlab.transport.visa import TextLink, open_visa
from powerlab.units import nanoseconds, now_ns

MODELS = ("DL3021", "DL3031")
NAME = "load"
CONSTANT_CURRENT = "CC"
FOLLOW_LIMIT_S = 1.5
"""How long the load's own reading may take to follow a change; owners read after 0.5 s."""

POLL_S = 0.05
DRAWS_WRONG = 2.0
"""Limits by which setting and reading together may differ: each has one of its own."""


class Dl3000:
    """One DL3000 on a text link; satisfies ``contract.Load``."""

    def __init__(self, link: TextLink, profile: InstrumentProfile) -> None:
        self._link = link
        self._profile = profile
        self.identity = identify(link, profile, MODELS, trim="A")
        self._range: Range | None = None
        self._level_a = 0.0
        self._on = False
        with self._off_on_failure():
            self._link.write(":SOUR:INP:STAT 0")
            self._link.write("*CLS")
            self._link.write(":SOUR:FUNC CURR")
            self._link.write(":SOUR:CURR:VON 0")
            self._check_errors()
            told = self._link.query(":SOUR:FUNC?").strip()
            if told != CONSTANT_CURRENT:
                raise broken(":SOUR:FUNC?", told, "is not constant current, which was set")
            self._confirm(":SOUR:CURR:VON?", 0.0)
            self._confirm(":SOUR:INP:STAT?", 0.0)
            self.set_current(0.0)

    def set_current(self, a: float) -> None:
        """Set the current [A] that the load draws while its input is on.

        ``InstrumentError`` beyond the largest range, and where the load refuses.
        """
        if a < 0:
            raise ValueError("a load draws no negative current")
        needed = range_or_error(self._profile, "current", a)
        with self._off_on_failure():
            if self._range is None or needed.full_scale > self._range.full_scale:
                self._take_range(needed)
            self._link.write(f":SOUR:CURR:LEV:IMM {a:.6f}")
            self._check_errors()
            self._confirm(":SOUR:CURR:LEV:IMM?", a)
            self._level_a = a

    def input(self, on: bool) -> None:  # noqa: FBT001 - a switch has a position
        """Switch the load's input, and read back that it did."""
        with self._off_on_failure():
            self._switch(on=on)

    def measure(self) -> tuple[float, float]:
        """Measure volts [V] and amperes [A] at the load's input.

        The reading follows a change with a delay, so a current other than the one set is looked
        at again for ``FOLLOW_LIMIT_S``; ``InstrumentError``, with the input off, where it stays.
        """
        deadline_ns = now_ns() + nanoseconds(FOLLOW_LIMIT_S)
        with self._off_on_failure():
            while True:
                volts = ask_number(self._link, ":MEAS:VOLT:DC?")
                amperes = ask_number(self._link, ":MEAS:CURR:DC?")
                if self._draws_what_was_set(amperes):
                    return volts, amperes
                if now_ns() > deadline_ns:
                    raise self._saturated(volts, amperes)
                time.sleep(POLL_S)

    def close(self) -> None:
        """Switch the input off and let the load go; never raises."""
        self._let_go()
        self._link.close()

    def _take_range(self, needed: Range) -> None:
        """Change the range, with nothing drawn while it changes."""
        was_on, self._range = self._on, needed
        if was_on:
            self._switch(on=False)
        self._link.write(f":SOUR:CURR:RANG {needed.full_scale:g}")
        self._check_errors()
        self._confirm(":SOUR:CURR:RANG?", needed.full_scale)
        if was_on:
            self._switch(on=True)

    def _switch(self, *, on: bool) -> None:
        self._link.write(f":SOUR:INP:STAT {int(on)}")
        self._check_errors()
        self._confirm(":SOUR:INP:STAT?", int(on))
        self._on = on

    def _draws_what_was_set(self, amperes: float) -> bool:
        assert self._range is not None  # noqa: S101 - set when the session opened
        wanted = self._level_a if self._on else 0.0
        accuracy = accuracy_of(self._range)
        limit = accuracy.gain_limit * wanted + accuracy.offset_limit
        return abs(amperes - wanted) <= DRAWS_WRONG * limit

    def _saturated(self, volts: float, amperes: float) -> InstrumentError:
        wanted = self._level_a if self._on else 0.0
        return InstrumentError(
            f"the load was set to {wanted:g} A and draws {amperes:.4g} A at {volts:.4g} V",
            hint="raise the supply's voltage or current limit, shorten the cables, or stay below; "
            "the load's input is off now",
            context={"set_a": wanted, "drawn_a": amperes, "volts_v": volts},
        )

    def _confirm(self, command: str, wanted: float) -> None:
        step = self._range.resolution if self._range is not None else 1e-9
        confirm(self._link, NAME, command, wanted, step=step)

    def _check_errors(self) -> None:
        check_errors(self._link, NAME)

    @contextlib.contextmanager
    def _off_on_failure(self) -> Iterator[None]:
        """Leave nothing drawing current when something goes wrong."""
        try:
            yield
        except BaseException:
            self._let_go()
            raise

    def _let_go(self) -> None:
        with contextlib.suppress(Exception):
            self._link.write(":SOUR:INP:STAT 0")
        self._on = False


def open_session(profile: InstrumentProfile, bench_meter: BenchMeter) -> Dl3000:
    """Open the load of a bench; ``InstrumentError`` where it is not there or is another."""
    link = open_visa(bench_meter.resource)
    try:
        return Dl3000(link, profile)
    except BaseException:
        link.close()
        raise
