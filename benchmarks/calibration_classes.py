"""Classes of benches that coverage is counted for: what is calibrated with what, and used how."""

from __future__ import annotations

from dataclasses import dataclass

from powerlab.analysis.calibration.plan import FRACTIONS


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a reference's certificate states: U with k = 2, of reading and in the unit."""

    gain: float
    offset: float


@dataclass(frozen=True, slots=True)
class BenchClass:
    """A kind of bench, and how its meter is used once it is calibrated.

    Without a ``certificate`` the reference's specified limits are believed. ``levels`` are
    the parts of full scale between which fresh readings are taken (of the visited levels where
    None), ``away_k`` how far the temperature is from the calibration's: at most, or exactly where
    ``exactly``. ``years`` have passed, in which the meter drifts within its specified limit.
    The points do not tell all that the use asks for where it is not ``shown``: what bends between
    few levels, or what lies beyond them. Intervals may then be wider than errors take.
    """

    meter: str
    reference: str
    source: str
    quantity: str
    full_scale: float
    certificate: Certificate | None
    fractions: tuple[float, ...] = FRACTIONS
    levels: tuple[float, float] | None = None
    away_k: float = 3.0
    exactly: bool = False
    years: float = 0.0
    shown: bool = True


_USB = ("rdtech-um25c", "keithley-dmm6500", "rigol-dl3021", "current", 5.0)
_VOLTS = ("rdtech-um25c", "keithley-dmm6500", "rigol-dp832", "voltage", 24.0)
_BENCH = ("keithley-dmm6500", "keithley-dmm6500", "rigol-dl3021", "current", 3.0)
_NOISY = ("keithley-dmm6500", "rdtech-um25c", "rigol-dl3021", "current", 3.0)
_FOR_USB, _FOR_BENCH = Certificate(4e-4, 4e-4), Certificate(2e-4, 1e-4)

CLASSES = {
    "usb-amperes": BenchClass(*_USB, _FOR_USB),
    "usb-amperes-uncertified": BenchClass(*_USB, None),
    "usb-amperes-exact": BenchClass(*_USB, Certificate(1e-6, 1e-6), away_k=0.0),
    "usb-amperes-5-k-away": BenchClass(*_USB, _FOR_USB, away_k=5.0, exactly=True),
    "usb-amperes-half-a-year": BenchClass(*_USB, _FOR_USB, years=0.5),
    "usb-amperes-three-levels": BenchClass(*_USB, _FOR_USB, (0.1, 0.5, 0.9)),
    "usb-amperes-two-levels": BenchClass(*_USB, _FOR_USB, (0.1, 0.9), shown=False),
    "usb-amperes-idle": BenchClass(*_USB, _FOR_USB, levels=(0.02, 0.1), shown=False),
    "usb-amperes-idle-visited": BenchClass(*_USB, _FOR_USB, (0.02, *FRACTIONS), levels=(0.02, 0.1)),
    "usb-amperes-beyond": BenchClass(
        *_USB, _FOR_USB, (0.1, 0.2, 0.3, 0.4, 0.5), (0.5, 0.95), shown=False
    ),
    "usb-volts": BenchClass(*_VOLTS, Certificate(6e-5, 2e-4)),
    "bench-amperes": BenchClass(*_BENCH, _FOR_BENCH),
    "bench-amperes-one-level": BenchClass(*_BENCH, _FOR_BENCH, (0.5,), (0.05, 0.5), shown=False),
    "bench-amperes-noisy": BenchClass(*_NOISY, Certificate(4e-4, 1e-4)),
}
"""What is calibrated with what, and used how."""
