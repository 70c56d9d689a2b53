"""Whether a board is fit to be measured: what it tells of itself, judged, with what to do.

Nothing is changed on the board. Whether a runtime works is found out as a measurement would:
a model is sent, built and run once, so that an import that succeeds and then fails counts as
failed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from powerlab.catalog.bench_profile import Bench
from powerlab.devices.board_facts import judge_facts
from powerlab.devices.checked import Checked, State
from powerlab.devices.link import BoardLink
from powerlab.devices.open import open_board
from powerlab.errors import PowerlabError
from powerlab.units import NS_PER_S

ABSENT = "runtime-missing"
EXCHANGES = 50
SLOW_EXCHANGE_S = 0.02
"""A round trip beyond which clocks are placed worse than most meters."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A model for one runtime: its files by their names on the board, and the one to open.

    ``wanted`` says that the board's profile lists the runtime.
    """

    runtime: str
    files: Mapping[str, Path]
    main: str
    wanted: bool


def check_board(
    bench: Bench, trials: Iterable[Trial], note: Callable[[str], None]
) -> tuple[Checked, ...]:
    """Look at a bench's board; ``note`` is told what is done next.

    Whatever cannot be done is a line of the answer, with its hint, and no exception; where the
    board cannot be reached at all, it is the only one.
    """
    found: list[Checked] = []
    outcomes: list[tuple[Trial, str, PowerlabError | None]] = []
    note(f"reaching {bench.host}")
    begun_s = time.monotonic()
    try:
        with open_board(bench) as board:
            took_s = time.monotonic() - begun_s
            found += [*_identity(bench, board.hello(), took_s), _exchange(board)]
            note("looking at its state")
            found += judge_facts(board.inspect())
    except PowerlabError as error:
        return (*found, _unreachable(error))
    for trial in trials:
        note(f"trying {trial.runtime}")
        outcomes.append((trial, *_tried(bench, trial)))
    works = any(error is None for trial, _, error in outcomes if trial.wanted)
    for trial, told, failure in outcomes:
        found.append(_runtime(bench, trial, told, failure, blocks=trial.wanted and not works))
    if outcomes and all(error is not None for _, _, error in outcomes):
        names = ", ".join(trial.runtime for trial, _, _ in outcomes)
        found.append(
            Checked(
                "runtimes",
                State.BLOCKING,
                f"none of {names} runs a model on this board",
                "install one for the board's Python, or name the one that has it (python = …)",
            )
        )
    return tuple(found)


def _unreachable(error: PowerlabError) -> Checked:
    name = "host key" if "host key" in error.message else "connection"
    if "Python" in error.message:
        name = "python"
    return Checked(name, State.BLOCKING, error.message, error.hint)


def _identity(bench: Bench, hello: Mapping[str, Any], took_s: float) -> Iterator[Checked]:
    board = hello["environment"].get("board") or hello["cpu"]
    yield Checked("connection", State.OK, f"{bench.host}, agent up in {took_s:.1f} s")
    yield Checked("board", State.OK, f"{hello['hostname']}: {board}, {hello['system']}")
    yield Checked("python", State.OK, f"Python {hello['python']} on {hello['machine']}")


def _exchange(board: BoardLink) -> Checked:
    """Look at how long a question and its answer take: the clocks are compared by that."""
    stamps = board.exchange_clocks(EXCHANGES)
    on_board_ns = stamps.t3_board_ns - stamps.t2_board_ns
    trips_s = (stamps.t4_ns - stamps.t1_ns - on_board_ns) / NS_PER_S
    best_s, usual_s = float(trips_s.min()), float(np.median(trips_s))
    found = f"a round trip takes {usual_s * 1e3:.2f} ms, {best_s * 1e3:.2f} ms at best"
    if best_s < SLOW_EXCHANGE_S:
        return Checked("clock exchange", State.OK, found)
    return Checked(
        "clock exchange",
        State.ADVICE,
        found,
        "use a cable instead of radio, or the same network: the board's clock is known to half "
        "of a round trip",
    )


def _tried(bench: Bench, trial: Trial) -> tuple[str, PowerlabError | None]:
    """Try one runtime in an agent of its own: what one of them crashes is not another's fault."""
    try:
        with open_board(bench) as board:
            return _built(board, trial), None
    except PowerlabError as error:
        return "", error


def _built(board: BoardLink, trial: Trial) -> str:
    """Send the model and have it built and run once; get the module and its version."""
    facts = board.load(trial.files, trial.main, runtime=trial.runtime)
    parts = (facts.runtime_module, facts.runtime_version, "with numpy " + facts.numpy_version)
    return " ".join(part for part in parts if part and not part.endswith("numpy "))


def _runtime(
    bench: Bench, trial: Trial, told: str, error: PowerlabError | None, *, blocks: bool
) -> Checked:
    """Say how a runtime did; where the board has none that its profile lists, that blocks."""
    name = f"runtime {trial.runtime}"
    if error is None:
        return Checked(name, State.OK, f"{told or 'there'}: built and ran a model")
    if error.context.get("code") == ABSENT and not trial.wanted:
        return Checked(name, State.OK, "not there; the board's profile lists none")
    state = State.BLOCKING if blocks else State.ADVICE
    return Checked(name, state, error.message.removeprefix(f"{bench.host}: "), error.hint)
