"""How fast evidence is read, each time against the plain way in the same run.

    python benchmarks/evidence.py [--samples 200000] [--files 2000] [--gigabytes 0.2]

Three comparisons. A log of PTDaemon: ``read_spl`` against a loop of ``strptime`` and ``float``,
the way the published checker reads it. A submission of so many files: all of them audited,
against reading every byte of the tree. A table of so many gigabytes: its peak of memory against
its size, in a process of its own. Times are of the processor, the shortest of some repetitions,
so that other programs count as little as can be.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the made sessions are those of the tests

from powerlab.evidence.audit import audit  # noqa: E402
from powerlab.evidence.mlperf_spl import read_spl  # noqa: E402
from tests.evidence.made import detail, session, spl, steps, submission  # noqa: E402

REPETITIONS = 5
FILES_OF_A_RUN = 5
"""Of a session as it is made here: samples, detail log, PTDaemon's log, client and server."""


def best_s(work: Callable[[], Any], repetitions: int = REPETITIONS) -> float:
    """Get the shortest processor time of a call."""
    taken = []
    for _ in range(repetitions):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return min(taken)


def plain_spl(path: Path) -> list[tuple[float, float]]:
    """Read a log of PTDaemon line by line with ``strptime``."""
    found = []
    with path.open() as file:
        for line in file:
            fields = line.split(",")
            at = datetime.strptime(fields[1], "%m-%d-%Y %H:%M:%S.%f").replace(tzinfo=UTC)
            found.append((at.timestamp(), float(fields[3])))
    return found


def log_of_samples(count: int, place: Path) -> None:
    """Compare the two ways to read a log."""
    path = place / "spl.txt"
    path.write_text(spl((float(k), 10 + k % 7 / 3) for k in range(count)))
    ours, plain = best_s(lambda: read_spl(path)), best_s(lambda: plain_spl(path))
    print(f"spl.txt of {count} samples, {path.stat().st_size / 1e6:.1f} MB")
    print(f"  strptime loop {plain:.3f} s, read_spl {ours:.3f} s: {plain / ours:.1f} times")


def read_all(root: Path) -> int:
    """Read every byte of a tree."""
    return sum(len(path.read_bytes()) for path in root.rglob("*") if path.is_file())


def submission_tree(files: int, place: Path) -> None:
    """Audit a whole submission, against reading it."""
    runs = max(1, files // FILES_OF_A_RUN)
    log, text = spl(steps(721)), detail(10.5, 710.5)
    sides: dict[str, object] = {"phases": {}, "messages": []}
    for number in range(runs):
        folder = submission(place / f"{number:04d}", "singlestream")
        session(folder, {"spl.txt": log}, text, ptd=log, client=sides, server=sides)
    found = sum(1 for path in place.rglob("*") if path.is_file())
    size = read_all(place)
    reading = best_s(lambda: read_all(place))
    begun = time.process_time()
    read = audit(place)
    taken = time.process_time() - begun
    print(f"a submission of {found} files, {size / 1e6:.1f} MB, {len(read.audits)} runs audited")
    print(
        f"  reading {reading:.2f} s, audit {taken:.2f} s: {taken / reading:.0f} times, "
        f"{taken / found * 1e3:.2f} ms a file, {size / taken / 1e6:.1f} MB/s"
    )


def write_table(path: Path, gigabytes: float) -> None:
    """Write a table of time, current and voltage of a size."""
    block = "".join(f"@.{k:05d},{0.5 + k % 9 / 90:.6f},5.0{k % 10}\n" for k in range(100_000))
    second = 0
    with path.open("w") as file:
        file.write("#time,current,voltage\n")
        while file.tell() < gigabytes * 1e9:
            file.write(block.replace("@", str(second)))
            second += 1


def audited_alone(path: Path) -> None:
    """Audit one file in this process and tell its peak of memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    done = audit(path).audits[0]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(time.process_time() - begun, before, peak, len(done.evidence.traces[0].power.power_w))


def long_table(gigabytes: float, place: Path) -> None:
    """Audit a long table in a process of its own, and a short one for what that needs anyway."""
    rows = []
    for name, size in (("short.csv", 1e-4), ("long.csv", gigabytes)):
        path = place / name
        write_table(path, size)
        command = [sys.executable, __file__, "--alone", str(path)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        rows.append((path.stat().st_size, float(told[0]), int(told[2]) / 1024, int(told[3])))
    (_, _, floor, _), (size, seconds, peak, kept) = rows
    print(f"a table of {size / 1e9:.2f} GB, {kept} rows kept")
    print(
        f"  {seconds:.1f} s ({size / seconds / 1e6:.0f} MB/s), peak {peak:.0f} MB, of which "
        f"{floor:.0f} MB for any table: {(peak - floor) * 1e6 / size:.2f} bytes per byte of it"
    )


def main() -> None:
    """Run all three."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=200_000)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--gigabytes", type=float, default=0.2)
    parser.add_argument("--alone", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone is not None:
        audited_alone(options.alone)
        return
    with tempfile.TemporaryDirectory(prefix="powerlab-evidence-") as name:
        place = Path(name)
        (place / "log").mkdir()
        (place / "tree").mkdir()
        log_of_samples(options.samples, place / "log")
        submission_tree(options.files, place / "tree")
        long_table(options.gigabytes, place)


if __name__ == "__main__":
    main()
