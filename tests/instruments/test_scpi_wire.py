"""The driver of any SCPI meter over a real socket that misbehaves: late, cut, in pieces."""

from __future__ import annotations

import threading
from contextlib import closing

import numpy as np
import pytest

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.layers import load_catalog
from powerlab.catalog.scpi_profile import ScpiProfile
from powerlab.errors import InstrumentError
from powerlab.instruments.contract import MeterRequest, open_meter
from powerlab.records import SampleBlock
from tests.instruments.scpi_wires import Send, misbehaving

CATALOG = load_catalog()
REQUEST = MeterRequest(expected_peak_a=0.9)
KEYSIGHT = "keysight-34465a"


def plain(reply_limit_s: float = 0.3) -> InstrumentProfile:
    """Get a profile of a meter that has nothing to set."""
    scpi = {
        "models": ("PLAIN",),
        "identity": "Acme,PLAIN,{serial},1",
        "clear": "",
        "error_query": "",
        "reply_limit_s": reply_limit_s,
        "function": (
            {
                "field": ({"quantity": "current", "unit": "A"},),
                "read": "READ?",
                "answer": "+1.00000000E-01",
            },
        ),
    }
    base = CATALOG.instrument(KEYSIGHT)
    return base.model_copy(update={"scpi": ScpiProfile.model_validate(scpi)})


IDENTITY = b"Acme,PLAIN,123,1\n"


def answer(number: int, end: bytes = b"\n") -> bytes:
    """Get the answer with a reading of some milliamperes."""
    return f"{number * 1e-3:+.8E}".encode() + end


def test_a_late_reply_never_shifts_an_answer() -> None:
    """A reading that comes after its time is never taken for a later one."""
    asked, gate = [0], threading.Event()

    def serve(line: str, send: Send) -> bool:
        if line == "*IDN?":
            send(IDENTITY)
            return True
        asked[0] += 1
        number = asked[0]
        if number == 3:  # too late: the driver has given up when it is sent
            gate.wait(10)
        send(answer(number))
        return True

    bench = BenchMeter(model=KEYSIGHT, resource="")
    with misbehaving(serve) as resource:
        where = bench.model_copy(update={"resource": resource})
        with closing(open_meter(plain(), where)) as meter:
            meter.configure(REQUEST)
            stop, told = threading.Event(), []
            for block in meter.stream(stop):
                told.append(float(block.values[0, 0]) * 1e3)
                if np.isnan(told[-1]):
                    gate.set()
                if len(told) == 8:
                    stop.set()
    expected = [1, 2, float("nan"), 4, 5, 6, 7, 8]
    np.testing.assert_allclose(told, expected, rtol=1e-9)


@pytest.mark.parametrize("cut", [0, 1, 8, 14])
def test_a_socket_closed_in_an_answer_keeps_what_came_before(cut: int) -> None:
    """Half an answer is no reading; the meter is usable again without restarting anything."""
    asked = [0]

    def serve(line: str, send: Send) -> bool:
        if line == "*IDN?":
            send(IDENTITY)
            return True
        asked[0] += 1
        whole = answer(asked[0], end=b"\r\n")
        send(whole[:cut] if asked[0] == 3 else whole)
        return asked[0] != 3

    with misbehaving(serve) as resource:
        where = BenchMeter(model=KEYSIGHT, resource=resource)
        with closing(open_meter(plain(), where)) as meter:
            meter.configure(REQUEST)
            came: list[SampleBlock] = []
            with pytest.raises(InstrumentError, match="closed the connection") as caught:
                came.extend(meter.stream(threading.Event()))
        assert caught.value.exit_code == 4
        assert [round(float(block.values[0, 0]) * 1e3) for block in came] == [1, 2]
        with closing(open_meter(plain(), where)) as meter:
            meter.configure(REQUEST)
            block = next(iter(meter.stream(threading.Event())))
            assert block.values[0, 0] == pytest.approx(4e-3)


def test_an_answer_in_pieces_is_one_answer() -> None:
    """However the network cuts an answer, with a carriage return before its end or not."""

    def serve(line: str, send: Send) -> bool:
        whole = IDENTITY if line == "*IDN?" else answer(7, end=b"\r\n")
        for at in range(len(whole)):
            send(whole[at : at + 1])
        return True

    with misbehaving(serve) as resource:
        where = BenchMeter(model=KEYSIGHT, resource=resource)
        with closing(open_meter(plain(), where)) as meter:
            meter.configure(REQUEST)
            block = next(iter(meter.stream(threading.Event())))
    assert block.values[0, 0] == pytest.approx(7e-3)


@pytest.mark.parametrize(("line_end", "sent"), [("lf", "READ?\n"), ("crlf", "READ?\r\n")])
def test_commands_end_as_the_profile_says(line_end: str, sent: str) -> None:
    """The end of a line is the instrument's, not ours."""
    seen: list[str] = []

    def serve(line: str, send: Send) -> bool:
        send(IDENTITY if line == "*IDN?" else answer(7))
        return True

    with misbehaving(serve, seen) as resource:
        profile = plain()
        scpi = profile.scpi.model_copy(update={"line_end": line_end})
        where = BenchMeter(model=KEYSIGHT, resource=resource)
        with closing(open_meter(profile.model_copy(update={"scpi": scpi}), where)) as meter:
            meter.configure(REQUEST)
            next(iter(meter.stream(threading.Event())))
    assert sent in seen
