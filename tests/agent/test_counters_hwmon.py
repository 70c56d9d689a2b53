"""The rails of a board by its kernel's files: published trees, and others of their kinds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from powerlab.agent.counters import files, hwmon, open_source, rails
from powerlab.agent.faults import AgentError

HWMON = "sys/class/hwmon"
I2C = "sys/bus/i2c/devices"


def tree(root: Path, content: Mapping[str, object]) -> str:
    """Write a file tree; get its root."""
    for name, value in content.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
    return str(root)


def ina3221(place: str, *channels: tuple[str, int, int]) -> dict[str, object]:
    """Get the files of an INA3221: label, mV and mA of each channel."""
    found: dict[str, object] = {f"{place}/name": "ina3221"}
    for number, (label, mv, ma) in enumerate(channels, start=1):
        found[f"{place}/in{number}_label"] = label
        found[f"{place}/in{number}_input"] = mv
        found[f"{place}/curr{number}_input"] = ma
    return found


def opened(root: str, selector: str = "") -> hwmon.Rails:
    """Open the source as the agent does."""
    words = [f"root={root}", *([f"selector={selector}"] if selector else [])]
    return open_source(["hwmon", *words])


def test_published_trees(shared, tmp_path: Path) -> None:
    """Each published tree gives its rail, volts, amperes, watts and update interval."""
    trees = json.loads(shared("vectors/linux/sysfs_trees.json").read_text())["trees"]
    for number, item in enumerate(one for one in trees if "files" in one):
        root = tree(tmp_path / str(number), item["files"])
        expected, source = item["expect"], opened(root)
        (name,) = source.facts["parts"]
        (rail,) = (one for one in hwmon.find(root) if one.name == name)
        assert hwmon.volts(rail) == pytest.approx(expected["voltage_V"])
        assert hwmon.amperes(rail) == pytest.approx(expected["current_A"])
        assert source.read() == pytest.approx([expected["power_W"]])
        if "total_rail" in expected:
            assert (name, source.facts["scope"]) == (expected["total_rail"], "board")
        assert source.facts["update_s"] == expected.get("update_interval_s", 0.0)


def test_a_total_rail_feeds_the_others(tmp_path: Path) -> None:
    """An Orin NX by hwmon: VDD_IN alone counts, the sum channel and shunts are no rails."""
    place = f"{I2C}/1-0040/hwmon/hwmon1"
    content = ina3221(place, ("VDD_CPU_GPU_CV", 5000, 300), ("VDD_IN", 5000, 1000), ("NC", 0, 0))
    content |= {f"{place}/in7_input": 900, f"{place}/in7_label": "sum of shunt voltages"}
    content |= {f"{place}/curr4_input": 1300, f"{place}/in4_input": 400}
    source = opened(tree(tmp_path, content))
    assert source.facts["parts"] == ["VDD_IN"]
    assert source.facts["not_read"] == ["VDD_CPU_GPU_CV"]
    assert source.read() == pytest.approx([5.0])
    assert opened(str(tmp_path), "vdd_cpu_gpu_cv").read() == pytest.approx([1.5])


@pytest.mark.parametrize("style", ["hwmon", "iio"])
def test_a_board_without_a_total_is_the_sum_of_its_rails(tmp_path: Path, style: str) -> None:
    """AGX boards: every stated rail counts once, NC and what is switched off do not."""
    told = (("VDD_GPU_SOC", 5000, 1000), ("VDD_CPU_CV", 5000, 600), ("VIN_SYS_5V0", 5000, 1100))
    if style == "hwmon":
        content = ina3221(f"{I2C}/1-0040/hwmon/hwmon3", *told)
        other = f"{I2C}/1-0041/hwmon/hwmon4"
        content |= ina3221(other, ("NC", 5000, 9), ("NC", 5000, 9), ("OFF", 5000, 9))
        content[f"{other}/in3_enable"] = 0
    else:
        place = f"{I2C}/1-0040/iio:device0"
        content = {f"{place}/rail_name_3": "NC"}
        for number, (label, mv, ma) in enumerate(told):
            content[f"{place}/rail_name_{number}"] = label
            content[f"{place}/in_voltage{number}_input"] = mv
            content[f"{place}/in_current{number}_input"] = ma
    source = opened(tree(tmp_path, content))
    assert source.facts["scope"] == "sum"
    assert source.facts["parts"] == [label for label, _, _ in told]
    assert sum(source.read()) == pytest.approx(13.5)


def test_a_chip_is_read_once_through_its_links(tmp_path: Path) -> None:
    """The same folder is reached as a class's and as a bus's."""
    place = tmp_path / I2C / "1-0040/hwmon/hwmon2"
    tree(tmp_path, ina3221(f"{I2C}/1-0040/hwmon/hwmon2", ("VDD_IN", 5000, 1000)))
    (tmp_path / HWMON).mkdir(parents=True)
    (tmp_path / HWMON / "hwmon2").symlink_to(place)
    assert [rail.name for rail in hwmon.find(str(tmp_path))] == ["VDD_IN"]


def test_an_energy_file_is_preferred_to_power(tmp_path: Path) -> None:
    """An INA228 counts µJ; its watts are there for a selector of another rail."""
    content = {"name": "ina238", "in1_input": 5000, "curr1_input": 1000, "power1_input": 5000000}
    files_of = {f"{HWMON}/hwmon0/{key}": value for key, value in content.items()}
    root = tree(tmp_path, {**files_of, f"{HWMON}/hwmon0/energy1_input": 123456789})
    source = opened(root)
    assert (source.facts["quantity"], source.facts["unit_j"]) == ("energy", 1e-6)
    assert source.read() == [123456789]


def test_several_sensors_must_be_named(tmp_path: Path) -> None:
    """Unrelated chips may overlap: names decide, and two may be added."""
    content: dict[str, object] = {}
    for number, (chip, microwatts) in enumerate(
        (("ina226", 3e6), ("ina226", 2e6), ("amdgpu", 9e6))
    ):
        content[f"{HWMON}/hwmon{number}/name"] = chip
        content[f"{HWMON}/hwmon{number}/power1_input"] = int(microwatts)
    root = tree(tmp_path, content)
    with pytest.raises(AgentError) as caught:
        opened(root)
    assert caught.value.code == "counter-ambiguous"
    assert "ina226@hwmon0, ina226@hwmon1, amdgpu" in caught.value.hint
    assert sum(opened(root, "ina226@hwmon0+ina226@hwmon1").read()) == pytest.approx(5.0)
    assert opened(root, "amdgpu").read() == pytest.approx([9.0])
    with pytest.raises(AgentError, match="no sensor VDD_IN"):
        opened(root, "VDD_IN")


def test_a_card_of_its_own_is_no_supply_of_the_board(tmp_path: Path) -> None:
    """A graphics card's average is read where it is named, and never by itself."""
    place = f"{HWMON}/hwmon1"
    root = tree(tmp_path, {f"{place}/name": "amdgpu", f"{place}/power1_average": 21000000})
    with pytest.raises(AgentError, match="none of them known"):
        opened(root)
    assert opened(root, "amdgpu").read() == pytest.approx([21.0])


