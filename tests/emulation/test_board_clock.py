"""The emulated board's clock and what passes through it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from powerlab.agent.protocol import Unpacker, pack
from powerlab.catalog.layers import load_catalog
from powerlab.emulation.clock import BoardClock, BusyTime, draw_clock, map_board_instants
from powerlab.emulation.relay import FrameRelay
from powerlab.emulation.world import Edges, emulation_of

S = 1_000_000_000
EDGES = Edges.of([(10 * S, 1, -1), (20 * S, 0, -1), (30 * S, 1, 0)])
BUSY = BusyTime(EDGES)
CLOCK = BoardClock(reference_ns=0, offset_ns=7 * S, rate_ppm=10.0, load_ppm=2.0, step_ns=S)


def test_busy_time_is_the_integral_of_the_level():
    """Busy seconds accumulate between edges and go on after the last busy one."""
    at = np.array([0, 10, 15, 20, 25, 30, 40], dtype=np.int64) * S
    expected = [0, 0, 5, 10, 10, 10, 20]
    assert (BUSY.until(at) // S).tolist() == expected
    assert [BUSY.until_one(int(t)) // S for t in at] == expected
    empty = BusyTime(Edges.of([]))
    assert empty.until(at).tolist() == [0] * 7
    assert empty.until_one(5 * S) == 0


def test_the_clock_is_offset_rate_load_and_steps():
    """At 40 s: 7 s offset, 10 ppm of 40 s, 2 ppm of 20 busy seconds, one step of 1 s."""
    assert CLOCK.board_instant(40 * S, BUSY) == 47 * S + 400_000 + 40_000
    assert CLOCK.board_instant(40 * S, BUSY, [35 * S]) == 48 * S + 440_000
    assert CLOCK.board_instant(34 * S, BUSY, [35 * S]) == 41 * S + 340_000 + 28_000


def test_one_and_many_instants_map_alike():
    """The fast way for a single instant agrees with the array way to the nanosecond."""
    at = np.random.default_rng(3).integers(0, 60 * S, 500)
    many = CLOCK.board_ns(at, BUSY, [33 * S])
    assert many.tolist() == [CLOCK.board_instant(int(t), BUSY, [33 * S]) for t in at]
    assert np.all(np.diff(CLOCK.board_ns(np.sort(at), BUSY)) >= 0)


def test_only_board_instants_are_mapped():
    """Keys that end in _board_ns change, at any depth, alone or in lists; nothing else does."""
    message = {
        "id": 3,
        "t2_board_ns": S,
        "done_board_ns": [S, 2 * S],
        "none_board_ns": None,
        "inner": {"start_board_ns": S, "t_ns": S},
        "list": [{"stop_board_ns": S}, 5],
        "plain": [1, 2],
    }
    one, two = (CLOCK.board_instant(k * S, BUSY) for k in (1, 2))
    assert map_board_instants(message, CLOCK, BUSY) == {
        "id": 3,
        "t2_board_ns": one,
        "done_board_ns": [one, two],
        "none_board_ns": None,
        "inner": {"start_board_ns": one, "t_ns": S},
        "list": [{"stop_board_ns": one}, 5],
        "plain": [1, 2],
    }


def test_a_seed_draws_a_clock_within_its_limits():
    """The rate lies within the profile's limit and differs between worlds; load is ≥ 2 ppm."""
    section = emulation_of(load_catalog().device("edgeboard"))
    clocks = [draw_clock(section, seed, 0) for seed in range(20)]
    assert draw_clock(section, 5, 0) == clocks[5]
    assert len({clock.rate_ppm for clock in clocks}) == 20
    assert all(abs(clock.rate_ppm) <= section.clock_limit_ppm for clock in clocks)
    assert all(clock.load_ppm >= 2 for clock in clocks)


def double(message: object) -> object:
    """Rewrite a message visibly."""
    return {key: value * 2 for key, value in message.items()} if isinstance(message, dict) else 0


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_frames_are_rewritten_and_noise_passes_unchanged(size):
    """However the stream is cut, frames change, their blobs and all between do not."""
    stream = b"Welcome\n\x01PL" + pack({"a": 1}, b"blob\x01PL1") + b"noise\x01P" + pack({"a": 2})
    stream += b"tail\x01PL"
    relay = FrameRelay(double)
    out = b"".join(relay.feed(stream[i : i + size]) for i in range(0, len(stream), size))
    out += relay.rest()
    expected = b"Welcome\n\x01PL" + pack({"a": 2}, b"blob\x01PL1") + b"noise\x01P" + pack({"a": 4})
    assert out == expected + b"tail\x01PL"


def test_a_frame_that_is_no_json_passes_unchanged():
    """A frame with broken text is not the board's to mend."""
    frame = bytearray(pack({"a": 1}))
    frame[-1:] = b"!"
    relay = FrameRelay(double)
    assert relay.feed(bytes(frame)) + relay.rest() == bytes(frame)


def test_a_rewritten_frame_is_read_back():
    """What the relay sends is a frame of the protocol."""
    ((message, blob),) = Unpacker().feed(FrameRelay(double).feed(pack({"x": 21}, b"b")))
    assert json.dumps(message) == '{"x": 42}'
    assert blob == b"b"
