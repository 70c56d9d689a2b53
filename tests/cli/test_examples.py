"""The plans under ``examples/``: they run as they stand and say what they are there to say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from powerlab.catalog.procurement_measured import measured
from tests.catalog.procurement_files import plan_of, run_of_a_board

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "procurement"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_an_example_runs_as_it_stands(run, path):
    """And its figures are called what they are."""
    ran = run("report", "--plan", path)
    assert ran.code == 0, ran.err
    assert "rests on declared figures" in ran.out


@pytest.mark.parametrize(
    ("load", "cheapest", "units"),
    [(1, "rpi4", 1), (5, "rk3588s", 1), (100, "rk3588s", 8), (150, "orin", 1), (1000, "orin", 2)],
)
def test_the_cheapest_board_depends_on_the_load(run, tmp_path, load, cheapest, units):
    """The worked flip of the method, section 5.6: the best ratio of one unit decides nothing."""
    text = (EXAMPLES / "load-flip.toml").read_text()
    path = tmp_path / "flip.toml"
    path.write_text(text.replace("per_s = 50", f"per_s = {load}"))
    decision = run("report", "--plan", path, "--json").json["decision"]
    assert (decision["recommended"], decision["units"]) == (cheapest, units)


def test_the_boards_cost_what_the_worked_flip_says(run, tmp_path):
    """At 100 and at 1,000 inferences a second, to the unit of money."""
    text = (EXAMPLES / "load-flip.toml").read_text()
    expected = {100: (3231, 1438, 2071), 1000: (31433, 13841, 4142)}
    for load, costs in expected.items():
        path = tmp_path / "flip.toml"
        path.write_text(text.replace("per_s = 50", f"per_s = {load}"))
        options = run("report", "--plan", path, "--json").json["options"]
        found = [each["present_value"] for each in options]
        assert found == pytest.approx(costs, abs=2)


def test_the_load_of_the_flip_is_told(run):
    """Near 143 per second, where an eleventh board is full."""
    out = run("report", "--plan", EXAMPLES / "load-flip.toml").out
    found = re.search(r"Cheapest by peak load: rpi4, (.*)\.\n", out)
    assert found is not None
    assert "above 3.120/s rk3588s" in found[1]
    assert "above 143.0/s orin" in found[1]


def test_the_article_asked_again_names_what_would_settle_it(run):
    """It recommends on declared figures alone, and says which of them to measure."""
    out = run("report", "--plan", EXAMPLES / "study-000.toml").out
    assert "RECOMMENDED: 1 x EdgeBoard." in out
    assert re.search(r"To know the .* of cpu-server better would settle most", out)
    assert "Cheapest by peak load: cpu-server, above 7.500/s edgeboard" in out


def test_the_plan_of_the_guide_is_a_plan(tmp_path):
    """As it is printed there, with a run in the place of the one it names."""
    guide = (ROOT / "docs" / "how-to" / "procurement.md").read_text(encoding="utf-8")
    found = re.search(r"```toml\n(.*?)```", guide, re.DOTALL)
    assert found is not None
    known = {"0198c2f4": measured(run_of_a_board())}
    plan = plan_of(tmp_path, found[1], runs=known)
    assert [option.id for option in plan.options] == ["edgeboard", "other-board"]
