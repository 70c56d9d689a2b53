"""The Otii server: published messages, lines cut anywhere, and a session with its emulator."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.agent.edges import BUSY, EdgeFile
from powerlab.catalog.bench_profile import BenchMeter
from powerlab.emulation import otii as emulated
from powerlab.emulation import streamed
from powerlab.emulation.faults import Fault
from powerlab.emulation.process import EmulatorContext
from powerlab.errors import ConfigError, InstrumentError, InstrumentProtocolError
from powerlab.instruments import otii
from powerlab.instruments.contract import Meter, MeterRequest
from powerlab.instruments.otii import channel_values, open_session, split_resource
from powerlab.instruments.otii_join import Joiner, Polls, Values
from powerlab.records import SampleFlag
from powerlab.transport.json_lines import JsonLines, LineSplitter
from powerlab.units import now_ns
from tests.instruments.logger_rig import check, lost, rows, small_board, until

PROFILE = "qoitech-otii-ace"
REQUEST = MeterRequest(expected_peak_a=0.9, expected_peak_v=13.0)


@contextmanager
def answering(*lines: bytes) -> Iterator[JsonLines]:
    """Connect to a server that says these lines at once and then listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        link = JsonLines("127.0.0.1", listener.getsockname()[1], "the server")
        accepted, _ = listener.accept()
        with closing(link), accepted:
            for line in lines:
                accepted.sendall(line)
            yield link


def test_the_published_messages(shared) -> None:
    """Each answer is taken for its own request, and a recording's values are its charge."""
    vector = json.loads(shared("vectors/otii/messages.json").read_text())
    greeting = vector["greeting"].encode()
    answers = [json.dumps(item["response"]).encode() + b"\r\n" for item in vector["exchanges"]]
    with answering(greeting, *answers) as link:
        assert otii._greeting(link) == "3.5.5"
        for item in vector["exchanges"]:
            told = link.request(item["request"]["cmd"], item["request"]["data"])
            assert told == item["response"]["data"]
            if "expect" in item:
                values = channel_values(told)
                charge = float(values.values.sum()) * values.interval_s
                assert charge == pytest.approx(item["expect"]["charge_C"], rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(st.text(max_size=20), max_size=6),
    cuts=st.lists(st.integers(0, 200), max_size=8),
)
def test_lines_cut_anywhere(texts: list[str], cuts: list[int]) -> None:
    """Pieces may end in the middle of a character: the lines are the same."""
    lines = [json.dumps({"text": text}, ensure_ascii=False).encode() for text in texts]
    data = b"".join(line + b"\r\n" for line in lines)
    splitter, got = LineSplitter(), []
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for begin, end in pairwise(bounds):
        got += splitter.feed(data[begin:end])
    assert got == lines
    assert len(splitter) == 0


def test_other_answers_are_kept_and_passed_over() -> None:
    """Progress, information and the answer to another request are not this one's."""
    others = (
        b'{"type":"progress","cmd":"x","trans_id":"1","progress_value":0.5}\r\n'
        b'{"type":"response","cmd":"y","trans_id":"77","data":{"a":1}}\r\n'
        b'{"type":"information","info":"late"}\r\n'
    )
    with answering(
        others, b'{"type":"response","cmd":"x","trans_id":"1","data":{"b":2}}\r\n'
    ) as link:
        assert link.request("x") == {"b": 2}
        assert [item["type"] for item in link.passed_over] == [
            "progress",
            "response",
            "information",
        ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"hello\r\n", "is no JSON"),
        (b"[1]\r\n", "is no object"),
        (
            b'{"type":"error","trans_id":"1","errorcode":"No license","data":{"message":"m"}}\r\n',
            "refused x: No license m",
        ),
    ],
)
def test_answers_that_are_none(line: bytes, words: str) -> None:
    """Something else on the port, and a request that is refused."""
    with answering(line) as link, pytest.raises(InstrumentError, match=words) as caught:
        link.request("x")
    assert caught.value.exit_code == 4
    assert caught.value.hint


def test_no_answer_and_nobody_there() -> None:
    """A server that is silent, and a port with nothing behind it."""
    with answering() as link, pytest.raises(InstrumentError, match="did not answer x"):
        link.request("x", limit_s=0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(InstrumentError, match="the server does not answer at"):
        JsonLines("127.0.0.1", port, "the server")


@pytest.mark.parametrize(
    ("resource", "wanted"),
    [
        ("otii:localhost", ("localhost", 1905, "")),
        ("otii:10.0.0.5:2000/My Arc", ("10.0.0.5", 2000, "My Arc")),
        ("otii:lab/ARC1", ("lab", 1905, "ARC1")),
    ],
)
def test_resources(resource: str, wanted: tuple[str, int, str]) -> None:
    """Host, port and device."""
    assert split_resource(resource) == wanted
    with pytest.raises(ConfigError, match="names no Otii"):
        split_resource(resource.removeprefix("otii:"))


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"values": [1], "timestamp": 0},
        {"values": ["x"], "timestamp": 0, "interval": 1},
        {"values": [1], "timestamp": 0, "interval": 0},
    ],
)
def test_odd_data_is_refused(told: dict[str, object]) -> None:
    """Data without times or with values that are none."""
    with pytest.raises(InstrumentProtocolError, match="makes no sense"):
        channel_values(told)


