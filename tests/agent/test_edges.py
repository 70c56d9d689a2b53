"""The edge file's layout, and what a reader sees of it at any moment."""

from __future__ import annotations

import errno
import struct
import threading
from pathlib import Path

import pytest

from powerlab.agent import edges
from powerlab.agent.edges import (
    BUSY,
    IDLE,
    MARKER_TAG,
    RUNS_PER_SLOT,
    WARM_UP_TAG,
    EdgeFile,
    read_edges,
    run_tag,
)


def test_layout(tmp_path: Path) -> None:
    """The bytes are as documented: magic, count, records, little endian."""
    file = EdgeFile(str(tmp_path / "edges.bin"))
    file.publish(BUSY, WARM_UP_TAG, 1234567890123456789)
    file.publish(IDLE, WARM_UP_TAG, 1234567890123456790)
    content = (tmp_path / "edges.bin").read_bytes()
    assert content[:16] == b"PLEDGE01" + struct.pack("<Q", 2)
    assert content[16:48] == struct.pack(
        "<qiiqii", 1234567890123456789, 1, -1, 1234567890123456790, 0, -1
    )
    assert read_edges(content) == [
        (1234567890123456789, 1, -1),
        (1234567890123456790, 0, -1),
    ]
    assert read_edges(content, first=1) == [(1234567890123456790, 0, -1)]
    assert read_edges(content, first=7) == []


def test_finish_ends_a_busy_stretch_and_removes_the_file(tmp_path: Path) -> None:
    """Who still maps the file sees the idle edge, tagged as its run; the path is gone."""
    path = tmp_path / "edges.bin"
    file = EdgeFile(str(path))
    file.publish(BUSY, 3, 10)
    with path.open("rb") as reader:
        file.finish(20)
        file.finish(30)
        assert read_edges(reader.read()) == [(10, BUSY, 3), (20, IDLE, 3)]
    assert not path.exists()


def test_nothing_is_published_after_finish(tmp_path: Path) -> None:
    """A thread that would publish once the file is finished never gets to do so."""
    path = tmp_path / "edges.bin"
    file = EdgeFile(str(path))
    reader = path.open("rb")
    file.finish(20)
    late = threading.Thread(target=file.publish, args=(BUSY, 0, 30), daemon=True)
    late.start()
    late.join(0.05)
    with reader:
        assert read_edges(reader.read()) == []


class Line:
    """Remembers what a trigger line was told, with how many edges were published by then."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.told: list[tuple[str | int, int]] = []

    def set(self, level: int) -> None:
        """Take a level."""
        self.told.append((level, len(read_edges(self.path.read_bytes()))))

    def close(self) -> None:
        """Fail, as a line may whose chip was pulled out."""
        self.told.append(("close", len(read_edges(self.path.read_bytes()))))
        raise OSError("no such device")


def test_a_trigger_line_follows_every_edge(tmp_path: Path) -> None:
    """The line takes each edge's level before all else, and is given back at the end."""
    path = tmp_path / "edges.bin"
    file = EdgeFile(str(path))
    line = Line(path)
    file.attach(line)
    file.publish(BUSY, MARKER_TAG, 10)
    file.publish(IDLE, MARKER_TAG, 20)
    file.publish(BUSY, 0, 30)
    file.finish(40)
    assert line.told == [(1, 0), (0, 1), (1, 2), ("close", 3)]
    assert not path.exists()


def test_tags_tell_runs_of_different_slots_apart() -> None:
    """No two runs of any slots share a tag, and none is the warm-up's or a marker's."""
    tags = {run_tag(slot, index) for slot in range(4) for index in range(RUNS_PER_SLOT)}
    assert len(tags) == 4 * RUNS_PER_SLOT
    assert min(tags) == run_tag(0, 0) == 0


def test_full_file_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More edges than the file holds are an error, never a write beyond its end."""
    monkeypatch.setattr(edges, "CAPACITY", 1)
    file = EdgeFile(str(tmp_path / "edges.bin"))
    file.publish(BUSY, 0, 1)
    assert file.room() == 0
    with pytest.raises(IndexError):
        file.publish(IDLE, 0, 2)


@pytest.mark.parametrize("content", [b"", b"PLEDGE01", b"something else entirely"])
def test_no_edge_file(content: bytes) -> None:
    """A file that is not (yet) an edge file has no edges."""
    assert read_edges(content) == []


def test_impossible_count() -> None:
    """A count beyond the end is reported, not followed."""
    with pytest.raises(ValueError, match="cannot hold"):
        read_edges(b"PLEDGE01" + struct.pack("<Q", 9) + bytes(16))


def test_only_orphans_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead agent's file goes; a living one's, an unfinished one and a stranger's stay."""
    monkeypatch.setattr(edges.tempfile, "gettempdir", lambda: str(tmp_path))
    EdgeFile(edges.edge_path(1))
    Path(edges.edge_path(2)).write_bytes(bytes(edges.FILE_SIZE))
    Path(edges.edge_path(3)).write_bytes(b"")
    (tmp_path / "powerlab-edges-mine.bin").write_bytes(bytes(edges.FILE_SIZE))
    assert edges.remove_orphans() == [2]
    assert len(list(tmp_path.iterdir())) == 3


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is refused with the system's reason and removed, before any page is missed."""

    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(edges.os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        EdgeFile(str(tmp_path / "edges.bin"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_that_cannot_allocate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There the file is made by its size alone."""

    def unknown(*_args: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(edges.os, "posix_fallocate", unknown)
    file = EdgeFile(str(tmp_path / "edges.bin"))
    file.publish(BUSY, 1, 10)
    assert read_edges((tmp_path / "edges.bin").read_bytes()) == [(10, BUSY, 1)]
    file.finish(20)
