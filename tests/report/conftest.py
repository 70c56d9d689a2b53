"""One realistic measurement, made of arithmetic: five runs of six seconds at 50 readings a second.

The factory builds the records that the report is written from without any instrument:
a board that idles at 3.9 W and works at 8.1 W, a multimeter in its current range, a
supply read once at the board, clocks that differ by an offset and a rate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from powerlab.analysis.conclude import conclude
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.protocol_preset import ProtocolPreset
from powerlab.catalog.workload_profile import WorkloadProfile
from powerlab.findings import Finding, Severity
from powerlab.records import (
    Accuracy,
    Aligned,
    Averaging,
    Boundary,
    Capture,
    ClockExchanges,
    MeterIdentity,
    MeterSetup,
    MeterTrace,
    Phase,
    Price,
    Request,
    Result,
    TargetFacts,
    Timebase,
    Truth,
    VoltageSense,
    Wiring,
)
from powerlab.report import write_report
from powerlab.report.elements import ReportModel
from powerlab.report.evidence import collect_evidence
from powerlab.report.model import build_report
from powerlab.units import NS_PER_S, Money

START_NS = 4_210_000_000_000
OFFSET_NS = 1_234_500_000_000
IDLE_W = 3.9
ACTIVE_W = 8.1
SUPPLY_V = 12.04
RUNS = 5
SOURCE = "DMM6500 data sheet, 1 year, 23 °C ± 5 °C"


@dataclass(frozen=True)
class Measurement:
    """What write_report takes beside the path and the language."""

    result: Result
    capture: Capture
    aligned: Aligned
    device: DeviceProfile
    instrument: InstrumentProfile
    workload: WorkloadProfile
    protocol: ProtocolPreset
    versions: Mapping[str, str]

    def arguments(self) -> dict[str, Any]:
        """Get the keyword arguments of write_report."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def but(self, **changes: Any) -> Measurement:
        """Get a copy whose result differs in some fields."""
        return replace(self, result=replace(self.result, **changes))


def to_board(host_ns: np.ndarray | int) -> np.ndarray:
    """Get instants on the board's clock: an offset, and 12.4 ppm fast."""
    since = np.asarray(host_ns, np.int64) - START_NS
    return START_NS + OFFSET_NS + since + np.rint(since * 12.4e-6).astype(np.int64)


def _phases() -> tuple[Phase, ...]:
    random = np.random.default_rng(7)
    phases: list[Phase] = []

    def add(kind: str, index: int, start_s: float, duration_s: float, count: int) -> None:
        latency = 3.9e-3 + random.gamma(3.0, 0.07e-3, count)
        latency[random.random(count) < 0.006] *= 2.3
        if count:
            latency *= duration_s / latency.sum()
        begin = START_NS + round(start_s * NS_PER_S)
        done = to_board(begin + np.rint(np.cumsum(latency) * NS_PER_S).astype(np.int64))
        stop = int(done[-1]) if count else int(to_board(begin + round(duration_s * NS_PER_S)))
        phases.append(Phase(kind, index, int(to_board(begin)), stop, count, done))

    add("idle", 0, 0.4, 5.0, 0)
    add("warm-up", 0, 5.6, 4.2, 1020)
    for index in range(RUNS):
        add("run", index, 10.6 + index * 6.9, 6.05, 1462 + index)
    add("idle", 1, 45.4, 5.0, 0)
    return tuple(phases)


def _power(stop_ns: np.ndarray) -> np.ndarray:
    """Get the mean power of 20 ms cells that end at ``stop_ns``, edges 2 ms late."""
    random = np.random.default_rng(11)
    late_s = (to_board(stop_ns) - 2_000_000 - START_NS - OFFSET_NS) / NS_PER_S
    power = np.full(len(stop_ns), IDLE_W)
    for phase in _phases():
        if phase.kind == "idle":
            continue
        start_s = (phase.start_board_ns - START_NS - OFFSET_NS) / NS_PER_S
        stop_s = (phase.stop_board_ns - START_NS - OFFSET_NS) / NS_PER_S
        factor = 1 + 0.003 * np.sin(1.7 * phase.index + (phase.kind == "run"))
        level = ACTIVE_W * factor + 0.05 * (1 - np.exp(-late_s / 30)) - IDLE_W
        share = np.minimum(late_s, stop_s) - np.maximum(late_s - 0.02, start_s)
        power += level * np.clip(share / 0.02, 0, 1)
    return power + random.normal(0, 0.035, len(power))


def _wiring() -> Wiring:
    return Wiring(
        boundary=Boundary.BOARD,
        voltage_sense=VoltageSense.BOARD,
        cable_ohm=0.045,
        u_cable_ohm=0.012,
        supply_voltage_v=SUPPLY_V,
        u_supply_voltage_v=0.0031,
        supply_voltage_origin="bench",
        supply_lag_limit_s=0.005,
    )


