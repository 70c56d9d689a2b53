"""Power and windows of evidence as a capture: what an imported run folder holds of them."""

from __future__ import annotations

import re

import numpy as np

from powerlab.evidence.contract import Evidence, Trace
from powerlab.records import (
    Accuracy,
    Averaging,
    Capture,
    ClockExchanges,
    FloatArray,
    Int64Array,
    MeterIdentity,
    MeterSetup,
    MeterTrace,
    Phase,
    SampleFlag,
    TargetFacts,
    Timebase,
    VoltageSense,
    Wiring,
)
from powerlab.store.manifest import utc_now
from powerlab.units import NS_PER_S


def slug(text: str) -> str:
    """Get an identifier of a name: small letters, digits and single hyphens."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-") or "unknown"


def capture_of(evidence: Evidence) -> Capture:
    """Get power and windows as a capture: one clock for all, that of the evidence."""
    stamp_ns, watts, flags = _samples(evidence.traces)
    last = len(stamp_ns) - 1
    # bounds that place each sample at its own stamp, to a nanosecond
    polls = np.array([stamp_ns[0], stamp_ns[min(1, last)] - 1, stamp_ns[last]], dtype=np.int64)
    edges = np.array([evidence.windows[0].start_ns, evidence.windows[-1].stop_ns], dtype=np.int64)
    return Capture(
        timebase=Timebase(
            clock=f"imported: {evidence.timebase}",
            boot_id=f"{evidence.format}/{evidence.title}",
            anchor_ns=0,
            anchor_utc=evidence.created or utc_now(),
        ),
        trace=MeterTrace(
            identity=_identity(evidence),
            setup=_setup(evidence, watts),
            values=watts.reshape(-1, 1).copy(),
            device_ns=stamp_ns,
            flags=flags,
            poll_sent_ns=polls.copy(),
            poll_received_ns=polls.copy(),
            poll_completed=np.array([1, 1, last + 1], dtype=np.int64),
        ),
        exchanges=ClockExchanges(edges.copy(), edges.copy(), edges.copy(), edges.copy()),
        phases=tuple(
            Phase(
                kind="run",
                index=index,
                start_board_ns=span.start_ns,
                stop_board_ns=span.stop_ns,
                passes=round(span.inferences),
                done_board_ns=np.empty(0, dtype=np.int64),
            )
            for index, span in enumerate(evidence.windows)
        ),
        wiring=Wiring(
            boundary=evidence.boundary,
            voltage_sense=VoltageSense.METER,
            cable_ohm=0.0,
            u_cable_ohm=0.0,
            supply_voltage_v=None,
            u_supply_voltage_v=0.0,
            supply_voltage_origin="nominal",
            supply_lag_limit_s=0.0,
        ),
        target=TargetFacts(
            hostname=evidence.device,
            machine="",
            system="",
            python="",
            cpu="",
            runtime=evidence.runtime,
            runtime_module="",
            runtime_version="",
            numpy_version="",
            threads=0,
            emulated=False,
        ),
        batch=1,
    )


def _samples(traces: tuple[Trace, ...]) -> tuple[Int64Array, FloatArray, np.ndarray]:
    """Get all traces as one: the others at the stamps of the first, unusable samples flagged."""
    first = traces[0]
    stamp_ns = first.power.stop_ns
    watts = first.power.power_w.copy()
    for other in traces[1:]:
        at = np.searchsorted(other.power.stop_ns, stamp_ns).clip(0, len(other.power.stop_ns) - 1)
        watts = watts + other.power.power_w[at]
    bad = np.array(first.unusable_ns, dtype=np.int64)
    flags = np.zeros(len(stamp_ns), dtype=np.uint8)
    joined = np.concatenate((stamp_ns, bad))
    order = np.argsort(joined, kind="stable")
    lost = np.full(len(bad), int(SampleFlag.NOT_AVAILABLE), dtype=np.uint8)
    return (
        joined[order],
        np.concatenate((watts, np.full(len(bad), np.nan)))[order],
        np.concatenate((flags, lost))[order],
    )


def _identity(evidence: Evidence) -> MeterIdentity:
    meter = evidence.meter
    return MeterIdentity(
        model=slug(meter.model or "unknown"),
        manufacturer="",
        name=meter.model or "meter not named",
        serial=meter.serial,
        firmware="",
        resource=f"imported:{evidence.format}",
    )


def _setup(evidence: Evidence, watts: FloatArray) -> MeterSetup:
    meter, first = evidence.meter, evidence.traces[0]
    interval_s = first.interval_ns / NS_PER_S
    limit = Accuracy(
        quantity="power",
        full_scale=float(np.nanmax(watts)),
        gain_limit=meter.gain_limit,
        offset_limit=meter.offset_limit_w,
        source=meter.source,
        retrieved="",
        estimated=meter.assumed,
    )
    point = bool(first.power.point_interval_ns)
    return MeterSetup(
        channels=("power",),
        accuracy=(limit,),
        averaging=Averaging.POINT if point else Averaging.BOXCAR,
        aperture_s=0.0 if point else interval_s,
        interval_s=interval_s,
        timestamp="end",
        latency_s=0.0,
        latency_limit_s=0.0,
        clock_limit_ppm=50.0,
        burden_ohm=0.0,
        burden_limit_ohm=0.0,
    )
