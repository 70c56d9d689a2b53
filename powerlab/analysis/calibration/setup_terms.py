"""What belongs to the set-up, not to the meter: series resistances and the tare.

Each comes out as a term with its uncertainty, to be stored, applied, and made a line of the
budget.
"""

from __future__ import annotations

import math

import numpy as np

from powerlab.analysis.errors_in_both import fit_line_both
from powerlab.analysis.uncertainty import rectangular
from powerlab.records import Figure, FloatArray
from powerlab.records.calibration import SetupTerm

CABLE_LOOP = "cable-loop"
BURDEN = "burden"

MISFIT = 0.05
"""Probability of a chi-squared as large below which points do not fit their uncertainties."""


def series_resistance(
    name: str,
    current_a: tuple[FloatArray, FloatArray],
    drop_v: tuple[FloatArray, FloatArray],
    *,
    u_gain: float,
    source: str,
) -> SetupTerm:
    """Get a series resistance [ohm] from the drop over it at two currents or more, ``dV/dI``.

    ``current_a`` and ``drop_v`` are values and standard uncertainties, float64 ``(n,)`` each;
    an offset of either meter, a thermal voltage too, falls out of the slope. ``u_gain`` is the
    relative standard uncertainty of volts over amperes that all points share, added after
    the fit. Where three currents or more do not fit their uncertainties (ISO/TS 28037 6.3),
    the scatter around the line counts. Raises ValueError for a single current.
    """
    line = fit_line_both(current_a[0], drop_v[0], current_a[1], drop_v[1])
    misfit = line.tail_probability < MISFIT
    scatter = line.residual_sd if misfit else 1.0
    return SetupTerm(
        name=name,
        unit="ohm",
        value=line.slope,
        u=math.hypot(scatter * line.u_slope, u_gain * line.slope),
        dof=float(line.dof) if misfit else None,
        source=source,
    )


def tare(quantity: str, unit: str, before: Figure, after: Figure) -> SetupTerm:
    """Get what a meter reads of nothing, from zeros before and after a session.

    The mean of both; where it moved, it was anywhere between them, so half the difference is a
    rectangular limit (method section 4). Subtract it from readings.
    """
    moved = rectangular((after.value - before.value) / 2)
    noise = math.hypot(before.u, after.u) / 2
    return SetupTerm(
        name=f"tare-{quantity}",
        unit=unit,
        value=(before.value + after.value) / 2,
        u=math.hypot(noise, moved),
        dof=None,
        source=f"zero before {before.value:.4g} and after {after.value:.4g}",
    )


def zero_of(readings: FloatArray, resolution: float) -> Figure:
    """Get the mean of the readings of nothing, with its u: scatter and resolution."""
    scatter = float(np.std(readings, ddof=1)) / math.sqrt(len(readings))
    return Figure(float(np.mean(readings)), math.hypot(scatter, rectangular(resolution / 2)))
