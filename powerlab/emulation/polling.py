"""How a host polls a virtual meter, and the trace that this leaves."""

from __future__ import annotations

import numpy as np

from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.emulation import noise
from powerlab.emulation.metering import VirtualMeter
from powerlab.emulation.timetable import Timetable
from powerlab.emulation.world import Edges
from powerlab.records import (
    Accuracy,
    FlagArray,
    FloatArray,
    Int64Array,
    MeterIdentity,
    MeterSetup,
    MeterTrace,
    SampleFlag,
)
from powerlab.units import NS_PER_S, nanoseconds

SERIAL, SECOND_SERIAL = "EMULATED-1", "EMULATED-2"
_POLL_S = 0.25
_BLOCK = 1 << 14
_ASKING_S = {"serial": 0.02}  # one way to the meter; other links take the default
_ASKING_DEFAULT_S = 0.0005


def polled_trace(
    instrument: InstrumentProfile,
    meter: VirtualMeter,
    table: Timetable,
    seed: int,
    serial: str = SERIAL,
) -> MeterTrace:
    """Poll the meter from the first exchange until it has told all of the last idle stretch.

    A meter with a clock hands out everything it has completed. One without hands out its
    newest reading at each poll, once more where it has no newer one; what it completed in
    between is lost, as it is on the wire.
    """
    interval_s = instrument.sampling.interval_s
    tells_time = _tells_time(instrument)
    spacing_s = _POLL_S if tells_time else interval_s
    until_ns = table.stop_ns + meter.lag_ns + nanoseconds(interval_s)
    polls = (until_ns - table.start_ns) // nanoseconds(spacing_s) + 2
    draws = seed, "polls" if serial == SERIAL else f"polls {serial}"
    sent, formed, received = _poll_instants(instrument, draws, table.start_ns, spacing_s, polls)
    completed = meter.completed(formed)
    first = 0 if tells_time else int(completed[0]) - 1
    values, flags, device_ns = _readings(meter, table.edges, first, int(completed[-1]) - first)
    if not tells_time:
        newest = completed - completed[0]
        repeated = np.diff(newest, prepend=-1) == 0
        values = values[newest]
        flags = flags[newest] | np.where(repeated, SampleFlag.REPEATED, 0).astype(np.uint8)
        completed = np.arange(1, polls + 1, dtype=np.int64)
    return MeterTrace(
        identity=_identity(instrument, serial),
        setup=meter_setup(instrument, meter),
        values=values,
        device_ns=device_ns if tells_time else None,
        flags=flags,
        poll_sent_ns=sent,
        poll_received_ns=received,
        poll_completed=completed,
    )


def _readings(
    meter: VirtualMeter, edges: Edges, first: int, count: int
) -> tuple[FloatArray, FlagArray, Int64Array]:
    """Get values, flags and device times, read in blocks that a processor's cache holds."""
    blocks = [
        meter.sample(edges, begin, min(_BLOCK, first + count - begin))
        for begin in range(first, first + count, _BLOCK)
    ]
    values, flags, device_ns = zip(
        *((block.values, block.flags, block.device_ns) for block in blocks), strict=True
    )
    return np.concatenate(values), np.concatenate(flags), np.concatenate(device_ns)


def _tells_time(instrument: InstrumentProfile) -> bool:
    return instrument.sampling.timestamp != "arrival"


def meter_origin_ns(instrument: InstrumentProfile, origin_ns: int) -> int:
    """Get when the meter may start: a meter that only tells its newest reading always has one."""
    if _tells_time(instrument):
        return origin_ns
    sampling = instrument.sampling
    # Twice the latency's limit and four intervals outlast every law of errors.
    before_s = sampling.latency_s + 2 * sampling.latency_limit_s + sampling.aperture_s
    return origin_ns - nanoseconds(before_s + 4 * sampling.interval_s)


def _poll_instants(
    instrument: InstrumentProfile,
    draws: tuple[int, str],
    start_ns: int,
    spacing_s: float,
    polls: int,
) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Get when each poll was sent, its answer formed, and received; int64 ``(polls,)`` each."""
    base_s = max(_ASKING_S.get(kind, _ASKING_DEFAULT_S) for kind in instrument.link.kinds)
    late, there, back = noise.exponentials(*draws, 0, 3 * polls).reshape(3, polls)
    due_s = np.arange(polls) * spacing_s + 1e-4 * late
    formed_s = due_s + base_s * (1 + 0.3 * there)
    received_s = formed_s + base_s * (1 + 0.3 * back)
    sent, formed, received = (
        start_ns + np.rint(at_s * NS_PER_S).astype(np.int64)
        for at_s in (due_s, formed_s, received_s)
    )
    return sent, formed, received


def meter_setup(instrument: InstrumentProfile, meter: VirtualMeter) -> MeterSetup:
    """Get what a driver would report of this meter: its model's facts, none of its errors.

    The burden is half of the current range's limit, known to ± that half.
    """
    sampling = instrument.sampling
    limit_ohm = 0.0 if meter.ammeter is None else meter.ammeter.burden_limit_ohm
    return MeterSetup(
        channels=tuple(channel.quantity for channel in meter.channels),
        accuracy=tuple(
            Accuracy(
                quantity=channel.quantity,
                full_scale=channel.range.full_scale,
                gain_limit=channel.range.gain_percent / 100,
                offset_limit=channel.range.offset_limit + channel.range.resolution / 2,
                source=channel.range.source,
                retrieved=channel.range.retrieved,
                estimated=channel.range.estimated,
            )
            for channel in meter.channels
        ),
        averaging=sampling.averaging,
        aperture_s=sampling.aperture_s,
        interval_s=sampling.interval_s,
        timestamp=sampling.timestamp,
        latency_s=sampling.latency_s,
        latency_limit_s=sampling.latency_limit_s,
        clock_limit_ppm=sampling.clock_limit_ppm,
        burden_ohm=0.5 * limit_ohm,
        burden_limit_ohm=0.5 * limit_ohm,
    )


def _identity(instrument: InstrumentProfile, serial: str) -> MeterIdentity:
    return MeterIdentity(
        model=instrument.id,
        manufacturer=instrument.manufacturer,
        name=instrument.name,
        serial=serial,
        firmware="",
        resource="virtual",
        emulated=True,
    )
