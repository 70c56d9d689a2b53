"""Sampled trigger lines made by the emulation's board and meter, with a known delay."""

from __future__ import annotations

import dataclasses

import numpy as np

from powerlab.analysis.codes import plan_marker
from powerlab.analysis.trigger_line import read_line
from powerlab.emulation.metering import build_meter
from powerlab.emulation.wiring import build_path
from powerlab.emulation.world import Edges, build_world
from powerlab.records import Averaging, Capture, ClockFit, LineReading, Phase, SampleClock
from tests.analysis.factories import BOARD_OFFSET_NS, SECOND, capture, setup

ORIGIN_NS = 10**15
U_BOARD_NS = 5_000.0
U_RATE_PPM = 3.0

METERS = {
    "100 kS/s points": (Averaging.POINT, 1e-5, 1e-5),
    "1 kS/s points": (Averaging.POINT, 1e-3, 1e-3),
    "1 kS/s means": (Averaging.BOXCAR, 1e-3, 1e-3),
    "100 S/s points": (Averaging.POINT, 1e-2, 1e-2),
    "100 S/s means": (Averaging.BOXCAR, 1e-2, 1e-2),
    "49 S/s gated": (Averaging.GATED, 0.0204, 0.02),
}


@dataclasses.dataclass
class Bench:
    """A sampled line, the clocks as they were fitted, and how far off the samples' clock is."""

    capture: Capture
    samples: SampleClock
    board: ClockFit
    delay_ns: float

    def read(self) -> LineReading:
        """Read the line, which is there."""
        reading = read_line(self.capture, self.samples, self.board)
        assert reading is not None
        return reading

    @property
    def line(self) -> np.ndarray:
        """Get a copy of the line as sampled."""
        return self.capture.trace.values[:, 1].copy()

    def showing(self, line: np.ndarray, flags: np.ndarray | None = None) -> Bench:
        """Get the same bench with another recording of the line, and other flags."""
        trace = self.capture.trace
        trace = dataclasses.replace(
            trace,
            values=np.column_stack((trace.values[:, 0], line)),
            flags=trace.flags.copy() if flags is None else flags,
        )
        return dataclasses.replace(self, capture=dataclasses.replace(self.capture, trace=trace))


class Session:
    """What a board does: the phases it reports, and its edges on the host's clock."""

    def __init__(self, random: np.random.Generator, interval_s: float) -> None:
        self.random = random
        self.interval_s = interval_s
        self.phases: list[Phase] = []
        self.records: list[tuple[int, int, int]] = []
        self.now_ns = ORIGIN_NS + SECOND

    def busy(self, kind: str, index: int, *, pauses: int = 0) -> None:
        """Work for half a second or so, with pauses between shorter stretches."""
        lengths_s = [self.random.uniform(0.3, 0.6)]
        for _ in range(pauses):
            lengths_s += [self.random.uniform(0.001, 0.1), self.random.uniform(0.03, 0.05)]
        at = self._add(kind, index, np.cumsum([0.0, *lengths_s]))
        if pauses:
            stamps = {"begun_board_ns": at[::2].copy(), "done_board_ns": at[1::2].copy()}
            self.phases[-1] = dataclasses.replace(self.phases[-1], **stamps)

    def draw(self, index: int) -> None:
        """Draw a marker that suits the meter, a short one for a fast meter."""
        budget_s = 1.0 if self.interval_s < 1e-4 else 4.0
        plan = plan_marker(self.interval_s, self.interval_s, budget_s=budget_s)
        changes = np.flatnonzero(np.diff([0, *plan.levels, 0]))
        at = self._add("marker", index, (changes - changes[0]) * plan.chip_s)
        self.phases[-1] = dataclasses.replace(self.phases[-1], done_board_ns=at)

    def _add(self, kind: str, index: int, instants_s: np.ndarray) -> np.ndarray:
        at = self.now_ns + np.rint(instants_s * SECOND).astype(np.int64)
        self.records += [(int(one), 1 - place % 2, index) for place, one in enumerate(at)]
        self.now_ns = int(at[-1]) + SECOND // 5
        on_board = at + BOARD_OFFSET_NS
        nothing = np.empty(0, dtype=np.int64)
        self.phases.append(Phase(kind, index, int(on_board[0]), int(on_board[-1]), 0, nothing))
        return on_board


def make_bench(catalog, kind, seed=0, *, runs=3, markers=2, pauses=0, jitter_ns=0) -> Bench:
    """Get a bench with one of METERS; ``jitter_ns`` is by how much the pin's edges scatter."""
    averaging, interval_s, aperture_s = METERS[kind]
    random = np.random.default_rng(seed)
    session = Session(random, interval_s)
    session.busy("warm-up", 0)
    for index in range(markers):
        session.draw(index)
        for run in range(0 if index else runs):
            session.busy("run", run, pauses=pauses)
    for run in range(0 if markers else runs):
        session.busy("run", run, pauses=pauses)
    device, dmm = catalog.device("edgeboard"), catalog.instrument("keithley-dmm6500")
    sampling = dmm.sampling.model_copy(update={"averaging": averaging})
    meter = build_meter(
        dmm.model_copy(update={"sampling": sampling, "channels": ("current", "line")}),
        build_world(device, seed),
        build_path(device, seed),
        origin_ns=ORIGIN_NS,
        interval_s=interval_s,
        aperture_s=aperture_s,
    )
    shown = [(at + round(random.normal(0, jitter_ns)), *what) for at, *what in session.records]
    count = int((session.now_ns + SECOND - ORIGIN_NS) / meter.interval_ns)
    readings = meter.sample(Edges.of(shown), 0, count)
    recorded = capture(phases=tuple(session.phases))
    facts = setup(
        channels=tuple(item.quantity for item in meter.accuracy),
        accuracy=meter.accuracy,
        averaging=averaging,
        aperture_s=aperture_s,
        interval_s=interval_s,
    )
    trace = dataclasses.replace(
        recorded.trace,
        setup=facts,
        values=readings.values.copy(),
        flags=readings.flags.copy(),
        device_ns=readings.device_ns.copy(),
    )
    return seen(random, dataclasses.replace(recorded, trace=trace), readings)


def seen(random, recorded, readings) -> Bench:
    """Look at a capture through clocks that err: the samples' by a delay and a rate."""
    runs = [phase for phase in recorded.phases if phase.kind == "run"] or recorded.phases
    middle = np.mean([(run.start_board_ns + run.stop_board_ns) / 2 for run in runs])
    delay_ns = random.uniform(-20e6, 20e6)
    since = readings.stop_ns - (middle - BOARD_OFFSET_NS)
    rate = random.normal(0, U_RATE_PPM) * 1e-6
    late = np.rint(delay_ns + rate * since).astype(np.int64)
    board = ClockFit(
        reference_ns=ORIGIN_NS,
        offset_ns=BOARD_OFFSET_NS + round(random.normal(0, U_BOARD_NS)),
        skew_ppm=0.0,
        u_offset_ns=U_BOARD_NS,
        u_skew_ppm=0.0,
        round_trip_min_ns=20_000,
        residual_ns=0.0,
        exchanges=100,
    )
    samples = SampleClock(readings.start_ns + late, readings.stop_ns + late, 1e6, 0.0, U_RATE_PPM)
    return Bench(recorded, samples, board, delay_ns)
