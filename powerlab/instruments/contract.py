"""What every driver offers, and how a bench's meter, load or supply is opened.

A driver is one function ``(profile, bench_meter) -> Meter`` (or ``Load``, or ``Supply``), found
by the entry point that the profile's ``driver`` names. A profile whose link is the agent is of a
meter on the board itself: its driver is a ``BoardDriver``, which gets the bench as well. What
they return needs no base class: it has the methods of its protocol.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Protocol, cast, runtime_checkable

from powerlab.catalog.bench_profile import Bench, BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile, Range
from powerlab.errors import ConfigError, InstrumentError
from powerlab.records import Accuracy, MeterIdentity, MeterSetup, SampleBlock

ENTRY_POINTS = "powerlab.drivers"

ON_BOARD = "agent"
"""The kind of link of a meter that the board itself has."""


@dataclass(frozen=True, slots=True)
class MeterRequest:
    """What a measurement asks of a meter.

    ``expected_peak_a`` and ``expected_peak_v`` fix the ranges, since a range that changes by
    itself loses readings. ``nplc`` is the aperture in power line cycles, for meters that have
    one. ``channels`` are the quantities that must be among those streamed, () for the
    profile's. ``expected_peak_w`` is what a meter that finds itself on the mains has to expect
    there, 0 where nobody says.
    """

    expected_peak_a: float
    line_frequency_hz: float = 50.0
    nplc: float = 1.0
    channels: tuple[str, ...] = ()
    expected_peak_v: float = 0.0
    expected_peak_w: float = 0.0


class Meter(Protocol):
    """One meter, connected and identified."""

    identity: MeterIdentity

    def configure(self, request: MeterRequest) -> MeterSetup:
        """Set the meter up and get what it really is set to, read back where it can tell."""

    def stream(self, stop: threading.Event) -> Iterator[SampleBlock]:
        """Get blocks of samples as they come, until ``stop`` is set and the last are read."""

    def close(self) -> None:
        """Stop the meter and let it go; never raises."""


@runtime_checkable
class VoltageReader(Protocol):
    """A meter without a voltage channel that can read volts once, for ``bench init``."""

    def read_voltage(self, readings: int = 10) -> tuple[float, float]:
        """Get the mean of some readings [V] and its standard uncertainty [V]."""


class Load(Protocol):
    """One electronic load, connected and identified, its input off."""

    identity: MeterIdentity

    def set_current(self, a: float) -> None:
        """Set the current [A] that the load draws while its input is on."""

    def input(self, on: bool) -> None:  # noqa: FBT001 - a switch has a position
        """Switch the load's input."""

    def measure(self) -> tuple[float, float]:
        """Measure volts [V] and amperes [A] at the load's input.

        ``InstrumentError`` where it does not draw what was set.
        """

    def close(self) -> None:
        """Switch the input off and let the load go; never raises."""


class Supply(Protocol):
    """One programmable supply, connected and identified, its output off."""

    identity: MeterIdentity

    def set_voltage(self, v: float) -> None:
        """Set the volts [V] that the supply delivers while its output is on."""

    def output(self, on: bool) -> None:  # noqa: FBT001 - a switch has a position
        """Switch the supply's output."""

    def measure(self) -> tuple[float, float]:
        """Measure volts [V] and amperes [A] at the supply's output.

        ``InstrumentError`` where it does not deliver what was set.
        """

    def close(self) -> None:
        """Switch the output off and let the supply go; never raises."""


class BoardDriver(Protocol):
    """The driver of a meter on the board itself, which is reached as the board is."""

    def __call__(self, profile: InstrumentProfile, bench_meter: BenchMeter, bench: Bench) -> Meter:
        """Open the meter; raises as ``open_meter`` does, and what reaching the board raises."""


def open_meter(
    profile: InstrumentProfile, bench_meter: BenchMeter, bench: Bench | None = None
) -> Meter:
    """Open the meter of a bench with its profile's driver and check its serial number.

    ``bench`` is the whole of it, which a meter on the board itself needs. ``ConfigError`` where
    the profile is not of a meter, no such driver is installed or the bench is lacking;
    ``InstrumentError`` where the meter cannot be reached, is of another model, or tells another
    serial number than the bench; a meter on the board also raises what ``open_board`` raises.
    """
    return cast(Meter, _open("meter", profile, bench_meter, bench))


def open_load(profile: InstrumentProfile, bench_meter: BenchMeter) -> Load:
    """Open an electronic load as ``open_meter`` opens a meter; raises what that raises."""
    return cast(Load, _open("load", profile, bench_meter))


