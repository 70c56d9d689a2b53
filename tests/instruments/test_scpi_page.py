"""The page on adding a meter: its profile is complete, clean, and measures."""

from __future__ import annotations

import re
import threading
import tomllib
from contextlib import closing
from datetime import date
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

from powerlab.agent.edges import BUSY, EdgeFile
from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.layers import builtin_lab, load_catalog
from powerlab.catalog.lint import lint
from powerlab.emulation.faults import parse_faults
from powerlab.emulation.process import EmulatorContext, EmulatorProcess
from powerlab.errors import InstrumentError
from powerlab.instruments.contract import MeterRequest, open_meter
from powerlab.records import SampleBlock, SampleFlag
from powerlab.units import now_ns

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "add-an-scpi-meter.md"


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """Get a lab with the page's profile in it."""
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "lab" / "instruments" / f"{tomllib.loads(text)['id']}.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return path.parents[1]


@pytest.fixture
def emulated(tmp_path: Path):
    """Get a starter of an emulated meter on an idle board, as a process of its own."""
    started: list[EmulatorProcess] = []

    def start(profile: InstrumentProfile, *faults: str) -> tuple[EmulatorContext, BenchMeter]:
        board = load_catalog().device("edgeboard")
        place = tmp_path / f"bench-{len(started)}"
        context = EmulatorContext(place, 7, board, profile, parse_faults(faults))
        for path in (place, context.box, context.edges):
            path.mkdir()
        (entry,) = entry_points(group="powerlab.emulators", name=profile.emulator)
        started.append(EmulatorProcess("meter", entry.value, context))
        started[-1].wait_ready()
        resource = str(started[-1].address["resource"])
        return context, BenchMeter(model=profile.id, resource=resource, serial=context.serial)

    yield start
    for process in started:
        process.stop()


def test_the_pages_profile_is_clean(lab: Path) -> None:
    """Lint has nothing to say of it."""
    assert lint([builtin_lab(), lab], date.max) == []


def test_the_pages_profile_measures(lab: Path, emulated) -> None:
    """Over a real socket: identity, set-up, volts and amperes of an idle board, volts alone."""
    profile = load_catalog(lab).instrument("acme-pm100")
    _, where = emulated(profile)
    with closing(open_meter(profile, where)) as meter:
        assert (meter.identity.model, meter.identity.emulated) == ("PM100", True)
        setup = meter.configure(MeterRequest(expected_peak_a=0.9))
        assert setup.channels == ("voltage", "current")
        stop, blocks = threading.Event(), []
        for block in meter.stream(stop):
            blocks.append(block)
            if len(blocks) == 4:
                stop.set()
        values = np.concatenate([block.values for block in blocks])
        assert np.all((values[:, 0] > 11) & (values[:, 0] < 13))
        assert np.all((values[:, 1] > 0.2) & (values[:, 1] < 0.3))
        volts, u = meter.read_voltage(3)
    assert 11 < volts < 13
    assert 0 < u < 0.05


def test_a_meter_that_is_unplugged_keeps_what_came(lab: Path, emulated) -> None:
    """Exit code 4 in mid-stream, with the samples until then; another session finds it again."""
    profile = load_catalog(lab).instrument("acme-pm100")
    context, where = emulated(profile, "unplug@0.3s")
    came: list[SampleBlock] = []
    with closing(open_meter(profile, where)) as meter:
        meter.configure(MeterRequest(expected_peak_a=0.9))
        EdgeFile(str(context.edges / "powerlab-edges-1.bin")).publish(BUSY, 0, now_ns())
        with pytest.raises(InstrumentError) as caught:
            came.extend(meter.stream(threading.Event()))
    assert caught.value.exit_code == 4
    assert came
    assert not any(block.flags[0] & SampleFlag.LOST for block in came)
    _, where = emulated(profile)
    with closing(open_meter(profile, where)) as meter:
        meter.configure(MeterRequest(expected_peak_a=0.9))
        next(iter(meter.stream(threading.Event())))
