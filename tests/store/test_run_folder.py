"""Run folders: written, finished, cut short, recovered."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from powerlab.errors import ConfigError, SetupError, UnknownId
from powerlab.records import Capture, Evidence, MeterTrace
from powerlab.store.archive import find_run, list_runs, open_run, recover, run_root
from powerlab.store.recording import read_blocks, read_events
from powerlab.store.run_folder import RunWriter, attach
from powerlab.store.serial import to_plain
from powerlab.store.uuid7 import uuid7
from tests.store.made import REQUEST, blocks, capture, exchange_bursts, head, phases, result

ROOT = Path(__file__).resolve().parents[2]


def record(writer: RunWriter, *, channels: int = 1, timed: bool = True) -> None:
    """Record as a session does."""
    for kind, payload in head(channels).items():
        writer.event(kind, payload)
    for block in blocks(channels, timed=timed):
        writer.block(block)
    for burst in exchange_bursts():
        writer.event("exchanges", burst)
    for phase in phases():
        writer.event("phase", phase)


def assert_same(one: Capture, other: Capture) -> None:
    """Compare two captures bit by bit, NaN equal to NaN."""
    for name in MeterTrace.__dataclass_fields__:
        left, right = getattr(one.trace, name), getattr(other.trace, name)
        if isinstance(right, np.ndarray):
            assert left.dtype == right.dtype, name
            assert left.shape == right.shape, name
            assert left.tobytes() == right.tobytes(), name
            assert not left.flags.writeable, name
    assert to_plain(one) == to_plain(other)


@pytest.mark.parametrize(("channels", "timed"), [(1, True), (2, True), (2, False)])
def test_a_finished_run_restores_the_identical_capture(tmp_path, channels, timed):
    """Every array, flag and fact comes back exactly; the recording is gone."""
    writer = RunWriter(tmp_path, request=REQUEST, configuration={"bench": {"host": "x"}})
    record(writer, channels=channels, timed=timed)
    whole = capture(channels, timed=timed)
    writer.finish(whole, result(writer.run))
    stored = open_run(writer.folder)
    assert_same(stored.capture, whole)
    assert str(stored.result) == str(result(writer.run))
    assert stored.manifest["status"] == "complete"
    assert stored.manifest["request"]["device"] == "edgeboard"
    assert sorted(path.name for path in writer.folder.iterdir()) == [
        *("capture.parquet", "events.jsonl", "result.json", "run.json"),
    ]
    assert sorted(stored.manifest["files"]) == ["capture.parquet", "events.jsonl", "result.json"]


def test_phases_and_exchanges_are_not_written_twice(tmp_path):
    """What the events told as it came is not repeated at the end."""
    writer = RunWriter(tmp_path, request=REQUEST)
    record(writer)
    writer.finish(capture(), result(writer.run))
    kinds = dict(read_events(writer.folder / "events.jsonl"))
    assert list(kinds["capture"]) == ["polls"]


def test_a_capture_that_no_event_told_is_restored_too(tmp_path):
    """A writer that was given nothing but the end restores it as well."""
    writer = RunWriter(tmp_path, request=REQUEST)
    writer.finish(capture(), result(writer.run))
    assert_same(open_run(writer.folder).capture, capture())


def test_a_finished_run_refuses_every_write(tmp_path):
    """Blocks, events, a second end and a file in place of another are refused."""
    writer = RunWriter(tmp_path, request=REQUEST)
    record(writer)
    writer.finish(capture(), result(writer.run))
    for write in (
        lambda: writer.block(blocks()[0]),
        lambda: writer.event("phase", phases()[0]),
        lambda: writer.finish(capture(), result()),
        lambda: attach(writer.folder, "result.json", writer.folder / "run.json"),
    ):
        with pytest.raises(ConfigError):
            write()
    writer.mark_partial("too late")
    assert open_run(writer.folder).manifest["status"] == "complete"


def test_a_report_may_be_added_and_is_in_the_manifest(tmp_path):
    """A file beside the old ones is checked like them."""
    writer = RunWriter(tmp_path, request=REQUEST)
    writer.finish(capture(), result(writer.run))
    page = tmp_path / "page.pdf"
    page.write_bytes(b"%PDF-")
    attach(writer.folder, "report.pdf", page)
    assert open_run(writer.folder).manifest["files"]["report.pdf"]["bytes"] == 5


def test_a_changed_file_is_named(tmp_path):
    """The checksums tell which file is not as it was written."""
    writer = RunWriter(tmp_path, request=REQUEST)
    writer.finish(capture(), result(writer.run))
    with (writer.folder / "events.jsonl").open("a") as file:
        file.write("\n")
    assert open_run(writer.folder).changed == ("events.jsonl",)


def test_blocks_and_events_may_come_from_several_threads(tmp_path):
    """No line is torn and no block lost when threads write at once."""
    writer = RunWriter(tmp_path, request=REQUEST)
    threads = [
        threading.Thread(target=lambda: [writer.event("note", {"n": 1}) for _ in range(20)]),
        *(threading.Thread(target=lambda: list(map(writer.block, blocks()))) for _ in range(3)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(read_events(writer.folder / "events.jsonl"))) == 20
    assert len(read_blocks(writer.folder / "recording.arrows").flags) == 3 * 250
    writer.mark_partial("test")


def test_a_partial_run_keeps_what_was_recorded(tmp_path):
    """Interrupted: the samples become the table, the reason is in the manifest."""
    writer = RunWriter(tmp_path, request=REQUEST)
    record(writer)
    writer.mark_partial("interrupted")
    stored = open_run(writer.folder)
    assert (stored.manifest["status"], stored.manifest["reason"]) == ("partial", "interrupted")
    assert stored.result is None
    assert_same(stored.capture, capture())
    assert not (writer.folder / "recording.arrows").exists()


def test_a_run_cut_short_before_its_first_phase_has_samples_but_no_capture(tmp_path):
    """Whatever parts are missing, what is there can be read."""
    writer = RunWriter(tmp_path, request=REQUEST)
    for block in blocks():
        writer.block(block)
    writer.mark_partial("interrupted")
    assert open_run(writer.folder).capture is None
    assert (writer.folder / "capture.parquet").stat().st_size > 1000


def test_a_run_without_a_sample_can_be_discarded(tmp_path):
    """A measurement that never started leaves no folder; one that did is kept."""
    empty = RunWriter(tmp_path, request=REQUEST)
    assert empty.discard()
    assert not empty.folder.exists()
    started = RunWriter(tmp_path, request=REQUEST)
    started.block(blocks()[0])
    assert not started.discard()
    started.mark_partial("test")


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from powerlab.store.run_folder import RunWriter
    from tests.store.made import REQUEST
    from tests.store.test_run_folder import record
    writer = RunWriter(Path(sys.argv[1]), request=REQUEST)
    record(writer)
    print(writer.run, flush=True)
    {then}
"""


