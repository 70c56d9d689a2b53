"""The GPM-8310 with the driver of the WT meters: what differs is in its profile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from powerlab.catalog.layers import load_catalog
from powerlab.emulation import edges_tail
from powerlab.emulation import yokogawa_wt310e as emulation
from powerlab.emulation.faults import FaultWatch
from powerlab.emulation.process import EmulatorContext
from powerlab.errors import InstrumentError
from powerlab.instruments import yokogawa_wt310e
from powerlab.instruments.contract import MeterRequest
from powerlab.instruments.yokogawa_wt310e import Wt310e
from tests.instruments.scpi_wires import Direct, Stop, VirtualTime

CATALOG = load_catalog()
REQUEST = MeterRequest(expected_peak_a=1.05)


@pytest.fixture
def time(monkeypatch) -> VirtualTime:
    """Get a virtual clock for driver and emulator."""
    made = VirtualTime()
    for module in (yokogawa_wt310e, emulation, edges_tail):
        monkeypatch.setattr(module, "now_ns", made.clock)
    monkeypatch.setattr(yokogawa_wt310e.time, "sleep", made.sleep)
    return made


def link_to(identifier: str, place: Path, time: VirtualTime) -> Direct:
    """Get a link to an emulated meter on an idle board."""
    profile = CATALOG.instrument(identifier)
    context = EmulatorContext(place, 7, CATALOG.device("edgeboard"), profile)
    context.edges.mkdir()
    return Direct(emulation.Wt310e(context, FaultWatch(()), time.wait_until))


def test_a_set_up_and_a_stream(tmp_path: Path, time: VirtualTime) -> None:
    """The same commands; lines that end with CR LF; the profile's wider limit of gain."""
    link = link_to("gw-instek-gpm-8310", tmp_path, time)
    assert link.instrument.handle("*IDN?").endswith(b",V1.00\r\n")
    link.identity = link.identity.strip()
    link.answer = lambda _command, told: told.strip()
    meter = Wt310e(link, CATALOG.instrument("gw-instek-gpm-8310"))
    assert (meter.identity.manufacturer, meter.identity.model) == ("GWInstek", "GPM-8310")
    setup = meter.configure(REQUEST)
    assert setup.settings["mode"] == "DC"
    assert [item.gain_limit for item in setup.accuracy] == [0.0015] * 3
    blocks = list(meter.stream(Stop(60, time)))
    values = np.concatenate([block.values for block in blocks])
    assert len(values) > 5
    assert values.mean(axis=0) == pytest.approx([12.0, 0.25, 3.0], rel=0.1)


def test_a_wt310e_is_no_gpm_8310(tmp_path: Path, time: VirtualTime) -> None:
    """The limits are of one model."""
    link = link_to("yokogawa-wt310e", tmp_path, time)
    with pytest.raises(InstrumentError, match="is a YOKOGAWA WT310E, not a GPM-8310"):
        Wt310e(link, CATALOG.instrument("gw-instek-gpm-8310"))
