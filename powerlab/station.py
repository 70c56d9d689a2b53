"""One measuring point at work: its meter, a voltmeter beside it, and what is known of both."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

from powerlab.acquire import Acquisition, BlockSink, Sink, VoltmeterSink
from powerlab.calibrated import Occasion, SetUp, calibrated
from powerlab.catalog.bench_profile import Bench, BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.circumstances import meter_request, voltmeter_request, wiring
from powerlab.instruments.contract import MeterRequest, open_meter
from powerlab.job import Job
from powerlab.records import Capture, MeterTrace, Wiring
from powerlab.records.correction import ChannelCalibration
from powerlab.store.calibrations import CalibrationStore


@dataclass(frozen=True, slots=True)
class Station:
    """A measuring point being read; ``point`` is its part of the bench.

    ``meters`` is its meter and, where another one reads the volts, that one; ``emulated`` tells
    whether any of them is.
    """

    point: Bench
    meters: tuple[Acquisition, ...]
    emulated: bool
    wiring: Wiring
    calibrations: tuple[ChannelCalibration, ...]

    def so_far(self) -> tuple[MeterTrace, ...]:
        """Get what each meter of this point has read until now."""
        return tuple(meter.so_far() for meter in self.meters)

    def finish(self) -> tuple[MeterTrace, ...]:
        """Stop reading and get everything that each meter read."""
        return tuple(meter.finish() for meter in self.meters)

    def seen(self, capture: Capture, traces: Sequence[MeterTrace]) -> Capture:
        """Get a capture as this point saw it."""
        return replace(
            capture,
            trace=traces[0],
            voltmeter=traces[1] if len(traces) > 1 else None,
            wiring=self.wiring,
            calibrations=self.calibrations,
        )


@dataclass(frozen=True, slots=True)
class Known:
    """What is known besides the bench: the lab's calibrations, and the ISO date of today."""

    calibrations: CalibrationStore
    on: str


def open_station(job: Job, sink: Sink, stack: ExitStack, known: Known) -> Station:
    """Open and set up the meters of a job's measuring point; they close with the ``stack``.

    Meter, wiring and calibrations are told to the sink. Raises what the drivers raise.
    """
    point = job.bench
    about = wiring(point, job.device)
    parts = [_Part(job.instrument, point.meter[0], meter_request(job.device), sink, "meter")]
    if job.voltmeter is not None:
        volts = voltmeter_request(job.device)
        beside = VoltmeterSink(sink)
        parts.append(_Part(job.voltmeter, point.meter[1], volts, beside, "voltmeter"))
    meters, channels, identities = [], [], []
    for part in parts:
        meter = stack.enter_context(closing(open_meter(part.profile, part.meter, point)))
        own = point.model_copy(update={"meter": (part.meter,)})
        occasion = Occasion(part.profile, own, meter.identity, known.on)
        told = SetUp(meter.configure(part.request), about)
        found = calibrated(known.calibrations, occasion, told)
        about = found.wiring
        only = found.setup.channels if part.event == "meter" else ("voltage",)
        channels += [one for one in found.channels if one.channel in only]
        identities.append(meter.identity)
        sink.event(part.event, {"identity": meter.identity, "setup": found.setup})
        meters.append(Acquisition(meter, found.setup, part.sink))
    sink.event("wiring", about)
    sink.event("calibrations", tuple(channels))
    emulated = any(identity.emulated for identity in identities)
    return Station(point, tuple(meters), emulated, about, tuple(channels))


@dataclass(frozen=True, slots=True)
class _Part:
    """One meter of a point: what it is, what is asked of it, and where its samples go."""

    profile: InstrumentProfile
    meter: BenchMeter
    request: MeterRequest
    sink: BlockSink
    event: str
