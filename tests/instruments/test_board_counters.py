"""Counters of a board as a meter: resources, and real boards with emulated sensors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

from powerlab.agent.edges import BUSY, EdgeFile
from powerlab.analysis.judge_counters import counter_findings
from powerlab.catalog.bench_profile import Bench, BenchMeter
from powerlab.catalog.layers import load_catalog
from powerlab.emulation.bench import emulated_bench
from powerlab.emulation.faults import parse_faults
from powerlab.emulation.process import EmulatorContext, EmulatorProcess
from powerlab.errors import ConfigError, InstrumentError, TargetError
from powerlab.findings import Severity
from powerlab.instruments import board_counters
from powerlab.instruments.board_counters import BoardCounters, parse_resource
from powerlab.instruments.contract import MeterRequest, open_meter
from powerlab.records import Averaging, SampleBlock
from powerlab.units import NS_PER_S, now_ns
from tests.analysis.factories import capture
from tests.instruments.test_counter_frames import HELLO

REQUEST = MeterRequest(expected_peak_a=1.0, expected_peak_w=18.0)


def test_resources() -> None:
    """A kind, a part of it, and options; a part may hold a colon."""
    assert parse_resource("agent:hwmon").words == ["hwmon"]
    found = parse_resource("agent:rapl:package-0/core?root=/host%20x")
    assert found.words == ["rapl", "selector=package-0/core", "root=/host x"]
    assert parse_resource("agent:nvml:0?read=instant").options == {"read": "instant"}


@pytest.mark.parametrize("text", ["hwmon", "agent:", "serial:/dev/x", "agent:rapl?x", ""])
def test_what_is_no_resource_is_told(text: str) -> None:
    """With how to write one."""
    with pytest.raises(ConfigError, match="names no counters") as caught:
        parse_resource(text)
    assert "agent:hwmon:VDD_IN" in caught.value.hint


def test_it_cannot_be_opened_without_its_board(profile) -> None:
    """A calibration has no board to ask."""
    where = BenchMeter(model="linux-rapl", resource="agent:rapl")
    with pytest.raises(ConfigError, match="is on the board itself"):
        open_meter(profile("linux-rapl"), where)


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch) -> None:
    """Look and ask more often than a board should be asked."""
    monkeypatch.setattr(board_counters, "READ_S", 0.4)
    monkeypatch.setattr(board_counters, "LOOKS_S", 0.4)


def streamed(meter: BoardCounters, blocks: int) -> list[SampleBlock]:
    """Stream so many blocks."""
    stop, got = threading.Event(), []
    for block in meter.stream(stop):
        got.append(block)
        if len(got) >= blocks:
            stop.set()
    return got


def test_over_ssh_on_the_board_s_own_clock() -> None:
    """A whole emulated bench: idle watts of its world, instants 1234.5 s away from this clock."""
    catalog = load_catalog(None)
    identifier = "linux-hwmon-ina226"
    with emulated_bench(catalog, "edgeboard", identifier, seed=5) as running:
        bench, model = running.bench, catalog.instrument(identifier)
        with closing(open_meter(model, bench.meter[0], bench)) as meter:
            assert meter.identity.emulated
            assert meter.identity.model == "ina226"
            setup = meter.configure(REQUEST)
            assert setup.settings["update_interval_s"] == pytest.approx(0.1)
            assert setup.averaging is Averaging.BOXCAR
            blocks = streamed(meter, 2)
    values = np.concatenate([block.values for block in blocks])[:, 0]
    limit = setup.accuracy[0]
    assert abs(values.mean() - 3.0) < 3.0 * limit.gain_limit + limit.offset_limit + 0.1
    for block in blocks:
        assert block.device_ns is not None
        ahead_s = (block.device_ns[-1] - block.received_ns) / NS_PER_S
        assert 1230 < ahead_s < 1240
    assert blocks[-1].completed == sum(len(block.flags) for block in blocks)
    gap_s = np.diff(np.concatenate([block.device_ns for block in blocks])) / NS_PER_S
    assert np.median(gap_s) == pytest.approx(0.1, rel=0.2)


@pytest.fixture
def local_board(tmp_path: Path, profile, monkeypatch) -> Callable:
    """Get a maker of a sensor's emulator and the bench on this computer that reads it."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    device = load_catalog(None).device("edgeboard")

    @contextmanager
    def build(identifier: str, *faults: str) -> Iterator[tuple[Bench, EmulatorContext]]:
        instrument = profile(identifier)
        context = EmulatorContext(tmp_path, 3, device, instrument, faults=parse_faults(faults))
        context.box.mkdir()
        context.edges.mkdir()
        (entry,) = entry_points(group="powerlab.emulators", name=instrument.emulator)
        process = EmulatorProcess("meter", entry.value, context)
        try:
            process.wait_ready()
            meter = BenchMeter(model=identifier, resource=str(process.address["resource"]))
            yield Bench(device="edgeboard", host="local", meter=(meter,)), context
        finally:
            process.stop()

    return build


