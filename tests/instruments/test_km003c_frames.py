"""The packets of POWER-Z meters: every captured frame and session, and corrupt ones."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.emulation.power_z_km003c import put_data
from powerlab.errors import InstrumentProtocolError
from powerlab.instruments import km003c_memory as memory
from powerlab.instruments.km003c_frames import (
    ADC,
    ADC_QUEUE,
    CONNECT,
    GET_DATA,
    PD_TRACE,
    PUT_DATA,
    QUEUED,
    START_GRAPH,
    STOP_GRAPH,
    decode_adc,
    decode_blocks,
    decode_header,
    decode_queue,
    encode_request,
)
from powerlab.instruments.power_z_queue import QueueReader

FRAMES = "vectors/km003c/frames.json"
SESSIONS = "vectors/km003c/sessions_expected.json"
STEPS = (500, 100, 20, 1)
LIMITS = np.array([50.0, 6.0])
ADC_REPLY = bytes.fromhex(
    "410a82020100000b5c0f0000faffffffa00f0000f2ffffff04100000500000007e0d7b7ed4047101"
    "4201837e0080780025002100"
)
QUEUE_REPLY = bytes.fromhex(
    "413e0202020002050de80800d5c38c00598ce8ffdc401f015b17581701ea08000bac8c000255e9ff92401e0158175417"
)


def vector(shared: Callable[[str], Path], name: str = FRAMES) -> dict:
    """Read a vector."""
    return json.loads(shared(name).read_text())


def test_requests_are_those_seen(shared) -> None:
    """Every captured request, byte for byte."""
    built = {
        "get_adc": encode_request(GET_DATA, 0, ADC),
        "get_adcqueue": encode_request(GET_DATA, 0, ADC_QUEUE),
        "get_adc_and_queue": encode_request(GET_DATA, 0, ADC | ADC_QUEUE),
        "start_graph_1000sps": encode_request(START_GRAPH, 0, 3),
        "start_graph_2sps": encode_request(START_GRAPH, 0, 0),
        "stop_graph": encode_request(STOP_GRAPH, 0),
        "connect": encode_request(CONNECT, 0),
    }
    assert {name: packet.hex() for name, packet in built.items()} == vector(shared)["requests"]


def test_every_captured_frame(shared) -> None:
    """Blocks, fields and samples of all captured frames, as two other decoders read them."""
    for frame in vector(shared)["frames"]:
        packet = bytes.fromhex(frame["hex"])
        header = decode_header(packet)
        assert (header.kind, header.identifier) == (PUT_DATA, frame["id"])
        blocks = decode_blocks(packet)
        assert len(blocks) == len(frame["packets"])
        for block, told in zip(blocks, frame["packets"], strict=True):
            check_block(block.attribute, block.payload, told)


def check_block(attribute: int, payload: bytes, told: dict) -> None:
    """Compare one block with what is expected of it."""
    if told["attribute"] == "ADC":
        reading = decode_adc(payload)
        assert attribute == ADC
        assert (reading.vbus_uv, reading.ibus_ua) == (told["vbus_uV"], told["ibus_uA"])
        assert reading.vbus_average_uv == told["vbus_avg_uV"]
        assert reading.ibus_average_ua == told["ibus_avg_uA"]
        assert reading.vbus_uncalibrated == told["vbus_ori_avg_raw"]
        assert reading.ibus_uncalibrated == told["ibus_ori_avg_raw"]
        assert reading.temperature_c == told["temp_C"]
        lines = (reading.cc1, reading.cc2, reading.d_plus, reading.d_minus, reading.vdd)
        assert lines == tuple(told[f"{key}_0p1mV"] for key in ("cc1", "cc2", "dp", "dm", "vdd"))
        assert (reading.rate_index, reading.flags) == (told["rate_index"], told["flags"])
        means = tuple(told[f"{key}_avg_mV"] for key in ("cc2", "dp", "dm"))
        assert reading.averages == means
    elif told["attribute"] == "AdcQueue":
        queued = decode_queue(payload)
        names = ("seq", "marker", "vbus_uV", "ibus_uA", "cc1_raw", "cc2_raw", "dp_raw", "dm_raw")
        wanted = [tuple(sample[name] for name in names) for sample in told["samples"]]
        assert (attribute, queued.tolist()) == (ADC_QUEUE, wanted)
    else:
        assert (attribute, payload.hex()) == (told["attribute"], told["hex"])


def replies(path: Path, start_s: float, stop_s: float) -> Iterator[tuple[int, int, bytes]]:
    """Get when each reply with data was asked for and came, and its bytes."""
    sent_s = start_s
    with path.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            time_s, packet = float(row["time_s"]), bytes.fromhex(row["hex"])
            if row["direction"] == "out":
                sent_s = time_s
            elif start_s < time_s < stop_s and packet[0] == PUT_DATA:
                yield round(sent_s * 1e9), round(time_s * 1e9), packet


def test_every_captured_session(shared) -> None:
    """Counts, sums, ticks and energy of all graphs of all sessions, with nothing lost."""
    files = vector(shared, SESSIONS)["files"]
    graphs = [(name, graph) for name, told in files.items() for graph in told["graph_segments"]]
    for name, graph in graphs:
        reader = QueueReader(("voltage", "current"), LIMITS, STEPS[graph["rate_index"]])
        path = shared(f"vectors/km003c/{name}")
        taken = replies(path, graph["start_s"], graph["stop_s"])
        blocks = [
            block for sent, came, packet in taken if (block := reader.take(packet, sent, came))
        ]
        values = np.concatenate([block.values for block in blocks])
        ticks = np.concatenate([block.device_ns for block in blocks]) // 1_000_000
        assert (reader.delivered, reader.lost) == (graph["samples"], graph["missing_samples"])
        assert (reader.dropped, reader.damaged) == (0, 0)
        assert np.rint(values[:, 0] * 1e6).sum() == graph["sum_vbus_uV"]
        assert np.rint(values[:, 1] * 1e6).sum() == graph["sum_ibus_uA"]
        assert (ticks[0], ticks[-1]) == (graph["first_seq"], graph["last_seq"])
        energy_j = np.trapezoid(values.prod(axis=1), ticks / 1000)
        assert energy_j == pytest.approx(graph["energy_trapezoid_device_clock_J"], rel=1e-9)


def test_the_captured_way_in(shared) -> None:
    """What the sessions asked of memory is what is asked here, and tells who the meter is."""
    with shared("vectors/km003c/session_1000sps.csv").open(encoding="utf-8") as lines:
        packets = [bytes.fromhex(row["hex"]) for row in csv.DictReader(lines)][:20]
    told = {}
    for place in (memory.DEVICE, memory.FIRMWARE, memory.CALIBRATION, memory.HARDWARE_ID):
        asked = next(at for at, packet in enumerate(packets) if asks(packet, place))
        assert memory.confirms(packets[asked + 1], packets[asked][1], place)
        told[place] = memory.decode_memory(packets[asked + 2], place)
    assert memory.decode_text(told[memory.DEVICE], 16, 12) == "KM003C"
    assert memory.decode_text(told[memory.FIRMWARE], 28, 12) == "1.9.5"
    assert memory.decode_text(told[memory.CALIBRATION], 0, 7) == "007965"
    assert told[memory.HARDWARE_ID][:6] == b"071KBP"
    granted = [memory.streaming_granted(packet) for packet in packets if packet[0] == 0x4C]
    assert granted[-1] is True


def asks(packet: bytes, place: memory.Place) -> bool:
    """Tell whether a packet asks for a place."""
    return packet == memory.encode_memory_read(packet[1], place)


def test_a_captured_reply_is_built_alike() -> None:
    """The emulator's builder, which knows nothing of the decoder, makes the captured bytes."""
    assert put_data(10, [(ADC, 0, 44, ADC_REPLY[8:])]) == ADC_REPLY
    assert put_data(7, []).hex() == "41070200"