def test_volts_are_those_between_their_samples() -> None:
    """Volts that rise in a line are met at every sample of the current, whatever the pieces."""
    joiner = Joiner(250_000)
    amperes = np.arange(40) * 0.001
    got = []
    for begin in (0, 17):
        end = 17 if begin == 0 else 40
        joiner.current(Values(begin * 0.00025, 0.00025, amperes[begin:end]))
        at = np.arange(0, 10) if begin == 0 else np.arange(10, 12)
        joiner.voltage(Values(float(at[0]) * 0.001, 0.001, 5 + (at + 0.5) * 0.1))
        got.append(joiner.take())
    joined = np.concatenate([item.values for item in got])
    times = np.concatenate([item.device_ns for item in got])
    assert joined.shape == (40, 2)
    assert np.all(np.diff(times) == 250_000)
    inside = times >= 500_000  # before the first middle of the volts they are held
    np.testing.assert_allclose(joined[inside, 0], 5 + times[inside] * 1e-7, rtol=1e-12)
    np.testing.assert_allclose(joined[:, 1], amperes)


def test_a_pause_of_the_recording_is_rows() -> None:
    """Time stamps that jump leave rows marked lost."""
    joiner = Joiner(250_000)
    for start in (0.0, 0.1):
        joiner.current(Values(start, 0.00025, np.ones(40)))
        joiner.voltage(Values(start, 0.001, np.ones(11)))
    got = joiner.take()
    # The first two behind the pause are before the middle of the first volts there.
    assert np.sum(got.flags == SampleFlag.LOST) == 400 - 40 + 2
    assert np.all(np.diff(got.device_ns) == 250_000)


def opened(profile, bench) -> closing[Meter]:
    """Open a session that is closed with its ``with`` block."""
    return closing(open_session(profile(PROFILE), bench.bench()))


@pytest.fixture
def rig(tmp_path, profile, monkeypatch):
    """Get a maker of emulated servers, each served by a thread."""

    @contextmanager
    def make(*faults: tuple[str, float]) -> Iterator[SimpleNamespace]:
        wanted = tuple(Fault(kind, at_s) for kind, at_s in faults)
        context = EmulatorContext(tmp_path, 7, small_board(), profile(PROFILE), wanted)
        context.box.mkdir()
        context.edges.mkdir()
        read_end, write_end = os.pipe()
        monkeypatch.setattr(emulated, "PARENT", read_end)
        server = emulated.build(context)
        thread = threading.Thread(target=server.serve)
        thread.start()
        path = context.edges / "powerlab-edges-1.bin"
        try:
            yield SimpleNamespace(
                server=server,
                bench=lambda rest="": BenchMeter(
                    model=PROFILE, resource=f"otii:127.0.0.1:{server.port}{rest}"
                ),
                work=lambda: EdgeFile(str(path)).publish(BUSY, 0, now_ns()),
            )
        finally:
            os.close(write_end)
            thread.join(10)
            os.close(read_end)

    return make


def test_a_set_up_and_a_stream(rig, profile, monkeypatch) -> None:
    """The device by its name, its supply, volts and amperes of an idle board."""
    monkeypatch.setattr(otii, "POLL_S", 0.1)
    with rig() as bench:
        named = bench.bench("/Mät-Ace?volts=12")
        with closing(open_session(profile(PROFILE), named)) as meter:
            setup = meter.configure(REQUEST)
            values, flags, device_ns = check(until(meter, lambda blocks: rows(blocks) > 800))
        assert bench.server.settings == {"voltage": 12.0, "main": True, "channels": {"mc", "mv"}}
    assert setup.channels == ("voltage", "current")
    assert setup.settings["supply_set_by"] == "the bench"
    assert (meter.identity.serial, meter.identity.firmware) == (bench.server.serial, "3.5.5")
    assert meter.identity.emulated
    assert (meter.identity.manufacturer, meter.identity.model) == ("Qoitech", "Otii Ace")
    assert values.mean(0) == pytest.approx([12, 0.25], rel=0.05)
    assert not flags.any()
    assert np.all(np.diff(device_ns) == 250_000)


