"""Drivers of meters, load and supply on an emulated calibration bench, over their real wires."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import numpy as np
import pytest

from powerlab.catalog.layers import Catalog, load_catalog
from powerlab.emulation.calibration_bench import (
    EmulatedCalibrationBench,
    emulated_calibration_bench,
)
from powerlab.errors import InstrumentError
from powerlab.instruments.contract import (
    Load,
    Meter,
    MeterRequest,
    Supply,
    open_load,
    open_meter,
    open_supply,
)
from powerlab.records import MeterSetup
from powerlab.records.correction import CommonError
from powerlab.units import now_ns

LIMIT_NS = 30_000_000_000
UM, DMM, DL, DP = "rdtech-um25c", "keithley-dmm6500", "rigol-dl3021", "rigol-dp832"
CERTIFICATE = (
    CommonError("current", 1e-4, 2e-5, "K-1"),
    CommonError("voltage", 1e-5, 2e-5, "K-1"),
)
AMPERES = MeterRequest(expected_peak_a=1.0, channels=("current",), expected_peak_v=12.0)
VOLTS = MeterRequest(expected_peak_a=1.0, channels=("voltage",), expected_peak_v=12.0)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """Get the built-in catalogue."""
    return load_catalog()


@pytest.fixture(scope="module")
def bench(catalog: Catalog) -> Iterator[EmulatedCalibrationBench]:
    """Get a bench with a supply, and a reference each for amperes and volts."""
    with emulated_calibration_bench(
        catalog, UM, [DMM, DMM], DL, supply_id=DP, seed=7, certificates=(CERTIFICATE, CERTIFICATE)
    ) as running:
        yield running


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait for a state within the limit; fail where it does not come."""
    deadline = now_ns() + LIMIT_NS
    while not condition():
        assert now_ns() < deadline, "the awaited state never came"
        time.sleep(0.005)


def until_it_fails(load: Load) -> None:
    """Measure until something goes wrong."""
    deadline = now_ns() + LIMIT_NS
    while now_ns() < deadline:
        load.measure()


class Open:
    """The instruments of a bench, opened as they are asked for and closed at the end."""

    def __init__(self, bench: EmulatedCalibrationBench, catalog: Catalog, stack: ExitStack) -> None:
        self._bench, self._catalog, self._stack = bench, catalog, stack

    def load(self) -> Load:
        """Open the load."""
        return self._stack.enter_context(closing(open_load(self._of(DL), self._bench.load)))

    def supply(self) -> Supply:
        """Open the supply."""
        return self._stack.enter_context(closing(open_supply(self._of(DP), self._bench.supply)))

    def meter(self) -> Meter:
        """Open the meter to be calibrated."""
        return self._stack.enter_context(closing(open_meter(self._of(UM), self._bench.meter)))

    def reference(self, number: int) -> Meter:
        """Open a reference."""
        where = self._bench.references[number]
        return self._stack.enter_context(closing(open_meter(self._of(DMM), where)))

    def _of(self, identifier: str):
        return self._catalog.instrument(identifier)


@pytest.fixture
def instruments(bench, catalog) -> Iterator[Open]:
    """Get the opener of the bench's instruments."""
    with ExitStack() as stack:
        yield Open(bench, catalog, stack)


def read(
    meter: Meter, request: MeterRequest, count: int, since_ns: int
) -> tuple[np.ndarray, MeterSetup]:
    """Read some samples that arrived after an instant."""
    setup, stop = meter.configure(request), threading.Event()
    taken: list[np.ndarray] = []
    for block in meter.stream(stop):
        if block.sent_ns > since_ns:
            taken.append(block.values[:, setup.channels.index(request.channels[0])])
        if sum(map(len, taken)) >= count:
            stop.set()
    return np.concatenate(taken), setup


