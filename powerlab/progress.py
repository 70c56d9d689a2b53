"""Live progress: which phase, how long still, and the power now."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from powerlab.acquire import Acquisition
from powerlab.catalog.workload_profile import ProtocolPreset
from powerlab.records import MeterSetup, Wiring
from powerlab.units import NS_PER_S, now_ns


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a measurement stands; ``power_w`` is the newest reading, None before the first."""

    phase: str
    index: int
    count: int
    elapsed_s: float
    remaining_s: float
    power_w: float | None


class Watch:
    """Tells the caller four times a second where the measurement stands."""

    def __init__(
        self,
        *,
        protocol: ProtocolPreset,
        wiring: Wiring,
        setup: MeterSetup,
        acquisition: Acquisition,
        progress: Callable[[Progress], None],
    ) -> None:
        self.guard_s = max(protocol.guard_s, 3 * setup.interval_s + setup.latency_limit_s)
        busy_s = protocol.runs * (protocol.run_s + 2 * self.guard_s)
        self._expected_s = 2 * protocol.idle_s + protocol.warm_up_limit_s + busy_s + 2
        self._acquisition = acquisition
        self._setup = setup
        self._wiring = wiring
        self._progress = progress
        self._begin_ns = now_ns()
        self._now = ("start", 0, 1)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    def enter(self, phase: str, index: int, count: int) -> None:
        """Say that a phase begins."""
        self._now = (phase, index, count)
        self._tell()

    def _tick(self) -> None:
        while not self._done.wait(0.25):
            self._tell()

    def _tell(self) -> None:
        phase, index, count = self._now
        elapsed_s = (now_ns() - self._begin_ns) / NS_PER_S
        self._progress(
            Progress(
                phase=phase,
                index=index,
                count=count,
                elapsed_s=elapsed_s,
                remaining_s=max(0.0, self._expected_s - elapsed_s),
                power_w=self._power_w(),
            )
        )

    def _power_w(self) -> float | None:
        latest = self._acquisition.latest()
        if latest is None or not np.isfinite(latest).all():
            return None
        reading = dict(zip(self._setup.channels, latest.tolist(), strict=True))
        if "power" in reading:
            return float(reading["power"])
        volts = reading.get("voltage", self._wiring.supply_voltage_v or math.nan)
        return float(volts * reading["current"])
