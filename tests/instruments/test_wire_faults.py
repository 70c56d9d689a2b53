"""What every meter's driver must stand: a wire that splits, adds, loses, delays, stalls, ends."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from powerlab.agent.edges import BUSY
from powerlab.catalog.layers import load_catalog
from powerlab.errors import InstrumentError
from powerlab.records import SampleFlag
from powerlab.units import nanoseconds, now_ns
from tests.instruments.meter_rig import BEYOND, MeterRig, Session
from tests.instruments.meter_rows import (
    ANSWERS,
    ELSEWHERE,
    MEMORIES,
    PACKETS,
    ROWS,
    SCPI,
    STREAM,
)
from tests.instruments.wire_relay import Shape, WireRelay
from tests.instruments.wire_shapes import cut, damages, headed, once, torn

STALL_S = 0.5
ALL = {row.profile: row for row in ROWS}
TEXT = {name: row for name, row in ALL.items() if row.wire == SCPI}


@pytest.fixture(scope="module")
def rig(request, tmp_path_factory) -> Iterator[MeterRig]:
    """Get a running emulator of a meter; one for all the tests of it."""
    made = MeterRig(ALL[request.param], tmp_path_factory.mktemp("meter"))
    yield made
    made.stop()


every_driver = pytest.mark.parametrize("rig", ALL, indirect=True, scope="module")
every_scpi_driver = pytest.mark.parametrize("rig", TEXT, indirect=True, scope="module")


def test_no_driver_is_forgotten() -> None:
    """Each installed driver of a meter has a row here, or its own tests that are named."""
    catalog = load_catalog()
    profiles = [catalog.instrument(identifier) for identifier in catalog.instruments]
    named = {profile.driver for profile in profiles if profile.kind == "meter"}
    others = {profile.driver for profile in profiles} - named
    installed = {entry.name: entry.module for entry in entry_points(group="powerlab.drivers")}
    no_meters = {installed[driver] for driver in others}
    expected = {name for name, module in installed.items() if module not in no_meters}
    there = {name for name in expected if find_spec(installed[name])}
    assert set(MEMORIES) <= set(ALL)
    assert {row.driver for row in ROWS} | set(ELSEWHERE) == there | named
    for row in ROWS:
        assert catalog.instrument(row.profile).driver == row.driver
    for file, test in [*ELSEWHERE.values(), *MEMORIES.values()]:
        assert f"def {test}(" in (Path(__file__).parent / file).read_text(encoding="utf-8")


def hurt(session: Session, shape: Shape) -> Callable[[], int]:
    """Get an action that does this to the next answer."""

    def act() -> int:
        session.relay.shape = once(shape)
        return now_ns()

    return act


def work(rig: MeterRig, session: Session) -> Callable[[], int]:
    """Get an action that makes the board busy, and lasts until that must be seen."""

    def act() -> int:
        lasting_ns = rig.margin_ns(session.setup) + nanoseconds(session.setup.interval_s)
        return rig.set_level(BUSY) + lasting_ns

    return act


def lost(session: Session, begin: int = 0, end: int | None = None) -> int:
    """Count the lost samples among some blocks."""
    blocks = session.blocks[begin:end]
    return sum(int(np.sum((block.flags & SampleFlag.LOST) > 0)) for block in blocks)


@pytest.mark.slow
@every_driver
def test_a_torn_wire_that_stalls(rig: MeterRig) -> None:
    """Split at any byte nothing is lost; what a stall loses is counted, and a step is located."""
    with rig.session() as session:
        session.relay.shape = torn(rig.row)

        def stall() -> int:
            session.relay.stall(STALL_S)
            return now_ns() + nanoseconds(STALL_S)

        session.stream(stall, work(rig, session))
        blocks = session.blocks
    rig.check(session.setup, blocks, STALL_S)
    session.check_asked()
    assert rig.busy_seen(session.setup, blocks)
    if rig.row.whole_when_torn:
        assert lost(session, 0, session.begins[0]) == 0


def hurt_each(rig: MeterRig, shapes: list[Shape]) -> None:
    """Hurt one answer after the other, in a new session after each that ends; then cut the wire."""
    rest = [*shapes, cut]
    error: InstrumentError | None = None
    while rest:
        with rig.session() as session:
            try:
                session.stream(*(hurt(session, shape) for shape in rest))
            except InstrumentError as caught:
                error = caught
        assert session.blocks
        rig.check(session.setup, session.blocks)
        session.check_asked()
        rest = rest[len(session.begins) :]
    assert error is not None
    assert (error.exit_code, bool(error.hint)) == (4, True)
    with rig.session() as session:
        session.stream()
    rig.check(session.setup, session.blocks)


@every_driver
def test_damage_makes_no_wrong_sample_and_a_cut_wire_ends_the_session(rig: MeterRig) -> None:
    """Answers lost, doubled, with a stale byte, short: right samples, lost ones, or an end.

    Cut within an answer: what came is kept, the error exits with 4, the meter opens again.
    """
    hurt_each(rig, [] if rig.row.slow else damages(rig.row))


@pytest.mark.slow
@pytest.mark.parametrize(
    "rig", [name for name, row in ALL.items() if row.slow], indirect=True, scope="module"
)
def test_all_damages_of_a_slow_meter(rig: MeterRig) -> None:
    """The same of a meter that takes seconds to be believed again."""
    hurt_each(rig, damages(rig.row))


@every_driver
@pytest.mark.slow
def test_a_late_answer_shifts_no_other(rig: MeterRig) -> None:
    """An answer after its time: the samples after it are counted, timed and whole as before."""
    with rig.session() as session:
        late = hurt(session, lambda answer: [(rig.row.late_s, answer)])
        session.stream(late, work(rig, session))
    behind_it = rig.row.late_s if rig.row.wire in (STREAM, PACKETS) else 0.0
    rig.check(session.setup, session.blocks, behind_it)
    session.check_asked()
    assert rig.busy_seen(session.setup, session.blocks)


LOCATED = sorted(set(ALL) - {"nordic-ppk2", "powersensor3"})
"""Whole turns of a short counter are found by a host that is not busy: tried in virtual time."""


@pytest.mark.slow
@pytest.mark.parametrize("name", LOCATED)
def test_a_gap_and_an_overload_are_where_they_were(name: str, tmp_path: Path) -> None:
    """Two seconds without readings, then one beyond the range: nothing good of either is told.

    What is flagged as beyond the range lies there and nowhere else. A meter that tells neither
    time nor number may end the session at the gap, one that is polled is silent for a while.
    """
    rig = MeterRig(ALL[name], tmp_path, "gap@0.3s", "overrange@3s")
    ended = rig.row.wire == ANSWERS
    try:
        with rig.session() as session:
            session.stream(lambda: rig.set_level(BUSY) + nanoseconds(5.0))
    except InstrumentError:
        ended = True
    finally:
        rig.stop()
    setup, busy_ns = session.setup, rig.levels[0][0]
    rig.check(setup, session.blocks)
    # A chunk that was begun before the gap ends after it: its samples are put next to its end.
    gap = busy_ns + nanoseconds(0.3), busy_ns + nanoseconds(2.0)
    over = busy_ns + nanoseconds(3.0), busy_ns + nanoseconds(4.0)
    seen = False
    for block in session.blocks:
        good = (block.flags & ~np.uint8(SampleFlag.REPEATED)) == 0
        beyond = (block.flags & BEYOND) > 0
        assert not np.any(good & rig.within(setup, block, *gap))
        assert not np.any(good & rig.within(setup, block, *over))
        assert not np.any(beyond & rig.outside(setup, block, *over))
        seen |= bool(beyond.any())
    assert seen or ended


@every_scpi_driver
def test_headers_are_read_or_refused(rig: MeterRig) -> None:
    """Answers with headers, which another program switched on: right samples, or an error."""

    def switch_on(relay: WireRelay) -> int:
        relay.shape = headed(relay)
        return now_ns()

    try:
        with rig.session(switch_on) as session:
            session.stream()
    except InstrumentError:  # so it is tried without them as far as to the samples
        with rig.session() as session, suppress(InstrumentError):
            session.stream(lambda: switch_on(session.relay))
    rig.check(session.setup, session.blocks)


NONSENSE = b"POWERLAB:NO:SUCH 1\n"


@every_scpi_driver
def test_a_full_error_queue_disturbs_nothing(rig: MeterRig) -> None:
    """Errors of another program, left before a session or made in the middle of one."""
    _, host, port, _ = rig.resource.split("::")
    with socket.create_connection((host, int(port))) as other:
        other.sendall(64 * NONSENSE + b"*IDN?\n")
        assert other.recv(1)
    with rig.session() as session:

        def disturb() -> int:
            session.relay.request = lambda request: 64 * NONSENSE + request
            return now_ns()

        session.stream(disturb)
    rig.check(session.setup, session.blocks)
    assert lost(session) == 0


@every_scpi_driver
@pytest.mark.slow
def test_a_refused_setting_is_noticed(rig: MeterRig) -> None:
    """Whichever setting the meter does not take: an error before a sample, or right samples."""
    settings: list[bytes] = []

    def keep(request: bytes) -> bytes:
        settings.extend(line for line in request.splitlines() if is_setting(line))
        return request

    with rig.session(lambda relay: setattr(relay, "request", keep)):
        wanted = tuple(dict.fromkeys(settings))
    for refused in wanted:
        with suppress(InstrumentError), rig.session(partial(refuse, refused)) as session:
            session.stream()
            rig.check(session.setup, session.blocks)


def is_setting(line: bytes) -> bool:
    """Tell whether a line sets something, which is neither asked nor common to all meters."""
    return bool(line.strip()) and b"?" not in line and not line.startswith(b"*")


def refuse(setting: bytes, relay: WireRelay) -> None:
    """Let the relay make nonsense of a setting."""

    def request(sent: bytes) -> bytes:
        lines = sent.splitlines(keepends=True)
        return b"".join(NONSENSE if line.strip() == setting.strip() else line for line in lines)

    relay.request = request


@every_scpi_driver
@pytest.mark.slow
def test_a_lost_answer_shifts_no_other(rig: MeterRig) -> None:
    """No answer at all, once: the connection is opened anew, the samples fit as before.

    Where an answer is erased by being given, it cannot be asked for again: that ends the session.
    """
    ended = False
    with rig.session() as session:
        try:
            session.stream(hurt(session, lambda _: []), work(rig, session))
        except InstrumentError:
            ended = True
    rig.check(session.setup, session.blocks)
    session.check_asked()
    erases = rig.row.driver in ("keysight_n6705c", "rohde_schwarz_ngu")
    assert ended == erases
    assert erases or rig.busy_seen(session.setup, session.blocks)
