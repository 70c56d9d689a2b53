"""MLPerf power runs beyond the plain case: sentinels, scenarios, analysers, clocks, zones."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from powerlab.errors import ConfigError
from powerlab.evidence.audit import Audit, audit
from powerlab.evidence.mlperf_spl import read_spl, stamp_ns
from powerlab.findings import Severity
from tests.evidence.made import (
    ORIGIN,
    clock,
    detail,
    published,
    row,
    session,
    sides,
    spl,
    spl_line,
    steps,
    submission,
)

WINDOW = detail(10.5, 110.5)


def run(folder: Path, logs: dict[str, str], text: str = WINDOW, **more: object) -> Audit:
    """Audit a session made of these files."""
    (done,) = audit(session(folder, logs, text, **more)).audits  # type: ignore[arg-type]
    return done


def codes(done: Audit) -> dict[str, Severity]:
    """Get the codes of all findings with their severities."""
    return {finding.code: finding.severity for finding in done.findings}


def test_the_integral_takes_parts_of_samples(tmp_path: Path) -> None:
    """A window from 10.5 s to 110.5 s over a step holds half a sample on either side of it."""
    done = run(tmp_path / "s", {"spl.txt": spl(steps(121))})
    assert done.evidence.claims[0].value == pytest.approx(10.0 * 100 * 1000 / 1000)
    assert done.reckoned.energy_j[0] == pytest.approx(10.0 * 100)


def test_sentinels_are_left_out_and_counted(tmp_path: Path) -> None:
    """Minus two and nan between the samples change neither figure, and are told."""
    samples = steps(121)
    text = spl(samples[:50]) + spl_line(50.2, "-2.000000") + "\n" + "NOTICE: again\n"
    text += spl_line(50.4, "nan", "nan") + "\n" + spl(samples[50:])
    done = run(tmp_path / "s", {"spl.txt": text})
    assert done.evidence.claims[0].value == pytest.approx(1000.0)
    assert codes(done)["sentinels"] is Severity.BLOCKING  # two of a hundred


def test_figure_with_a_sentinel_averaged_in_is_explained(tmp_path: Path) -> None:
    """A published figure that took an error code for power agrees with that very mistake."""
    text = spl(steps(1021)).replace("Watts,10.000000", "Watts,-2.000000", 1)
    place = submission(tmp_path, "offline")
    watts = (999 * 10.0 - 2.0) / 1000
    published(tmp_path / "published.csv", [row("Offline", watts, "Watts")])
    done = run(place, {"spl.txt": text}, detail(10.5, 1010.5, scenario="Offline"))
    claim = done.evidence.claims[0]
    assert claim.agrees
    assert claim.value == pytest.approx(watts, rel=1e-12)
    assert "sentinels-in-published-figure" in codes(done)
    assert done.recomputed is not None
    assert done.recomputed.value == pytest.approx(10.0, rel=1e-3)


def test_inferred_multistream_is_eight_times_singlestream(tmp_path: Path) -> None:
    """A SingleStream run submitted as MultiStream has its figure times 8, and a finding."""
    place = submission(tmp_path, "multistream")
    published(tmp_path / "published.csv", [row("MultiStream", 8000.0, "millijoules", inferred=1)])
    done = run(place, {"spl.txt": spl(steps(121))})
    claim = done.evidence.claims[0]
    assert claim.quantity == "energy per query, multistream"
    assert claim.agrees
    assert "scenario-mismatch" in codes(done)
    assert done.recomputed is not None
    assert done.recomputed.value == pytest.approx(8000.0, rel=1e-3)


def test_measured_multistream_counts_its_samples(tmp_path: Path) -> None:
    """A query of MultiStream holds 8 samples: its figure is per query, the energy per sample."""
    place = submission(tmp_path, "multistream")
    text = detail(10.5, 110.5, scenario="MultiStream", queries=100, per_query=8)
    done = run(place, {"spl.txt": spl(steps(121))}, text)
    assert done.evidence.claims[0].value == pytest.approx(10_000.0)
    energy = done.reckoned.quantities["energy_per_inference"]
    assert energy.value == pytest.approx(1000.0 / 800)
    assert done.recomputed is not None
    assert done.recomputed.value == pytest.approx(10_000.0, rel=1e-3)


def test_a_wrong_published_figure_is_blocking(tmp_path: Path) -> None:
    """A figure beyond the uncertainty makes the evidence not valid and says by how much."""
    place = submission(tmp_path, "singlestream")
    published(tmp_path / "published.csv", [row("SingleStream", 900.0, "millijoules")])
    done = run(place, {"spl.txt": spl(steps(121))})
    assert not done.evidence.claims[0].agrees
    assert codes(done)["published-differs"] is Severity.BLOCKING
    assert not done.valid


def test_several_analysers_are_joined_by_time(tmp_path: Path) -> None:
    """Files of different length and phase add up as integrals on their own stamps."""
    first = steps(121, low=1.0, high=6.0)
    second = [(t - 0.3, w) for t, w in steps(121, low=1.0, high=4.0)][3:]
    done = run(tmp_path / "s", {"spl_1.txt": spl(first), "spl_2.txt": spl(second)})
    assert len(done.evidence.traces) == 2
    assert done.reckoned.energy_j[0] == pytest.approx(1000.0, rel=1e-9)
    assert "analysers-unequal" in codes(done)


def test_sum_of_analysers_agrees_with_what_was_published(tmp_path: Path) -> None:
    """Where no file holds the sum, the published figure is that of both files together."""
    place = submission(tmp_path, "offline")
    published(tmp_path / "published.csv", [row("Offline", 10.0, "Watts")])
    logs = {"spl_1.txt": spl(steps(121, 1, 6)), "spl_2.txt": spl(steps(120, 1, 4))}
    done = run(place, logs, detail(10.5, 109.5, scenario="Offline"))
    assert done.evidence.claims[0].agrees


def test_joined_lines_hold_every_analyser(tmp_path: Path) -> None:
    """A line that adds two analysers is taken apart, and the distance of their stamps told."""
    lines = []
    for t, watts in steps(121):
        parts = [(1, t, 0.4 * watts), (2, t - 0.268, 0.6 * watts)]
        line = spl_line(t, f"{watts:.6f}", "-1.0")
        line += "".join(f",Analyzer{n},{spl_line(at, f'{w:.6f}')}" for n, at, w in parts)
        lines.append(line + "\n")
    done = run(tmp_path / "s", {"spl.txt": "".join(lines)})
    assert [trace.name for trace in done.evidence.traces] == ["analyser 1", "analyser 2"]
    assert done.evidence.claims[0].value == pytest.approx(1000.0)
    assert "analysers-joined-by-line" in codes(done)
    assert done.reckoned.energy_j[0] == pytest.approx(1000.0, rel=1e-3)


def test_clock_offset_is_worth_joules(tmp_path: Path) -> None:
    """Half a second between client and server is told with what it is worth at the step."""
    client, server = sides(0.5)
    done = run(tmp_path / "s", {"spl.txt": spl(steps(121))}, client=client, server=server)
    finding = next(each for each in done.findings if each.code == "clock-offset")
    assert finding.severity is Severity.WARNING
    assert finding.evidence["offset_s"] == pytest.approx(0.5, abs=1e-6)
    assert finding.evidence["worth_j"] == pytest.approx(0.5 * 8.0, rel=0.01)


def test_zones_that_differ_are_bridged_by_epoch_stamps(tmp_path: Path) -> None:
    """A client in another zone has no sample in its window by text; the integral has all."""
    client, _ = sides(0.0)
    _, server = sides(0.0)
    text = detail(10.5, 110.5, origin=ORIGIN + timedelta(hours=1))
    done = run(tmp_path / "s", {"spl.txt": spl(steps(121))}, text, client=client, server=server)
    assert "zone-differs" in codes(done)
    assert done.reckoned.energy_j[0] == pytest.approx(1000.0)


def test_summer_time_within_a_log_is_blocking(tmp_path: Path) -> None:
    """A clock put back by an hour in the middle of the run makes it not valid."""
    samples = steps(121)
    text = spl(samples[:60]) + spl(samples[60:], origin=ORIGIN - timedelta(hours=1))
    done = run(tmp_path / "s", {"spl.txt": text})
    assert codes(done)["clock-put-back"] is Severity.BLOCKING


def test_doubts_of_ptdaemon_in_the_window_are_told(tmp_path: Path) -> None:
    """Uncertainties unknown or above 1 % count inside the run only, and the range is used."""
    log = "Analyzer identity response of 9 bytes: YOKOGAWA,WT310E,ABC,F1.04\n"
    log += f"{clock(1)}: Amp range set to 0.200000A\n{clock(1)}: Volt range set to 300.000000V\n"
    for at in (5, 20, 30):
        log += f"{clock(at)}: WARNING: Uncertainty unknown for the last measurement sample!\n"
        log += f"{clock(at)}: WARNING: Uncertainty 1.52%, which is above 1.00% limit\n"
    done = run(tmp_path / "s", {"spl.txt": spl(steps(121))}, ptd=log)
    found = {finding.code: finding for finding in done.findings}
    assert found["uncertainty-unknown"].evidence["samples"] == 2
    assert found["uncertainty-over-limit"].evidence["worst_percent"] == 1.52
    assert done.evidence.meter.offset_limit_w == pytest.approx(0.0005 * 60)
    assert not done.evidence.meter.assumed


def test_a_run_that_loadgen_rejects_is_blocking(tmp_path: Path) -> None:
    """LoadGen's own verdict forbids the use of a run."""
    done = run(
        tmp_path / "s", {"spl.txt": spl(steps(121))}, detail(10.5, 110.5, validity="INVALID")
    )
    assert codes(done)["loadgen-invalid"] is Severity.BLOCKING


