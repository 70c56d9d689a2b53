"""Joulescope: the published raw statistics, and a session over a stand-in of its driver."""

from __future__ import annotations

import json
import math
import sys
import threading
from collections.abc import Sequence
from contextlib import closing
from types import ModuleType
from typing import ClassVar

import numpy as np
import pytest

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.emulation.joulescope import serve
from powerlab.emulation.process import EmulatorContext
from powerlab.errors import ConfigError, InstrumentError, InstrumentProtocolError, SetupError
from powerlab.instruments import joulescope
from powerlab.instruments.contract import MeterRequest
from powerlab.instruments.joulescope import open_session
from powerlab.instruments.joulescope_statistics import decode_raw, read_update
from powerlab.records import SampleFlag
from tests.instruments.logger_rig import check, small_board, until

USB = "usb:16D0:10BA"
REQUEST = MeterRequest(expected_peak_a=0.5, expected_peak_v=5.0)


@pytest.fixture
def vector(shared):
    """Get the published message."""
    return json.loads(shared("vectors/joulescope/js220_statistics_raw.json").read_text())


def test_the_published_raw_message(vector) -> None:
    """Every figure of the maker's own test."""
    got, wanted = decode_raw(bytes.fromhex(vector["raw_hex"])), vector["expected"]
    assert (got.decimation, got.samples) == (
        wanted["decimate_factor"],
        wanted["block_sample_count"],
    )
    for letter, spread in (("i", got.current), ("v", got.voltage), ("p", got.power)):
        told = (spread.mean, spread.deviation, spread.least, spread.most)
        assert told == tuple(wanted[f"{letter}_{name}"] for name in ("avg", "std", "min", "max"))
    assert (got.charge_c, got.energy_j) == (wanted["charge_C"], wanted["energy_J"])


@pytest.mark.parametrize("length", range(0, 192, 7))
def test_a_cut_message_is_refused(vector, length: int) -> None:
    """Cut anywhere, or with another header, it is none."""
    raw = bytes.fromhex(vector["raw_hex"])
    with pytest.raises(InstrumentProtocolError, match=f"{length} bytes"):
        decode_raw(raw[:length])
    for place in range(4):
        changed = raw[:place] + b"\0" + raw[place + 1 :]
        if place in (0, 3):
            with pytest.raises(InstrumentProtocolError, match="no header"):
                decode_raw(changed)


def update(number: int, energy_j: float, charge_c: float) -> dict[str, object]:
    """Get an update as the driver makes them, 20 ms after the one before."""
    samples = [number * 20_000, (number + 1) * 20_000]
    return {
        "time": {
            "samples": {"value": samples, "units": "samples"},
            "range": {"value": [item / 1e6 for item in samples], "units": "s"},
            "delta": {"value": 0.02, "units": "s"},
            "accum_samples": {"value": [0, samples[1]], "units": "samples"},
            "decimate_factor": {"value": 2, "units": "samples"},
        },
        "signals": {},
        "accumulators": {
            "charge": {"value": charge_c, "units": "C"},
            "energy": {"value": energy_j, "units": "J"},
        },
    }


class Driver:
    """The maker's driver as documented: paths, open, publish, subscribe; 3 W at 5 V."""

    paths: Sequence[str] = ("u/js220/002557",)
    numbers: Sequence[int] = range(12)
    nan_at: frozenset[int] = frozenset()
    opened: ClassVar[list[Driver]] = []

    def __init__(self) -> None:
        self.published: dict[str, object] = {}
        self.calls: list[str] = []
        self._keep = None
        Driver.opened.append(self)

    def device_paths(self) -> list[str]:
        """Get what is connected."""
        return list(self.paths)

    def open(self, path: str) -> None:
        """Open a device."""
        self.calls.append(f"open {path}")

    def close(self, path: str) -> None:
        """Close a device."""
        self.calls.append(f"close {path}")

    def finalize(self) -> None:
        """End the driver."""
        self.calls.append("finalize")

    def subscribe(self, topic: str, flags: str, keep) -> None:
        """Subscribe; the stand-in knows one topic."""
        assert topic.endswith("/s/stats/value")
        assert flags == "pub"
        self._keep = keep

    def unsubscribe(self, topic: str, keep) -> None:
        """Unsubscribe."""
        assert keep is self._keep
        self._keep = None

    def publish(self, topic: str, value: object) -> None:
        """Take a setting; with the statistics on, tell all updates at once."""
        self.published[topic] = value
        if topic.endswith("/s/stats/ctrl") and value in (1, "on"):
            for number in self.numbers:
                energy_j = math.nan if number in self.nan_at else 3.0 * 0.02 * (number + 1)
                self._keep(topic, update(number, energy_j, 0.6 * 0.02 * (number + 1)))


@pytest.fixture
def package(monkeypatch):
    """Put a stand-in in the place of the maker's package; get a class that a test may change."""
    driver = type("Driver", (Driver,), {"opened": []})
    monkeypatch.setattr(Driver, "opened", driver.opened)
    module = ModuleType(joulescope.PACKAGE)
    module.Driver = driver
    monkeypatch.setitem(sys.modules, joulescope.PACKAGE, module)
    return driver


def bench(model: str, resource: str = USB) -> BenchMeter:
    """Get the bench's entry of the meter."""
    return BenchMeter(model=model, resource=resource)


