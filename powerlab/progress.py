"""Live progress: which phase, how long still, and the power now."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from powerlab.acquire import Acquisition, Meters
from powerlab.catalog.protocol_preset import ProtocolPreset
from powerlab.records import MeterSetup, Wiring
from powerlab.units import NS_PER_S, now_ns

BURST_S = 0.25
"""What clock exchanges and commands around a phase take, about."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a measurement stands; ``power_w`` is the newest reading, None before the first.

    ``option`` says in words whose phase it is where several are measured in one session, and
    ``note`` tells once of a decision on the way; both are "" otherwise.
    """

    phase: str
    index: int
    count: int
    elapsed_s: float
    remaining_s: float
    power_w: float | None
    option: str = ""
    note: str = ""


class Watch:
    """Tells the caller four times a second where the measurement stands.

    ``options`` is how many are measured in the session, each with the protocol's runs.
    """

    def __init__(
        self,
        *,
        protocol: ProtocolPreset,
        wiring: Wiring,
        setup: MeterSetup,
        acquisition: Acquisition | Meters,
        progress: Callable[[Progress], None],
        options: int = 1,
    ) -> None:
        self.guard_s = max(protocol.guard_s, 3 * setup.interval_s + setup.latency_limit_s)
        self._lengths_s = {
            "start": BURST_S,
            "idle": protocol.idle_s + BURST_S,
            "warm-up": protocol.warm_up_limit_s + self.guard_s + BURST_S,
            "marker": protocol.marker_s + 2 * self.guard_s + BURST_S,
            "run": protocol.run_s + 2 * self.guard_s + BURST_S,
        }
        self._runs_s: list[float] = []
        marker = ["marker"] if protocol.marker_s else []
        runs = ["run"] * protocol.runs * options
        warm_ups = ["warm-up"] * options
        self._ahead = ["start", "idle", *warm_ups, *marker, *runs, *marker, "idle"]
        self._acquisition = acquisition
        self._setup = setup
        self._wiring = wiring
        self._progress = progress
        self._begin_ns = now_ns()
        self._now = ("start", 0, 1, "")
        self._entered_ns = self._begin_ns
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

    def enter(self, phase: str, index: int, count: int, option: str = "") -> None:
        """Say that a phase begins; the phases before it are over, however long they took."""
        self._now = (phase, index, count, option)
        self._entered_ns = now_ns()
        self._ahead = self._ahead[1:]
        if phase in self._ahead:
            self._ahead = self._ahead[self._ahead.index(phase) :]
        self._tell()

    def more_runs(self, count: int) -> None:
        """Say that so many runs follow those of the protocol."""
        self._ahead = [self._ahead[0], *["run"] * count, *self._ahead[1:]]

    def took(self, run_s: float) -> None:
        """Say how long a run took with all that belongs to it; the next ones go by the mean."""
        self._runs_s.append(run_s)
        self._lengths_s["run"] = math.fsum(self._runs_s) / len(self._runs_s)

    def say(self, note: str) -> None:
        """Tell the user of a decision."""
        self._tell(note)

    def _tick(self) -> None:
        while not self._done.wait(0.25):
            self._tell()

    def _tell(self, note: str = "") -> None:
        phase, index, count, option = self._now
        elapsed_s = (now_ns() - self._begin_ns) / NS_PER_S
        self._progress(
            Progress(
                phase=phase,
                index=index,
                count=count,
                elapsed_s=elapsed_s,
                remaining_s=self.remaining_s(),
                power_w=self._power_w(),
                option=option,
                note=note,
            )
        )

    def remaining_s(self) -> float:
        """Get the lengths of the phases ahead, and what is left of the present one."""
        present, *later = [self._lengths_s[phase] for phase in self._ahead]
        since_s = (now_ns() - self._entered_ns) / NS_PER_S
        return max(0.0, present - since_s) + math.fsum(later)

    def _power_w(self) -> float | None:
        latest = self._acquisition.latest()
        if latest is None or not np.isfinite(latest).all():
            return None
        reading = dict(zip(self._setup.channels, latest.tolist(), strict=True))
        if "power" in reading:
            return float(reading["power"])
        volts = reading.get("voltage", self._wiring.supply_voltage_v or math.nan)
        return float(volts * reading["current"])
