"""Which stretches of a measurement count for what: runs, their guards, idle phases."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from powerlab.records import Aligned, Capture, Window
from powerlab.units import NS_PER_S, nanoseconds

Span = tuple[int, int]
"""A stretch of time: its start and its end in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """The windows of the counted runs and of the long idle phases, each in order of time.

    ``guard_ns`` is how much undisturbed idle lies on each side of every run, ``trim_ns`` how
    far from an edge of the load the trace may still show the other side of it;
    ``interval_ns`` lies between samples.
    """

    runs: tuple[Window, ...]
    idles: tuple[Window, ...]
    guard_ns: int
    trim_ns: int
    interval_ns: int

    @property
    def around(self) -> list[tuple[Span, Span]]:
        """Get the spans of settled idle around each run, in which no sample touches a load.

        The guard before it, and that before the next run: its own guard after it holds its
        tail. The last run takes the later half of that.
        """
        clear_ns = self.trim_ns + self.interval_ns
        settled = [(run.start_ns - self.guard_ns, run.start_ns - clear_ns) for run in self.runs]
        if not settled:
            return []
        end_ns = self.runs[-1].stop_ns
        late = (end_ns + max(clear_ns, self.guard_ns // 2), end_ns + self.guard_ns)
        return list(itertools.pairwise([*settled, late]))

    @property
    def whole(self) -> list[Span]:
        """Get the spans from idle over a run to idle again."""
        return [(run.start_ns - self.guard_ns, run.stop_ns + self.guard_ns) for run in self.runs]

    @property
    def inside(self) -> list[Span]:
        """Get the spans of the runs in which the load is established."""
        return [_trimmed(run, self.trim_ns) for run in self.runs]

    @property
    def before(self) -> list[Span]:
        """Get the spans of the guards before the runs."""
        return [(run.start_ns - self.guard_ns, run.start_ns - self.trim_ns) for run in self.runs]

    @property
    def after(self) -> list[Span]:
        """Get the spans of the guards after the runs, without the load's last traces."""
        return [(run.stop_ns + self.trim_ns, run.stop_ns + self.guard_ns) for run in self.runs]

    @property
    def idle(self) -> list[Span]:
        """Get the spans of the idle phases without the load around them."""
        return [_trimmed(idle, self.trim_ns) for idle in self.idles]


def _trimmed(window: Window, trim_ns: int) -> Span:
    return window.start_ns + trim_ns, window.stop_ns - trim_ns


def timeline(capture: Capture, aligned: Aligned) -> Timeline:
    """Sort out the windows of a capture.

    The trim is five time constants of the board's input and three standard uncertainties of
    the samples' instants against the load.
    """
    u_ns = alignment_ns(aligned)
    return Timeline(
        runs=_of_kind(aligned, "run"),
        idles=_of_kind(aligned, "idle"),
        guard_ns=_guard_ns(aligned),
        interval_ns=nanoseconds(capture.trace.setup.interval_s),
        trim_ns=nanoseconds(5 * capture.wiring.supply_lag_limit_s) + round(3 * u_ns),
    )


def alignment_ns(aligned: Aligned) -> float:
    """Get the standard uncertainty of the samples' instants against the runs', common to all.

    The meter's clock and the board's on the host's; or, where a trigger line is believed, that
    line's alone, because it stamps both on the board's clock.
    """
    if aligned.line is not None and aligned.line.believed:
        return aligned.line.u_delay_ns
    return math.hypot(aligned.clock.u_ns, aligned.board_clock.u_offset_ns)


def _of_kind(aligned: Aligned, kind: str) -> tuple[Window, ...]:
    windows = [window for window in aligned.windows if window.kind == kind]
    return tuple(sorted(windows, key=lambda window: window.start_ns))


def _guard_ns(aligned: Aligned) -> int:
    """Get how much undisturbed idle lies on each side of every run.

    The shortest recorded guard; without any, half of the shortest pause between
    neighbouring busy windows.
    """
    guards = [w.stop_ns - w.start_ns for w in aligned.windows if w.kind == "guard"]
    if guards:
        return min(guards)
    busy = [w for w in aligned.windows if w.kind in ("run", "other", "warm-up", "marker")]
    busy.sort(key=lambda window: window.start_ns)
    pauses = [(after.start_ns - w.stop_ns) // 2 for w, after in itertools.pairwise(busy)]
    return max(0, min([*pauses, NS_PER_S]))
