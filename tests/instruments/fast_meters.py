"""Fast SCPI meters on their emulators, in the same process and in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from powerlab.agent.edges import BUSY, EdgeFile
from powerlab.catalog.layers import load_catalog
from powerlab.emulation import edges_tail
from powerlab.emulation.faults import FaultWatch, parse_faults
from powerlab.emulation.process import EmulatorContext
from powerlab.instruments import scpi_stream
from powerlab.records import SampleBlock
from tests.instruments.scpi_wires import Direct, VirtualTime

CATALOG = load_catalog()


@dataclass(frozen=True)
class Rig:
    """A driver, its link, the emulated instrument, and the way to let the board work."""

    meter: Any
    link: Direct
    instrument: Any
    work: Callable[[], None]


def virtual(monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> VirtualTime:
    """Put a virtual clock into these modules and those that all fast meters share."""
    made = VirtualTime()
    for module in (*modules, scpi_stream, edges_tail):
        monkeypatch.setattr(module, "now_ns", made.clock)
    return made


def rig(
    place: Path,
    time: VirtualTime,
    identifier: str,
    kinds: tuple[Callable[..., Any], Callable[..., Any]],
    faults: tuple[str, ...] = (),
    **sampling: float,
) -> Rig:
    """Put a meter of the catalogue, with other ``sampling``, on its emulator on an idle board.

    ``kinds`` are the emulated instrument and the driver.
    """
    emulator, driver = kinds
    profile = CATALOG.instrument(identifier)
    changed = profile.sampling.model_copy(update=sampling)
    profile = profile.model_copy(update={"sampling": changed})
    context = EmulatorContext(place, 7, CATALOG.device("edgeboard"), profile, parse_faults(faults))
    context.edges.mkdir()
    instrument = emulator(context, FaultWatch(context.faults), time.wait_until)
    link = Direct(instrument.panel)

    def work() -> None:
        path = place / "edges" / "powerlab-edges-1.bin"
        EdgeFile(str(path)).publish(BUSY, 0, time.now_ns)

    return Rig(driver(link, profile), link, instrument, work)


def joined(blocks: list[SampleBlock]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Check what every driver promises of its blocks; get values, times and flags of all rows."""
    assert [b.completed for b in blocks] == list(np.cumsum([len(b.values) for b in blocks]))
    assert all(block.sent_ns <= block.received_ns for block in blocks)
    device_ns = np.concatenate([block.device_ns for block in blocks])
    assert np.all(np.diff(device_ns) > 0)
    flags = np.concatenate([block.flags for block in blocks])
    return np.concatenate([block.values for block in blocks]), device_ns, flags
