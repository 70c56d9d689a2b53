"""What the steps showed of a meter's sampling against what its profile says."""

from __future__ import annotations

from collections.abc import Iterable

from powerlab.findings import Finding, Severity
from powerlab.records import MeterSetup
from powerlab.records.calibration import StepResponse

AWAY = 2.0
"""Standard uncertainties that a latency may lie beyond its limits."""

MISFIT = 3.0
"""Reduced chi-squared above which readings do not follow a boxcar."""


def check_step(response: StepResponse, setup: MeterSetup) -> tuple[Finding, ...]:
    """Compare what the steps showed with what the meter's profile says of its sampling."""
    return tuple(_differences(response, setup))


def _differences(response: StepResponse, setup: MeterSetup) -> Iterable[Finding]:
    each = round(response.interval_s / response.delivered_s)
    if each > 1:
        yield Finding(
            code="meter-interpolates",
            severity=Severity.WARNING,
            message=f"only every {_ordinal(each)} reading is measured: "
            f"{1 / response.interval_s:.3g} a second, not {1 / response.delivered_s:.3g}",
            hint="plan runs and markers by the true rate; state it in the instrument's profile",
            evidence={"interval_s": response.interval_s, "delivered_s": response.delivered_s},
        )
    if response.averaging is None:
        yield Finding(
            code="averaging-unknown",
            severity=Severity.INFO,
            message=f"{response.steps} steps do not tell what a reading stands for",
            hint="make more load steps, at odd times, with a load whose instants are known better",
            evidence={"aperture_s": response.aperture_s, "u_aperture_s": response.u_aperture_s},
        )
    elif response.averaging is not setup.averaging:
        yield Finding(
            code="averaging-differs",
            severity=Severity.WARNING,
            message=f"the steps show a {response.averaging.value} meter, its profile says "
            f"{setup.averaging.value}",
            hint="correct the averaging in the instrument's profile: it decides the integration",
            evidence={"aperture_s": response.aperture_s, "interval_s": response.interval_s},
        )
    away = abs(response.latency_s - setup.latency_s)
    if away > setup.latency_limit_s + AWAY * response.u_latency_s:
        yield Finding(
            code="latency-differs",
            severity=Severity.WARNING,
            message=f"readings come {response.latency_s * 1e3:.3g} ms after their aperture, the "
            f"profile says {setup.latency_s * 1e3:.3g} ms",
            hint="take the measured latency over into the instrument's profile",
            evidence={"latency_s": response.latency_s, "u_latency_s": response.u_latency_s},
        )
    if response.chi_squared_reduced > MISFIT:
        yield Finding(
            code="step-misfit",
            severity=Severity.WARNING,
            message="the readings around the steps are not those of a boxcar (reduced "
            f"chi-squared {response.chi_squared_reduced:.1f})",
            hint="look whether the load's rise is slow, or the meter filters its readings",
            evidence={"chi_squared_reduced": response.chi_squared_reduced},
        )


def _ordinal(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")
