"""What a board MODEL is: silicon, power envelope, runtimes, dated prices, its emulation."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from powerlab.catalog.facts import (
    Currency,
    Identifier,
    IsoDate,
    Model,
    NonNegative,
    Positive,
    Quantified,
    Sourced,
    Verified,
)

Platform = Literal["x86", "jetson", "nvidia-gpu"]
"""What a counter needs: an x86 processor, a Jetson's power monitor, a graphics card of NVIDIA's."""


class Peaks(Sourced):
    """Physical roofs of the device; None where no source gives one.

    ``u_relative`` is their common relative standard uncertainty, a fraction.
    """

    u_relative: NonNegative = 0.0
    float32_gflops: Positive | None = None
    int8_gops: Positive | None = None
    memory_bandwidth_gb_s: Positive | None = None


class Power(Model):
    """The power envelope and the supply the board is sold with.

    ``supply_voltage_v`` is the adapter's label; ``supply_lag_limit_s`` is the longest time
    the board's input filter may delay an edge of its load.
    """

    idle_w: Quantified
    active_w: Quantified
    supply_voltage_v: Quantified
    supply_current_a: Positive | None = None
    supply_lag_limit_s: NonNegative = 0.005


class Runtime(Model):
    """An inference runtime of the board.

    ``native`` ships with it; ``stands_in_for`` names the native one that this runtime
    replaces under emulation.
    """

    id: Identifier
    native: bool = True
    stands_in_for: str | None = None
    note: str = ""


class DevicePrice(Sourced):
    """What one unit cost on a date, for how long it serves, and on what terms."""

    amount: Annotated[Decimal, Field(gt=0)]
    currency: Currency
    date: IsoDate
    u_relative: NonNegative
    life_years: Positive
    basis: str


class Emulation(Model):
    """The model of the board that the emulated bench draws its world from.

    ``run_to_run`` is the relative standard deviation of active power between runs,
    ``drift_w`` the rise of power when warm with time constant ``drift_time_s``, ``noise_w``
    the standard deviation of the board's own power in cells of ``noise_cell_s``;
    ``lag_limit_s`` bounds the supply lag that each world draws from 0 upwards;
    ``source_ohm`` is what the supply sags by.
    """

    meter: Identifier
    runtime: Identifier
    idle_w: Positive
    active_w: Positive
    lag_limit_s: NonNegative
    run_to_run: NonNegative
    drift_w: float
    drift_time_s: Positive
    noise_w: NonNegative
    noise_cell_s: Positive = 0.01
    supply_voltage_v: Positive
    cable_ohm: NonNegative
    u_cable_ohm: NonNegative
    source_ohm: NonNegative = 0.0
    u_source_ohm: NonNegative = 0.0
    clock_offset_s: float = 1234.5
    clock_limit_ppm: NonNegative = 40.0
    clock_load_ppm: NonNegative = 2.0


class Composite(Sourced):
    """What a device is made of: a host and the accelerators on it (``device_composite``).

    ``link_gb_s`` is the rate of the link between them in 10⁹ bytes per second, in one
    direction: inputs and outputs cannot cross it faster. ``runtimes`` are those of the
    accelerators, whose inputs cross it; without them the parts say which.
    """

    host: Identifier
    parts: tuple[Identifier, ...] = Field(min_length=1)
    link_gb_s: Positive
    runtimes: tuple[str, ...] = ()


class DeviceProfile(Model):
    """A board, accelerator or computer model, shared by everyone who owns one.

    One with a ``[composite]`` takes what it does not say itself from its parts. ``has`` is what
    counters need of it, None where nobody said.
    """

    schema_version: Literal[1] = Field(alias="schema")
    id: Identifier
    name: str
    manufacturer: str
    summary: str
    verified: Verified
    soc: str
    accelerator: str = ""
    link: str = ""
    has: tuple[Platform, ...] | None = None
    composite: Composite | None = None
    power: Power
    peaks: Peaks | None = None
    runtime: tuple[Runtime, ...] = Field(min_length=1)
    price: tuple[DevicePrice, ...] = ()
    emulation: Emulation | None = None
