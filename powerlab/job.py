"""What is to be measured: everything that is decided before anything starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from powerlab.catalog.bench_profile import Bench
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.protocol_preset import ProtocolPreset
from powerlab.catalog.tools import format_for
from powerlab.catalog.workload_profile import WorkloadProfile
from powerlab.errors import ConfigError
from powerlab.records import Request
from powerlab.records.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Job:
    """Everything that the measurement of one option needs to know before it starts.

    Jobs of one session differ in ``run``, ``runtime`` and ``batch``, together an option whose
    number is its ``slot``; and in the measuring point, ``place``, whose part of the bench
    ``bench`` is. There ``instrument`` is the meter and ``voltmeter`` one that reads the volts
    beside it. ``label`` says in words how this job differs, "" where it is the only one.
    ``precision`` is the relative U wanted of the energy per inference: the protocol's runs are
    then a first stage that fixes their number; 0 keeps to the protocol's. ``dither`` asks for
    pauses between inferences.
    ``study`` links the run to the plan that asked for it.
    """

    run: str
    bench_name: str
    bench: Bench
    device: DeviceProfile
    instrument: InstrumentProfile
    workload: WorkloadProfile
    protocol: ProtocolPreset
    runtime: str
    batch: int
    threads: int
    precision: float = 0.0
    dither: bool = False
    label: str = ""
    slot: int = 0
    place: int = 0
    voltmeter: InstrumentProfile | None = None
    study: Mapping[str, str] = field(default_factory=dict)

    def request(self) -> Request:
        """Get what was asked for, as the result records it."""
        return Request(
            device=self.device.id,
            bench=self.bench_name,
            instrument=self.instrument.id,
            workload=self.workload.id,
            runtime=self.runtime,
            batch=self.batch,
            threads=self.threads,
            protocol=self.protocol.id,
        )

    def configuration(self) -> dict[str, object]:
        """Get the bench, the profiles and the options as plain values, to be kept with the run."""
        parts = {
            "bench": self.bench,
            "device": self.device,
            "instrument": self.instrument,
            "workload": self.workload,
            "protocol": self.protocol,
            **({} if self.voltmeter is None else {"voltmeter": self.voltmeter}),
        }
        linked = {"study": dict(self.study)} if self.study else {}
        return {
            **linked,
            **{name: part.model_dump(mode="json", by_alias=True) for name, part in parts.items()},
            "options": {"precision": self.precision, "dither": self.dither},
        }

    def scenario(self) -> Scenario | None:
        """Get how queries come, None where passes follow each other without a rule."""
        protocol = self.protocol
        if protocol.scenario is None:
            return None
        return Scenario(protocol.scenario, protocol.target_qps or 0.0, protocol.timed)

    def queries(self) -> dict[str, object]:
        """Get what the agent is asked for beyond passes that follow each other."""
        asked: dict[str, object] = {}
        if self.protocol.target_qps is not None:
            asked |= {"rate_per_s": self.protocol.target_qps, "seed": self.slot}
        if self.protocol.timed != "forward":
            asked["timed"] = self.protocol.timed
        return asked

    def model_format(self) -> str:
        """Get the file format that the runtime loads, or say which runtimes the workload has.

        Raises ConfigError.
        """
        chosen = format_for(self.runtime, self.workload.formats)
        if chosen is None:
            known = ", ".join(sorted(self.workload.formats))
            raise ConfigError(
                f"{self.workload.name} has no file for the runtime {self.runtime}",
                hint=f"choose one of --runtime {known}",
            )
        return chosen


def labels(options: Sequence[tuple[str, int]], points: Sequence[str] = ("",)) -> tuple[str, ...]:
    """Get in words how options ``(runtime, batch)`` differ: "batch 2", "tflite, batch 2".

    With several measuring points each option has as many, in their order: "batch 2, wall".
    """
    runtimes, batches = (len(set(parts)) > 1 for parts in zip(*options, strict=True))
    return tuple(
        ", ".join(
            [
                *([runtime] if runtimes else []),
                *([f"batch {batch}"] if batches else []),
                *([point] if point else []),
            ]
        )
        for runtime, batch in options
        for point in points
    )