@pytest.mark.parametrize(
    ("model", "samples", "control"), [("js220", 20_000, 1), ("js110", 40_000, "on")]
)
def test_a_set_up_and_a_stream(package, profile, model, samples, control) -> None:
    """Settings by model; power and current are differences of what the instrument counted."""
    package.paths = [f"u/{model}/002557"]
    identifier = f"joulescope-{model}"
    with closing(open_session(profile(identifier), bench(identifier))) as meter:
        setup = meter.configure(REQUEST)
        values, flags, device_ns = check(until(meter, lambda blocks: len(blocks) == 11))
    (driver,) = package.opened
    assert setup.channels == ("power", "current")
    assert driver.published[f"u/{model}/002557/s/stats/scnt"] == samples
    assert driver.calls == [f"open u/{model}/002557", f"close u/{model}/002557", "finalize"]
    assert values == pytest.approx(np.tile([3.0, 0.6], (11, 1)))
    assert not flags.any()
    assert np.all(np.diff(device_ns) == 20_000_000)
    assert meter.identity.serial == "002557"
    assert meter.identity.model == f"Joulescope {model.upper()}"
    assert control in (1, "on")


def test_a_lost_update_costs_nothing(package, profile) -> None:
    """Two updates missing: three rows of the mean between, marked as repeated."""
    package.numbers = [0, 1, 4, 5]
    with closing(open_session(profile("joulescope-js220"), bench("joulescope-js220"))) as meter:
        meter.configure(REQUEST)
        values, flags, device_ns = check(until(meter, lambda blocks: len(blocks) == 3))
    assert flags.tolist() == [0, *[SampleFlag.REPEATED] * 3, 0]
    assert values[:, 0] == pytest.approx([3.0] * 5)
    assert np.all(np.diff(device_ns) == 20_000_000)


def test_an_update_told_twice_changes_nothing(package, profile) -> None:
    """The device time goes on from where it was."""
    package.numbers = [0, 1, 1, 2, 3]
    with closing(open_session(profile("joulescope-js220"), bench("joulescope-js220"))) as meter:
        meter.configure(REQUEST)
        values, _, device_ns = check(until(meter, lambda blocks: len(blocks) == 3))
    assert values[:, 0] == pytest.approx([3.0] * 3)
    assert device_ns.tolist() == [20_000_000, 40_000_000, 60_000_000]


def test_an_instrument_that_counts_backwards_is_refused(package, profile) -> None:
    """It began anew: what comes then has no time among what came before."""
    package.numbers = [4, 5, 1]
    with closing(open_session(profile("joulescope-js220"), bench("joulescope-js220"))) as meter:
        meter.configure(REQUEST)
        with pytest.raises(InstrumentProtocolError, match="counts backwards"):
            list(meter.stream(threading.Event()))


def test_missing_samples_are_a_gap(package, profile) -> None:
    """NaN in the accumulators is no power of nothing."""
    package.numbers, package.nan_at = list(range(6)), frozenset({3})
    with closing(open_session(profile("joulescope-js220"), bench("joulescope-js220"))) as meter:
        meter.configure(REQUEST)
        _, flags, _ = check(until(meter, lambda blocks: len(blocks) == 5))
    assert flags.tolist() == [0, 0, 1, 1, 0]


def test_silence_ends_the_stream(package, profile, monkeypatch) -> None:
    """Updates that stay away are told."""
    monkeypatch.setattr(joulescope, "SILENCE_S", 0.02)
    monkeypatch.setattr(joulescope, "WAIT_S", 0.01)
    with closing(open_session(profile("joulescope-js220"), bench("joulescope-js220"))) as meter:
        meter.configure(REQUEST)
        with pytest.raises(InstrumentError, match="told nothing"):
            list(meter.stream(threading.Event()))


def test_which_one(package, profile) -> None:
    """Another model, another serial number, two of a kind, another resource."""
    package.paths = ["u/js220/000001", "u/js220/000002", "u/js110/000003"]
    js220 = profile("joulescope-js220")
    with closing(open_session(js220, bench("joulescope-js220", USB + ":000002"))) as meter:
        assert meter.identity.serial == "000002"
    for resource in (USB, USB + ":000003"):
        with pytest.raises(InstrumentError, match="Joulescopes JS220") as caught:
            open_session(js220, bench("joulescope-js220", resource))
        assert "000001, 000002" in caught.value.hint
    with pytest.raises(ConfigError, match="names no Joulescope"):
        open_session(js220, bench("joulescope-js220", "serial:/dev/ttyACM0"))
    assert all("finalize" in driver.calls for driver in package.opened)


def test_the_driver_is_an_extra(profile, monkeypatch) -> None:
    """Without the package the message names the extra and the Python it needs."""
    monkeypatch.setitem(sys.modules, joulescope.PACKAGE, None)
    with pytest.raises(SetupError, match="not installed") as caught:
        open_session(profile("joulescope-js220"), bench("joulescope-js220"))
    assert "powerlab[joulescope]" in caught.value.hint
    assert "3.12" in caught.value.hint


@pytest.mark.parametrize("told", [{}, {"time": {}}, {**update(0, 1, 1), "accumulators": {}}])
def test_odd_updates_are_refused(told: dict[str, object]) -> None:
    """A dictionary that lacks what is needed."""
    with pytest.raises(InstrumentProtocolError, match="lacks"):
        read_update(told)


def test_it_is_not_emulated(tmp_path, profile) -> None:
    """Asked for, the emulation says that there is none and what to take instead."""
    context = EmulatorContext(tmp_path, 1, small_board(), profile("joulescope-js220"))
    with pytest.raises(SetupError, match="no emulation of Joulescope JS220"):
        serve(context)
