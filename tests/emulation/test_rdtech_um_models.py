"""The emulated UM24C and UM34C: a UM25C's answers in their own steps."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from dataclasses import replace
from importlib.metadata import entry_points

import pytest

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.layers import load_catalog
from powerlab.emulation.process import EmulatorContext, EmulatorProcess
from powerlab.emulation.rdtech_um25c import FULL_U16, Frame
from powerlab.emulation.rdtech_um_models import UM24C, UM34C, in_steps_of
from powerlab.instruments.contract import MeterRequest, open_meter


def test_a_um24c_frame_has_the_captured_form(shared):
    """Every field but the steps of volts and amperes is where a captured frame has it."""
    vector = json.loads(shared("vectors/um/um24c_capture_20220106.json").read_text())
    seen, captured = vector["expected"], bytes.fromhex(vector["response_hex"])
    frame = Frame(
        voltage=round(seen["voltage_V"] * 1000), current=round(seen["current_A"] * 10_000)
    )
    answer = in_steps_of(UM24C, frame.encode())
    assert answer[:6] == captured[:6]
    assert answer[-2:] == captured[-2:]
    assert answer[6:-2] == frame.encode()[6:-2]


def test_a_um34c_ends_in_its_check_byte():
    """The last byte follows the fields that it covers, and a full field stays full."""
    frame = Frame(voltage=5060, current=1140)
    answers = [in_steps_of(UM34C, each.encode()) for each in (frame, replace(frame, current=1150))]
    assert answers[0][3] ^ answers[0][2] == (506 >> 8) ^ (506 & 0xFF)
    # Byte 5, the low one of amperes, is not among those covered; byte 3, of volts, is.
    assert answers[0][-1] == answers[1][-1]
    other = in_steps_of(UM34C, replace(frame, voltage=5070).encode())
    assert other[-1] ^ answers[0][-1] == other[3] ^ answers[0][3]
    full = in_steps_of(UM34C, replace(frame, current=FULL_U16).encode())
    assert full[4:6] == b"\xff\xff"


@pytest.mark.parametrize(
    ("identifier", "model"), [("rdtech-um24c", "UM24C"), ("rdtech-um34c", "UM34C")]
)
def test_the_driver_reads_them(tmp_path, identifier, model):
    """Over a real terminal the driver knows the model by its number, and its scale by that."""
    catalog = load_catalog(cwd=tmp_path)
    instrument = catalog.instrument(identifier)
    context = EmulatorContext(tmp_path, 5, catalog.device("edgeboard"), instrument)
    context.edges.mkdir()
    context.box.mkdir()
    (entry,) = entry_points(group="powerlab.emulators", name=instrument.emulator)
    process = EmulatorProcess("meter", entry.value, context)
    try:
        process.wait_ready()
        bench = BenchMeter(model=identifier, resource=str(process.address["resource"]))
        with closing(open_meter(instrument, bench)) as meter:
            assert meter.identity.model == model
            setup = meter.configure(MeterRequest(expected_peak_a=0.9))
            volts, amperes = next(iter(meter.stream(threading.Event()))).values[0]
    finally:
        process.stop()
    assert setup.channels == ("voltage", "current")
    assert 11.5 < volts < 12.5
    assert 0.2 < amperes < 0.3