def open_supply(profile: InstrumentProfile, bench_meter: BenchMeter) -> Supply:
    """Open a programmable supply as ``open_meter`` opens a meter; raises what that raises."""
    return cast(Supply, _open("supply", profile, bench_meter))


def _open(
    kind: str, profile: InstrumentProfile, bench_meter: BenchMeter, bench: Bench | None = None
) -> _Opened:
    if profile.kind != kind:
        raise ConfigError(
            f"{profile.id} is a {profile.kind}, not a {kind}",
            hint=f"`powerlab instruments list` shows which models are a {kind}",
        )
    found = tuple(entry_points(group=ENTRY_POINTS, name=profile.driver))
    if not found:
        known = ", ".join(sorted(entry_points(group=ENTRY_POINTS).names)) or "none"
        raise ConfigError(
            f"the profile {profile.id} names the driver '{profile.driver}', which is not installed",
            hint=f"correct the profile's driver (installed: {known}), or install its package",
        )
    opened = _call(found[0].load(), profile, bench_meter, bench)
    told = opened.identity.serial
    if bench_meter.serial and told and told != bench_meter.serial:
        opened.close()
        raise InstrumentError(
            f"the {kind} at {bench_meter.resource} has serial number {told}, "
            f"but the bench names {bench_meter.serial}",
            hint=f"connect the right {kind}, or correct serial in the bench's powerlab.toml: "
            "its calibration belongs to one unit",
        )
    return opened


def _call(
    driver: Any, profile: InstrumentProfile, bench_meter: BenchMeter, bench: Bench | None
) -> _Opened:
    if ON_BOARD not in profile.link.kinds:
        return cast(Callable[[InstrumentProfile, BenchMeter], _Opened], driver)(
            profile, bench_meter
        )
    if bench is None:
        raise ConfigError(
            f"{profile.name} is on the board itself and cannot be opened without one",
            hint="use it in a bench, with the host of its board; it can be no reference of a "
            "calibration",
        )
    return cast(BoardDriver, driver)(profile, bench_meter, bench)


class _Opened(Protocol):
    """What all kinds of instruments have."""

    identity: MeterIdentity

    def close(self) -> None:
        """Let the instrument go."""


def check_channels(request: MeterRequest, streamed: tuple[str, ...], name: str) -> None:
    """Raise ``ConfigError`` where a request names a channel that is not streamed."""
    lacking = [channel for channel in request.channels if channel not in streamed]
    if lacking:
        raise ConfigError(
            f"{name} does not stream {' and '.join(lacking)}",
            hint=f"ask for what it streams at once: {', '.join(streamed)}; or take another meter",
        )


def range_or_error(profile: InstrumentProfile, quantity: str, magnitude: float) -> Range:
    """Get the smallest range that carries a magnitude; ``InstrumentError`` where none does."""
    chosen = profile.range_for(quantity, magnitude)
    if chosen is not None:
        return chosen
    unit = {"current": "A", "voltage": "V", "power": "W"}[quantity]
    ranges = profile.ranges(quantity)
    most = f"{largest_magnitude(profile, quantity):g} {unit}" if ranges else "none"
    raise InstrumentError(
        f"{magnitude:g} {unit} is beyond every {quantity} range of {profile.name} (at most {most})",
        hint="take a meter with a larger range, or lower the expected peak if it is too cautious",
    )


def largest_magnitude(profile: InstrumentProfile, quantity: str) -> float:
    """Get the most [V, A, W] of a quantity that any of the meter's ranges carries."""
    return max(item.full_scale * item.over_range_factor for item in profile.ranges(quantity))


def accuracy_of(chosen: Range) -> Accuracy:
    """Get a range's specified limit in the form that the uncertainty budget reads.

    Half a step of the resolution joins the offset: a steady reading repeats its rounding.
    """
    return Accuracy(
        quantity=chosen.quantity,
        full_scale=chosen.full_scale,
        gain_limit=chosen.gain_percent / 100,
        offset_limit=chosen.offset_limit + chosen.resolution / 2,
        source=chosen.source,
        retrieved=chosen.retrieved,
        estimated=chosen.estimated,
    )


def burden_of(chosen: Range) -> tuple[float, float]:
    """Get the meter's series resistance [ohm] in a range and its limit.

    A sheet gives only the most it may be: the middle between that and nothing, ± the half.
    """
    return chosen.burden_limit_ohm / 2, chosen.burden_limit_ohm / 2
