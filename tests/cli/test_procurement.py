"""``powerlab report --plan`` and ``--init``; the plan in ``results compare`` and ``export``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from powerlab.records import Evidence
from powerlab.store.archive import open_run
from powerlab.store.run_folder import RunWriter
from tests.catalog.procurement_files import PLAN, changed
from tests.store.made import REQUEST, capture, quantity, result

MEASURED = (
    PLAN[: PLAN.index("[[option]]")]
    + """
[[rate]]
from = "CNY"
to = "EUR"
rate = "0.13"
date = 2026-11-01
[[option]]
id = "board"
run = "{run}"
price = "100"
[[option]]
id = "other"
workload = "seed-cnn"
boundary = "dc"
energy_per_inference_j = {{ value = 1, u = 0.1 }}
idle_power_w = 3
throughput_per_s = 3
price = "100"
"""
)


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """Get an empty lab."""
    place = tmp_path / "lab"
    place.mkdir()
    (place / "powerlab.toml").write_text("schema = 1\n")
    return place


@pytest.fixture
def plan(tmp_path: Path):
    """Get a function that writes a plan and gets its path."""

    def write(text: str = PLAN) -> Path:
        path = tmp_path / "procurement.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def keep(lab: Path, **changes: object):
    """Keep a finished run with all that an option takes."""
    names = {"energy_per_inference": ("J", 0.5), "power_idle": ("W", 3.0)}
    names["throughput"] = ("1/s", 20.0)
    made = replace(
        result(), quantities={name: quantity(name, *stated) for name, stated in names.items()}
    )
    writer = RunWriter(lab / "runs", request=REQUEST)
    made = replace(made, run=writer.run, request=REQUEST, **changes)
    writer.finish(capture(), made)
    return made


def test_a_decision_is_told_in_words(run, plan):
    """What to buy, how sure, what it saves, what it rests on, what would change it."""
    ran = run("report", "--plan", plan())
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert "RECOMMENDED: 4 x fast." in lines
    assert "50 inferences/s on average, 50/s at peak, over 3 years, in EUR of 2026-11-20" in lines
    assert any("costs least is" in line for line in lines)
    assert any("Against slow it saves" in line and "EUR" in line for line in lines)
    assert "  It rests on declared figures of fast and slow." in lines
    assert any("With a unit price of fast above" in line for line in lines)
    (row,) = [line for line in lines if line.startswith("fast ") and "declared" in line]
    assert row.endswith("recommended")


def test_a_decision_is_one_json_document(run, plan):
    """With the hash of the plan, and the options as rows."""
    ran = run("report", "--plan", plan(), "--json")
    assert ran.json["schema"] == "powerlab.decision/1"
    assert ran.json["decision"]["recommended"] == "fast"
    assert ran.json["decision"]["plan_sha256"] == ran.json["plan"]["sha256"]
    fast = ran.json["options"][1]
    assert (fast["option"], fast["units"], fast["unit_price"]) == ("fast", 4, "150.00")


def test_a_narrow_terminal_gets_a_narrower_table(run, plan, monkeypatch):
    """Without the cost per million, and its sentences folded."""
    monkeypatch.setattr("powerlab.cli._decision_text.columns", lambda: 90)
    out = run("report", "--plan", plan()).out
    assert "per million" not in out
    assert max(map(len, out.splitlines())) <= 90


def test_compare_makes_the_same_statements(run, plan):
    """The plan is the question, whichever command is asked."""
    path = plan()
    assert run("results", "compare", "--plan", path).out == run("report", "--plan", path).out


def test_every_problem_of_a_plan_is_told_before_anything_else(run, plan):
    """With the file and the key, and no traceback."""
    ran = run("report", "--plan", plan(changed('"75"', '"-75"').replace("per_s = 50", "")))
    assert ran.code == 2
    assert "procurement.toml: option[1].price: must be at least 0, not -75" in ran.err
    assert "procurement.toml: load.per_s: is missing" in ran.err
    assert ran.out == ""


def test_boundaries_that_differ_leave_no_answer(run, plan):
    """The finding is told with its keys, and the command fails."""
    ran = run("report", "--plan", plan(changed('id = "slow"', 'id = "slow"\nboundary = "dc"')))
    assert ran.code == 2
    assert "NO ANSWER" in ran.out
    assert "option[1].boundary, option[2].boundary" in ran.out
    assert "boundaries" in ran.err


def test_accuracy_that_differs_is_shown(run, plan):
    """And does not keep the options from being compared."""
    text = changed('id = "slow"', 'id = "slow"\naccuracy = 0.7')
    ran = run("report", "--plan", plan(text.replace('id = "fast"', 'id = "fast"\naccuracy = 0.75')))
    assert ran.code == 0
    assert "warning: the options' accuracies range from 0.7 to 0.75 (option[1].accuracy" in ran.out


def test_a_load_that_no_option_carries_fails(run, plan):
    """With what would help."""
    ran = run("report", "--plan", plan(changed("[load]", "[fleet]\nmost_units = 3\n[load]")))
    assert ran.code == 2
    assert "NO RECOMMENDATION" in ran.out
    assert "no option can carry the load" in ran.err


def test_requirements_have_their_table(run, plan):
    """Limit, value, probability and statement of each option."""
    limit = '[[requirement]]\nquantity = "power_active"\nat_most = 7\n[load]'
    out = run("report", "--plan", plan(changed("[load]", limit))).out
    (row,) = [
        line for line in out.splitlines() if line.startswith("power_active at most 7 W  fast")
    ]
    assert "does not meet" in row
    assert "it costs least" not in out
    assert "It is the only option that may win." in out


def test_a_measured_option_takes_its_run(run, lab, plan):
    """Named in the plan, by any part of its identifier that is its own."""
    made = keep(lab)
    ran = run("report", "--plan", plan(MEASURED.format(run=made.run[-8:])), "--lab", lab, "--json")
    assert ran.code == 0, ran.err
    board = ran.json["options"][0]
    assert (board["evidence"], board["runs"], board["boundary"]) == ("measured", made.run, "dc")
    assert board["energy_per_inference"] == 0.5


def test_emulated_options_cannot_win_and_say_so(run, lab, plan):
    """However cheap they look."""
    made = keep(lab, evidence=Evidence.EMULATED)
    out = run("report", "--plan", plan(MEASURED.format(run=made.run)), "--lab", lab).out
    (row,) = [line for line in out.splitlines() if line.startswith("board ")]
    assert "EMULATED" in row
    assert row.endswith("emulated")
    assert "x other." in out


def test_runs_of_the_command_line_find_their_option(run, lab, plan):
    """By the device; one that is of none is not passed over."""
    made = keep(lab)
    text = PLAN.replace('boundary = "wall"', 'boundary = "dc"\nworkload = "seed-cnn"')
    named = text.replace('id = "slow"', 'id = "slow"\ndevice = "edgeboard"')
    ran = run("report", made.run, "--plan", plan(named), "--lab", lab, "--json")
    assert [each["evidence"] for each in ran.json["options"]] == ["measured", "declared"]
    ran = run("report", made.run, "--plan", plan(text), "--lab", lab)
    assert ran.code == 2
    assert f'run = "{made.run}"' in ran.err


def test_a_run_that_was_changed_decides_nothing(run, lab, plan):
    """It is no evidence any more."""
    made = keep(lab)
    with (lab / "runs" / made.run / "events.jsonl").open("a") as file:
        file.write("\n")
    ran = run("report", "--plan", plan(MEASURED.format(run=made.run)), "--lab", lab)
    assert ran.code == 2
    assert "events.jsonl changed" in ran.err


def test_the_report_is_written_from_plan_decision_and_evidence(run, lab, plan, monkeypatch):
    """All that stands behind a run goes with it, its files under names of their own."""
    made, given = keep(lab), []
    monkeypatch.setattr(
        "powerlab.report.procurement.write_procurement",
        lambda *args, **options: given.append((args, options)),
    )
    monkeypatch.setattr("powerlab.cli._procurement_report._power", lambda *_: None)
    monkeypatch.setattr("powerlab.analysis.align.align", lambda _: SimpleNamespace())
    monkeypatch.setattr("powerlab.report.evidence._trace", lambda *_: None)
    path = plan(MEASURED.format(run=made.run))
    ran = run("report", "--plan", path, "-o", "page.pdf", "--lab", lab, "--lang", "zh")
    assert (ran.code, ran.out) == (0, "page.pdf\n"), ran.err
    (asked, decision, evidence, where, lang), options = given[0]
    assert (where, lang) == (Path("page.pdf"), "zh")
    assert decision.plan_sha256 == asked.sha256
    assert evidence.plan_file == path.read_bytes()
    (only,) = evidence.runs
    manifest = open_run(lab / "runs" / made.run).manifest
    assert (only.option, only.run) == ("board", made.run)
    assert only.files["result.json"] == manifest["files"]["result.json"]["sha256"]
    names = ("result.json", "run.json", "capture.parquet", "events.jsonl")
    assert [item.name for item in only.attached] == [f"board-{name}" for name in names]
    assert lab.resolve() in options["labs"]


@pytest.mark.parametrize(
    ("variables", "lang"),
    [({"LANG": "zh_CN.UTF-8"}, "zh"), ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en"), ({}, "en")],
)
def test_the_locale_decides_the_language(run, plan, monkeypatch, variables, lang):
    """Unless it is asked for."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    given = []
    monkeypatch.setattr(
        "powerlab.cli._procurement_report.write_report", lambda *args: given.append(args[2])
    )
    monkeypatch.setattr("powerlab.cli._reporting.check_report", lambda *_: None)
    run("report", "--plan", plan(), "-o", "page.pdf")
    assert given == [lang]


