"""A second meter's volts in a run folder: as told, cut short, and attached for verification."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from powerlab.analysis.joined import joined
from powerlab.records import Capture, MeterTrace
from powerlab.store.archive import open_run
from powerlab.store.run_folder import RunWriter
from powerlab.store.serial import to_plain
from powerlab.store.verifiable import unpack, verifiable_files
from tests.store.made import REQUEST, blocks, capture, exchange_bursts, head, phases, result


def volts() -> MeterTrace:
    """Get the trace of a meter that keeps no time of its own."""
    trace = capture(1, timed=False).trace
    setup = replace(
        trace.setup,
        channels=("voltage",),
        accuracy=(replace(trace.setup.accuracy[0], quantity="voltage"),),
    )
    return replace(trace, identity=replace(trace.identity, serial="second"), setup=setup)


def record(root: Path) -> tuple[RunWriter, Capture]:
    """Record a run of two meters; get its writer, still open, and what was recorded."""
    writer, trace = RunWriter(root, request=REQUEST), volts()
    for kind, payload in head().items():
        writer.event(kind, payload)
    writer.event("voltmeter", {"identity": trace.identity, "setup": trace.setup})
    for block, beside in zip(blocks(), blocks(timed=False), strict=True):
        writer.block(block)
        writer.voltmeter_block(beside)
    for burst in exchange_bursts():
        writer.event("exchanges", burst)
    for phase in phases():
        writer.event("phase", phase)
    return writer, replace(capture(), voltmeter=trace)


def test_a_finished_run_restores_both_traces(tmp_path: Path) -> None:
    """What the second meter told comes back exactly, from a file of its own."""
    writer, whole = record(tmp_path)
    writer.finish(whole, result(writer.run))
    stored = open_run(writer.folder)
    assert to_plain(stored.capture) == to_plain(joined(whole))
    assert not stored.changed
    assert "voltmeter.parquet" in stored.manifest["files"]
    assert not (writer.folder / "voltmeter.arrows").exists()


def test_a_run_cut_short_keeps_both(tmp_path: Path) -> None:
    """A partial run has everything that both meters had told."""
    writer, whole = record(tmp_path)
    writer.mark_partial("unplugged")
    stored = open_run(writer.folder)
    assert stored.manifest["status"] == "partial"
    assert stored.capture is not None
    assert to_plain(stored.capture.voltmeter) == to_plain(whole.voltmeter)
    assert sorted(path.suffix for path in writer.folder.iterdir()) == [
        *(".json", ".jsonl", ".parquet", ".parquet"),
    ]


def test_it_travels_with_what_a_result_is_concluded_from(tmp_path: Path) -> None:
    """The files that go into a report hold the second meter's, and make the same run again."""
    writer, whole = record(tmp_path)
    writer.finish(whole, result(writer.run))
    files = verifiable_files(writer.folder)
    assert "voltmeter.parquet" in files
    assert not unpack(files, tmp_path / "again")
    assert to_plain(open_run(tmp_path / "again").capture) == to_plain(joined(whole))
