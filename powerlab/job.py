"""What is to be measured: everything that is decided before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from powerlab.catalog.bench_profile import Bench
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.workload_profile import ProtocolPreset, WorkloadProfile
from powerlab.errors import ConfigError
from powerlab.records import Request


@dataclass(frozen=True, slots=True)
class Job:
    """Everything that the measurement of one option needs to know before it starts.

    Jobs of one session differ in ``run``, ``runtime`` and ``batch`` alone; ``label`` says in
    words how this one differs, "" where it is the only one. ``precision`` is the relative U
    wanted of the energy per inference: the protocol's runs are then a first stage that fixes
    their number; 0 keeps to the protocol's. ``dither`` asks for pauses between inferences.
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
        }
        return {
            **{name: part.model_dump(mode="json", by_alias=True) for name, part in parts.items()},
            "options": {"precision": self.precision, "dither": self.dither},
        }

    def model_format(self) -> str:
        """Get the file format that the runtime loads, or say which runtimes the workload has.

        Raises ConfigError.
        """
        chosen = self.workload.formats.get(self.runtime)
        if chosen is None:
            known = ", ".join(sorted(self.workload.formats))
            raise ConfigError(
                f"{self.workload.name} has no file for the runtime {self.runtime}",
                hint=f"choose one of --runtime {known}",
            )
        return chosen


def labels(options: Sequence[tuple[str, int]]) -> tuple[str, ...]:
    """Get in words how options ``(runtime, batch)`` differ: "batch 2", "tflite, batch 2"."""
    runtimes, batches = (len(set(parts)) > 1 for parts in zip(*options, strict=True))
    return tuple(
        ", ".join([*([runtime] if runtimes else []), *([f"batch {batch}"] if batches else [])])
        for runtime, batch in options
    )