def _trace() -> MeterTrace:
    stop_ns = START_NS + 20_000_400 * np.arange(1, 2541, dtype=np.int64)
    available = stop_ns + 1_000_000
    sent = np.arange(START_NS + 30_000_000, int(available[-1]) + 50_000_000, 103_700_000)
    completed = np.searchsorted(available, sent + 200_000, side="right").astype(np.int64)
    setup = MeterSetup(
        channels=("current",),
        accuracy=(
            Accuracy("current", 1.0, 0.0004, 0.00005, SOURCE, "2026-10-02", estimated=False),
        ),
        averaging=Averaging.BOXCAR,
        aperture_s=0.02,
        interval_s=0.02,
        timestamp="end",
        latency_s=0.001,
        latency_limit_s=0.001,
        clock_limit_ppm=100.0,
        burden_ohm=0.15,
        burden_limit_ohm=0.05,
        settings={"range_a": 1.0, "nplc": 1.0, "autozero": "once"},
    )
    identity = MeterIdentity(
        model="DMM6500",
        manufacturer="Keithley Instruments",
        name="DMM6500 6½-digit bench multimeter",
        serial="EMULATED-04309517",
        firmware="1.7.12b",
        resource="TCPIP0::127.0.0.1::35401::SOCKET",
        emulated=True,
    )
    return MeterTrace(
        identity=identity,
        setup=setup,
        values=(_power(stop_ns) / SUPPLY_V)[:, np.newaxis].copy(),
        device_ns=np.rint((stop_ns - START_NS) * (1 + 20.4e-6)).astype(np.int64),
        flags=np.zeros(len(stop_ns), np.uint8),
        poll_sent_ns=sent,
        poll_received_ns=sent + 400_000,
        poll_completed=completed,
    )


def _exchanges() -> ClockExchanges:
    random = np.random.default_rng(5)
    bursts = (0.1, 10.2, 45.0, 50.6)
    t1 = np.concatenate(
        [START_NS + round(at * NS_PER_S) + np.arange(50) * 1_500_000 for at in bursts]
    )
    there = 110_000 + random.exponential(60_000, len(t1)).astype(np.int64)
    back = 110_000 + random.exponential(60_000, len(t1)).astype(np.int64)
    t2 = to_board(t1 + there)
    return ClockExchanges(t1, t2, t2 + 9_000, t1 + there + 9_000 + back)


def _capture() -> Capture:
    return Capture(
        timebase=Timebase("CLOCK_MONOTONIC_RAW", "6f1c", START_NS, "2026-11-20T09:41:07Z"),
        trace=_trace(),
        exchanges=_exchanges(),
        phases=_phases(),
        wiring=_wiring(),
        target=_target(),
        batch=1,
    )


def _target() -> TargetFacts:
    return TargetFacts(
        hostname="edgeboard",
        machine="x86_64",
        system="Linux 6.1",
        python="3.11.2",
        cpu="Intel Xeon Processor (Skylake)",
        runtime="tflite",
        runtime_module="tflite_runtime",
        runtime_version="2.14.0",
        numpy_version="1.26.4",
        threads=1,
        emulated=True,
        environment={"governor": "performance"},
    )


def _findings() -> tuple[Finding, ...]:
    return (
        Finding(
            "clock-jitter", Severity.WARNING,
            "the shortest round trip to the board took 0.24 ms, longer than on a quiet network",
            "measure again on a direct cable, or with fewer programs running on this computer",
            {"round_trip_ns": 240_000},
        ),
        Finding(
            "stand-in-runtime", Severity.INFO,
            "TFLite answered in place of the board's native runtime",
            "measure on the board itself for figures of its own runtime",
        ),
        Finding(
            "few-runs", Severity.INFO,
            "five runs leave four degrees of freedom, so the coverage factor is well above 2",
            "use the protocol standard, or --runs 10, for a narrower interval",
        ),
    )  # fmt: skip


@pytest.fixture(scope="session")
def measurement() -> Measurement:
    """Get one emulated measurement of the seed CNN on the EdgeBoard, complete in every part."""
    return build_measurement()


