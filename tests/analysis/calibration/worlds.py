"""Virtual set-ups in numpy alone: a meter, a reference and a load, each with errors of its own."""

from dataclasses import dataclass

import numpy as np

from powerlab.records import Accuracy
from powerlab.records.calibration import CalibrationPoint, Direction, Settling
from powerlab.records.correction import CommonError

SECOND = 1_000_000_000
FULL_SCALE = 3.0
LEVELS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
COMMON = CommonError("current", 2e-4, 5e-5, "REF-1")
LIMIT = Accuracy("current", FULL_SCALE, 0.005, 0.003, "a sheet", "2026-01-01", estimated=False)
PER_K = 5e-5


@dataclass(frozen=True)
class World:
    """One meter ``reading = (gain x + offset + curve x (x - F)/F) (1 + warmth (T - 23)) + noise``.

    The reference reads ``(x - its offset) / (1 + its gain)``; hysteresis, drift (per hour) and
    a kink (a change of gain at half of the full scale) are errors that no single form follows.
    """

    rng: np.random.Generator
    gain: float = 1.0
    offset: float = 0.0
    curve: float = 0.0
    warmth: float = 0.0
    noise: float = 3e-4
    reference_gain: float = 0.0
    reference_offset: float = 0.0
    reference_noise: float = 2e-5
    hysteresis: float = 0.0
    drift_per_h: float = 0.0
    kink: float = 0.0

    def read(self, true, temperature_c=23.0, *, coming=0.0, hours=0.0, count=1):
        """Get the mean and the scatter of the mean of readings of a true value."""
        bent = self.curve * true * (true - FULL_SCALE) / FULL_SCALE
        bent += self.kink * max(0.0, true - FULL_SCALE / 2)
        clean = (self.gain * true + self.offset + bent) * (1 + self.warmth * (temperature_c - 23))
        clean += coming * self.hysteresis / 2 + self.drift_per_h * hours * true
        values = clean + self.noise * self.rng.normal(size=count)
        scatter = values.std(ddof=1) / np.sqrt(count) if count > 1 else 0.0
        return values.mean(), scatter

    def points(self, levels=LEVELS, *, readings=10, warm=lambda step: 23.0, both=True):
        """Calibrate: every level up, then down, one each five minutes."""
        steps = [(level, Direction.UP) for level in levels]
        if both:
            steps += [(level, Direction.DOWN) for level in reversed(levels)]
        return [
            self.point(level * FULL_SCALE, way, index, warm(index), readings)
            for index, (level, way) in enumerate(steps)
        ]

    def point(self, nominal, way, index, temperature_c, readings):
        """Read one level with both instruments."""
        true = nominal * (1 + 0.002 * self.rng.normal())
        coming = 1.0 if way is Direction.UP else -1.0
        mean, u = self.read(true, temperature_c, coming=coming, hours=index / 12, count=readings)
        seen = (true - self.reference_offset) / (1 + self.reference_gain)
        return CalibrationPoint(
            quantity="current",
            full_scale=FULL_SCALE,
            direction=way,
            nominal=nominal,
            reference=seen + self.reference_noise * self.rng.normal(),
            u_reference=self.reference_noise,
            reading=mean,
            u_reading=u,
            readings=readings,
            settling=Settling.SETTLED,
            at_utc_ns=index * 300 * SECOND,
            temperature_c=temperature_c,
        )


def point_at(reading, reference, u_reading=0.0, u_reference=0.0, *, index=0, **facts):
    """Get a point at which the meter reads one thing and the reference says another."""
    return CalibrationPoint(
        **{
            "quantity": "current",
            "full_scale": 10.0,
            "direction": Direction.UP,
            "nominal": float(reading),
            "reference": float(reference),
            "u_reference": float(u_reference),
            "reading": float(reading),
            "u_reading": float(u_reading),
            "readings": 1,
            "settling": Settling.SETTLED,
            "at_utc_ns": index * SECOND,
            "temperature_c": 23.0,
            **facts,
        }
    )


def drawn_world(seed, **facts):
    """Draw a meter within its specified limits and a reference within its certificate."""
    rng = np.random.default_rng(seed)
    drawn = {
        "gain": 1 + rng.uniform(-1, 1) * LIMIT.gain_limit,
        "offset": rng.uniform(-1, 1) * LIMIT.offset_limit,
        "curve": rng.uniform(-1, 1) * 2e-3,
        "warmth": rng.uniform(-1, 1) * PER_K,
        "reference_gain": rng.normal() * COMMON.u_gain,
        "reference_offset": rng.normal() * COMMON.u_offset,
    }
    return World(rng, **{**drawn, **facts})