def child(root: Path, then: str) -> subprocess.Popen[str]:
    """Start a process that records and then does what ``then`` says."""
    code = textwrap.dedent(KILLED.format(then=then))
    return subprocess.Popen(
        [sys.executable, "-c", code, str(root)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_killed_process_loses_nothing_that_was_recorded(tmp_path):
    """After SIGKILL the left-over is listed, recovered, and whole."""
    with child(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)") as process:
        run = process.stdout.readline().strip()
        assert process.wait() == -signal.SIGKILL
    assert [entry.status for entry in list_runs(tmp_path)] == ["left over"]
    stored = recover(find_run(run[:20], tmp_path))
    assert stored.manifest["status"] == "partial"
    assert_same(stored.capture, capture())
    with pytest.raises(ConfigError, match="nothing to recover"):
        recover(stored.folder)


def test_a_recording_in_progress_is_not_recovered(tmp_path):
    """The lock of a living process keeps others away."""
    with child(tmp_path, "sys.stdin.read()") as process:
        run = process.stdout.readline().strip()
        assert [entry.status for entry in list_runs(tmp_path)] == ["recording"]
        with pytest.raises(ConfigError, match="still being recorded"):
            recover(tmp_path / run)
        process.stdin.close()


def test_a_torn_last_block_and_line_are_passed_over(tmp_path):
    """A block that a pulled plug cut in half costs only itself."""
    writer = RunWriter(tmp_path, request=REQUEST)
    record(writer)
    whole = read_blocks(writer.folder / "recording.arrows")
    with (writer.folder / "recording.arrows").open("ab") as file:
        file.write(b"\xff\xff\xff\xff\x10\x01\x00\x00torn")
    with (writer.folder / "events.jsonl").open("ab") as file:
        file.write(b'{"n": 99, "kind": "pha')
    again = read_blocks(writer.folder / "recording.arrows")
    assert again.values.tobytes() == whole.values.tobytes()
    writer.mark_partial("plug")
    assert_same(open_run(writer.folder).capture, capture())


def test_an_unreadable_recording_is_broken(tmp_path):
    """Nothing to save is said, not hidden, and the bytes stay."""
    writer = RunWriter(tmp_path, request=REQUEST)
    (writer.folder / "recording.arrows").write_bytes(b"not arrow at all")
    writer.mark_partial("test")
    assert open_run(writer.folder).manifest["status"] == "broken"
    assert (writer.folder / "recording.arrows").exists()


FULL = """
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
    from tests.store.made import blocks
    from powerlab.errors import SetupError
    kept = 0
    try:
        while True:
            writer.block(blocks()[0])
            kept += 1
    except SetupError as error:
        print(kept, error.message, error.hint, sep="|")
    writer.mark_partial("disk full")
"""


def test_a_disk_that_fills_loses_no_whole_block(tmp_path):
    """The kernel refuses a write half-way; the message counts what is kept, and it is there."""
    lines = FULL.strip().splitlines()
    then = "import resource; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" + "\n".join(
        f"    {line.removeprefix('    ')}" for line in lines
    )
    with child(tmp_path, then) as process:
        run = process.stdout.readline().strip()
        kept, message, hint = process.stdout.readline().strip().split("|")
        assert process.wait() == 0
    assert "the disk is full" in message
    assert f"{250 + 50 * int(kept)} samples" in message
    assert f"results show {run}" in hint
    stored = open_run(tmp_path / run)
    assert stored.manifest["status"] == "partial"
    assert len(stored.capture.trace.flags) == 250 + 50 * int(kept)


def test_a_folder_that_cannot_be_made_is_a_set_up_error(tmp_path):
    """The way out is in the hint."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="cannot be made") as caught:
        RunWriter(tmp_path / "file", request=REQUEST)
    assert "--lab" in caught.value.hint


def test_a_failing_end_leaves_a_recoverable_run(tmp_path, monkeypatch):
    """When the table cannot be written, the recording stays and is finished later."""
    writer = RunWriter(tmp_path, request=REQUEST)
    record(writer)

    def fail(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr("powerlab.store.run_folder.write_samples", fail)
        with pytest.raises(SetupError, match="disk is full"):
            writer.finish(capture(), result())
        writer.mark_partial("disk full")
    assert (writer.folder / "recording.arrows").exists()
    assert_same(recover(writer.folder).capture, capture())


def test_a_run_is_found_by_path_start_end_and_age(tmp_path):
    """Identifiers may be shortened where they stay unique."""
    first, second = (RunWriter(tmp_path, request=REQUEST) for _ in range(2))
    for writer in (first, second):
        writer.finish(capture(), result(writer.run))
    assert find_run(first.run, tmp_path) == first.folder
    assert find_run(first.run[-8:], tmp_path) == first.folder
    assert find_run(str(second.folder), tmp_path) == second.folder
    assert find_run("last", tmp_path).name == max(first.run, second.run)
    for wrong in ("0", "zzz"):
        with pytest.raises(UnknownId):
            find_run(wrong, tmp_path)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    """No manifest, no run; a list passes over it."""
    (tmp_path / "stray").mkdir()
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "run.json").write_text("{")
    assert list_runs(tmp_path) == []
    for name in ("stray", "odd"):
        with pytest.raises(ConfigError):
            open_run(tmp_path / name)


def test_runs_go_to_the_nearest_lab_or_to_the_user(tmp_path, monkeypatch):
    """Named lab, lab upwards, then the user's own directory."""
    (tmp_path / "lab" / "deep").mkdir(parents=True)
    (tmp_path / "lab" / "powerlab.toml").write_text("schema = 1\n")
    assert run_root(tmp_path) == tmp_path.resolve() / "runs"
    assert run_root(None, tmp_path / "lab" / "deep") == (tmp_path / "lab" / "runs").resolve()
    monkeypatch.setenv("POWERLAB_HOME", str(tmp_path / "home"))
    assert run_root(None, tmp_path) == tmp_path / "home" / "runs"


def test_identifiers_are_version_7_and_sort_by_time():
    """The first 48 bits are the milliseconds, version and variant as RFC 9562 says."""
    made = uuid.UUID(uuid7(0x0190_1234_5678))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == 0x0190_1234_5678
    assert uuid7(1) < uuid7(2)
    assert len({uuid7(1) for _ in range(100)}) == 100


def test_the_manifest_tells_versions_and_checksums(tmp_path):
    """What wrote a run, and what it holds, can be checked by anyone."""
    writer = RunWriter(tmp_path, request=REQUEST)
    writer.finish(capture(), result(writer.run))
    manifest = json.loads((writer.folder / "run.json").read_text())
    assert manifest["schema"] == "powerlab.run/1"
    assert {"powerlab", "python", "numpy", "pyarrow"} <= manifest["versions"].keys()
    assert all(len(facts["sha256"]) == 64 for facts in manifest["files"].values())
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_last_is_the_newest_complete_run(tmp_path):
    """One that was cut short later is no answer to "last"; it is named where there is no other."""
    partial = RunWriter(tmp_path, request=REQUEST)
    partial.mark_partial("test")
    with pytest.raises(UnknownId, match="no complete run") as caught:
        find_run("last", tmp_path)
    assert partial.run in caught.value.hint
    complete = RunWriter(tmp_path, request=REQUEST)
    complete.finish(capture(), result(complete.run))
    later = RunWriter(tmp_path, request=REQUEST)
    later.mark_partial("test")
    assert find_run("last", tmp_path) == complete.folder


TOLD = [(None, (), None), (None, ("meter",), "emulated"), (None, ("target",), "emulated")]


@pytest.mark.parametrize(
    ("known", "told", "evidence"), [(Evidence.EMULATED, (), "emulated"), *TOLD]
)
def test_an_unfinished_run_tells_its_evidence(tmp_path, known, told, evidence):
    """From the start where it is known, else as soon as meter or board are; a partial run too."""
    writer = RunWriter(tmp_path, request=REQUEST, evidence=known)
    for kind in told:
        writer.event(kind, head()[kind])
    assert [entry.evidence for entry in list_runs(tmp_path)] == [evidence]
    writer.mark_partial("test")
    assert [entry.evidence for entry in list_runs(tmp_path)] == [evidence]


def test_a_measured_run_is_one_whose_meter_and_board_are_real(tmp_path):
    """Either alone does not tell."""
    writer = RunWriter(tmp_path, request=REQUEST)
    identity = replace(head()["meter"]["identity"], emulated=False)
    writer.event("meter", head()["meter"] | {"identity": identity})
    assert [entry.evidence for entry in list_runs(tmp_path)] == [None]
    writer.event("target", replace(head()["target"], emulated=False))
    assert [entry.evidence for entry in list_runs(tmp_path)] == ["measured"]
    writer.mark_partial("test")
