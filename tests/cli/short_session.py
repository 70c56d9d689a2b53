"""A session that takes no time: what ``powerlab measure`` gets in the place of the real one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

from powerlab.errors import InstrumentError
from powerlab.findings import Finding, Severity
from powerlab.job import Job
from powerlab.progress import Progress
from powerlab.records import Capture, Evidence
from powerlab.session import Finished
from tests.store.made import blocks, capture, exchange_bursts, head, phases, result

BENCH = """
schema = 1
[bench.desk]
device = "edgeboard"
host = "nowhere"
[[bench.desk.meter]]
model = "keithley-dmm6500"
resource = "TCPIP0::127.0.0.1::1::SOCKET"
"""


@dataclass
class Conductor:
    """Stands in for the session: records, tells progress, concludes; may fail at either."""

    fails: BaseException | None = None
    samples: bool = True
    valid: bool = True
    inconclusive: int | None = None
    jobs: list[Job] = field(default_factory=list)
    calibrations: Any = None

    def measure(
        self, jobs: list[Job], *, sinks: Any, progress: Any, calibrations: Any
    ) -> tuple[Capture, ...]:
        """Do what ``session.measure`` promises."""
        self.jobs += jobs
        self.calibrations = calibrations
        progress(Progress("idle", 0, 2, 0.5, 9.5, 3.0))
        progress(Progress("idle", 0, 2, 1.0, 9.0, 3.0))
        progress(Progress("run", 1, 5, 2.0, 8.0, None))
        for sink, job in zip(sinks, jobs, strict=True):
            for kind, payload in (head() | {"batch": job.batch}).items():
                sink.event(kind, payload)
            if self.samples:
                record(sink)
        if self.fails is not None:
            raise self.fails
        return tuple(replace(capture(), batch=job.batch) for job in jobs)

    def finish(self, job: Job, made: Capture, truth: Any = None) -> Finished:
        """Do what ``session.finish`` promises."""
        if self.inconclusive == job.slot:
            raise InstrumentError("no figure", hint="look at it")
        concluded = replace(result(job.run), request=job.request(), valid=self.valid)
        if not self.valid:
            bad = Finding("no-runs", Severity.BLOCKING, "nothing ran", "let it run")
            concluded = replace(concluded, findings=(bad,))
        if truth is not None:
            concluded = replace(concluded, truth=truth({0: 3}), evidence=Evidence.EMULATED)
        return Finished(concluded, made, SimpleNamespace())


def record(sink: Any) -> None:
    """Record samples, exchanges and phases."""
    for block in blocks():
        sink.block(block)
    for burst in exchange_bursts():
        sink.event("exchanges", burst)
    for phase in phases():
        sink.event("phase", phase)