def test_a_gap_in_the_window_is_told_and_filled(tmp_path: Path) -> None:
    """Five lost seconds of constant power change the integral by nothing."""
    samples = [each for each in steps(121) if not 50 < each[0] <= 55]
    done = run(tmp_path / "s", {"spl.txt": spl(samples)})
    assert "gaps" in codes(done)
    assert done.reckoned.energy_j[0] == pytest.approx(1000.0)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (spl_line(1, "5.0") + "\nTime,13-40-2026 10:00:00.000,Watts,5,Volts,1\n", 2),
        (spl_line(1, "5.0") + "\n\n" + spl_line(2, "five") + "\n", 3),
        ("Time,03-02-2026\n", 1),
    ],
)
def test_a_bad_sample_is_named_by_line(tmp_path: Path, text: str, line: int) -> None:
    """A sample that cannot be read stops the audit with file and line."""
    path = tmp_path / "spl.txt"
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"spl\.txt:{line}: "):
        read_spl(path)


def test_a_log_without_a_window_is_a_recording(tmp_path: Path) -> None:
    """Samples alone have a mean power and no figure per inference."""
    path = tmp_path / "analyser.txt"
    path.write_text(spl(steps(121)))
    (done,) = audit(path).audits
    assert "windows-missing" in codes(done)
    assert done.reckoned.quantities.keys() == {"energy", "power_active"}


def test_clock_texts_over_a_leap_day() -> None:
    """Months come first, and 29 February exists in leap years only."""
    day = stamp_ns("03-01-2024 00:00:00.000") - stamp_ns("02-28-2024 00:00:00.000")
    assert day == 2 * 86_400 * 10**9
    with pytest.raises(ValueError, match="no day"):
        stamp_ns("02-29-2023 00:00:00.000")