@pytest.mark.parametrize("obeys", [True, False])
def test_a_rate_is_read_back(rig, profile, monkeypatch, obeys: bool) -> None:  # noqa: FBT001
    """Set where it is another; refused where the device keeps to it."""
    with rig() as bench, opened(profile, bench) as meter:
        rate = {"value": 1000}
        ask = meter._device_request

        def answer(command: str, **data: object):
            if command == "arc_get_channel_samplerate":
                return dict(rate)
            if command == "arc_set_channel_samplerate":
                rate["value"] = data["value"] if obeys else 1000
                return {}
            return ask(command, **data)

        monkeypatch.setattr(meter, "_device_request", answer)
        if obeys:
            meter.configure(REQUEST)
            assert rate["value"] == 4000
            return
        with pytest.raises(InstrumentError, match="1000 times a second, not 4000"):
            meter.configure(REQUEST)


def test_a_row_belongs_to_the_poll_that_found_it() -> None:
    """However long it waited for its volts; the row after it was there where the poll says so."""
    polls = Polls(100)
    assert polls.between(0) == (100, 100)
    polls.found(40, 200, 201)
    assert polls.between(0) == (100, 100)
    assert polls.between(38) == (100, 201)  # the 39th was there by 201, and not at 100
    polls.found(40, 300, 301)  # a pause
    polls.found(40, 400, 401)
    assert polls.between(40) == (200, 201)
    polls.found(90, 500, 501)
    assert polls.between(40) == (200, 201)
    assert polls.between(70) == (200, 501)
    polls.found(120, 600, 601)
    assert polls.between(120) == (600, 601)


def test_current_without_its_volts_says_nothing_of_the_next_row(rig, profile, monkeypatch) -> None:
    """Where volts are not waited for, rows come later: each in its own time all the same."""
    monkeypatch.setattr(otii, "POLL_S", 0.05)
    with rig() as bench, opened(profile, bench) as meter:
        meter.configure(REQUEST)
        monkeypatch.setattr(otii, "VOLTS_LIMIT_S", 0.0)
        blocks = until(meter, lambda blocks: len(blocks) == 4)
    assert all(block.sent_ns < block.received_ns for block in blocks)
    for name in ("sent_ns", "received_ns"):
        instants = [getattr(block, name) for block in blocks]
        assert instants == sorted(set(instants))


def test_a_device_that_is_not_there(rig, profile) -> None:
    """Another name is refused with those that there are."""
    with rig() as bench, pytest.raises(InstrumentError, match="no device 'Arc 7'") as caught:
        open_session(profile(PROFILE), bench.bench("/Arc 7"))
    assert f"Mät-Ace ({bench.server.serial})" in caught.value.hint


def test_a_gap_is_rows(rig, profile, monkeypatch) -> None:
    """0.3 s that the server left out."""
    monkeypatch.setattr(otii, "POLL_S", 0.1)
    monkeypatch.setattr(streamed, "GAP_S", 0.3)
    with (
        rig(("gap", 0.1)) as bench,
        opened(profile, bench) as meter,
    ):
        meter.configure(REQUEST)
        blocks = until(meter, lambda blocks: lost(blocks) > 0, bench.work)
    check(blocks)
    assert lost(blocks) == pytest.approx(1200, abs=8)


def test_an_overload_is_flagged(rig, profile, monkeypatch) -> None:
    """The server says nothing of it: what no range carries is beyond it, and nothing else."""
    monkeypatch.setattr(otii, "POLL_S", 0.1)
    monkeypatch.setattr(streamed, "OVERRANGE_S", 0.1)
    with rig(("overrange", 0.1)) as bench, opened(profile, bench) as meter:
        meter.configure(REQUEST)
        blocks = until(
            meter, lambda blocks: blocks[-1].flags.any() or rows(blocks) > 8000, bench.work
        )
    values, flags, _ = check(blocks)
    over = flags == SampleFlag.OVERRANGE
    assert over.any()
    assert values[over, 1].min() > 5.0
    assert values[~over, 1].max() < 1.0


def test_unplugging_ends_with_what_came(rig, profile, monkeypatch) -> None:
    """A line cut in its middle, then nothing: the samples until then, then exit code 4."""
    monkeypatch.setattr(otii, "POLL_S", 0.1)
    blocks = []
    with (
        rig(("unplug", 0.2)) as bench,
        opened(profile, bench) as meter,
    ):
        meter.configure(REQUEST)
        with pytest.raises(InstrumentError, match="was disconnected") as caught:
            until(meter, lambda _: False, bench.work, blocks)
    assert caught.value.exit_code == 4
    check(blocks)