def test_no_temperature_is_no_number() -> None:
    """-32768 means that there is none, and older firmware sends 40 bytes."""
    payload = bytearray(ADC_REPLY[8:])
    payload[24:26] = b"\x00\x80"
    assert decode_adc(bytes(payload)).temperature_c is None
    short = decode_adc(bytes(payload[:40]))
    assert (short.vbus_uv, short.averages) == (3932, ())


def test_nothing_new_is_no_error() -> None:
    """An empty reply comes right after the start of a graph."""
    assert decode_blocks(bytes.fromhex("411c0200")) == ()
    assert decode_blocks(put_data(1, [(ADC_QUEUE, 0, 20, b"")]))[0].payload == b""


@pytest.mark.parametrize(
    "trace", [b"\0\0", b"\x05\x11\1\0\0\0\x0a" + bytes(10), b"\0\x05" + bytes(5)]
)
def test_a_trace_tells_its_length_itself(trace: bytes) -> None:
    """States of USB-PD, which firmware 1.9.9 sends with a size of 0, before samples or behind."""
    adc = (ADC, 0, 44, ADC_REPLY[8:])
    for blocks in ([(PD_TRACE, 0, 0, trace), adc], [adc, (PD_TRACE, 0, 0, trace)]):
        told = decode_blocks(put_data(1, blocks))
        assert [(item.attribute, item.payload) for item in told] == [
            (attribute, payload) for attribute, _, _, payload in blocks
        ]
    for length in range(len(trace)):
        with pytest.raises(InstrumentProtocolError):
            decode_blocks(put_data(1, [(PD_TRACE, 0, 0, trace[:length])]))


