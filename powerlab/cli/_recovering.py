"""What a measurement that was cut short left behind, brought to a result where it can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from powerlab.analysis.conclude import FEWEST_RUNS, conclude
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.circumstances import latest_price
from powerlab.cli._reporting import kept_profile
from powerlab.findings import Finding, Severity
from powerlab.records import Capture, Request, Result
from powerlab.store.archive import StoredRun, is_unfinished, open_run, recover
from powerlab.store.run_folder import add_result
from powerlab.store.serial import from_plain


def recover_run(folder: Path) -> StoredRun:
    """Finish a recording that was left behind, and conclude from it where it holds enough.

    The run stays partial; its result says so in a finding. Raises ConfigError where there is
    nothing to recover, or the recording still goes on.
    """
    stored = open_run(folder)
    if is_unfinished(folder) or not can_conclude(stored):
        stored = recover(folder)  # which refuses a run that has nothing to recover
    if stored.capture is not None and can_conclude(stored):
        add_result(folder, _result(stored.manifest, stored.capture), stored.capture.target)
    return open_run(folder)


def can_conclude(stored: StoredRun) -> bool:
    """Tell whether a run has no result although it holds enough for one."""
    if stored.result is not None or stored.capture is None:
        return False
    kinds = [phase.kind for phase in stored.capture.phases]
    return "idle" in kinds and kinds.count("run") >= FEWEST_RUNS


def _result(manifest: Mapping[str, Any], capture: Capture) -> Result:
    device = kept_profile(DeviceProfile, manifest["configuration"], "device")
    result, _ = conclude(
        capture,
        run=manifest["run"],
        request=from_plain(Request, manifest["request"]),
        price=latest_price(device),
    )
    told = Finding(
        code="recovered",
        severity=Severity.WARNING,
        message=f"the measurement was cut short ({manifest.get('reason', 'why is not known')}); "
        f"this result rests on the {len(result.runs)} runs that it left",
        hint="measure again where the whole protocol is wanted",
        evidence={"runs": len(result.runs)},
    )
    return replace(result, findings=(told, *result.findings))