@pytest.fixture(scope="session")
def modelled() -> Callable[..., ReportModel]:
    """Get a function that builds the report model of a measurement in one language."""

    def build(measurement: Measurement, lang: str = "en") -> ReportModel:
        evidence = collect_evidence(
            measurement.result, measurement.capture, measurement.aligned, measurement.versions
        )
        return build_report(lang=lang, evidence=evidence, **measurement.arguments())

    return build


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Get a function that writes a report of a measurement in one language."""

    def write(measurement: Measurement, lang: str = "en", name: str = "report.pdf") -> Path:
        path = tmp_path / name
        write_report(path, lang=lang, **measurement.arguments())
        return path

    return write


def build_measurement() -> Measurement:
    """Build the measurement of the fixture, from arithmetic alone."""
    capture = _capture()
    price = Price(
        Money(Decimal(5000), "CNY", "2019-11-30"), 0.1, 3.0, "list price, one unit, tax included",
        "seed article 000",
    )  # fmt: skip
    request = Request(
        "edgeboard", "emulated", "keithley-dmm6500", "seed-cnn", "tflite", 1, 1, "quick"
    )
    run = "019aa0f3-7c41-7b02-9d55-3f0e6b1c2a7d"
    result, aligned = conclude(capture, run=run, request=request, price=price)
    energy = result.quantities["energy_per_inference"].value
    truth = Truth(energy * 1.00091, energy * 0.99969)
    result = replace(result, truth=truth, findings=(*result.findings, *_findings()))
    return Measurement(
        result, capture, aligned, device_profile(), instrument_profile(), workload_profile(),
        protocol_preset(),
        {
            "powerlab": "0.1.0", "python": "3.11.2", "numpy": "2.4.1", "scipy": "1.17.0",
            "PyVISA": "1.16.2", "PyVISA-py": "0.8.1", "matplotlib": "3.11.2", "WeasyPrint": "70.0",
        },
    )  # fmt: skip


def device_profile() -> DeviceProfile:
    """Get a device profile as the catalogue holds one."""
    fact = {"source": "seed article 000", "retrieved": "2026-11-01"}
    return DeviceProfile.model_validate(
        {
            "schema": 1, "id": "edgeboard", "name": "EdgeBoard", "manufacturer": "Baidu",
            "summary": "FPGA inference board", "verified": "never", "soc": "Zynq UltraScale+",
            "power": {
                "idle_w": {**fact, "value": 4.0, "u": 1.0},
                "active_w": {**fact, "value": 8.0, "u": 1.0},
                "supply_voltage_v": {**fact, "value": 12.0, "u": 0.35},
            },
            "runtime": [
                {"id": "paddle-lite", "native": True},
                {"id": "tflite", "native": False, "stands_in_for": "Paddle-Lite"},
            ],
            "emulation": {
                "meter": "keithley-dmm6500", "runtime": "tflite", "idle_w": 3.9, "active_w": 8.1,
                "lag_limit_s": 0.005, "run_to_run": 0.003, "drift_w": 0.05, "drift_time_s": 30.0,
                "noise_w": 0.05, "supply_voltage_v": 12.0, "cable_ohm": 0.045, "u_cable_ohm": 0.012,
            },
        }
    )  # fmt: skip


def instrument_profile() -> InstrumentProfile:
    """Get an instrument profile as the catalogue holds one."""
    fact = {"source": SOURCE, "retrieved": "2026-10-02"}
    return InstrumentProfile.model_validate(
        {
            "schema": 1, "id": "keithley-dmm6500", "manufacturer": "Keithley Instruments",
            "name": "DMM6500 6½-digit bench multimeter", "kind": "meter", "summary": "a bench DMM",
            "driver": "keithley_dmm6500", "emulator": "keithley_dmm6500", "verified": "emulator",
            "channels": ["current"],
            "link": {"kinds": ["visa"], "example": "TCPIP0::10.0.0.9::5025::SOCKET"},
            "sampling": {
                **fact, "averaging": "boxcar", "timestamp": "end", "aperture_s": 0.02,
                "interval_s": 0.02, "latency_s": 0.001, "latency_limit_s": 0.001,
                "clock_limit_ppm": 100.0, "estimated": True,
            },
            "range": [
                {**fact, "quantity": "current", "full_scale": 1.0, "gain_percent": 0.04,
                 "offset_percent": 0.005, "resolution": 1e-6, "noise": 1e-5,
                 "burden_voltage_v": 0.2},
                {**fact, "quantity": "current", "full_scale": 3.0, "gain_percent": 0.1,
                 "offset_percent": 0.015, "resolution": 1e-6, "noise": 3e-5,
                 "burden_voltage_v": 0.5, "estimated": True},
            ],
        }
    )  # fmt: skip


def workload_profile() -> WorkloadProfile:
    """Get a workload profile as the catalogue holds one."""
    return WorkloadProfile.model_validate(
        {
            "schema": 1, "id": "seed-cnn", "name": "Seed CNN (1,039,744 parameters)",
            "summary": "the 1,039,744-parameter network", "recipe": "seed-cnn",
            "seed": 4, "precision": "float32", "input_shape": [1, 88, 88, 1], "outputs": 848,
            "parameters": 1_039_744, "macs": 49_371_200,
            "formats": {"tflite": "tflite", "openvino": "openvino-ir"},
            "origin": {"source": "seed article 004", "retrieved": "2026-11-01"},
        }
    )  # fmt: skip


def protocol_preset() -> ProtocolPreset:
    """Get a protocol preset as the catalogue holds one."""
    return ProtocolPreset.model_validate(
        {
            "schema": 1, "id": "quick", "name": "quick", "summary": "five runs of six seconds",
            "idle_s": 5.0, "warm_up_limit_s": 5.0, "runs": 5, "run_s": 6.0, "guard_s": 0.5,
        }
    )  # fmt: skip
