"""What the conductor asks of a board, in which order, and what each option sees of it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pytest

from powerlab import conductor as module
from powerlab.analysis.precision import RunPlan, Unreachable
from powerlab.conductor import Conductor, Option
from powerlab.pacing import Pauses
from powerlab.records import ClockExchanges, Phase, Telemetry
from tests.analysis.factories import setup

S = 1_000_000_000
PASS_S = 0.01


class Board:
    """A board in virtual time, on which nothing takes longer than it must."""

    def __init__(self, pass_s=PASS_S):
        self.t_ns = 10**12
        self.pass_s = pass_s
        self.calls = []

    def phase(self, kind, index, length_s, passes=0):
        """Let time go by."""
        start = self.t_ns
        self.t_ns += round(length_s * S)
        step = (self.t_ns - start) // max(passes, 1)
        done = start + step * np.arange(1, passes + 1, dtype=np.int64)
        return Phase(kind, index, start, self.t_ns, passes, done)

    def exchange_clocks(self, count):
        """Stand for a burst by one exchange."""
        self.calls.append(("exchange", count))
        at = np.array([self.t_ns], dtype=np.int64)
        return ClockExchanges(*(at.copy() for _ in range(4)))

    def telemetry(self):
        """Tell the instant alone."""
        self.calls.append(("telemetry",))
        return Telemetry(self.t_ns, 40.0, 1e9, 0.0, 1e9, "", ())

    def idle(self, seconds, index):
        """Idle."""
        self.calls.append(("idle", seconds))
        return self.phase("idle", index, seconds)

    def warm_up(self, limit_s, *, slot):
        """Repeat passes until the limit has gone by."""
        self.calls.append(("warm-up", slot, limit_s))
        passes = -int(-limit_s // self.pass_s)
        return self.phase("warm-up", 0, passes * self.pass_s, passes)

    def run(self, index, passes, deadline_s, guard_s, *, slot, dither_s, dither_every):
        """Make one run between two guards."""
        self.calls.append(("run", slot, index, passes, dither_s, dither_every))
        return (
            self.phase("guard", 2 * index + 1, guard_s),
            self.phase("run", index, passes * self.pass_s, passes),
            self.phase("guard", 2 * index + 2, guard_s),
        )

    def draw(self, index, chips, chip_s, *, slot):
        """Draw a marker."""
        self.calls.append(("marker", slot, len(chips)))
        return self.phase("marker", index, len(chips) * chip_s)


class Quiet:
    """Acquisition and watch in one: they take what they are told."""

    guard_s = 0.25

    def __init__(self, interval_s=0.02):
        self.setup = replace(setup(), interval_s=interval_s, aperture_s=interval_s)
        self.entered, self.said, self.more = [], [], 0

    def check(self):
        """Have no failure."""

    def so_far(self):
        """Have a trace that nobody looks at."""
        return SimpleNamespace()

    def wait_until(self, instant_ns):
        """Never wait."""

    def enter(self, phase, index, count, option=""):
        """Keep what begins."""
        self.entered.append((phase, index, count, option))

    def more_runs(self, count):
        """Keep how many more there are."""
        self.more += count

    def took(self, run_s):
        """Need no experience to foresee."""

    def remaining_s(self):
        """Foresee a fixed time."""
        return 101.0

    def say(self, note):
        """Keep a note."""
        self.said.append(note)


@dataclass
class Sink:
    """Keeps events."""

    events: list = field(default_factory=list)

    def event(self, kind, payload):
        """Keep one."""
        self.events.append((kind, payload))

    def of(self, kind):
        """Get the payloads of a kind."""
        return [payload for each, payload in self.events if each == kind]


PROTOCOL = {"idle_s": 5.0, "warm_up_limit_s": 4.0, "runs": 3, "run_s": 6.0, "marker_s": 0.0}
PROTOCOL |= {"least_passes": 1, "least_inferences": 1, "block_passes": 1, "target_qps": None}


def conduct(monkeypatch, batches=(1,), *, steady=lambda _: True, interval_s=0.02, **changes):
    """Let a conductor walk a board through the protocol; get all that took part."""
    board = changes.pop("board", None) or Board()
    job = {"precision": 0.0, "dither": False} | {
        key: changes.pop(key) for key in ("precision", "dither") if key in changes
    }
    environment = changes.pop("environment", {})
    protocol = SimpleNamespace(**PROTOCOL | changes)
    options = [
        Option(
            SimpleNamespace(
                run=f"run-{batch}",
                batch=batch,
                label=f"batch {batch}",
                protocol=protocol,
                scenario=lambda: None,
                **job,
            ),
            slot,
            SimpleNamespace(environment=environment),
            Sink(),
        )
        for slot, batch in enumerate(batches)
    ]
    judged = []

    def warm_up_state(capture, _aligned):
        slices = [phase for phase in capture.phases if phase.kind == "warm-up"]
        judged.append(len(slices))
        return SimpleNamespace(steady_since_ns=1 if steady(len(slices)) else None)

    monkeypatch.setattr(module, "align", lambda capture: capture)
    monkeypatch.setattr(module, "warm_up_state", warm_up_state)
    quiet = Quiet(interval_s)
    walk = Conductor(board, options, quiet, quiet, SimpleNamespace(), SimpleNamespace())
    walk.conduct()
    return SimpleNamespace(board=board, options=options, quiet=quiet, walk=walk, judged=judged)


def kinds(option):
    """Get the kinds of the phases that an option sees, repetitions counted once."""
    return [kind for kind, _ in itertools.groupby(phase.kind for phase in option.phases)]


def test_one_option_goes_through_the_protocol_in_order(monkeypatch):
    """Idle, warm-up, marker, runs between guards, marker, idle: indices tell them apart."""
    done = conduct(monkeypatch, marker_s=4.0)
    (option,) = done.options
    run = ["run", "guard"]
    assert kinds(option) == [
        *("idle", "warm-up", "guard", "marker", "guard"),
        *(3 * run),
        *("marker", "guard", "idle"),
    ]
    seen = [(phase.kind, phase.index) for phase in option.phases]
    assert len(set(seen)) == len(seen)
    assert option.sink.of("phase") == option.phases
    assert option.sink.of("order") == []
    assert all(call[3] == 600 for call in done.board.calls if call[0] == "run")


def test_clocks_and_telemetry_are_read_together_between_phases(monkeypatch):
    """Telemetry follows every burst at once, and both reach every sink and the capture."""
    done = conduct(monkeypatch, (1, 2))
    calls = [call[0] for call in done.board.calls]
    for index, call in enumerate(calls):
        assert (call == "telemetry") == (calls[index - 1] == "exchange" and index > 0)
    for index, call in enumerate(calls):
        if call == "run":
            assert calls[index - 1] == "telemetry"
    capture = done.walk.capture(done.options[1], SimpleNamespace())
    assert len(capture.telemetry) == calls.count("telemetry")
    assert len(capture.exchanges.t1_ns) == calls.count("exchange")
    for option in done.options:
        assert len(option.sink.of("telemetry")) == calls.count("telemetry")


def test_each_option_sees_its_own_runs_and_the_others_as_other(monkeypatch):
    """All options share one course of phases; a run belongs to one of them."""
    done = conduct(monkeypatch, (1, 2, 4))
    courses = [
        [(phase.start_board_ns, phase.stop_board_ns) for phase in option.phases]
        for option in done.options
    ]
    assert courses[0] == courses[1] == courses[2]
    for column in zip(*(option.phases for option in done.options), strict=True):
        found = sorted(phase.kind for phase in column)
        assert len(set(found)) == 1 or found[:2] == ["other", "other"]
    for option in done.options:
        assert [phase.index for phase in option.phases if phase.kind == "run"] == [0, 1, 2]
        others = [phase.index for phase in option.phases if phase.kind == "other"]
        assert others == list(range(len(others)))
        assert kinds(option).count("warm-up") == 1


def test_the_order_of_the_runs_is_recorded_as_it_was(monkeypatch):
    """Each block holds a run of every option; the event names runs by folder and index."""
    done = conduct(monkeypatch, (1, 2))
    made = [call[1:3] for call in done.board.calls if call[0] == "run"]
    for block in range(3):
        assert sorted(made[2 * block : 2 * block + 2]) == [(0, block), (1, block)]
    for option in done.options:
        (told,) = option.sink.of("order")
        assert told == [[f"run-{slot + 1}", index] for slot, index in made]


@pytest.mark.parametrize(
    ("steady_from", "slices", "asked"), [(2, 2, [2]), (3, 3, [2, 3]), (99, 4, [2, 3])]
)
def test_a_warm_up_ends_when_it_is_steady_or_at_its_limit(monkeypatch, steady_from, slices, asked):
    """Quarters of the limit, looked at from the second on; the last needs no look."""
    done = conduct(monkeypatch, steady=lambda count: count >= steady_from)
    warm = [call for call in done.board.calls if call[0] == "warm-up"]
    assert [call[2] for call in warm] == [1.0] * slices
    assert done.judged == asked


def test_passes_longer_than_a_slice_do_not_prolong_the_warm_up(monkeypatch):
    """One pass that takes longer than the limit is the whole warm-up."""
    done = conduct(monkeypatch, board=Board(pass_s=5.0), steady=lambda _: False)
    assert len([call for call in done.board.calls if call[0] == "warm-up"]) == 1


def test_a_program_that_decides_for_itself_draws_no_markers(monkeypatch):
    """A program whose windows have a length of their own cannot follow chips."""
    environment = {"inferences_chosen_by": "the program"}
    done = conduct(monkeypatch, marker_s=4.0, environment=environment)
    assert "marker" not in [call[0] for call in done.board.calls]


def test_the_quickest_option_draws_the_markers(monkeypatch):
    """A busy chip ends with the pass under way, so the shortest pass draws the sharpest edge."""
    paces = iter([0.05, 0.01])
    monkeypatch.setattr(module, "pass_duration_s", lambda _: next(paces))
    done = conduct(monkeypatch, (8, 1), marker_s=4.0)
    assert [call[1] for call in done.board.calls if call[0] == "marker"] == [1, 1]


def test_dithering_reaches_the_board_and_the_record_on_request_only(monkeypatch):
    """With pauses a run has fewer passes, so that it lasts as long."""
    done = conduct(monkeypatch, dither=True)
    call = next(call for call in done.board.calls if call[0] == "run")
    assert call == ("run", 0, 0, 480, 0.01, 2)
    assert done.options[0].sink.of("dither") == [Pauses(0.01, 2)]
    plain = conduct(monkeypatch)
    assert plain.options[0].sink.of("dither") == []
    assert {call[4] for call in plain.board.calls if call[0] == "run"} == {0.0}


def plans(monkeypatch, **by_batch):
    """Let the first stage give these plans."""
    monkeypatch.setattr(module, "estimate", lambda capture, _: capture)
    monkeypatch.setattr(
        module, "first_stage_plan", lambda capture, *_: by_batch[f"b{capture.batch}"]
    )


def test_each_option_gets_the_number_of_runs_that_its_own_first_runs_ask_for(monkeypatch):
    """Fixed once, told with the time it takes, and recorded."""
    plans(monkeypatch, b1=RunPlan(4, 0.01), b2=RunPlan(6, 0.01))
    done = conduct(monkeypatch, (1, 2), precision=0.01)
    made = [call[1:3] for call in done.board.calls if call[0] == "run"]
    assert sorted(made) == [(0, k) for k in range(4)] + [(1, k) for k in range(6)]
    assert done.quiet.more == 4
    (said,) = done.quiet.said
    assert said.split("; ") == [
        "4 runs in all of batch 1 for U ≤ 1 %",
        "6 runs in all of batch 2 for U ≤ 1 %",
        "about 1 min 40 s more",
    ]
    (first, second) = done.options[1].sink.of("order")
    assert (len(first), len(second)) == (6, 4)
    assert done.options[0].sink.of("first_stage") == [3]
    numbers = [entry[1:3] for entry in done.quiet.entered if entry[0] == "run"]
    assert numbers == [(k, 6) for k in range(6)] + [(k, 10) for k in range(6, 10)]


def test_a_precision_out_of_reach_stops_at_once_and_says_why(monkeypatch):
    """No further run is made; the term and its remedy are named."""
    plans(monkeypatch, b1=Unreachable("meter current gain", 0.0213, "calibrate the set-up"))
    done = conduct(monkeypatch, precision=0.005)
    assert len([call for call in done.board.calls if call[0] == "run"]) == 3
    (said,) = done.quiet.said
    assert "0.5 %" in said
    assert "meter current gain leaves 2.1 %" in said
    assert "calibrate the set-up" in said
    assert kinds(done.options[0])[-1] == "idle"
