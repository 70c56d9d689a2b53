"""Small profiles for the emulation's tests, independent of the catalogue."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.protocol_preset import ProtocolPreset

FACT = {"source": "test bench", "retrieved": "2026-01-01"}


@pytest.fixture(scope="session")
def device() -> DeviceProfile:
    """Get a board on 5 V with a modest envelope and every term of the world in use."""
    return DeviceProfile.model_validate(
        {
            "schema": 1,
            "id": "test-board",
            "name": "Test board",
            "manufacturer": "Nobody",
            "summary": "A board that exists in tests",
            "verified": "emulator",
            "soc": "none",
            "power": {
                "idle_w": {"value": 2.0, "u": 0.2, **FACT},
                "active_w": {"value": 6.0, "u": 0.5, **FACT},
                "supply_voltage_v": {"value": 5.1, "u": 0.1, **FACT},
            },
            "runtime": [{"id": "tflite"}],
            "emulation": {
                "meter": "test-dmm",
                "runtime": "tflite",
                "idle_w": 2.0,
                "active_w": 6.0,
                "lag_limit_s": 0.004,
                "run_to_run": 0.004,
                "drift_w": 0.1,
                "drift_time_s": 20.0,
                "noise_w": 0.05,
                "supply_voltage_v": 5.1,
                "cable_ohm": 0.06,
                "u_cable_ohm": 0.02,
            },
        }
    )


def current_range(full_scale: float) -> dict[str, object]:
    """Get a current range with typical limits."""
    return {
        "quantity": "current",
        "full_scale": full_scale,
        "over_range_factor": 1.2,
        "gain_percent": 0.1,
        "offset_percent": 0.02,
        "resolution": 1e-6,
        "noise": 1e-5,
        "burden_voltage_v": 0.2,
        **FACT,
    }


@pytest.fixture(scope="session")
def build_dmm() -> Callable[..., InstrumentProfile]:
    """Get a maker of ammeters with a clock of their own; keywords replace sampling facts."""

    def build(**sampling: object) -> InstrumentProfile:
        return InstrumentProfile.model_validate(
            {
                "schema": 1,
                "id": "test-dmm",
                "manufacturer": "Nobody",
                "name": "Test multimeter",
                "kind": "meter",
                "summary": "Amperes with time stamps, volts once",
                "driver": "none",
                "emulator": "none",
                "verified": "emulator",
                "channels": ["current"],
                "link": {"kinds": ["visa"], "example": "none"},
                "sampling": {
                    "averaging": "gated",
                    "timestamp": "end",
                    "aperture_s": 0.02,
                    "interval_s": 0.0204,
                    "latency_s": 0.01,
                    "latency_limit_s": 0.005,
                    "clock_limit_ppm": 100.0,
                    **FACT,
                    **sampling,
                },
                "range": [
                    current_range(3.0),
                    current_range(1.0),
                    {
                        "quantity": "voltage",
                        "full_scale": 10.0,
                        "gain_percent": 0.01,
                        "offset_percent": 0.002,
                        "resolution": 1e-5,
                        "noise": 1e-5,
                        **FACT,
                    },
                ],
            }
        )

    return build


@pytest.fixture(scope="session")
def dmm(build_dmm: Callable[..., InstrumentProfile]) -> InstrumentProfile:
    """Get an ammeter with a clock of its own."""
    return build_dmm()


@pytest.fixture(scope="session")
def usb_meter() -> InstrumentProfile:
    """Get a polled volt-and-ampere meter without a clock."""
    return InstrumentProfile.model_validate(
        {
            "schema": 1,
            "id": "test-usb",
            "manufacturer": "Nobody",
            "name": "Test USB meter",
            "kind": "meter",
            "summary": "Volts and amperes twice a second",
            "driver": "none",
            "emulator": "none",
            "verified": "emulator",
            "channels": ["voltage", "current"],
            "link": {"kinds": ["serial"], "example": "none"},
            "sampling": {
                "averaging": "boxcar",
                "timestamp": "arrival",
                "aperture_s": 0.5,
                "interval_s": 0.5,
                "latency_s": 0.25,
                "latency_limit_s": 0.1,
                "clock_limit_ppm": 100.0,
                **FACT,
            },
            "range": [
                current_range(5.0),
                {
                    "quantity": "voltage",
                    "full_scale": 24.0,
                    "gain_percent": 0.05,
                    "offset_percent": 0.02,
                    "resolution": 1e-3,
                    "noise": 1e-3,
                    **FACT,
                },
            ],
        }
    )


@pytest.fixture(scope="session")
def protocol() -> ProtocolPreset:
    """Get a short protocol: three runs of one second."""
    return ProtocolPreset.model_validate(
        {
            "schema": 1,
            "id": "test-short",
            "name": "Short",
            "summary": "Three runs of a second",
            "idle_s": 2.0,
            "warm_up_limit_s": 1.0,
            "runs": 3,
            "run_s": 1.0,
            "guard_s": 0.2,
        }
    )
