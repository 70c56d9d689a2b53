"""A calibration bench in this process: meters, a load and a supply over one small circuit.

They implement the protocols of ``powerlab.instruments.contract`` and nothing else; readings
come a thousand a second in real time, so that a point takes a tenth of a second.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from powerlab.calibration.bench import Instrument, Instruments, OpenBench
from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.layers import load_catalog
from powerlab.errors import InstrumentError
from powerlab.instruments.contract import MeterRequest, accuracy_of
from powerlab.records import MeterIdentity, MeterSetup, SampleBlock, SampleFlag
from powerlab.units import now_ns

MS = 1_000_000
POLL_S = 0.01


@dataclass
class Circuit:
    """What flows: the load's current from a supply, behind series resistances."""

    volts: float = 5.0
    amperes: float = 0.0
    source_ohm: float = 0.0
    meter_ohm: float = 0.05
    cable_ohm: float = 0.12

    @property
    def behind_meter(self) -> float:
        """Get the volts behind the meter."""
        return self.volts - self.amperes * self.meter_ohm

    @property
    def at_load(self) -> float:
        """Get the volts at the load."""
        return self.behind_meter - self.amperes * self.cable_ohm


@dataclass
class FakeMeter:
    """One meter with errors of its own; ``slope`` is how fast it creeps (per second)."""

    circuit: Circuit
    profile: InstrumentProfile
    serial: str
    gain: float = 0.0
    offset: float = 0.0
    noise: float = 1e-5
    creep_per_s: float = 0.0
    signed: bool = True
    both: bool = False
    fails_after: int | None = None

    def __post_init__(self) -> None:
        self.identity = MeterIdentity(
            self.profile.id, "maker", self.profile.name, self.serial, "1.0", "nowhere"
        )
        self.rng = np.random.default_rng(sum(map(ord, self.serial)))
        self.configured: list[MeterRequest] = []

    def configure(self, request: MeterRequest) -> MeterSetup:
        """Take the ranges that were asked for."""
        self.configured.append(request)
        peaks = {"current": request.expected_peak_a, "voltage": request.expected_peak_v or 10.0}
        names = ("current", "voltage") if self.both else request.channels
        ranges = [self.profile.range_for(name, peaks[name]) for name in names]
        self.most = [item.full_scale * item.over_range_factor for item in ranges]
        self.names = names
        return MeterSetup(
            channels=names,
            accuracy=tuple(accuracy_of(item) for item in ranges),
            averaging=self.profile.sampling.averaging,
            aperture_s=1e-3,
            interval_s=1e-3,
            timestamp="end",
            latency_s=0.0,
            latency_limit_s=0.0,
            clock_limit_ppm=100.0,
            burden_ohm=0.0,
            burden_limit_ohm=0.0,
        )

    def stream(self, stop: threading.Event) -> Iterator[SampleBlock]:
        """Read once a millisecond, delivered every ten."""
        begin_ns, count = now_ns(), 0
        while not stop.wait(POLL_S):
            sent_ns = now_ns()
            done = (sent_ns - begin_ns) // MS
            fresh = done - count
            if fresh <= 0:
                continue
            if self.fails_after is not None and done > self.fails_after:
                raise InstrumentError("the meter does not answer", hint="look at its plug")
            seconds = (np.arange(count, done) * MS) / 1e9
            true = {"current": self.circuit.amperes, "voltage": self.circuit.behind_meter}
            columns = [self._read(true[name], seconds) for name in self.names]
            values = np.stack(columns, axis=1)
            over = (np.abs(values) > self.most).any(axis=1)
            values[over] = np.nan
            yield SampleBlock(
                values=values,
                device_ns=np.arange(count, done, dtype=np.int64) * MS,
                flags=np.where(over, SampleFlag.OVERRANGE, 0).astype(np.uint8),
                sent_ns=sent_ns,
                received_ns=now_ns(),
                completed=int(done),
            )
            count = done

    def _read(self, true: float, seconds: np.ndarray) -> np.ndarray:
        noise = self.noise * self.rng.normal(size=len(seconds))
        values = true * (1 + self.gain) + self.offset + self.creep_per_s * seconds + noise
        return values if self.signed else np.maximum(values, 0.0).round(4)

    def close(self) -> None:
        """Do nothing."""


