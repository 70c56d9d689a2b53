"""What every driver offers, and how a bench's meter, load or supply is opened.

A driver is one function ``(profile, bench_meter) -> Meter`` (or ``Load``, or ``Supply``), found
by the entry point that the profile's ``driver`` names. It needs no base class: it has the
methods of its protocol.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Protocol, cast, runtime_checkable

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile, Range
from powerlab.errors import ConfigError, InstrumentError
from powerlab.records import Accuracy, MeterIdentity, MeterSetup, SampleBlock

ENTRY_POINTS = "powerlab.drivers"


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


def open_meter(profile: InstrumentProfile, bench_meter: BenchMeter) -> Meter:
    """Open the meter of a bench with its profile's driver and check its serial number.

    ``ConfigError`` where the profile is not of a meter or no such driver is installed;
    ``InstrumentError`` where the meter cannot be reached, is of another model, or tells another
    serial number than the bench.
    """
    return cast(Meter, _open("meter", profile, bench_meter))


def open_load(profile: InstrumentProfile, bench_meter: BenchMeter) -> Load:
    """Open an electronic load as ``open_meter`` opens a meter; raises what that raises."""
    return cast(Load, _open("load", profile, bench_meter))


def open_supply(profile: InstrumentProfile, bench_meter: BenchMeter) -> Supply:
    """Open a programmable supply as ``open_meter`` opens a meter; raises what that raises."""
    return cast(Supply, _open("supply", profile, bench_meter))


def _open(kind: str, profile: InstrumentProfile, bench_meter: BenchMeter) -> _Opened:
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
    opened = cast(_Opened, found[0].load()(profile, bench_meter))
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
    most = f"{ranges[-1].full_scale * ranges[-1].over_range_factor:g} {unit}" if ranges else "none"
    raise InstrumentError(
        f"{magnitude:g} {unit} is beyond every {quantity} range of {profile.name} (at most {most})",
        hint="take a meter with a larger range, or lower the expected peak if it is too cautious",
    )


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
