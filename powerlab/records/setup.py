"""What stands when a measurement begins: the meter and its limits, the wiring, what is possible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from powerlab.terms import Averaging, Boundary, VoltageSense


@dataclass(frozen=True, slots=True)
class MeterIdentity:
    """Who the meter is, as it says itself.

    ``model`` is what it tells, else its profile's name. ``firmware`` is empty if it cannot;
    ``serial`` is what the bench names then, or empty.
    """

    model: str
    manufacturer: str
    name: str
    serial: str
    firmware: str
    resource: str
    emulated: bool = False


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A specified limit: ±(gain_limit * reading + offset_limit), from a dated source.

    ``gain_limit`` is a fraction of reading, ``offset_limit`` in the channel's unit (a
    percentage of range already multiplied out). Rectangular unless the sheet gives k.
    ``estimated`` marks a widened figure that no source gives.
    """

    quantity: str
    full_scale: float
    gain_limit: float
    offset_limit: float
    source: str
    retrieved: str
    estimated: bool


@dataclass(frozen=True, slots=True)
class Joined:
    """That a trace's "voltage" was read by another meter and brought to its samples.

    ``identity`` is that meter. ``u_v`` is the standard uncertainty that the joining adds to
    the volts of a run, ``source_ohm`` by how much they fell with the current.
    """

    identity: MeterIdentity
    u_v: float
    source_ohm: float


@dataclass(frozen=True, slots=True)
class MeterSetup:
    """What the driver asked for and read back: the facts that integration needs.

    ``channels`` names the columns of the samples ("current", "voltage", "power", and "line":
    the part of a sample in which a trigger line was high); ``accuracy`` has one entry per
    channel; ``timestamp`` says what a device time refers to ("start",
    "middle", "end" of the aperture); ``latency_s`` is the time from the end of the
    aperture to the reading being available, known to ± ``latency_limit_s``;
    ``burden_ohm`` the meter's own series resistance, known to ± ``burden_limit_ohm``.
    ``mains`` tells that it measures alternating power. ``joined`` is None unless its volts come
    from another meter.
    """

    channels: tuple[str, ...]
    accuracy: tuple[Accuracy, ...]
    averaging: Averaging
    aperture_s: float
    interval_s: float
    timestamp: str
    latency_s: float
    latency_limit_s: float
    clock_limit_ppm: float
    burden_ohm: float
    burden_limit_ohm: float
    settings: Mapping[str, str | float] = field(default_factory=dict)
    mains: bool = False
    joined: Joined | None = None


@dataclass(frozen=True, slots=True)
class Wiring:
    """Where the meter sits and what lies between it, the supply and the board.

    ``supply_voltage_v`` (± ``u_supply_voltage_v``, standard uncertainty) is used only where
    no meter reads volts; ``supply_voltage_origin`` is "bench" (read once at the board under
    load, without the ammeter), "circuit" (the same with the ammeter in the circuit) or
    "nominal" (the adapter's label, at the supply). ``cable_ohm`` is the loop
    resistance of the leads between the voltage tap, or the supply, and the board.
    ``source_ohm`` ± ``u_source_ohm`` (standard uncertainty, rectangular) is the supply's own
    output resistance: by how much its volts sag from idle to load. It matters only where
    no meter reads volts all along.
    ``supply_lag_limit_s``: the board's input filter delays its load's edges by 0 to this.
    """

    boundary: Boundary
    voltage_sense: VoltageSense
    cable_ohm: float
    u_cable_ohm: float
    supply_voltage_v: float | None
    u_supply_voltage_v: float
    supply_voltage_origin: str
    supply_lag_limit_s: float
    source_ohm: float = 0.0
    u_source_ohm: float = 0.0


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its standard uncertainty."""

    value: float
    u: float = 0.0

    @property
    def u_relative(self) -> float:
        """Get the relative standard uncertainty, 0 for a value of 0."""
        return self.u / abs(self.value) if self.value else 0.0


@dataclass(frozen=True, slots=True)
class Work:
    """What one inference takes: multiply-accumulates, and bytes that must cross memory.

    ``memory_bytes`` counts weights once per pass shared by its batch, ``link_bytes`` the input,
    which must reach an accelerator; 0 where not known.
    """

    macs: float
    memory_bytes: float = 0.0
    link_bytes: float = 0.0


@dataclass(frozen=True, slots=True)
class Roofs:
    """A device's physical limits, None where no source gives one.

    ``operations_per_s`` is the peak at the precision used (1 MAC = 2 operations),
    ``supply_w`` the most its supply delivers, ``link_bytes_per_s`` what the link between a host
    and the accelerator in use lets through.
    """

    operations_per_s: Figure | None = None
    memory_bytes_per_s: Figure | None = None
    idle_w: Figure | None = None
    supply_w: Figure | None = None
    link_bytes_per_s: Figure | None = None
