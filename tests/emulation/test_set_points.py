"""Files of set-points: written by one, followed by others, complete or not there."""

from __future__ import annotations

from math import inf

import pytest

from powerlab.emulation import set_points
from powerlab.emulation.set_points import (
    HEADER_SIZE,
    RECORD,
    SetPointFile,
    SetPointTail,
    point_path,
)
from powerlab.errors import SetupError

S = 1_000_000_000


@pytest.fixture
def bench(tmp_path):
    """Get a directory with every file, empty."""
    for name in ("load", "supply", "bridge"):
        SetPointFile.create(point_path(tmp_path, name))
    return tmp_path


def test_what_is_published_is_read(bench) -> None:
    """In order, by every reader, with the limit as it was."""
    writer, reader = (SetPointFile(point_path(bench, "load")) for _ in range(2))
    assert reader.records() == []
    writer.publish(5, 0.25)
    writer.publish(7, 0.5, 3.0)
    assert reader.records() == [(5, 0.25, inf), (7, 0.5, 3.0)]
    assert reader.records(1) == [(7, 0.5, 3.0)]
    assert SetPointFile(point_path(bench, "load")).count == 2


def test_a_record_counts_only_when_it_is_complete(bench) -> None:
    """Bytes behind the count are nobody's."""
    path = point_path(bench, "load")
    writer = SetPointFile(path)
    writer.publish(5, 0.25)
    with path.open("r+b") as stream:
        stream.seek(HEADER_SIZE + RECORD.size)
        stream.write(b"\xff" * RECORD.size)
    assert SetPointFile(path).records() == [(5, 0.25, inf)]


def test_a_tail_follows_both(bench) -> None:
    """What load and supply do becomes one history; nothing new leaves it as it is."""
    load, supply = (SetPointFile(point_path(bench, name)) for name in ("load", "supply"))
    tail = SetPointTail(bench, 12.0)
    assert tail.poll().t_ns.size == 0
    assert tail.poll().first_v == 12.0
    load.publish(3 * S, 1.0)
    supply.publish(2 * S, 5.0, 3.0)
    history = tail.poll()
    assert history.t_ns.tolist() == [2 * S, 3 * S]
    assert tail.poll() is history
    load.publish(4 * S, 0.0)
    assert tail.poll().load_a.tolist() == [0.0, 1.0, 0.0]
    assert tail.poll().bridged_ns is None
    SetPointFile(point_path(bench, "bridge")).publish(5 * S, 0.0)
    assert tail.poll().bridged_ns == 5 * S


def test_a_full_file_says_so(bench, monkeypatch) -> None:
    """Rather than to overwrite what happened."""
    monkeypatch.setattr(set_points, "CAPACITY", 1)
    writer = SetPointFile(point_path(bench, "load"))
    writer.publish(1, 0.1)
    with pytest.raises(IndexError, match="full"):
        writer.publish(2, 0.2)


def test_another_file_is_refused(tmp_path) -> None:
    """A file that is none of set-points is a set-up error."""
    (tmp_path / "load.points").write_bytes(b"something else")
    with pytest.raises(SetupError, match="no file of set-points"):
        SetPointFile(tmp_path / "load.points")
