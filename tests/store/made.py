"""Records for the tests of the store: every field filled, every awkward number in."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal

import numpy as np

from powerlab.findings import Finding, Severity
from powerlab.records import (
    Accuracy,
    Averaging,
    Boundary,
    Capture,
    ClockExchanges,
    Component,
    Distribution,
    Evidence,
    MeterIdentity,
    MeterSetup,
    MeterSummary,
    MeterTrace,
    Phase,
    Price,
    Quantity,
    Request,
    Result,
    SampleBlock,
    Sync,
    TargetFacts,
    Timebase,
    Truth,
    VoltageSense,
    WindowEnergy,
    Wiring,
)
from powerlab.units import Money

BLOCKS, PER_BLOCK = 6, 50

REQUEST = Request("edgeboard", "desk", "keithley-dmm6500", "seed-cnn", "tflite", 1, 2, "quick")


def blocks(channels: int = 1, *, timed: bool = True) -> list[SampleBlock]:
    """Get blocks of samples; the third poll brings nothing, one reading is not a number."""
    made = []
    for index in range(BLOCKS):
        count = 0 if index == 2 else PER_BLOCK
        first = index * PER_BLOCK
        values = np.random.default_rng(index).normal(0.6, 0.01, (count, channels))
        if index == 1:
            values[3, 0] = math.nan
        times = (first + np.arange(count, dtype=np.int64)) * 20_000_000 + 7
        made.append(
            SampleBlock(
                values=values,
                device_ns=times if timed else None,
                flags=np.where(np.isnan(values[:, 0]), 8, 0).astype(np.uint8),
                sent_ns=10**15 + index * 10**9,
                received_ns=10**15 + index * 10**9 + 300_000,
                completed=first + count,
            )
        )
    return made


def exchange_bursts() -> Iterator[ClockExchanges]:
    """Get two bursts of clock exchanges."""
    for burst in range(2):
        t1 = 10**15 + burst * 10**10 + np.arange(5, dtype=np.int64) * 10**6
        yield ClockExchanges(t1, t1 + 9_000_000_123, t1 + 9_000_000_456, t1 + 150_000)


def phases() -> tuple[Phase, ...]:
    """Get an idle phase and a run."""
    done = np.array([110, 120, 130], dtype=np.int64) + 2**62
    return (
        Phase("idle", 0, 2**62, 2**62 + 100, 0, np.array([], dtype=np.int64)),
        Phase("run", 0, 2**62 + 100, 2**62 + 130, 3, done),
    )


def head(channels: int = 1) -> dict[str, object]:
    """Get what a session says once: the payloads of its events by kind."""
    names = ("current", "voltage")[:channels]
    limit = Accuracy("current", 1.0, 3e-4, 1e-4, "data sheet", "2026-01-02", estimated=True)
    return {
        "timebase": Timebase("CLOCK_MONOTONIC_RAW", "boot", 10**15, "2026-11-21T00:00:00+00:00"),
        "meter": {
            "identity": MeterIdentity(
                "keithley-dmm6500", "Keithley", "DMM6500", "1234", "1.0", "TCPIP", emulated=True
            ),
            "setup": MeterSetup(
                channels=names,
                accuracy=(limit,) * channels,
                averaging=Averaging.BOXCAR,
                aperture_s=0.02,
                interval_s=0.02,
                timestamp="start",
                latency_s=0.002,
                latency_limit_s=0.001,
                clock_limit_ppm=50.0,
                burden_ohm=0.1,
                burden_limit_ohm=0.02,
                settings={"range": "1 A", "nplc": 1.0, "readings": 1000, "zero": math.inf},
            ),
        },
        "wiring": Wiring(Boundary.DC, VoltageSense.METER, 0.1, 0.02, 12.0, 0.1, "bench", 0.005),
        "target": TargetFacts(
            "板", "x86_64", "Linux", "3.11.9", "cpu", "tflite", "tflite_runtime", "2.14.0",
            "1.26.4", 2, emulated=True, environment={"governor": "performance"},
        ),
        "batch": 4,
    }  # fmt: skip


def capture(channels: int = 1, *, timed: bool = True) -> Capture:
    """Get a whole capture, its parts joined as a session joins them."""
    parts, polled = head(channels), blocks(channels, timed=timed)
    meter = parts["meter"]
    bursts = list(exchange_bursts())
    return Capture(
        timebase=parts["timebase"],
        trace=MeterTrace(
            identity=meter["identity"],
            setup=meter["setup"],
            values=np.concatenate([block.values for block in polled]),
            device_ns=np.concatenate([block.device_ns for block in polled]) if timed else None,
            flags=np.concatenate([block.flags for block in polled]),
            poll_sent_ns=np.array([block.sent_ns for block in polled]),
            poll_received_ns=np.array([block.received_ns for block in polled]),
            poll_completed=np.array([block.completed for block in polled]),
        ),
        exchanges=ClockExchanges(
            *(
                np.concatenate([getattr(burst, name) for burst in bursts])
                for name in ("t1_ns", "t2_board_ns", "t3_board_ns", "t4_ns")
            )
        ),
        phases=phases(),
        wiring=parts["wiring"],
        target=parts["target"],
        batch=4,
    )


def quantity(name: str, unit: str, value: float) -> Quantity:
    """Get a quantity with two budget lines, one of infinite degrees of freedom."""
    lines = (
        Component("meter gain", "B", 0.01 * value, Distribution.RECTANGULAR, None, 0.9, "sheet"),
        Component("repeatability", "A", 0.003 * value, Distribution.T, 4.0, 0.1),
    )
    spread = 0.02 * value
    return Quantity(
        name, unit, value, 0.01 * value, spread, 2.0, 12.3, 0.95, value - spread, None, lines
    )


def result(
    run: str = "run", *, truth: Truth | None = None, evidence: Evidence = Evidence.MEASURED
) -> Result:
    """Get a result; one quantity is unbounded, one not a number."""
    return Result(
        run=run,
        request=REQUEST,
        evidence=evidence,
        boundary=Boundary.DC,
        valid=True,
        quantities={
            "energy_per_inference": quantity("energy_per_inference", "J", 0.0123),
            "power_idle": quantity("power_idle", "W", math.nan),
            "performance_per_cost": quantity("performance_per_cost", "1/CNY", 1e7),
        },
        runs=(WindowEnergy(0, 10, 20, 3, 0.04, 0.039, 0.041, 0.002, 300, 0.0),),
        sync=Sync(-5, 1200.5, 1.5, None),
        meter=MeterSummary(300, 0, 0.0, 50.0),
        findings=(
            Finding("supply-nominal", Severity.WARNING, "seen", "mend", {"volts": 12, "u": 0.5}),
        ),
        truth=truth,
        price=Price(Money(Decimal("5000.00"), "CNY", "2020-01-01"), 0.1, 3.0, "incl. tax", "list"),
    )  # fmt: skip
