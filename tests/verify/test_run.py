"""A run folder verified: what agrees, and what each forgery changes."""

from __future__ import annotations

import json
from dataclasses import replace

import pyarrow as pa
import pytest
from pyarrow import parquet

from powerlab.analysis.conclude import conclude
from powerlab.circumstances import latest_price
from powerlab.cli._recovering import recover_run
from powerlab.errors import ConfigError
from powerlab.records import Evidence, SampleBlock
from powerlab.store.archive import open_run
from powerlab.store.run_folder import RunWriter
from powerlab.verify.run import verify_run
from tests.report.conftest import build_measurement
from tests.verify.evidence import NAMES, change, seal

ENERGY = ("quantities", "energy_per_inference")


def keys(folder) -> set[str]:
    """Get the keys that differ."""
    found = verify_run(folder).verification
    assert found.outcome == "differs"
    return {item.key for item in found.differences}


def test_an_untouched_run_agrees(folder) -> None:
    """Every file is as the manifest says and every value of the result comes out again."""
    found = verify_run(folder).verification
    assert found.differences == ()
    assert found.outcome == "agrees"
    values = next(check for check in found.checks if check.name == "result").told
    assert int(values.split()[0]) > 1000


@pytest.mark.parametrize(
    "where",
    [
        (*ENERGY, "value"),
        (*ENERGY, "u"),
        (*ENERGY, "U"),
        (*ENERGY, "low"),
        ("budget", "energy_per_inference", 0, "u"),
        ("runs", 2, "energy_j"),
        ("runs", 2, "inferences"),
        ("runs", 0, "start_ns"),
        ("sync", "skew_ppm"),
        ("meter", "samples"),
        ("detail", *ENERGY, "value"),
    ],
)
def test_a_digit_of_the_result_is_caught_though_the_hash_was_made_to_fit(folder, where) -> None:
    """The sixth digit of any figure is named with what stands there and what it should be."""
    path = folder / "result.json"
    stored = json.loads(path.read_text())
    for key in where:
        stored = stored[key]
    forged = stored + 10 if isinstance(stored, int) else stored * (1 + 1e-6)
    change(path, *where, to=forged)
    seal(folder)
    found = verify_run(folder).verification
    assert [(item.stored, item.recomputed) for item in found.differences] == [
        (forged, pytest.approx(stored, rel=1e-9))
    ]
    key = found.differences[0].key
    assert key.replace("[", ".").replace("]", "") == ".".join(map(str, where))


def test_a_finding_left_out_is_caught(folder) -> None:
    """A warning that is gone from the result comes out of the capture again."""
    before = change(folder / "result.json", "findings", to=[])
    assert before
    seal(folder)
    assert "findings[0]" in keys(folder)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "run.json"])
def test_a_changed_byte_is_caught_by_the_hash(folder, name) -> None:
    """The file is named, whatever it is that changed."""
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(bytes(content))
    assert f"{name} sha256" in keys(folder)


def test_a_reading_changed_is_caught_though_the_hash_was_made_to_fit(folder) -> None:
    """One reading in the runs moves the energy."""
    path = folder / "capture.parquet"
    table = parquet.read_table(path)
    name = next(each for each in table.column_names if each not in {"device_ns", "flags"})
    values = table.column(name).to_numpy().copy()
    values[1000] *= 1.01
    index = table.column_names.index(name)
    parquet.write_table(table.set_column(index, name, pa.array(values)), path)
    seal(folder)
    assert "quantities.energy_per_inference.value" in keys(folder)


def test_a_profile_changed_in_the_manifest_is_caught(folder) -> None:
    """The request that the manifest states is that of the result."""
    change(folder / "run.json", "request", "batch", to=2)
    assert "batch" in keys(folder)


def test_missing_and_unlisted_files_are_told(folder) -> None:
    """A file that is gone differs; one that nobody listed is no evidence, and is named."""
    (folder / "events.jsonl").unlink()
    (folder / "notes.txt").write_text("a note")
    found = verify_run(folder).verification
    assert "events.jsonl sha256" in {item.key for item in found.differences}
    assert "notes.txt is not in the manifest" in found.unchecked


def test_a_file_that_the_manifest_forgot_is_no_evidence(folder) -> None:
    """The data themselves must have a hash."""
    change(folder / "run.json", "files", to={})
    assert {f"{name} sha256" for name in NAMES if name != "run.json"} <= keys(folder)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("part", [0.0, 0.3, 0.99])
def test_a_truncated_file_never_agrees(folder, name, part) -> None:
    """Whatever is cut off, the run differs, or is refused where its manifest is gone."""
    path = folder / name
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    if name == "run.json":
        with pytest.raises(ConfigError):
            verify_run(folder)
        return
    seal(folder)
    assert verify_run(folder).verification.outcome != "agrees"