def test_half_an_ampere_is_read_by_all(bench, instruments) -> None:
    """Supply, load, meter and both references agree with the truth within their own limits."""
    supply, load = instruments.supply(), instruments.load()
    supply.set_voltage(12.0)
    supply.output(on=True)
    load.set_current(0.5)
    load.input(on=True)
    load_v, load_a = load.measure()
    assert load_a == pytest.approx(0.5, abs=0.02)
    assert load_v < supply.measure()[0]
    settled_ns = now_ns() + 1_500_000_000
    for name, opens, request, count in (
        ("reference-1", lambda: instruments.reference(0), AMPERES, 30),
        ("reference-2", lambda: instruments.reference(1), VOLTS, 30),
        ("meter", instruments.meter, AMPERES, 3),
        ("meter", instruments.meter, VOLTS, 3),
    ):
        with closing(opens()) as meter:
            values, setup = read(meter, request, count, settled_ns)
        truth = bench.truth(name, np.array([now_ns()]))
        quantity = request.channels[0]
        true = float({"current": truth.current_a, "voltage": truth.voltage_v}[quantity][0])
        accuracy = setup.accuracy[setup.channels.index(quantity)]
        limit = accuracy.gain_limit * true + accuracy.offset_limit + 2e-4
        assert abs(values.mean() - true) <= limit, (name, quantity)
        if name != "meter":
            known = next(item for item in CERTIFICATE if item.quantity == quantity)
            assert abs(values.mean() - true) <= 5 * np.hypot(known.u_gain * true, 1e-4)


def test_serial_numbers_tell_the_units_apart(bench, instruments) -> None:
    """Each has a number of its own, the meter that of its seed; a USB meter has it as a label."""
    told = [item.serial for item in (bench.meter, *bench.references, bench.load, bench.supply)]
    assert len(set(told)) == 5
    assert all(serial.startswith("EMULATED-") for serial in told)
    assert bench.meter.serial == "EMULATED-00000007"
    assert instruments.meter().identity.serial == bench.meter.serial
    assert instruments.load().identity.serial == bench.load.serial
    assert instruments.reference(1).identity.emulated


def test_more_than_the_supply_gives_is_an_error_with_the_input_off(bench, instruments) -> None:
    """3.8 A of a supply of 3 A: the volts collapse, the load says so and lets go."""
    supply, load = instruments.supply(), instruments.load()
    supply.set_voltage(12.0)
    supply.output(on=True)
    load.set_current(3.8)
    load.input(on=True)
    with pytest.raises(
        InstrumentError, match=r"set to 3\.8 A and draws 2\.9|set to 3\.8 A and draws 3\.0"
    ):
        load.measure()
    _, amperes = load.measure()
    assert amperes == pytest.approx(0.0, abs=0.02)


def test_closing_leaves_nothing_flowing(bench, instruments) -> None:
    """A load that is closed draws nothing, and a supply delivers nothing."""
    supply, load = instruments.supply(), instruments.load()
    supply.set_voltage(6.0)
    supply.output(on=True)
    load.set_current(0.3)
    load.input(on=True)
    load.measure()
    load.close()
    supply.close()
    wait_for(lambda: [*bench.history().load_a[-1:], *bench.history().source_v[-1:]] == [0.0, 0.0])


def test_a_setting_that_the_load_refuses(bench, catalog) -> None:
    """A profile that promises more than the load has: the load's own words, and nothing drawn."""
    model = catalog.instrument(DL)
    ranges = tuple(item.model_copy(update={"full_scale": 400.0}) for item in model.range[1:2])
    wrong = model.model_copy(update={"range": (*ranges, model.range[2])})
    with pytest.raises(InstrumentError, match="load refused a setting: -222"):
        open_load(wrong, bench.load)
    wait_for(lambda: not bench.history().load_a[-1:].any())


def test_a_load_that_is_cut_off(catalog) -> None:
    """The cable breaks in the middle of an answer: an instrument error, not a reading."""
    with (
        emulated_calibration_bench(catalog, UM, [DMM], DL, load_faults=("unplug@0.2s",)) as running,
        closing(open_load(catalog.instrument(DL), running.load)) as load,
    ):
        load.set_current(0.5)
        load.input(on=True)
        with pytest.raises(InstrumentError, match=r"closed the connection|connect") as caught:
            until_it_fails(load)
        assert caught.value.exit_code == 4
        assert running.supply is None
        # Nobody can switch it off any more, and the meters see that.
        assert running.truth("meter", np.array([now_ns()])).current_a[0] > 0.4


def test_the_meters_own_link_can_fail_too(catalog) -> None:
    """A fault of the meter counts from the first current and leaves the load at work."""
    with (
        emulated_calibration_bench(catalog, UM, [DMM], DL, faults=("unplug@0.2s",)) as running,
        closing(open_load(catalog.instrument(DL), running.load)) as load,
        closing(open_meter(catalog.instrument(UM), running.meter)) as meter,
    ):
        meter.configure(AMPERES)
        load.set_current(0.5)
        load.input(on=True)
        with pytest.raises(InstrumentError):
            list(meter.stream(threading.Event()))
        assert load.measure()[1] == pytest.approx(0.5, abs=0.02)