class Unplugging(threading.Event):
    """Never set; from the second wait on the board is busy, and the fault's time has come."""

    def __init__(self, context: EmulatorContext) -> None:
        super().__init__()
        self._path = str(context.edges / "powerlab-edges-1.bin")
        self._waits = 0

    def wait(self, timeout: float | None = None) -> bool:
        """Wait; unplug where it is time."""
        self._waits += 1
        if self._waits == 2:
            EdgeFile(self._path).publish(BUSY, 0, now_ns())
        return super().wait(timeout)


def test_a_counter_of_energy_until_it_is_gone(local_board, profile) -> None:
    """Mean powers between reads; once its driver is unloaded the error says so."""
    with (
        local_board("linux-rapl", "unplug@0s") as (bench, context),
        closing(open_meter(profile("linux-rapl"), bench.meter[0], bench)) as meter,
    ):
        setup = meter.configure(REQUEST)
        assert setup.averaging is Averaging.COUNTER
        assert setup.settings["parts"] == "psys"
        assert "package-0/core" in str(setup.settings["not_read"])
        blocks: list[SampleBlock] = []
        with pytest.raises(InstrumentError, match="is not there") as caught:
            blocks.extend(meter.stream(Unplugging(context)))
        assert caught.value.exit_code == 4
        assert "dmesg" in caught.value.hint
    assert blocks[0].values[:, 0].mean() == pytest.approx(3.0, rel=0.35)
    assert not blocks[0].flags.any()


class DyingLine:
    """A line whose process answers as a counter of energy does, until it is to deliver."""

    def __init__(self, context: dict[str, object]) -> None:
        self._context, self._looks = context, 1

    def ask(self, message: dict[str, object], **_: object) -> dict[str, object]:
        """Answer; what is read during the look is a steady watt."""
        if message["do"] == "hello":
            return HELLO
        at_ns = [index * 50_000_000 for index in range(10)]
        return {"at_board_ns": at_ns, "values": [[at / 1e3] for at in at_ns]}

    def send(self, *_: object, **__: object) -> None:
        """Fail."""
        raise TargetError("desk: it ended", hint="a model's", context=self._context)


@pytest.mark.parametrize(
    ("context", "family", "code"),
    [
        ({"code": "counter-gone", "host": "desk"}, InstrumentError, 4),
        ({"code": "agent-failed", "detail": "Traceback"}, InstrumentError, 4),
        ({"signal": 9, "returncode": 137}, InstrumentError, 4),
        ({"returncode": 255}, TargetError, 5),
        ({"stderr": ""}, TargetError, 5),
    ],
)
def test_a_failure_of_the_counters_is_the_meter_s(
    profile, monkeypatch, context, family, code
) -> None:
    """And bears nothing by which a model's own is known; a lost connection is the board's."""
    monkeypatch.setattr(board_counters, "READ_S", 0.0)
    monkeypatch.setattr(board_counters, "LOOKS_S", 0.0)
    where = BenchMeter(model="linux-rapl", resource="agent:rapl")
    meter = BoardCounters(DyingLine(context), profile("linux-rapl"), where)
    meter.configure(REQUEST)
    with pytest.raises(family, match="it ended") as caught:
        next(meter.stream(threading.Event()))
    assert caught.value.exit_code == code
    if code == 4:
        assert not {"code", "signal"} & caught.value.context.keys()


@pytest.mark.parametrize(
    ("scope", "words"),
    [("board", "input rail"), ("sum", "the sum of the parts"), ("rail", "one part of the board")],
)
def test_the_finding_says_what_such_a_figure_is_worth(scope: str, words: str) -> None:
    """Which parts, what of the board these are, and that nobody calibrated them."""
    plain = capture()
    assert not list(counter_findings(plain))
    trace = replace(
        plain.trace,
        identity=replace(plain.trace.identity, resource="agent:hwmon"),
        setup=replace(plain.trace.setup, settings={"parts": "GPU + CPU", "scope": scope}),
    )
    (finding,) = counter_findings(replace(plain, trace=trace))
    assert finding.code == "board-counter"
    assert finding.severity is Severity.WARNING
    assert words in finding.message
    assert "(GPU + CPU)" in finding.message
    assert "calibrated" in finding.message
