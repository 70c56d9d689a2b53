"""Published figures of real evidence, recomputed by the rule of whoever published them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from powerlab.evidence.audit import Audit, audit
from tests.evidence.made import detail, session, spl

Shared = Callable[[str], Path]


def one(path: Path) -> Audit:
    """Audit a path that holds one run."""
    (done,) = audit(path).audits
    return done


@pytest.mark.parametrize(
    ("folder", "figures"),
    [
        (
            "v3.0__Krai__orin-tflite-v2.11.0-ruy__resnet50__singlestream",
            {
                "energy per query, singlestream": 1371.258275367475,
                "energy per query, multistream": 10970.0662029398,
                "average power, offline": 32.43948333333335,
            },
        ),
        (
            "v3.0__Krai__rb6-qaic-v1.8.3.7-aic100__resnet50__offline",
            {"average power, offline": 25.28518927444794},
        ),
    ],
)
def test_mlperf_figures_come_out_as_published(
    shared: Shared, folder: str, figures: dict[str, float]
) -> None:
    """The published rows of a run, inferred ones included, are recomputed to 1e-12."""
    done = one(shared(f"evidence/mlperf_inference_power/{folder}"))
    found = {claim.quantity: claim for claim in done.evidence.claims}
    assert found.keys() == figures.keys()
    for name, value in figures.items():
        assert found[name].published == value
        assert found[name].value == pytest.approx(value, rel=1e-12)
        assert found[name].agrees


def test_own_figure_of_mlperf_holds_the_published_one(shared: Shared) -> None:
    """The integral of the samples differs by less than its uncertainty, which is not nothing."""
    done = one(
        shared(
            "evidence/mlperf_inference_power/"
            "v3.0__Krai__orin-tflite-v2.11.0-ruy__resnet50__singlestream"
        )
    )
    own = done.recomputed
    assert own is not None
    assert own.unit == "mJ"
    assert abs(own.value - 1371.258275367475) < own.expanded < 0.01 * own.value
    assert done.evidence.meter.serial == "C3XA04010E"
    codes = {finding.code for finding in done.findings}
    assert {"clock-offset", "calibration-missing", "power-factor-low", "ranging-drift"} <= codes


@pytest.mark.parametrize("board", range(3))
def test_samples_of_other_boards_follow_the_rule(
    shared: Shared, tmp_path: Path, board: int
) -> None:
    """The logs of three boards of round v2.1 give their figures and integrals to 1e-9."""
    entry = json.loads(shared("references/mlperf_v2.1_edge_boards.json").read_text())["boards"][
        board
    ]
    power = next(entry[key] for key in ("W", "power_W", "p_W", "watts") if key in entry)
    samples = list(zip(entry["t_s"], power, strict=True))
    text = detail(entry["power_begin_s"], entry["power_end_s"], queries=entry["queries"])
    done = one(session(tmp_path / "s", {"spl.txt": spl(samples)}, text))
    assert done.evidence.claims[0].value == pytest.approx(
        entry["energy_per_query_mJ_official"], rel=1e-9
    )
    assert done.reckoned.energy_j[0] == pytest.approx(entry["rectangle_integral_J"], rel=1e-9)


def test_energyrunner_windows_come_out_as_published(shared: Shared) -> None:
    """Every window within 0.003 uJ, and the median as printed."""
    done = one(shared("evidence/mlperf_tiny_energyrunner_krai_l4r5_kws"))
    assert all(claim.agrees for claim in done.evidence.claims)
    energies = [window.energy_j * 1e6 for window in done.evidence.windows]
    wanted = [822371.66, 822193.83, 822244.9, 822233.0, 822567.68]
    assert energies == pytest.approx(wanted, abs=0.003)
    assert [window.inferences for window in done.evidence.windows] == [150] * 5
    names = [claim.quantity for claim in done.evidence.claims[1:]]
    assert names == [f"energy of window {number}" for number in range(1, 6)]
    # the meter's own input marks them: there are no two clocks to differ
    assert "clock-offset-unknown" not in {finding.code for finding in done.findings}


def test_energyrunner_edges_moved_by_rounding_are_found(shared: Shared) -> None:
    """The integral takes sample k at k/fs, as the reference has it, and the audit says so."""
    done = one(shared("evidence/mlperf_tiny_energyrunner_krai_l4r5_kws"))
    reference = json.loads(
        shared("references/mlperf_tiny_v1.1_krai_l4r5_kws/reference.json").read_text()
    )
    wanted = [window["exact_index_uJ"] for window in reference["windows"]]
    assert list(done.reckoned.energy_j * 1e6) == pytest.approx(wanted, abs=0.1)
    assert "window-edges-accumulated" in {finding.code for finding in done.findings}


@pytest.mark.parametrize("name", ["mlperf_tiny_v1.1_krai_l4r5_ad", "mlperf_tiny_v1.2_st_u575_kws"])
def test_other_traces_of_energyrunner_follow_the_rule(
    shared: Shared, tmp_path: Path, name: str
) -> None:
    """Traces of two more boards give their published windows and medians."""
    told = json.loads(shared(f"vectors/lpm01a/{name}.json").read_text())
    (tmp_path / "trace1-energy.bin").symlink_to(shared(f"vectors/lpm01a/{told['bin_file']}"))
    (tmp_path / "trace1-timestamps.json").write_text(json.dumps(told["timestamps_s"]))
    lines = [f"00335.5 ulp-ml: Median energy cost is {told['published_median_uJ_per_inf']} uJ/inf."]
    for window in told["windows"]:
        lines += [
            f"Energy data for window {window['window']} at time 1.0 for 1.0 sec.:",
            f"  Energy       :   {window['published_energy_uJ']} uJ",
            f"Performance results for window {window['window']}:",
            f"  # Inferences :          {window['inferences']}",
        ]
    (tmp_path / "results.txt").write_text("\n".join(lines))
    done = one(tmp_path)
    assert len(done.evidence.claims) == 6
    assert all(claim.agrees for claim in done.evidence.claims)


def test_mlcommons_runner_comes_out_exactly(shared: Shared) -> None:
    """Trials, energies per inference and median round to what was printed."""
    done = one(shared("evidence/mlperf_tiny_runner"))
    assert len(done.evidence.claims) == 11
    assert all(claim.agrees for claim in done.evidence.claims)
    median = done.evidence.claims[0]
    assert f"{median.value:.4f}" == "1430.6681"
    assert "spurious-event" in {finding.code for finding in done.findings}


def test_deepedgebench_comes_out_as_published(shared: Shared) -> None:
    """All eight runs: energies, powers and durations to 1e-9, and the slow sampling is told."""
    folder = shared("evidence/deepedgebench")
    published = json.loads((folder / "published_results.json").read_text())["runs"]
    audits = audit(folder).audits
    assert len(audits) == 8
    for done in audits:
        row = published[done.evidence.path.stem]
        found = {claim.quantity: claim.value for claim in done.evidence.claims}
        numbers = {name: value for name, value in row.items() if isinstance(value, float)}
        assert numbers.keys() <= found.keys()
        for name, value in numbers.items():
            assert found[name] == pytest.approx(value, rel=1e-9), name
    singles = [done for done in audits if len(done.evidence.windows) == 5000]
    assert len(singles) == 4
    for done in singles:
        assert "sample-period-long" in {finding.code for finding in done.findings}
