"""RAPL's domains from file trees: what overlaps, what wraps, what may not be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from powerlab.agent.counters import files, open_source, rapl
from powerlab.agent.faults import AgentError
from tests.agent.test_counters_hwmon import tree

TREE = "sys/class/powercap"
SPAN = 262143328850


def domains(**names: tuple[str, int]) -> dict[str, object]:
    """Get the files of domains: "a_0_1" is intel-rapl:0:1, each with its name and count."""
    content: dict[str, object] = {}
    for key, (name, count) in names.items():
        place = f"{TREE}/intel-rapl:{key[2:].replace('_', ':')}"
        content[f"{place}/name"] = name
        content[f"{place}/energy_uj"] = count
        content[f"{place}/max_energy_range_uj"] = SPAN
    return content


SERVER = domains(
    a_0=("package-0", 100), a_0_0=("core", 60), a_0_1=("dram", 7),
    a_1=("package-1", 200), a_1_0=("dram", 9),
)  # fmt: skip


def opened(root: str, selector: str = "") -> rapl.Domains:
    """Open the source as the agent does."""
    return open_source(["rapl", f"root={root}", f"selector={selector}"])


def test_packages_and_their_memory_add_up(tmp_path: Path) -> None:
    """Cores are inside of their package and do not count again."""
    source = opened(tree(tmp_path, SERVER))
    assert source.facts["parts"] == ["package-0", "package-0/dram", "package-1", "package-1/dram"]
    assert source.facts["not_read"] == ["package-0/core"]
    assert source.facts["wraps_at"] == [SPAN] * 4
    assert source.read() == [100, 7, 200, 9]
    assert opened(str(tmp_path), "package-0/core").read() == [60]


@pytest.mark.parametrize(("counted", "part"), [(5, "psys"), (0, "package-0")])
def test_the_platform_counts_alone_where_it_counts(tmp_path: Path, counted, part) -> None:
    """The platform holds all others; where its maker did not wire it, it stays at 0."""
    content = domains(a_0=("package-0", 100), a_1=("psys", counted))
    source = opened(tree(tmp_path, content))
    assert source.facts["parts"] == [part]


def test_another_way_to_the_same_counter_is_passed_over(tmp_path: Path) -> None:
    """intel-rapl-mmio shows a package once more."""
    content = domains(a_0=("package-0", 100))
    content[f"{TREE}/intel-rapl-mmio:0/name"] = "package-0"
    content[f"{TREE}/intel-rapl-mmio:0/energy_uj"] = 100
    assert opened(tree(tmp_path, content)).facts["parts"] == ["package-0"]


def test_counters_of_root_alone_name_both_commands(tmp_path: Path, monkeypatch) -> None:
    """Until the next boot, or by a rule of udev; neither is run."""
    root = tree(tmp_path, domains(a_0=("package-0", 100)))

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(files, "open", refuse, raising=False)
    with pytest.raises(AgentError) as caught:
        opened(root)
    assert caught.value.code == "counter-unreadable"
    assert "sudo chmod a+r /sys/class/powercap" in caught.value.hint
    assert "/etc/udev/rules.d" in caught.value.hint


def test_a_machine_without_it_says_what_it_takes(tmp_path: Path) -> None:
    """A virtual machine or an Arm board."""
    with pytest.raises(AgentError, match="no energy counter") as caught:
        opened(str(tmp_path))
    assert "x86" in caught.value.hint
