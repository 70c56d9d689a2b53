"""Damaged evidence: a clear error or an audit, never anything else."""

from __future__ import annotations

import contextlib
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from powerlab.errors import ConfigError
from powerlab.evidence.audit import audit
from tests.evidence.made import detail, session, spl, steps

Shared = Callable[[str], Path]

RUNS = (
    "evidence/mlperf_tiny_energyrunner_krai_l4r5_kws",
    "evidence/mlperf_inference_power/v3.0__Krai__orin-tflite-v2.11.0-ruy__resnet50__singlestream",
)


def attempt(path: Path) -> None:
    """Audit a path; only an error that tells what is wrong may come of it."""
    with contextlib.suppress(ConfigError):
        audit(path)


def spoiled(content: bytes, chance: random.Random) -> bytes:
    """Cut, overwrite or fill some of a file."""
    if not content:
        return content
    at = chance.randrange(len(content))
    kind = chance.randrange(4)
    if kind == 0:
        return content[:at]
    if kind == 1:
        return content[:at] + chance.randbytes(8) + content[at + 8 :]
    if kind == 2:
        return content[:at] + b"\x00" * 40 + content[at:]
    return content[:at] + b"9" * 30 + content[at + 30 :]


@pytest.mark.parametrize("source", RUNS)
@pytest.mark.parametrize("seed", range(3))
def test_spoiled_files_end_in_an_error_or_an_audit(
    shared: Shared, tmp_path: Path, source: str, seed: int
) -> None:
    """Each file of a run in turn is cut short or overwritten."""
    chance = random.Random(seed)
    folder = tmp_path / "run"
    shutil.copytree(shared(source), folder)
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        path.chmod(0o644)
        content = path.read_bytes()
        path.write_bytes(spoiled(content, chance))
        attempt(folder)
        path.write_bytes(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 5000,
        b"\xff\xfe" + "Time,".encode("utf-16-le"),
        b"[" * 100_000,
        b"PK\x03\x04" + b"\x00" * 100,
        b"Time,\n" * 100,
        b"label_data\n1 test_start\n",
        b"#time,current,voltage\n",
        b"#time,current,voltage\nnan,nan,nan\n",
        b"timestamp, power.draw [W]\n",
        b"\xf1\x00\x00\x7a\x44",
        b"RAM 1/2MB POM_5V_IN 99999999999999999999999/1\n" * 3,
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "spl.txt", "results.json", "x-energy.bin", "a.log"])
def test_garbage_is_an_error(tmp_path: Path, name: str, content: bytes) -> None:
    """Files of a known name and unknown content are refused, alone and in a folder."""
    (tmp_path / name).write_bytes(content)
    attempt(tmp_path / name)
    attempt(tmp_path)


def test_a_folder_without_evidence_is_refused(tmp_path: Path) -> None:
    """An empty folder, one of other files, and one that is not there are each told."""
    with pytest.raises(ConfigError, match="no evidence"):
        audit(tmp_path)
    (tmp_path / "README.md").write_text("nothing")
    with pytest.raises(ConfigError, match="no evidence"):
        audit(tmp_path)
    with pytest.raises(ConfigError, match="there is no"):
        audit(tmp_path / "absent")


def test_an_unknown_format_names_the_known_ones(tmp_path: Path) -> None:
    """The formats that there are stand in the hint."""
    with pytest.raises(ConfigError) as caught:
        audit(tmp_path, "mlperf")
    assert "mlperf-inference" in caught.value.hint


def test_a_damaged_run_keeps_no_other_from_its_audit(tmp_path: Path) -> None:
    """In a folder of two runs the whole one is audited and the other is named."""
    text = detail(10.5, 110.5)
    session(tmp_path / "a", {"spl.txt": spl(steps(121))}, text)
    session(tmp_path / "b", {"spl.txt": "Time,\n"}, text)
    read = audit(tmp_path)
    assert len(read.audits) == 1
    assert len(read.failed) == 1
    assert "spl.txt:1:" in read.failed[0].message


def test_links_that_lead_in_circles_are_not_followed(tmp_path: Path) -> None:
    """A folder that links to its own parent ends."""
    session(tmp_path / "a", {"spl.txt": spl(steps(121))}, detail(10.5, 110.5))
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert len(audit(tmp_path).audits) == 1