def test_init_writes_a_plan_of_the_runs_at_hand(run, lab):
    """It loads as it stands, with every run and its price in it."""
    made = keep(lab, evidence=Evidence.EMULATED)
    ran = run("report", "--init", "--lab", lab)
    assert ran.out == "procurement.toml\n"
    text = Path("procurement.toml").read_text()
    assert f'run = "{made.run}"' in text
    assert "EMULATED, so it cannot be recommended" in text
    assert f'unit = "{made.price.money.amount}"' in text
    ran = run("report", "--plan", "procurement.toml", "--lab", lab)
    assert ran.code == 0, ran.err
    assert "NO RECOMMENDATION" in ran.out


def test_init_takes_the_newest_run_of_each_kind(run, lab):
    """Or the runs that are named, each an option of its own."""
    older, newer = keep(lab), keep(lab)
    run("report", "--init", "--lab", lab)
    text = Path("procurement.toml").read_text()
    assert newer.run in text
    assert older.run not in text
    run("report", older.run, newer.run, "--init", "-o", "both.toml", "--lab", lab)
    ran = run("report", "--plan", "both.toml", "--lab", lab, "--json")
    assert [each["runs"] for each in ran.json["options"]] == [older.run, newer.run]


def test_init_never_overwrites(run, lab):
    """What someone wrote is worth more than a template."""
    Path("procurement.toml").write_text("mine")
    ran = run("report", "--init", "--lab", lab)
    assert ran.code == 2
    assert "already" in ran.err
    assert Path("procurement.toml").read_text() == "mine"


