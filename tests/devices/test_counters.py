"""What reads a board's counters: a real process, its answers, and its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from powerlab.catalog.bench_profile import Bench
from powerlab.devices.open import open_counters
from powerlab.errors import TargetError
from tests.devices.conftest import BoardPlace

MAY_TAKE_S = 10.0


@pytest.fixture
def tree(tmp_path: Path) -> str:
    """Get the root of a file tree with one sensor of 6.025 W."""
    place = tmp_path / "host" / "sys/class/hwmon/hwmon3"
    place.mkdir(parents=True)
    (place / "name").write_text("ina226\n")
    (place / "power1_input").write_text("6025000\n")
    return str(tmp_path / "host")


def test_it_samples_until_its_host_is_gone(
    place: BoardPlace, make_bench: Callable[..., Bench], tree: str
) -> None:
    """Samples since the last reply, in order; nothing is left when the host lets go."""
    with open_counters(make_bench(), ["hwmon", f"root={tree}"]) as line:

        def ask(do: str, **more: object) -> dict:
            return line.ask({"do": do, **more}, limit_s=MAY_TAKE_S, doing="testing")

        assert ask("hello")["parts"] == ["ina226"]
        with pytest.raises(TargetError, match="do not know how to 'sing'"):
            ask("sing")
        assert ask("read")["values"] == []
        ask("start", interval_s=0.001)
        told: list[int] = []
        while len(told) < 5:
            reply = ask("read")
            told += reply["at_board_ns"]
            assert all(values == [6.025] for values in reply["values"])
        assert told == sorted(set(told))
        ask("stop")
        ask("read")
        assert ask("read")["at_board_ns"] == []
        (pid,) = _named(tree)
    assert place.leftovers() == []
    assert not Path(f"/proc/{pid}").exists()


def test_what_is_not_there_is_the_first_answer(
    place: BoardPlace, make_bench: Callable[..., Bench], tmp_path: Path
) -> None:
    """The process starts in any case, so that its error has a message and a hint."""
    del place
    with (
        open_counters(make_bench(), ["rapl", f"root={tmp_path}"]) as line,
        pytest.raises(TargetError, match="no energy counter") as caught,
    ):
        line.ask({"do": "hello"}, limit_s=MAY_TAKE_S, doing="testing")
    assert "x86" in caught.value.hint


def _named(root: str) -> list[int]:
    """Get the process that was started for this tree, its supervisor apart."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if f"root={root}".encode() in words:
            found.append(int(path.parent.name))
    return sorted(found)[1:]
