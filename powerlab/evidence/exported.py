"""The samples of a stored run as a table that others can compute from.

One row per reading as the meter gave it, on the run's own clock and in UTC, with the window that
it lies in, and where corrections apply the power at the boundary that the result is made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from powerlab.errors import ConfigError
from powerlab.records import (
    Capture,
    Evidence,
    FlagArray,
    FloatArray,
    Int64Array,
    freeze_arrays,
)
from powerlab.store.archive import StoredRun

UNITS = {"voltage": "V", "current": "A", "power": "W", "energy": "J"}
AT_BOUNDARY = "power_at_boundary"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A window: "run 3", "idle 1", counted from 1; ``inferences`` 0 where none were made."""

    label: str
    start_ns: int
    stop_ns: int
    inferences: int


@dataclass(frozen=True, slots=True)
class Samples:
    """The readings of a run: int64 and float64 ``(n,)`` each.

    ``columns`` has a channel's readings by its name, ``units`` their SI units. ``clock`` says
    what the instants are on; ``utc_offset_ns`` is added to them for UTC, None where no UTC is
    known of that clock. ``facts`` say what the run is.
    """

    start_ns: Int64Array
    stop_ns: Int64Array
    columns: Mapping[str, FloatArray]
    units: Mapping[str, str]
    flags: FlagArray
    windows: tuple[Stretch, ...]
    clock: str
    utc_offset_ns: int | None
    facts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        freeze_arrays(self)

    def labels(self) -> np.ndarray:
        """Get of each reading the window that its end lies in, "" outside of all."""
        found = np.full(len(self.stop_ns), "", dtype=object)
        for window in self.windows:
            found[(self.stop_ns > window.start_ns) & (self.stop_ns <= window.stop_ns)] = (
                window.label
            )
        return found


def samples_of(run: StoredRun) -> Samples:
    """Get the readings of a run. Raises ConfigError for one that has none."""
    capture = run.capture
    if capture is None or not len(capture.trace.values):
        raise ConfigError(
            f"the run {run.manifest['run']} is {run.manifest['status']} and holds no readings",
            hint="`powerlab results recover` finishes what a killed process left",
        )
    if run.manifest.get("evidence") == Evidence.IMPORTED.value:
        return _imported(run, capture)
    return _measured(run, capture)


def _measured(run: StoredRun, capture: Capture) -> Samples:
    from powerlab.analysis.align import align  # noqa: PLC0415  seconds to import

    aligned = align(capture)
    columns = _channels(capture, aligned.values)
    power = None if "power" in columns else _at_boundary(capture, aligned)
    if power is not None:
        columns[AT_BOUNDARY] = power
    return Samples(
        start_ns=aligned.clock.start_ns,
        stop_ns=aligned.clock.stop_ns,
        columns=columns,
        units={name: _unit(name) for name in columns},
        flags=aligned.flags,
        windows=tuple(
            Stretch(f"{each.kind} {each.index + 1}", each.start_ns, each.stop_ns, each.inferences)
            for each in aligned.windows
        ),
        clock=capture.timebase.clock,
        utc_offset_ns=_utc_offset(capture),
        facts=_facts(run, capture),
    )


def _imported(run: StoredRun, capture: Capture) -> Samples:
    """Get imported readings: their stamps are on the clock of the evidence already."""
    stop_ns = capture.trace.device_ns
    if stop_ns is None:
        raise ConfigError(f"the run {run.manifest['run']} has readings without stamps", hint="")
    nominal = max(1, round(capture.trace.setup.interval_s * 1e9))
    step = np.minimum(np.diff(stop_ns, prepend=stop_ns[0] - nominal), nominal)
    columns = _channels(capture, capture.trace.values)
    return Samples(
        start_ns=stop_ns - step,
        stop_ns=stop_ns.copy(),
        columns=columns,
        units={name: _unit(name) for name in columns},
        flags=capture.trace.flags,
        windows=tuple(
            Stretch(
                f"{each.kind} {each.index + 1}",
                each.start_board_ns,
                each.stop_board_ns,
                each.passes * capture.batch,
            )
            for each in capture.phases
        ),
        clock=capture.timebase.clock,
        utc_offset_ns=None,
        facts=_facts(run, capture),
    )


def _channels(capture: Capture, values: FloatArray) -> dict[str, FloatArray]:
    return {
        name: values[:, place].copy() for place, name in enumerate(capture.trace.setup.channels)
    }


def _unit(name: str) -> str:
    return "W" if name == AT_BOUNDARY else UNITS.get(name, "")


def _at_boundary(capture: Capture, aligned: object) -> FloatArray | None:
    """Get the power that the result integrates, per reading; NaN where it has none."""
    from powerlab.analysis.energies import (  # noqa: PLC0415
        build_model,
        evaluate,
        nominal_inputs,
    )
    from powerlab.records import Aligned  # noqa: PLC0415

    if not isinstance(aligned, Aligned):
        return None
    power = evaluate(build_model(capture, aligned), nominal_inputs(capture)).power
    if not len(power.power_w):
        return None
    found = np.full(len(aligned.clock.stop_ns), np.nan)
    at = np.searchsorted(power.stop_ns, aligned.clock.stop_ns).clip(0, len(power.stop_ns) - 1)
    same = power.stop_ns[at] == aligned.clock.stop_ns
    found[same] = power.power_w[at[same]]
    return found


def _utc_offset(capture: Capture) -> int | None:
    try:
        anchor = datetime.fromisoformat(capture.timebase.anchor_utc)
    except ValueError:
        return None
    anchor = anchor if anchor.tzinfo else anchor.replace(tzinfo=UTC)
    since = anchor - datetime(1970, 1, 1, tzinfo=UTC)
    whole = (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000
    return whole - capture.timebase.anchor_ns


def _facts(run: StoredRun, capture: Capture) -> dict[str, str]:
    identity, request = capture.trace.identity, run.manifest.get("request", {})
    return {
        "run": str(run.manifest["run"]),
        "created": str(run.manifest.get("created", "")),
        "evidence": str(run.manifest.get("evidence", "")),
        "device": str(request.get("device", "")),
        "workload": str(request.get("workload", "")),
        "instrument": identity.model,
        "manufacturer": identity.manufacturer,
        "serial": identity.serial,
        "firmware": identity.firmware,
        "boundary": capture.wiring.boundary.value,
        "averaging": capture.trace.setup.averaging.value,
        "powerlab": str(run.manifest.get("versions", {}).get("powerlab", "")),
    }