def test_init_without_runs_leaves_prices_to_be_said(run, lab):
    """The plan then names exactly what is missing."""
    run("report", "--init", "--lab", lab)
    ran = run("report", "--plan", "procurement.toml", "--lab", lab)
    assert ran.code == 2
    assert "option[1].price.unit: is missing" in ran.err
    assert "1 problem " in ran.err


@pytest.mark.parametrize("suffix", ["csv", "md", "parquet"])
def test_the_options_are_exported(run, plan, suffix):
    """As a table for other programs, the same every time."""
    path = Path(f"options.{suffix}")
    ran = run("results", "export", "--plan", plan(), "-o", path)
    assert (ran.code, ran.out) == (0, f"{path}\n"), ran.err
    first = path.read_bytes()
    assert b"probability_cheapest" in first
    run("results", "export", "--plan", plan(), "-o", path)
    assert path.read_bytes() == first


def test_runs_are_exported_quantity_by_quantity(run, lab):
    """A row for each, with its interval."""
    made = keep(lab)
    ran = run("results", "export", made.run, "-o", "runs.csv", "--lab", lab)
    assert ran.code == 0, ran.err
    head, *rows = Path("runs.csv").read_text().splitlines()
    assert head.startswith("run,device,bench,instrument,workload")
    assert len(rows) == 3
    assert f"{made.run},edgeboard" in rows[0]
    assert "energy_per_inference,J,0.5," in rows[0]


@pytest.mark.parametrize(
    "words",
    [
        ("results", "export", "-o", "x.csv"),
        ("results", "compare"),
        ("report", "last"),
        ("report", "a", "b", "-o", "x.pdf"),
        ("report", "last", "--json"),
        ("report", "--init", "--plan", "x.toml"),
        ("results", "export", "last", "-o", "x.doc"),
    ],
)
def test_what_is_missing_on_the_command_line_is_told(run, lab, words):
    """With exit status 2 and no traceback."""
    keep(lab)
    ran = run(*words, "--lab", lab)
    assert ran.code == 2
    assert ran.err
