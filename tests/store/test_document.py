"""The result document."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from powerlab.errors import ConfigError
from powerlab.records import Evidence, Latency, PassEnergies, Percentile, RunClock, Truth
from powerlab.store.document import (
    public_document,
    result_document,
    result_from_document,
    stored_document,
)
from tests.store.made import capture, result

TOP = [
    *("schema", "run", "device", "bench", "instrument", "workload", "runtime", "batch"),
    *("protocol", "evidence", "boundary", "valid", "quantities", "budget", "runs", "sync"),
    *("meter", "findings"),
]


def test_the_document_has_the_published_keys_in_order():
    """Nothing is missing and nothing is added, on every level."""
    document = result_document(result())
    assert list(document) == TOP
    entry = document["quantities"]["energy_per_inference"]
    assert list(entry) == ["value", "unit", "u", "U", "k", "dof", "p", "low", "high"]
    line = document["budget"]["energy_per_inference"][0]
    assert line == {"name": "meter gain", "type": "B", "u": 0.000123, "share": 0.9, "dof": None}
    assert list(document["runs"][0]) == [
        *("inferences", "start_ns", "stop_ns", "energy_j", "tail_j")
    ]
    assert list(document["sync"]) == ["offset_ns", "u_offset_ns", "skew_ppm", "marker_residual_ns"]
    assert list(document["meter"]) == ["samples", "lost", "gap_s", "rate_hz", "calibrations"]
    assert list(document["findings"][0]) == ["code", "severity", "message", "hint"]


def test_what_is_known_of_a_run_stands_with_it():
    """Its clock's offset and skew with their u, and the energies of single passes."""
    made = result()
    run = replace(
        made.runs[0],
        clock=RunClock(5, 1200.0, 1.5, 0.25, 300.0),
        passes=PassEnergies(0.01, 0.009, math.nan, 12.5),
    )
    (told,) = result_document(replace(made, runs=(run,)))["runs"]
    clock = ("offset_ns", "u_offset_ns", "skew_ppm", "u_skew_ppm", "residual_ns")
    assert [told[name] for name in clock] == [5, 1200.0, 1.5, 0.25, 300.0]
    assert told["passes"] == {"median_j": 0.01, "p05_j": 0.009, "p95_j": None, "samples": 12.5}


def test_the_latency_of_all_passes_has_its_own_key():
    """Percentiles with both kinds of bounds, null where there are too few passes."""
    made = result()
    assert "latency" not in result_document(made)
    percentile = Percentile(99.0, 0.02, 0.019, None, None, 0)
    latency = Latency(300, (percentile,), 2, 0.03, 0.05)
    document = result_document(replace(made, latency=latency))
    assert document["latency"]["percentiles"][0] == {
        "percent": 99.0,
        "value": 0.02,
        "low": 0.019,
        "high": None,
        "bound": None,
        "discarded": 0,
    }
    assert document["latency"]["outliers"] == 2
    json.dumps(document, allow_nan=False)


def test_truth_appears_only_under_emulation():
    """A measurement on a bench has no truth to tell."""
    assert "truth" not in result_document(result())
    emulated = result(truth=Truth(0.01, 0.02), evidence=Evidence.EMULATED)
    assert result_document(emulated)["truth"] == {
        "energy_per_inference": 0.01,
        "energy_of_these_runs": 0.02,
    }


def test_numbers_that_json_lacks_become_null():
    """NaN and unbounded limits are null, so any JSON reader takes the document."""
    document = result_document(result())
    assert document["quantities"]["power_idle"]["value"] is None
    assert document["quantities"]["energy_per_inference"]["high"] is None
    json.dumps(document, allow_nan=False)


def test_the_price_stands_beside_what_rests_on_it():
    """Price, currency, date and tax basis are told with performance per cost."""
    price = result_document(result())["quantities"]["performance_per_cost"]["price"]
    assert (price["amount"], price["currency"], price["date"]) == ("5000.00", "CNY", "2020-01-01")
    assert price["basis"] == "incl. tax"


def test_the_stored_document_restores_the_result():
    """What the public document leaves out comes back from the file."""
    before = result(truth=Truth(0.01, 0.02), evidence=Evidence.EMULATED)
    stored = stored_document(
        before, created="2026-11-21T00:00:00.000+00:00", versions={}, target=capture().target
    )
    read = json.loads(json.dumps(stored, allow_nan=False))
    assert str(result_from_document(read)) == str(before)
    assert public_document(read) == result_document(before)


@pytest.mark.parametrize("change", [{"schema": "powerlab.result/9"}, {"detail": {"run": 3}}])
def test_a_foreign_or_damaged_document_is_refused(change):
    """The message says what to do instead of failing somewhere inside."""
    stored = stored_document(result(), created="", versions={}, target=capture().target)
    with pytest.raises(ConfigError) as caught:
        result_from_document(stored | change)
    assert caught.value.hint


def test_the_document_of_a_result_that_was_read_back_is_the_same_text():
    """Whole degrees of freedom are 4.0 before and after, so digests can be compared."""
    made = result()
    energy = replace(made.quantities["energy_per_inference"], dof=4)
    made = replace(made, quantities={"energy_per_inference": energy})
    origin = {"created": "2026", "versions": {"a": "1"}, "target": capture().target}
    text = json.dumps(stored_document(made, **origin))
    again = result_from_document(json.loads(text))
    assert json.dumps(stored_document(again, **origin)) == text
    assert '"dof": 4.0' in text
