"""Classes of meters that coverage is counted for: a meter, a board, a protocol, how worlds vary.

A class is made of a few facts. Its meter has the limits, the noise and the timing of its kind,
its protocol the windows that suit it, and every world draws its own supply, lag, noise, clock
and network within what the class states.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache

from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.layers import Catalog, load_catalog
from powerlab.catalog.protocol_preset import ProtocolPreset
from powerlab.emulation import noise
from powerlab.emulation.timetable import Network
from powerlab.emulation.virtual import Setup
from powerlab.emulation.wiring import ErrorLaw
from powerlab.emulation.world import emulation_of
from powerlab.terms import Boundary, VoltageSense
from powerlab.units import nanoseconds

DEVICE = "edgeboard"
_FACT = {"source": "a class of meters, no model", "retrieved": "2026-11-21"}
_FULL_SCALE = {"current": 2.0, "voltage": 20.0, "power": 15.0}
LONG_RUN_S, WARM_UP_S = 10.0, 120.0
"""Runs of this length have the warm-up of the preset that has such runs, ``standard``: over
them a board that still warms would show as scatter."""

_RUN_TO_RUN = (0.001, 0.01)
_ONE_WAY_S = (5e-5, 1e-3)
_ASYMMETRY, _TAIL = 0.5, 0.5  # of the way one way, at most and on average
_LOAD_PPM = (2.0, 5.0)
_COLOURS = (0.0, 1.0, 2.0)  # white, flicker, and flat up to a corner as first-order noise is


@dataclass(frozen=True, slots=True)
class Meter:
    """The facts of a kind of meter; limits and noise in percent of reading and of range.

    Where it does not sample volts, it can read them once, more quietly.
    """

    interval_s: float
    averaging: str = "boxcar"
    channels: tuple[str, ...] = ("voltage", "current")
    has_clock: bool = True
    gain_percent: float = 0.03
    offset_percent: float = 0.005
    noise_percent: float = 0.02
    burden_v: float = 0.05
    latency_s: float = 0.01
    latency_limit_s: float = 0.005
    clock_ppm: float = 100.0

    def profile(self, name: str) -> InstrumentProfile:
        """Get these facts as the profile of an instrument."""
        ranges = sorted({*self.channels, "voltage"})
        point = self.averaging == "point"
        return InstrumentProfile.model_validate(
            {
                "schema": 1,
                "id": name,
                "manufacturer": "none",
                "name": name,
                "kind": "meter",
                "summary": "a class of meters",
                "driver": "none",
                "emulator": "none",
                "verified": "emulator",
                "channels": self.channels,
                "link": {"kinds": ["visa"], "example": "none"},
                "sampling": {
                    "averaging": self.averaging,
                    "timestamp": "end" if self.has_clock else "arrival",
                    "aperture_s": self.interval_s * (0.01 if point else 1.0),
                    "interval_s": self.interval_s,
                    "latency_s": self.latency_s,
                    "latency_limit_s": self.latency_limit_s,
                    "clock_limit_ppm": self.clock_ppm,
                    **_FACT,
                },
                "range": [self._range(quantity) for quantity in ranges],
            }
        )

    def _range(self, quantity: str) -> dict[str, object]:
        scale = _FULL_SCALE[quantity]
        return {
            "quantity": quantity,
            "full_scale": scale,
            "gain_percent": self.gain_percent,
            "offset_percent": self.offset_percent,
            "resolution": 1e-6 * scale,
            "noise": (self.noise_percent if quantity in self.channels else 0.005) / 100 * scale,
            "burden_voltage_v": self.burden_v if quantity == "current" else 0.0,
            **_FACT,
        }


@dataclass(frozen=True, slots=True)
class MeterClass:
    """One class: what is measured with what, how long, and what its worlds may draw.

    ``meter`` is a kind of meter, or the id of one in the catalogue. ``lag_limit_s`` bounds
    the supply's lag, ``noise_cell_s`` is the board's shortest noise; its longest lasts
    as long as a run. ``refused`` marks a class whose meter is too slow for its runs.
    ``precision`` is the relative U that the two-stage rule is asked for. ``calibrated_by``
    names the benches (``calibration_classes``) on which the meter was calibrated before.
    """

    name: str
    meter: Meter | str
    run_s: float
    precision: float
    calibrated_by: tuple[str, ...] = ()
    lag_limit_s: float = 0.005
    inference_s: float = 0.001
    idle_s: float = 2.0
    marker_s: float = 0.0
    noise_cell_s: float = 0.01
    setup: Setup = field(default_factory=Setup)
    refused: bool = False
    network: Network = field(default_factory=Network)

    def instrument(self) -> InstrumentProfile:
        """Get the profile of the class's meter."""
        if isinstance(self.meter, str):
            return _catalog().instrument(self.meter)
        return self.meter.profile(self.name)

    def device(self, seed: int) -> DeviceProfile:
        """Get the board of one world: its lag limits and its clock."""
        board = _catalog().device(DEVICE)
        emulation = emulation_of(board).model_copy(
            update={
                "lag_limit_s": self.lag_limit_s,
                "clock_load_ppm": _between(seed, "load", *_LOAD_PPM),
            }
        )
        power = board.power.model_copy(update={"supply_lag_limit_s": self.lag_limit_s})
        return board.model_copy(update={"emulation": emulation, "power": power})

    def protocol(self, seed: int) -> ProtocolPreset:
        """Get the protocol of one world: five runs, all stretches of this world's length."""
        factor = _between(seed, "length", 0.9, 1.1)
        limit_s = self.instrument().sampling.latency_limit_s
        guard_s = max(10 * self.lag_limit_s + 3 * limit_s, min(0.25, 0.05 * self.run_s))
        return ProtocolPreset(
            schema=1,
            id="class",
            name="Class",
            summary="five runs",
            idle_s=self.idle_s,
            warm_up_limit_s=max(self.run_s, WARM_UP_S if self.run_s >= LONG_RUN_S else 0.0),
            runs=5,
            run_s=self.run_s * factor,
            guard_s=guard_s * _between(seed, "guard", 1.0, 1.5),
            marker_s=self.marker_s,
        )

    def world(self, seed: int, law: ErrorLaw) -> Setup:
        """Get how one world's bench is set up and what noise its board makes."""
        colour = _COLOURS[int(3 * noise.uniform(seed, "class/colour"))]
        one_way_s = _between(seed, "one way", *_ONE_WAY_S, log=True)
        return replace(
            self.setup,
            world={
                "run_to_run": _between(seed, "run to run", *_RUN_TO_RUN, log=True),
                "noise_cell_ns": nanoseconds(self.noise_cell_s),
                "noise_colour": colour,
                "noise_longest_ns": nanoseconds(self.run_s),
            },
            law=law,
            inference_s=self.inference_s,
            network=replace(
                self.network,
                one_way_s=one_way_s,
                asymmetry=_ASYMMETRY,
                tail_s=_TAIL * one_way_s,
            ),
        )


