"""Captures made in code for the tests of analysis: no wire, no emulator."""

import numpy as np

from powerlab.records import (
    Accuracy,
    Averaging,
    Boundary,
    Capture,
    ClockExchanges,
    MeterIdentity,
    MeterSetup,
    MeterTrace,
    Phase,
    TargetFacts,
    Timebase,
    VoltageSense,
    Wiring,
)

SECOND = 1_000_000_000
BOARD_OFFSET_NS = 7 * 10**12


def setup(**changes):
    """Get a setup of a 50 Hz current meter with round limits."""
    facts = {
        "channels": ("current",),
        "accuracy": (accuracy("current"),),
        "averaging": Averaging.BOXCAR,
        "aperture_s": 0.02,
        "interval_s": 0.02,
        "timestamp": "end",
        "latency_s": 0.0,
        "latency_limit_s": 0.0,
        "clock_limit_ppm": 100.0,
        "burden_ohm": 0.0,
        "burden_limit_ohm": 0.0,
    }
    return MeterSetup(**{**facts, **changes})


def accuracy(quantity, *, gain_limit=0.001, offset_limit=0.0, estimated=False):
    """Get a specified limit of 0.1 % of reading unless told otherwise."""
    return Accuracy(
        quantity=quantity,
        full_scale=1.0,
        gain_limit=gain_limit,
        offset_limit=offset_limit,
        source="a data sheet",
        retrieved="2026-11-21",
        estimated=estimated,
    )


IDENTITY = MeterIdentity("test-meter", "Maker", "Meter", "1", "1.0", "test")


def meter_trace(seed, *, rate_ppm, device_clock=True, span_s=30.0):
    """Get a trace polled at random phases, and the true end of each sample on the host."""
    rng = np.random.default_rng(seed)
    interval = 0.02 if device_clock else 0.5
    count = int(span_s / interval)
    device = np.rint(np.arange(count) * interval * SECOND).astype(np.int64)
    stop = np.rint(5 * SECOND + device / (1 + rate_ppm * 1e-6)).astype(np.int64)
    sent = np.rint(
        5 * SECOND + np.cumsum(rng.uniform(0.2, 0.3, int(span_s / 0.25))) * SECOND
    ).astype(np.int64)
    received = sent + rng.integers(100_000, 400_000, len(sent))
    if not device_clock:
        sent = stop + rng.integers(0, 400_000_000) + rng.integers(0, 490_000_000)
        received = sent + 200_000
    completed = np.searchsorted(stop, sent + (received - sent) // 2, side="right")
    if not device_clock:
        completed = np.arange(1, count + 1)
    trace = MeterTrace(
        identity=IDENTITY,
        setup=setup(
            interval_s=interval,
            aperture_s=interval,
            latency_s=0.0 if device_clock else 0.2,
            latency_limit_s=0.0 if device_clock else 0.2,
        ),
        values=np.ones((count, 1)),
        device_ns=device if device_clock else None,
        flags=np.zeros(count, dtype=np.uint8),
        poll_sent_ns=sent,
        poll_received_ns=received,
        poll_completed=completed.astype(np.int64),
    )
    return trace, stop


def wiring(**changes):
    """Get a board-boundary wiring at 10 V read once, with no resistance."""
    facts = {
        "boundary": Boundary.BOARD,
        "voltage_sense": VoltageSense.METER,
        "cable_ohm": 0.0,
        "u_cable_ohm": 0.0,
        "supply_voltage_v": 10.0,
        "u_supply_voltage_v": 0.0,
        "supply_voltage_origin": "bench",
        "supply_lag_limit_s": 0.0,
    }
    return Wiring(**{**facts, **changes})


TARGET = TargetFacts(
    hostname="board",
    machine="x86_64",
    system="Linux",
    python="3.11",
    cpu="",
    runtime="tflite",
    runtime_module="m",
    runtime_version="1",
    numpy_version="1",
    threads=1,
    emulated=False,
)


def capture(*, idle_w=2.0, active_w=8.0, runs=5, run_s=2.0, drop=None, seed=0, **changes):
    """Get a capture of square steps: known idle and active power, ``runs`` runs.

    ``drop`` removes the samples of a slice. Other keywords replace fields of the capture.
    """
    pause, idle = 0.5, 3.0
    spans = [("idle", 0, 0.0, idle)]
    clock = idle + 0.2
    for index in range(runs):
        clock += pause
        spans.append(("run", index, clock, clock + run_s))
        clock += run_s + pause
    spans.append(("idle", 1, clock, clock + idle))
    end = clock + idle + 0.2
    rng = np.random.default_rng(seed)
    phases = tuple(_phase(*span) for span in spans)
    stop = np.arange(1, int(end / 0.02) + 1) * 0.02
    load = sum(_covered(stop, start, to) for kind, _, start, to in spans if kind == "run")
    watts = idle_w + (active_w - idle_w) * load / 0.02
    keep = np.ones(len(stop), dtype=bool)
    if drop is not None:
        keep[drop] = False
    t1 = np.sort(rng.uniform(0, end, 60) * SECOND).astype(np.int64)
    facts = {
        "timebase": Timebase("CLOCK_MONOTONIC_RAW", "boot", 0, "2026-11-21T00:00:00+00:00"),
        "trace": _trace(stop[keep], watts[keep] / 10.0),
        "exchanges": ClockExchanges(
            t1_ns=t1,
            t2_board_ns=t1 + 100_000 + BOARD_OFFSET_NS,
            t3_board_ns=t1 + 110_000 + BOARD_OFFSET_NS,
            t4_ns=t1 + 210_000,
        ),
        "phases": phases,
        "wiring": wiring(),
        "target": TARGET,
        "batch": 1,
    }
    return Capture(**{**facts, **changes})


def _phase(kind, index, start_s, stop_s):
    start, stop = (round(instant * SECOND) + BOARD_OFFSET_NS for instant in (start_s, stop_s))
    passes = 100 if kind == "run" else 0
    done = np.rint(np.linspace(start, stop, passes + 1)[1:]).astype(np.int64)
    return Phase(kind, index, start, stop, passes, done)


def _covered(stop, start_s, stop_s):
    return np.clip(np.minimum(stop, stop_s) - np.maximum(stop - 0.02, start_s), 0, None)


def _trace(stop_s, amperes):
    device = np.rint(stop_s * SECOND).astype(np.int64)
    poll = np.arange(len(device))[9::10]
    return MeterTrace(
        identity=IDENTITY,
        setup=setup(),
        values=amperes[:, None].copy(),
        device_ns=device,
        flags=np.zeros(len(device), dtype=np.uint8),
        poll_sent_ns=device[poll],
        poll_received_ns=device[poll] + 100_000,
        poll_completed=(poll + 1).astype(np.int64),
    )
