"""What lies between the supply and an emulated board, and how errors fill their limits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from math import sin, sqrt

import numpy as np

from powerlab.catalog.device_profile import DeviceProfile
from powerlab.emulation import noise
from powerlab.emulation.world import emulation_of
from powerlab.errors import ConfigError
from powerlab.records import FloatArray


class ErrorLaw(StrEnum):
    """How a world's errors lie within the limits that a data sheet states.

    ``uniform`` is what the uncertainty budget assumes. The others break that assumption:
    every error at its limit (``limit``), crowded to the limits (``arcsine``), normal with half
    the limit as standard deviation (``normal``), at twice the limit (``outside``).
    """

    UNIFORM = "uniform"
    LIMIT = "limit"
    ARCSINE = "arcsine"
    NORMAL = "normal"
    OUTSIDE = "outside"


def draw_error(seed: int, stream: str, law: ErrorLaw = ErrorLaw.UNIFORM) -> float:
    """Draw one error as a fraction of its limit."""
    fraction = 2 * noise.uniform(seed, stream) - 1
    match law:
        case ErrorLaw.UNIFORM:
            return fraction
        case ErrorLaw.LIMIT:
            return 1.0 if fraction > 0 else -1.0
        case ErrorLaw.ARCSINE:
            return sin(np.pi / 2 * fraction)
        case ErrorLaw.NORMAL:
            return noise.normal(seed, stream) / 2
        case ErrorLaw.OUTSIDE:
            return 2.0 if fraction > 0 else -2.0


@dataclass(frozen=True, slots=True)
class SupplyPath:
    """The true circuit: a supply, the meter's burden, the cable, the board.

    ``source_v`` is the supply's voltage without load and ``source_ohm`` its own resistance, by
    which it sags; ``cable_ohm`` is the loop resistance of the leads, ``burden_ohm`` the
    meter's series resistance (0 before a meter is in).
    """

    source_v: float
    cable_ohm: float
    burden_ohm: float = 0.0
    source_ohm: float = 0.0

    def through(self, burden_ohm: float) -> SupplyPath:
        """Get the same circuit with a meter of this series resistance in it."""
        return replace(self, burden_ohm=burden_ohm)

    def current(self, power_w: FloatArray) -> FloatArray:
        """Get the current (A) of a board that takes ``power_w``, float64 of any shape.

        A constant-power load behind a resistance R: the smaller root of V I - R I**2 = P,
        written so that R = 0 needs no case of its own. Raises ConfigError where there is none.
        """
        resistance = self.source_ohm + self.cable_ohm + self.burden_ohm
        headroom = self.source_v**2 - 4 * resistance * power_w
        if np.any(headroom < 0):
            raise ConfigError(
                f"a {self.source_v:g} V supply behind {resistance:.3g} Ω cannot carry"
                f" {np.max(power_w):.3g} W",
                hint="choose a higher meter range, a better cable or a higher supply voltage",
            )
        return np.asarray(2 * power_w / (self.source_v + np.sqrt(headroom)))

    def output_v(self, current_a: FloatArray) -> FloatArray:
        """Get the volts at the supply's output under a current, float64 of any shape."""
        return np.asarray(self.source_v - current_a * self.source_ohm)


def build_path(
    device: DeviceProfile,
    seed: int,
    *,
    source_v: float | None = None,
    cable_ohm: float | None = None,
    u_cable_ohm: float | None = None,
    source_ohm: float | None = None,
    u_source_ohm: float | None = None,
    law: ErrorLaw = ErrorLaw.UNIFORM,
) -> SupplyPath:
    """Draw the true circuit of a world, without a meter in it yet.

    The true resistances of cable and supply lie within the stated ones ± their standard
    uncertainties times the root of 3. What is None comes from the device's ``[emulation]``.
    """
    section = emulation_of(device)
    stated = section.cable_ohm if cable_ohm is None else cable_ohm
    limit = sqrt(3) * (section.u_cable_ohm if u_cable_ohm is None else u_cable_ohm)
    sag = section.source_ohm if source_ohm is None else source_ohm
    sag_limit = sqrt(3) * (section.u_source_ohm if u_source_ohm is None else u_source_ohm)
    return SupplyPath(
        source_v=section.supply_voltage_v if source_v is None else source_v,
        cable_ohm=max(0.0, stated + limit * draw_error(seed, "cable", law)),
        source_ohm=max(0.0, sag + sag_limit * draw_error(seed, "source", law)),
    )
