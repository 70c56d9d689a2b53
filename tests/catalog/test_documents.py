"""The examples in the how-to pages are accepted as they stand."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path

from powerlab.catalog.layers import builtin_lab
from powerlab.catalog.lint import lint

PAGES = Path(__file__).resolve().parents[2] / "docs" / "how-to"


def blocks(page: str) -> list[str]:
    """Get the TOML blocks of a page in order."""
    return re.findall(r"```toml\n(.*?)```", (PAGES / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_examples_of_lab_and_bench_load_and_lint(tmp_path) -> None:
    """A lab made of the page's bench and its changed price has no problem."""
    bench, price = blocks("lab-and-bench.md")
    (tmp_path / "powerlab.toml").write_text(bench)
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices" / "edgeboard.toml").write_text(price)
    assert lint([builtin_lab(), tmp_path], date.max) == []


def test_the_examples_of_add_a_board_load_and_lint(tmp_path) -> None:
    """The page's board, its emulation, its composite and its variant have no problem."""
    board, emulation, composite, variant = blocks("add-a-board.md")
    (tmp_path / "devices").mkdir()
    for text in (board + emulation, composite, variant):
        name = tomllib.loads(text)["id"]
        (tmp_path / "devices" / f"{name}.toml").write_text(text)
    assert lint([builtin_lab(), tmp_path], date.max) == []