@cache
def _catalog() -> Catalog:
    return load_catalog()


def _between(seed: int, name: str, low: float, high: float, *, log: bool = False) -> float:
    """Draw what a world has of something, uniform or log-uniform between two limits."""
    share = noise.uniform(seed, f"class/{name}")
    return float(low * (high / low) ** share if log else low + (high - low) * share)


def _fast() -> Iterable[MeterClass]:
    few = Network(spacing_s=1e-4, first_burst=40, burst=10)
    for averaging in ("boxcar", "point"):
        meter = Meter(
            interval_s=1e-6,
            averaging=averaging,
            channels=("current",),
            noise_percent=0.2,
            latency_s=1e-3,
            latency_limit_s=5e-4,
        )
        for run_s, lag_limit_s, precision in ((0.02, 2e-4, 0.006), (0.2, 1e-3, 0.0045)):
            yield MeterClass(
                f"1msps-{averaging}-{run_s * 1e3:.0f}ms",
                meter,
                run_s,
                precision,
                lag_limit_s=lag_limit_s,
                inference_s=2e-4,
                idle_s=0.05,
                noise_cell_s=1e-4,
                network=few,
            )


def _middle() -> Iterable[MeterClass]:
    for averaging, marked in (("boxcar", 1), ("point", 0)):
        kilo = Meter(interval_s=1e-3, averaging=averaging, noise_percent=0.05)
        yield MeterClass(f"1ksps-{averaging}-300ms", kilo, 0.3, 0.0062, noise_cell_s=1e-3)
        yield MeterClass(f"1ksps-{averaging}-5s", kilo, 5.0, 0.0025)
        hundred = Meter(interval_s=0.01, averaging=averaging)
        yield MeterClass(f"100sps-{averaging}-500ms", hundred, 0.5, 0.0045)
        yield MeterClass(f"100sps-{averaging}-10s", hundred, 10.0, 0.0025, marker_s=4.0 * marked)
        usb = Meter(interval_s=0.04, averaging=averaging, gain_percent=0.1, offset_percent=0.02)
        yield MeterClass(f"25sps-{averaging}-1s", usb, 1.0, 0.0035)
        yield MeterClass(
            f"25sps-{averaging}-20s", usb, 20.0, 0.003, idle_s=5.0, marker_s=13.0 * marked
        )


