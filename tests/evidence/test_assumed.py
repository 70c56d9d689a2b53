"""Nothing is guessed in silence: what no file states stands among the assumptions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from powerlab.errors import ConfigError
from powerlab.evidence.audit import audit
from powerlab.report.texts import load_texts
from tests.evidence.every_format import FORMATS
from tests.evidence.made import clock, detail, session, spl, spl_line, steps

MEAN = "a reading is taken as the mean"
POINT = "a reading is taken as the power at the instant"

TAKEN = {
    "joulescope": ("boundary dc", MEAN, "no unit are taken in SI"),
    "otii": ("boundary dc", MEAN, "no unit are taken in SI"),
    "fnirsi": ("boundary dc", MEAN, "no unit are taken in SI"),
    "km003c": ("boundary dc", MEAN),
    "devlib": ("boundary dc", MEAN, "as devlib documents"),
    "energibridge": ("the boundary is the processor", "Time has no unit"),
    "jls": ("boundary dc", MEAN, "volts times amperes"),
    "ppk2": ("boundary dc", MEAN, "3 V all along", "one inference in each stretch"),
    "ppk2-csv": ("boundary dc", MEAN, "3 V all along", "one inference in each stretch"),
    "tegrastats": (POINT, "the board's whole input", "whole seconds"),
    "nvidia-smi": (POINT, "GPU's own board"),
    "codecarbon": ("the boundary is processor",),
    "csv": (),
    "mlperf-inference": ("the boundary is the wall", "mean of the second"),
    "energyrunner": ("boundary dc",),
    "mlcommons-tiny": ("boundary dc", "1 ms", "no common clock"),
    "deepedgebench": ("point sample", "a batch has"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_reader_says_what_it_took(tmp_path: Path, name: str) -> None:
    """Boundary, unit, rate and what a reading is: by the file, or by an assumption."""
    evidence = audit(FORMATS[name](tmp_path)).audits[0].evidence
    for text in TAKEN[name]:
        assert any(text in each for each in evidence.assumptions), evidence.assumptions
    assert bool(evidence.assumptions) == bool(TAKEN[name])
    assert evidence.timebase


@pytest.mark.parametrize("name", FORMATS)
def test_what_readers_say_is_in_chinese(tmp_path: Path, name: str) -> None:
    """Rules, limits, times and assumptions; a part after "; " may be a list of names."""
    evidence = audit(FORMATS[name](tmp_path)).audits[0].evidence
    texts = load_texts("zh")
    said = [evidence.meter.source, *evidence.assumptions]
    said += [] if name in ("codecarbon", "csv") else [evidence.timebase]
    if name != "csv":  # a mapping's words are its author's
        for text in said:
            whole = texts.known("reason", text) != text
            assert whole or texts.known("reason", text.split("; ")[0]) != text.split("; ")[0], text


def test_a_time_without_unit_must_be_what_it_is_taken_for(tmp_path: Path) -> None:
    """EnergiBridge's Time is in milliseconds of the epoch; seconds are not taken for that."""
    rows = [f"10,{1_700_000_000 + k},{100 + k}" for k in range(20)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["Delta,Time,PACKAGE_ENERGY (J)", *rows]) + "\n")
    with pytest.raises(ConfigError, match="no millisecond of the epoch"):
        audit(path)


def test_a_published_log_of_another_round_and_maker(
    shared: Callable[[str], Path], tmp_path: Path
) -> None:
    """UntetherAI's SingleStream of v4.1: 600 samples, its mJ per query, its integral."""
    name = "references/mlperf_v4.1_untether_h13_resnet50_singlestream.json"
    told = json.loads(shared(name).read_text())
    rows = zip(told["t_s"], told["watts"], told["pf"], strict=True)
    log = "".join(spl_line(t, repr(w), repr(pf)) + "\n" for t, w, pf in rows)
    text = detail(told["power_begin_s"], told["power_end_s"], queries=told["queries"])
    done = audit(session(tmp_path / "run", {"spl.txt": log}, text)).audits[0]
    claim = done.evidence.claims[0]
    assert claim.value == pytest.approx(told["official_mJ"], rel=1e-12)
    assert done.reckoned.energy_j[0] == pytest.approx(told["rectangle_integral_J"], rel=2e-5)
    assert done.evidence.traces[0].power_factor > 0.85


def ranges(volt: int, amp: int) -> str:
    """Get what PTDaemon's log says of an analyser before the run."""
    return (
        f"{clock(0)}: identity response: YOKOGAWA,WT310E,C2,F1\n"
        f"{clock(1)}: Volt range set to {volt} V\n{clock(1)}: Amp range set to {amp} A\n"
    )


def test_an_analyser_far_below_its_range_is_told(tmp_path: Path) -> None:
    """Of two in files of their own, the one at 2 % of its range, with its share of the power."""
    folder = session(
        tmp_path / "run",
        {"spl_a.txt": spl(steps(121, high=200.0)), "spl_b.txt": spl(steps(121, high=10.0))},
        detail(10.5, 110.5),
    )
    (folder / "power" / "ptd_logs_a.txt").write_text(ranges(300, 1))
    (folder / "power" / "ptd_logs_b.txt").write_text(ranges(300, 2))
    done = audit(folder).audits[0]
    found = [each for each in done.findings if each.code == "load-factor"]
    assert [each.evidence["trace"] for each in found] == ["spl_b"]
    assert found[0].evidence["load"] == pytest.approx(10 / 600, rel=1e-3)


def test_the_worst_power_factor_of_several_analysers_counts(tmp_path: Path) -> None:
    """Errors of phase are those of the analyser where they weigh most."""

    def log(factor: str) -> str:
        return "".join(spl_line(t, repr(w), factor) + "\n" for t, w in steps(121))

    limits = []
    for other in ("0.99", "0.40"):
        folder = session(
            tmp_path / other, {"spl_a.txt": log("0.99"), "spl_b.txt": log(other)}, detail(10.5, 110)
        )
        for name in "ab":
            (folder / "power" / f"ptd_logs_{name}.txt").write_text(ranges(300, 1))
        limits.append(audit(folder).audits[0].evidence.meter.gain_limit)
    assert limits[1] > limits[0] * 2