@dataclass
class FakeLoad:
    """An electronic load; it cannot draw more than ``most`` and fails at set-point ``breaks``."""

    circuit: Circuit
    most: float = 100.0
    breaks: int | None = None
    on: bool = False
    level: float = 0.0
    sets: list[float] = field(default_factory=list)
    identity: object = None

    def set_current(self, a: float) -> None:
        """Set the level."""
        self.sets.append(a)
        if self.breaks is not None and len(self.sets) > self.breaks:
            self.input(on=False)
            raise InstrumentError("the load does not answer", hint="look at its plug")
        self.level = a
        self._draw()

    def input(self, on: bool) -> None:  # noqa: FBT001 - as the protocol has it
        """Switch."""
        self.on = on
        self._draw()

    def _draw(self) -> None:
        self.circuit.amperes = min(self.level, self.most) if self.on else 0.0

    def measure(self) -> tuple[float, float]:
        """Read the circuit, and refuse what is not drawn."""
        if self.on and self.circuit.amperes < 0.99 * self.level:
            self.input(on=False)
            raise InstrumentError(
                f"the load was set to {self.level:g} A and draws {self.most:g} A",
                hint="raise the supply's limit",
            )
        return self.circuit.at_load, self.circuit.amperes

    def close(self) -> None:
        """Switch off."""
        self.input(on=False)


@dataclass
class FakeSupply:
    """A programmable supply."""

    circuit: Circuit
    on: bool = True
    identity: object = None

    def set_voltage(self, v: float) -> None:
        """Set the volts."""
        self.circuit.volts = v

    def output(self, on: bool) -> None:  # noqa: FBT001 - as the protocol has it
        """Switch."""
        self.on = on

    def measure(self) -> tuple[float, float]:
        """Read the circuit."""
        return self.circuit.volts, self.circuit.amperes

    def close(self) -> None:
        """Switch off."""
        self.output(on=False)


def made_bench(*, load=True, supply=True, ask=None, meter=None, reference=None, **changes):
    """Get an open bench of fakes, the meter 0.2 % and 1 mA wrong; and its circuit."""
    catalog = load_catalog(cwd=Path("/"))
    models = {
        name: catalog.instrument(name)
        for name in ("keithley-dmm6500", "rigol-dl3021", "rigol-dp832")
    }
    multimeter = quick(models["keithley-dmm6500"])
    circuit = Circuit()
    errors = {"gain": 0.002, "offset": 1e-3, **(meter or {})}
    device = FakeMeter(circuit, multimeter, "M1", **errors)
    standard = FakeMeter(circuit, multimeter, **{"serial": "R1", **(reference or {})})
    named = Instruments(
        meter=placed(multimeter),
        references=(placed(multimeter),),
        load=placed(models["rigol-dl3021"]) if load else None,
        supply=placed(models["rigol-dp832"]) if supply else None,
        supply_v=changes.pop("supply_v", None),
        least_v=0.0,
        ask=ask,
    )
    bench = OpenBench(
        named=named,
        meter=device,
        references=(standard,),
        load=FakeLoad(circuit, **changes) if load else None,
        supply=FakeSupply(circuit) if supply else None,
    )
    return SimpleNamespace(bench=bench, circuit=circuit, meter=device, load=bench.load, named=named)


def quick(profile: InstrumentProfile) -> InstrumentProfile:
    """Get a model that reads as fast as the fakes do."""
    fast = profile.sampling.model_copy(update={"aperture_s": 1e-3, "interval_s": 1e-3})
    return profile.model_copy(update={"sampling": fast})


def placed(profile: InstrumentProfile) -> Instrument:
    """Get an instrument somewhere."""
    return Instrument(profile, BenchMeter(model=profile.id, resource="nowhere"))


def with_load(made, **changes):
    """Get the same bench with another load."""
    return replace(made.bench, load=FakeLoad(made.circuit, **changes))