def _slow() -> Iterable[MeterClass]:
    hertz = Meter(interval_s=1.0, latency_s=0.2, latency_limit_s=0.1)
    yield MeterClass("1hz-boxcar-20s", hertz, 20.0, 0.0025, idle_s=20.0)
    yield MeterClass("1hz-boxcar-60s", hertz, 60.0, 0.0025, idle_s=30.0, marker_s=150.0)
    yield MeterClass("1hz-point-20s", replace(hertz, averaging="point"), 20.0, 0.003, idle_s=20.0)
    yield MeterClass("1hz-point-60s", replace(hertz, averaging="point"), 60.0, 0.0025, idle_s=30.0)


def _models() -> Iterable[MeterClass]:
    dmm, um25c = "keithley-dmm6500", "rdtech-um25c"
    for name, origin, precision, marker_s in (
        ("keithley-dmm6500", "bench", 0.0225, 4.0),
        ("keithley-dmm6500-circuit", "circuit", 0.003, 0.0),
        ("keithley-dmm6500-label", "nominal", 0.061, 0.0),
    ):
        yield MeterClass(
            name,
            dmm,
            6.0,
            precision,
            idle_s=5.0,
            marker_s=marker_s,
            setup=Setup(supply_origin=origin),
        )
    yield MeterClass("rdtech-um25c", um25c, 6.0, 0.0139, idle_s=5.0)
    yield MeterClass(
        "rdtech-um25c-calibrated",
        um25c,
        20.0,
        0.005,
        calibrated_by=("usb-amperes-idle-visited", "usb-volts"),
        idle_s=10.0,
    )
    dc = Setup(boundary=Boundary.DC)
    yield MeterClass("rdtech-um25c-dc", um25c, 20.0, 0.0133, idle_s=10.0, setup=dc)
    analyser = Meter(
        interval_s=1.0,
        channels=("power",),
        has_clock=False,
        gain_percent=0.1,
        offset_percent=0.05,
        noise_percent=0.01,
        latency_s=0.5,
        latency_limit_s=0.3,
    )
    yield MeterClass("wt310e-1hz", analyser, 30.0, 0.003, idle_s=20.0, setup=dc)
    yield MeterClass("wt310e-1hz-board", analyser, 30.0, 0.0035, idle_s=20.0)
    faster = replace(
        analyser, interval_s=0.1, noise_percent=0.02, latency_s=0.1, latency_limit_s=0.05
    )
    yield MeterClass("wt310e-10hz", faster, 10.0, 0.003, idle_s=5.0, setup=dc)
    usb = replace(faster, channels=("voltage", "current"), gain_percent=0.7, offset_percent=0.05)
    yield MeterClass("usb-calibrated", usb, 10.0, 0.0117, idle_s=5.0)


def _two_meters() -> Iterable[MeterClass]:
    """Amperes of one meter and volts of another, slower one, joined."""
    volts = Meter(
        interval_s=0.5,
        channels=("voltage",),
        has_clock=False,
        latency_s=0.2,
        latency_limit_s=0.1,
        burden_v=0.0,
    ).profile("volts-2hz")
    for name, sense, source_ohm in (
        ("two-meters-at-the-board", VoltageSense.BOARD, 0.05),
        ("two-meters-weak-supply", VoltageSense.METER, 0.3),
    ):
        yield MeterClass(
            name,
            Meter(interval_s=1e-3, channels=("current",), noise_percent=0.05),
            5.0,
            0.004,
            idle_s=5.0,
            setup=Setup(voltmeter=volts, voltage_sense=sense, source_ohm=source_ohm),
        )


def _refused() -> Iterable[MeterClass]:
    for name, interval_s, run_s in (
        ("1hz-too-slow-3s", 1.0, 3.0),
        ("25sps-too-slow-150ms", 0.04, 0.15),
        ("100sps-too-slow-50ms", 0.01, 0.05),
    ):
        meter = Meter(interval_s=interval_s)
        yield MeterClass(name, meter, run_s, 0.05, refused=True)


@cache
def classes() -> dict[str, MeterClass]:
    """Get all classes by name."""
    made = (*_fast(), *_middle(), *_slow(), *_models(), *_two_meters(), *_refused())
    return {item.name: item for item in made}