def test_what_a_sensor_does_not_tell_is_none(tmp_path: Path) -> None:
    """An empty file is no zero; one that is gone, or closed to this login, says so."""
    place = f"{HWMON}/hwmon3"
    source = opened(tree(tmp_path, {f"{place}/name": "ina226", f"{place}/power1_input": ""}))
    assert source.read() == [None]
    (tmp_path / place / "power1_input").unlink()
    with pytest.raises(AgentError) as caught:
        source.read()
    assert caught.value.code == "counter-gone"


def test_a_file_that_only_root_reads_names_the_command(monkeypatch) -> None:
    """The command is told, never run."""

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(files, "open", refuse, raising=False)
    with pytest.raises(AgentError, match="may not be read") as caught:
        files.number("/sys/x/power1_input")
    assert "sudo chmod a+r /sys/x/power1_input" in caught.value.hint


def test_nothing_there_and_nothing_known(tmp_path: Path) -> None:
    """No sensor, no such kind, no such option: each is told."""
    with pytest.raises(AgentError, match="no sensor of its supply"):
        opened(str(tmp_path))
    with pytest.raises(AgentError, match="kind 'smc'"):
        open_source(["smc"])
    with pytest.raises(AgentError, match="no option 'colour'"):
        open_source(["hwmon", "colour=red"])


@pytest.mark.parametrize("selector", ["A+A", "+", "A+B+X"])
def test_a_part_cannot_be_counted_twice(selector: str) -> None:
    """A selector names each part once."""
    with pytest.raises(AgentError):
        rails.choose(["A", "B"], selector)
