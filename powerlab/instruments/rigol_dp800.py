"""Rigol DP800 programmable supplies (DP832 and its siblings): channel 1, over SCPI.

Protocol: DP800 programming guide, and what an owner's driver reports of a DP832A. Never tried
on hardware: checked against the published exchanges and against the emulator. The current limit
is set to all that the channel delivers: a board or load draws what it needs, and a supply that
limits is told by its volts.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.errors import ConfigError, InstrumentError
from powerlab.instruments.contract import accuracy_of, range_or_error
from powerlab.instruments.scpi import broken
from powerlab.instruments.scpi_session import ask_number, check_errors, confirm, identify
from powerlab.transport.visa import TextLink, open_visa
from powerlab.units import nanoseconds, now_ns

MODELS = ("DP811", "DP821", "DP831", "DP832")
NAME = "supply"
FOLLOW_LIMIT_S = 1.5
POLL_S = 0.05
DELIVERS_WRONG = 2.0
"""Limits by which setting and reading together may differ: each has one of its own."""

_SWITCH = {"ON": True, "1": True, "OFF": False, "0": False}


class Dp800:
    """Channel 1 of one DP800 on a text link; satisfies ``contract.Supply``."""

    def __init__(self, link: TextLink, profile: InstrumentProfile) -> None:
        self._link = link
        self._profile = profile
        self.identity = identify(link, profile, MODELS, trim="A")
        if profile.supply is None:
            raise ConfigError(
                f"the profile {profile.id} does not say what the supply delivers",
                hint="give it a [supply] section",
            )
        self._level_v = 0.0
        self._on = False
        with self._off_on_failure():
            self._link.write(":OUTP CH1,OFF")
            self._link.write("*CLS")
            self._link.write(f":SOUR1:CURR {profile.supply.current_a:g}")
            self._check_errors()
            self._confirm(":SOUR1:CURR?", profile.supply.current_a)
            self._check_switch(on=False)
            self.set_voltage(0.0)

    def set_voltage(self, v: float) -> None:
        """Set the volts [V] that the supply delivers while its output is on.

        ``InstrumentError`` beyond the range, and where the supply refuses.
        """
        if v < 0:
            raise ValueError("channel 1 delivers no negative volts")
        range_or_error(self._profile, "voltage", v)
        with self._off_on_failure():
            self._link.write(f":SOUR1:VOLT {v:.4f}")
            self._check_errors()
            self._confirm(":SOUR1:VOLT?", v)
            self._level_v = v

    def output(self, on: bool) -> None:  # noqa: FBT001 - a switch has a position
        """Switch the supply's output, and read back that it did."""
        with self._off_on_failure():
            self._link.write(f":OUTP CH1,{'ON' if on else 'OFF'}")
            self._check_errors()
            self._check_switch(on=on)
            self._on = on

    def measure(self) -> tuple[float, float]:
        """Measure volts [V] and amperes [A] at the supply's output.

        Volts other than those set are looked at again for ``FOLLOW_LIMIT_S``;
        ``InstrumentError``, with the output off, where they stay.
        """
        deadline_ns = now_ns() + nanoseconds(FOLLOW_LIMIT_S)
        with self._off_on_failure():
            while True:
                volts = ask_number(self._link, ":MEAS:VOLT? CH1")
                amperes = ask_number(self._link, ":MEAS:CURR? CH1")
                if self._delivers_what_was_set(volts):
                    return volts, amperes
                if now_ns() > deadline_ns:
                    raise InstrumentError(
                        f"the supply was set to {self._level_v:g} V and delivers {volts:.4g} V "
                        f"at {amperes:.4g} A",
                        hint="what it feeds draws more than its channel delivers: draw less, or "
                        "take a stronger supply; its output is off now",
                    )
                time.sleep(POLL_S)

    def close(self) -> None:
        """Switch the output off and let the supply go; never raises."""
        self._let_go()
        self._link.close()

    def _delivers_what_was_set(self, volts: float) -> bool:
        if not self._on:
            return True  # a capacitor at the output may hold its volts for seconds
        accuracy = accuracy_of(range_or_error(self._profile, "voltage", self._level_v))
        limit = accuracy.gain_limit * self._level_v + accuracy.offset_limit
        return abs(volts - self._level_v) <= DELIVERS_WRONG * limit

    def _check_switch(self, *, on: bool) -> None:
        told = self._link.query(":OUTP? CH1").strip().upper()
        if told not in _SWITCH:
            raise broken(":OUTP? CH1", told, "is neither on nor off")
        if _SWITCH[told] is not on:
            raise InstrumentError(
                f"the supply's output is {told}, which was not set",
                hint="a protection has tripped, or somebody is at its front panel",
            )

    def _confirm(self, command: str, wanted: float) -> None:
        step = self._profile.ranges("voltage")[0].resolution
        confirm(self._link, NAME, command, wanted, step=step)

    def _check_errors(self) -> None:
        check_errors(self._link, NAME)

    @contextlib.contextmanager
    def _off_on_failure(self) -> Iterator[None]:
        """Leave nothing under power when something goes wrong."""
        try:
            yield
        except BaseException:
            self._let_go()
            raise

    def _let_go(self) -> None:
        with contextlib.suppress(Exception):
            self._link.write(":OUTP CH1,OFF")
        self._on = False


def open_session(profile: InstrumentProfile, bench_meter: BenchMeter) -> Dp800:
    """Open the supply of a bench; ``InstrumentError`` where it is not there or is another."""
    link = open_visa(bench_meter.resource)
    try:
        return Dp800(link, profile)
    except BaseException:
        link.close()
        raise
