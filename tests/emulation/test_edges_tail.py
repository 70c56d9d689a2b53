"""Following the agents' edge files."""

from __future__ import annotations

from powerlab.agent.edges import EdgeFile
from powerlab.emulation.edges_tail import EdgesTail


def edge_file(directory, pid):
    """Create an agent's edge file as the agent does."""
    return EdgeFile(str(directory / f"powerlab-edges-{pid}.bin"))


def test_edges_are_followed_while_they_are_written(tmp_path):
    """Each poll brings what was published since; an unwritten or foreign file is no trouble."""
    tail = EdgesTail(tmp_path)
    (tmp_path / "powerlab-edges-1.bin").write_bytes(b"")
    (tmp_path / "other.bin").write_bytes(b"x" * 100)
    assert tail.poll(scan=True).t_ns.tolist() == []
    assert tail.first_busy_ns is None
    writer = edge_file(tmp_path, 2)
    writer.publish(1, -1, 1000)
    assert tail.poll(scan=True).t_ns.tolist() == [1000]
    writer.publish(0, -1, 2000)
    edges = tail.poll()
    assert (edges.level.tolist(), edges.tag.tolist()) == ([1, 0], [-1, -1])
    assert tail.first_busy_ns == 1000
    writer.finish(3000)


def test_what_was_written_survives_the_agent(tmp_path):
    """After the file is unlinked its edges stay, in the tail and in the directory that keeps."""
    box, keep = tmp_path / "box", tmp_path / "edges"
    box.mkdir()
    keep.mkdir()
    tail = EdgesTail(box, keep=keep)
    for pid in (31, 4):  # the second agent has the smaller name
        writer = edge_file(box, pid)
        writer.publish(1, 0, pid * 1000 if pid == 4 else 10)
        tail.poll(scan=True)
        writer.publish(0, 0, pid * 1000 + 5 if pid == 4 else 15)
        writer.finish(0)
    assert list(box.iterdir()) == []
    assert tail.poll(scan=True).t_ns.tolist() == [10, 15, 4000, 4005]
    later = EdgesTail(keep)
    assert later.poll(scan=True).t_ns.tolist() == [10, 15, 4000, 4005]
    assert [item.count for item in later.files] == [2, 2]


def test_a_dead_agent_ends_idle(tmp_path):
    """Settling ends an open busy stretch once, for every follower of the file."""
    writer = edge_file(tmp_path, 5)
    writer.publish(1, 3, 100)
    one, other = EdgesTail(tmp_path), EdgesTail(tmp_path)
    one.poll(scan=True)
    other.poll(scan=True)
    one.settle(250)
    one.settle(300)
    edges = other.poll()
    assert (edges.t_ns.tolist(), edges.level.tolist()) == ([100, 250], [1, 0])
    assert edges.tag.tolist() == [3, 3]
    writer.finish(400)
