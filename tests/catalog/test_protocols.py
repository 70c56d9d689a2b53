"""The presets that are shipped: what each published protocol did, and what is mended."""

from __future__ import annotations

import pytest

from powerlab.analysis.scenarios import LEAST_OFFLINE_SAMPLES, LEAST_RUN_S
from powerlab.catalog.layers import builtin_lab, read_catalog
from powerlab.catalog.protocol_preset import ProtocolPreset
from powerlab.catalog.reading import check
from powerlab.pacing import passes_in

PRESETS = read_catalog([builtin_lab()])[0].protocols
OWN = {"quick", "standard", "thorough"}
MLPERF = {name for name, preset in PRESETS.items() if preset.scenario}


@pytest.mark.parametrize("name", sorted(set(PRESETS) - OWN))
def test_a_published_protocol_says_what_it_did_and_what_is_mended(name):
    """And every run is long enough for a meter with two readings a second."""
    preset = PRESETS[name]
    assert preset.did
    assert preset.mended
    assert preset.run_s >= 10.0
    assert preset.guard_s >= 0.5


@pytest.mark.parametrize("name", sorted(MLPERF))
def test_a_scenario_keeps_mlperfs_least_duration_and_number(name):
    """600 s a run; what early stopping needs; the samples of Offline at any batch."""
    preset = PRESETS[name]
    assert preset.run_s >= LEAST_RUN_S
    least = {"single-stream": 64, "multi-stream": 662, "server": 662, "offline": 1}
    assert preset.least_passes >= least[preset.scenario]
    if preset.scenario == "offline":
        assert 64 * passes_in(preset, 60.0, batch=64) >= LEAST_OFFLINE_SAMPLES
        assert passes_in(preset, 60.0, batch=1) >= LEAST_OFFLINE_SAMPLES


def test_the_presets_of_the_studies_keep_their_counts():
    """250 passes in blocks, 100 at each batch to 256, ten inferences in each of five windows."""
    assert passes_in(PRESETS["sterckval-250"], 0.0025) == 4000
    assert passes_in(PRESETS["sterckval-250"], 10.0) == 250
    sweep = PRESETS["prylipko-batch-sweep"]
    assert sweep.batches == (1, 2, 4, 8, 16, 32, 64, 128, 256)
    assert sweep.keep_refused
    assert passes_in(sweep, 60.0, batch=256) == 100
    tiny = PRESETS["mlperf-tiny"]
    assert (tiny.runs, tiny.run_s, passes_in(tiny, 9.0)) == (5, 10.0, 10)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"scenario": "server"}, "target_qps goes with"),
        ({"target_qps": 5.0}, "target_qps goes with"),
        ({"scenario": "sever"}, "did you mean 'server'?"),
        ({"batches": [0]}, "above 0"),
        ({"timed": "end to end"}, "did you mean 'end-to-end'?"),
    ],
)
def test_mistakes_of_a_protocol_are_told(changes, told, tmp_path):
    """With the nearest word where there is one."""
    table = PRESETS["quick"].model_dump(mode="json", by_alias=True, exclude_none=True) | changes
    _, problems = check(ProtocolPreset, table, tmp_path / "quick.toml")
    assert told in problems[0].message