def test_a_run_that_was_cut_short_agrees_with_what_was_recovered(tmp_path) -> None:
    """The recovered result rests on the capture that is there, and the verdict says why."""
    folder = _cut_short(tmp_path)
    assert open_run(recover_run(folder).folder).result is not None
    found = verify_run(folder).verification
    assert found.outcome == "agrees"
    assert any("cut short" in text for text in found.unchecked)


def test_a_run_without_a_result_is_not_verifiable(tmp_path) -> None:
    """Nothing recomputed is not the same as agreeing."""
    found = verify_run(_cut_short(tmp_path)).verification
    assert found.outcome == "not verifiable"


def test_a_folder_that_is_no_run_is_refused(tmp_path) -> None:
    """There is nothing to hold it against."""
    with pytest.raises(ConfigError):
        verify_run(tmp_path)


def test_another_processor_may_differ_in_the_last_digits(folder) -> None:
    """Sums in another order move a float by 1e-15 of itself: no difference."""
    stored = open_run(folder).result
    value = stored.quantities["energy_per_inference"].value
    for where in (ENERGY, ("detail", *ENERGY)):
        change(folder / "result.json", *where, "value", to=value * (1 + 1e-13))
    seal(folder)
    assert verify_run(folder).verification.outcome == "agrees"


def test_the_truth_of_an_emulated_world_is_said_to_be_unchecked(tmp_path) -> None:
    """The capture does not hold it."""
    made = build_measurement()
    writer = RunWriter(
        tmp_path,
        request=made.result.request,
        configuration={"device": made.device.model_dump(mode="json", by_alias=True)},
        evidence=Evidence.EMULATED,
    )
    result, _ = conclude(
        made.capture, run=writer.run, request=made.result.request, price=latest_price(made.device)
    )
    writer.finish(made.capture, replace(result, truth=made.result.truth))
    found = verify_run(writer.folder).verification
    assert found.outcome == "agrees"
    assert any("truth" in text for text in found.unchecked)


def _cut_short(place):
    """Get a partial run of a whole capture, as a pulled plug leaves one."""
    made = build_measurement()
    writer = RunWriter(
        place,
        request=made.result.request,
        configuration={"device": made.device.model_dump(mode="json", by_alias=True)},
    )
    capture = made.capture
    for kind in ("timebase", "wiring", "target", "batch"):
        writer.event(kind, getattr(capture, kind))
    writer.event("meter", {"identity": capture.trace.identity, "setup": capture.trace.setup})
    for block in _blocks(capture.trace):
        writer.block(block)
    writer.event("exchanges", capture.exchanges)
    for phase in capture.phases:
        writer.event("phase", phase)
    writer.mark_partial("the plug was pulled")
    return writer.folder


def _blocks(trace):
    """Get a trace as the blocks in which it came."""
    begin = 0
    for sent, received, completed in zip(
        trace.poll_sent_ns, trace.poll_received_ns, trace.poll_completed, strict=True
    ):
        end = int(completed)
        yield SampleBlock(
            values=trace.values[begin:end],
            device_ns=trace.device_ns[begin:end],
            flags=trace.flags[begin:end],
            sent_ns=int(sent),
            received_ns=int(received),
            completed=end,
        )
        begin = end


def test_another_version_that_comes_to_the_same_agrees(folder, monkeypatch) -> None:
    """That it did is said under both versions."""
    for module in ("run", "versions"):
        monkeypatch.setattr(f"powerlab.verify.{module}.__version__", "9.0")
    found = verify_run(folder).verification
    assert found.outcome == "agrees"
    assert any("recomputed by powerlab 9.0: every figure" in text for text in found.unchecked)


def test_what_another_version_finds_otherwise_is_listed_and_does_not_agree(
    folder, monkeypatch
) -> None:
    """Neither forgery nor agreement: the shift stands there in uncertainties."""
    for module in ("run", "versions"):
        monkeypatch.setattr(f"powerlab.verify.{module}.__version__", "9.0")
    value = json.loads((folder / "result.json").read_text())["quantities"]["energy_per_inference"]
    change(folder / "result.json", *ENERGY, "value", to=value["value"] + value["U"] / 10)
    seal(folder)
    found = verify_run(folder).verification
    assert found.outcome == "differs by version"
    assert all(item.method for item in found.differences)
    assert any("no quantity by more than 0.1 of its" in text for text in found.unchecked)


def test_a_changed_file_differs_whatever_version_wrote(folder, monkeypatch) -> None:
    """Hashes know no method."""
    for module in ("run", "versions"):
        monkeypatch.setattr(f"powerlab.verify.{module}.__version__", "9.0")
    with (folder / "events.jsonl").open("a") as file:
        file.write("\n")
    assert verify_run(folder).verification.outcome == "differs"