@pytest.mark.parametrize("packet", [ADC_REPLY, QUEUE_REPLY])
def test_a_reply_cut_or_grown_anywhere_is_refused(packet: bytes) -> None:
    """But for the one cut that leaves a reply without blocks, which says nothing."""
    for length in range(len(packet)):
        if length != 4:
            with pytest.raises(InstrumentProtocolError) as caught:
                decode_blocks(packet[:length])
            assert caught.value.received == packet[:length]
    with pytest.raises(InstrumentProtocolError):
        decode_blocks(packet + b"\0")


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 7), mask=st.integers(1, 255))
def test_a_corrupt_head_never_makes_other_samples(place: int, mask: int) -> None:
    """A flipped bit in either header: an error, an id of nobody, or the same samples."""
    packet = bytearray(QUEUE_REPLY)
    packet[place] ^= mask
    try:
        blocks = decode_blocks(bytes(packet))
    except InstrumentProtocolError:
        return
    queues = [block.payload for block in blocks if block.attribute == ADC_QUEUE]
    assert queues in ([], [QUEUE_REPLY[8:]])
    assert packet[1] == QUEUE_REPLY[1] or place == 1


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_noise_raises_nothing_but_its_own_error(noise: bytes) -> None:
    """Whatever comes, it is blocks that fill it or a protocol error."""
    try:
        blocks = decode_blocks(noise)
    except InstrumentProtocolError:
        return
    assert sum(len(block.payload) + 4 for block in blocks) + 4 == len(noise)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(-6_000_000, 6_000_000)), max_size=63))
def test_queues_of_any_length(wanted: list[tuple[int, int]]) -> None:
    """From none to 63 samples, signs and all."""
    samples = np.zeros(len(wanted), dtype=QUEUED)
    for row, (sequence, microamperes) in zip(samples, wanted, strict=True):
        row["sequence"], row["ibus_ua"] = sequence, microamperes
    (block,) = decode_blocks(put_data(3, [(ADC_QUEUE, len(wanted), 20, samples.tobytes())]))
    assert block.count == len(wanted)
    queued = decode_queue(block.payload)
    assert list(zip(queued["sequence"], queued["ibus_ua"], strict=True)) == wanted


def test_a_part_of_a_sample_is_refused() -> None:
    """Twenty bytes are a sample, nineteen are none."""
    with pytest.raises(InstrumentProtocolError, match="whole number"):
        decode_queue(bytes(39))
    with pytest.raises(InstrumentProtocolError, match="has 19 bytes"):
        decode_blocks(put_data(3, [(ADC_QUEUE, 2, 19, bytes(38))]))
