"""A board looked at before it is measured: this computer, with runtimes of the tests' own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from powerlab.catalog.bench_profile import Bench
from powerlab.devices.check import Trial, check_board
from powerlab.devices.checked import Checked, State
from tests.devices.conftest import BoardPlace


def checked(bench: Bench, *trials: Trial) -> Mapping[str, Checked]:
    """Check a board; get what was found by name."""
    return {item.name: item for item in check_board(bench, trials, lambda _note: None)}


def test_each_runtime_builds_and_runs_a_model(
    place: BoardPlace, make_bench: Callable[..., Bench], model: Callable[[bytes], dict[str, Path]]
) -> None:
    """One works, one crashes its agent, one is not known: each has its own line."""
    files = model(b"x")
    (main,) = files
    trials = (
        Trial("brittle", files, main, wanted=True),
        Trial("steady", files, main, wanted=True),
        Trial("no-such", files, main, wanted=False),
    )
    found = checked(make_bench(), *trials)
    assert found["connection"].state is State.OK
    assert f"Python {sys.version_info.major}" in found["python"].found
    assert "round trip" in found["clock exchange"].found
    assert found["runtime steady"].state is State.OK
    brittle = found["runtime brittle"]
    assert brittle.state is State.ADVICE
    assert "SIGILL" in brittle.found
    assert "built for a newer processor" in brittle.advice
    assert "no adapter" in found["runtime no-such"].found
    assert "runtimes" not in found
    assert place.leftovers() == []


def test_a_board_without_any_of_its_runtimes_cannot_be_measured(
    place: BoardPlace, make_bench: Callable[..., Bench], model: Callable[[bytes], dict[str, Path]]
) -> None:
    """The runtime that its profile lists blocks, and the sum of it is told."""
    del place
    files = model(b"x")
    found = checked(make_bench(), Trial("no-such", files, next(iter(files)), wanted=True))
    assert found["runtime no-such"].state is State.BLOCKING
    assert found["runtimes"].state is State.BLOCKING


def test_a_board_that_cannot_be_reached_is_one_line(
    ssh_bench: Callable[..., Bench], make_bench: Callable[..., Bench]
) -> None:
    """An unknown host key says how to accept it; a missing Python is named as such."""
    (name, item), *others = checked(ssh_bench(known_hosts="")).items()
    assert (name, item.state, others) == ("host key", State.BLOCKING, [])
    assert "accept it once: ssh" in item.advice
    found = checked(ssh_bench(python="/nowhere/python3"))
    assert list(found) == ["python"]
    assert list(checked(make_bench(host="nobody@127.0.0.1:1"))) == ["connection"]
