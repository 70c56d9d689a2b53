"""``powerlab results`` and ``powerlab report`` over run folders made here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from powerlab.records import Boundary, Evidence, Result
from powerlab.store.archive import open_run
from powerlab.store.document import result_document
from powerlab.store.run_folder import RunWriter
from tests.store.made import REQUEST, blocks, capture, quantity, result


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """Get an empty lab."""
    place = tmp_path / "lab"
    place.mkdir()
    (place / "powerlab.toml").write_text("schema = 1\n")
    return place


def keep(lab: Path, made: Result | None = None, **changes: object) -> Result:
    """Keep a finished run."""
    request = replace(REQUEST, **changes.pop("request", {}))
    writer = RunWriter(lab / "runs", request=request)
    made = replace(made or result(), run=writer.run, request=request, **changes)
    writer.finish(capture(), made)
    return made


def with_energy(value: float) -> Result:
    """Get a result of a given energy per inference ± 2 %."""
    energy = quantity("energy_per_inference", "J", value)
    return replace(result(), quantities={"energy_per_inference": energy})


def test_a_list_has_one_line_per_run(run, lab):
    """Complete and partial runs are listed with what is known of them."""
    made = keep(lab)
    broken = RunWriter(lab / "runs", request=REQUEST)
    broken.block(blocks()[0])
    broken.mark_partial("test")
    out = run("results", "list", "--lab", lab).out
    assert any(made.run in line and "12.30 ± 0.25 mJ" in line for line in out.splitlines())
    assert any(broken.run in line and "partial" in line for line in out.splitlines())
    listed = run("results", "list", "--lab", lab, "--json").json
    assert listed["schema"] == "powerlab.runs/1"
    assert {each["run"]: each["status"] for each in listed["runs"]} == {
        made.run: "complete",
        broken.run: "partial",
    }


def test_an_empty_lab_says_so(run, lab):
    """No table of nothing."""
    assert "No runs in" in run("results", "list", "--lab", lab).out


def test_show_prints_the_document_or_the_summary(run, lab):
    """The same document that ``measure --json`` printed."""
    made = keep(lab)
    assert run("results", "show", made.run[-10:], "--lab", lab, "--json").json == result_document(
        made
    )
    assert "12.30 ± 0.25 mJ" in run("results", "show", "last", "--lab", lab).out


def test_show_warns_of_a_changed_file(run, lab):
    """A file that was touched after the measurement is named."""
    made = keep(lab)
    with (lab / "runs" / made.run / "events.jsonl").open("a") as file:
        file.write("\n")
    assert (
        "events.jsonl is not as it was written" in run("results", "show", "last", "--lab", lab).err
    )


def test_show_of_a_partial_run_tells_what_is_there(run, lab):
    """Without a result there is no document, and the message says which way to look."""
    writer = RunWriter(lab / "runs", request=REQUEST)
    writer.block(blocks()[0])
    writer.mark_partial("unplugged")
    assert "reason: unplugged" in run("results", "show", writer.run, "--lab", lab).out
    ran = run("results", "show", writer.run, "--lab", lab, "--json")
    assert (ran.code, ran.out) == (2, "")
    assert "without --json" in ran.err


def test_an_unknown_run_is_refused(run, lab):
    """The hint names the list."""
    ran = run("results", "show", "0000", "--lab", lab)
    assert ran.code == 2
    assert "powerlab results list" in ran.err


@pytest.mark.parametrize(
    ("value", "verdict"), [(0.0123, "tie"), (0.0125, "tie"), (0.02, "higher"), (0.01, "lower")]
)
def test_compare_says_tie_where_the_interval_holds_one(run, lab, value, verdict):
    """A ratio is judged by its interval, never by its value alone."""
    first, second = keep(lab, with_energy(0.0123)), keep(lab, with_energy(value))
    words = ("results", "compare", first.run, second.run, "--lab", lab)
    (ratio,) = run(*words, "--json").json["ratios"]["energy_per_inference"]
    assert ratio["verdict"] == verdict
    assert ratio["value"] == pytest.approx(value / 0.0123)
    assert ratio["U"] == pytest.approx((ratio["high"] - ratio["low"]) / 2)
    assert (ratio["low"] <= 1 <= ratio["high"]) == (verdict == "tie")
    assert ratio["shared"] == []
    assert verdict in run(*words).out


def test_emulated_devices_are_not_ranked(run, lab):
    """Side by side, without a verdict, and it says why; batches of one device may be."""
    emulated = {"evidence": Evidence.EMULATED}
    first = keep(lab, with_energy(0.01), **emulated)
    other = keep(lab, with_energy(0.02), request={"device": "local"}, **emulated)
    batch = keep(lab, with_energy(0.02), request={"batch": 4}, **emulated)
    ran = run("results", "compare", first.run, other.run, "--lab", lab)
    assert "never rank devices" in ran.out
    assert "higher" not in ran.out
    document = run("results", "compare", first.run, other.run, "--lab", lab, "--json").json
    assert document["ranked"] is False
    assert document["ratios"]["energy_per_inference"][0]["verdict"] is None
    assert "higher" in run("results", "compare", first.run, batch.run, "--lab", lab).out


def test_what_is_not_valid_gets_no_verdict(run, lab):
    """Whichever of the two it is: the banner, the column and the document say so."""
    good, bad = keep(lab, with_energy(0.01)), keep(lab, with_energy(0.02), valid=False)
    for runs, valid in (((good, bad), [True, False]), ((bad, good), [False, True])):
        words = ("results", "compare", *(each.run for each in runs), "--lab", lab)
        out = run(*words).out
        assert out.startswith(f"[{valid.index(False) + 1}] NOT VALID")
        assert "higher" not in out
        assert "lower" not in out
        document = run(*words, "--json").json
        assert document["valid"] == valid
        assert (document["ranked"], len(document["unranked"])) == (False, 1)
        assert document["ratios"]["energy_per_inference"][0]["verdict"] is None


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"request": {"workload": "vww"}}, "vww"),
        ({"boundary": Boundary.WALL}, "at wall"),
    ],
)
def test_different_things_are_not_ranked(run, lab, other, named):
    """Neither work nor boundaries; the columns name what differs, and a reason stands below."""
    first, second = keep(lab, with_energy(0.01)), keep(lab, with_energy(0.02), **other)
    words = ("results", "compare", first.run, second.run, "--lab", lab)
    out = run(*words).out
    assert named in out.splitlines()[0]
    assert "no verdict is given" in out
    assert "higher" not in out
    document = run(*words, "--json").json
    assert "different" in document["unranked"][0]
    assert document["ratios"]["energy_per_inference"][0]["verdict"] is None


def test_compare_passes_over_what_one_run_lacks(run, lab):
    """A quantity that only the first run has gets a dash."""
    first, second = keep(lab), keep(lab, with_energy(0.01))
    document = run("results", "compare", first.run, second.run, "--lab", lab, "--json").json
    assert document["ratios"]["performance_per_cost"] == [None]
    assert run("results", "compare", first.run, second.run, "--lab", lab).code == 0


def test_recover_finishes_all_left_overs(run, lab):
    """Without a name, whatever a killed process left is finished."""
    assert "No left-over" in run("results", "recover", "--lab", lab).out
    writer = RunWriter(lab / "runs", request=REQUEST)
    writer.block(blocks()[0])
    writer._close()  # what the kernel does for a killed process
    assert "left over" in run("results", "list", "--lab", lab).out
    assert f"run {writer.run}: partial" in run("results", "recover", "--lab", lab).out
    assert open_run(writer.folder).manifest["status"] == "partial"


def test_a_report_needs_a_complete_and_unchanged_run(run, lab, tmp_path):
    """A partial run has nothing to report, a changed one no evidence."""
    made = keep(lab)
    with (lab / "runs" / made.run / "events.jsonl").open("a") as file:
        file.write("\n")
    ran = run("report", made.run, "-o", tmp_path / "page.pdf", "--lab", lab)
    assert ran.code == 2
    assert "events.jsonl" in ran.err
    writer = RunWriter(lab / "runs", request=REQUEST)
    writer.mark_partial("test")
    ran = run("report", writer.run, "-o", tmp_path / "page.pdf", "--lab", lab)
    assert ran.code == 2
    assert "no result" in ran.err


def test_a_run_without_its_profiles_is_refused(run, lab, tmp_path):
    """Every missing key is told, not a traceback."""
    made = keep(lab)
    ran = run("report", made.run, "-o", tmp_path / "page.pdf", "--lab", lab)
    assert ran.code == 2
    assert "run.json" in ran.err


def test_an_unfinished_run_says_that_it_is_emulated(run, lab):
    """In the list and by itself, though there is no result yet."""
    writer = RunWriter(lab / "runs", request=REQUEST, evidence=Evidence.EMULATED)
    writer.block(blocks()[0])
    assert "emulated" in run("results", "list", "--lab", lab).out
    writer.mark_partial("test")
    assert "partial, EMULATED" in run("results", "show", writer.run, "--lab", lab).out
    (listed,) = run("results", "list", "--lab", lab, "--json").json["runs"]
    assert listed["evidence"] == "emulated"


def test_a_recording_that_a_full_disk_left_names_what_finishes_it(run, lab, monkeypatch):
    """Only there is anything to recover."""
    writer = RunWriter(lab / "runs", request=REQUEST)
    writer.block(blocks()[0])

    def fail(*_: object) -> None:
        raise OSError(28, "full")

    with monkeypatch.context() as patch:
        patch.setattr("powerlab.store.run_folder.write_samples", fail)
        writer.mark_partial("full")
    shown = run("results", "show", writer.run, "--lab", lab).out
    assert f"powerlab results recover {writer.run}" in shown
    run("results", "recover", writer.run, "--lab", lab)
    assert "recover" not in run("results", "show", writer.run, "--lab", lab).out


@pytest.mark.parametrize("width", [60, 79])
def test_a_narrow_terminal_gets_folded_text(run, lab, monkeypatch, width):
    """No line of a summary is wider than the terminal, and the factors k are left out."""
    keep(lab)
    monkeypatch.setattr("powerlab.cli._summary.columns", lambda: width)
    out = run("results", "show", "last", "--lab", lab).out
    assert "k = " not in out
    figures = out[: out.index("run     ")]
    assert max(map(len, figures.splitlines())) <= width


def test_a_narrow_list_has_ends_of_identifiers_that_are_found(run, lab, monkeypatch):
    """What is shown can be typed."""
    made = keep(lab)
    monkeypatch.setattr("powerlab.cli._runs.columns", lambda: 90)
    out = run("results", "list", "--lab", lab).out
    assert made.run not in out
    assert max(map(len, out.splitlines())) <= 90
    assert run("results", "show", out.splitlines()[1].split()[0], "--lab", lab).code == 0


def test_a_report_is_a_pdf(run, lab):
    """Another suffix is refused with the right one."""
    keep(lab)
    ran = run("report", "last", "-o", "page.txt", "--lab", lab)
    assert ran.code == 2
    assert "--output page.pdf" in ran.err
