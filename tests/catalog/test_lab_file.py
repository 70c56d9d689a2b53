"""Writing a bench into powerlab.toml without touching what people wrote there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from powerlab.catalog.bench_profile import Bench, BenchMeter, BenchSupply
from powerlab.catalog.lab_file import write_bench
from powerlab.catalog.layers import load_catalog
from powerlab.errors import ConfigError, ProfileError

BENCH = Bench(
    device="edgeboard",
    host="root@192.168.1.40:2222",
    boundary="dc",
    meter=(
        BenchMeter(
            model="keithley-dmm6500",
            resource="TCPIP0::192.168.1.50::5025::SOCKET",
            serial="04591126",
            cable_ohm=0.05,
            u_cable_ohm=0.01,
        ),
        BenchMeter(
            model="rdtech-um25c",
            resource='serial:/dev/"odd"',
            measures=("voltage", "current"),
            voltage_sense="board",
        ),
    ),
    supply=BenchSupply(voltage_v=12.01, u_voltage_v=0.002),
)

WRITTEN = """# my lab, do not lose this
schema = 1   # the version

[bench.desk] # left of the window
device = "edgeboard"
host   = 'board'
  [[bench.desk.meter]]
  model = "keithley-dmm6500"
  resource = "TCPIP0::meter::5025::SOCKET"
# the end
"""


def read_back(lab: Path, name: str) -> Bench:
    """Get a bench as the catalogue reads it from a lab."""
    return load_catalog(lab, cwd=lab).bench(name)


def test_a_new_file_is_made_and_reads_back(tmp_path) -> None:
    """In an empty lab a file with the schema line and the bench appears."""
    path = write_bench(tmp_path / "new" / "lab", "shelf", BENCH)
    assert path == tmp_path / "new" / "lab" / "powerlab.toml"
    assert read_back(path.parent, "shelf") == BENCH
    assert path.read_text().splitlines()[1] == "schema = 1"
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_bench_without_supply_reads_back(tmp_path) -> None:
    """Optional parts that are not there stay away."""
    bench = BENCH.model_copy(update={"supply": None, "meter": BENCH.meter[:1]})
    path = write_bench(tmp_path, "shelf", bench)
    assert read_back(tmp_path, "shelf") == bench
    assert "supply" not in path.read_text()
    assert "identity_file" not in path.read_text()


def test_every_byte_that_was_there_stays(tmp_path) -> None:
    """Comments, spacing and order of an existing file are kept before the new bench."""
    path = tmp_path / "powerlab.toml"
    path.write_text(WRITTEN)
    path.chmod(0o640)
    write_bench(tmp_path, "shelf", BENCH)
    assert path.read_text().startswith(WRITTEN)
    assert path.stat().st_mode & 0o777 == 0o640
    assert read_back(tmp_path, "shelf") == BENCH
    assert read_back(tmp_path, "desk").host == "board"


@pytest.mark.parametrize(
    "text",
    [
        "schema = 1",
        "schema = 1\n\n\n",
        WRITTEN.replace("\n", "\r\n"),
        "schema = 1\n[bench]\na = {device='x', host='h', meter=[{model='m', resource='r'}]}\n",
        (
            "schema = 1\nbench.a.device = 'x'\nbench.a.host = 'h'\n"
            "bench.a.meter = [{model='m', resource='r'}]\n"
        ),
    ],
)
def test_other_ways_to_write_a_lab_are_extended(tmp_path, text) -> None:
    """Files without a last newline, with other line ends or inline tables gain the bench."""
    path = tmp_path / "powerlab.toml"
    path.write_bytes(text.encode())
    before = load_catalog(tmp_path, cwd=tmp_path).benches
    write_bench(tmp_path, "shelf", BENCH)
    after = dict(load_catalog(tmp_path, cwd=tmp_path).benches)
    assert after.pop("shelf") == BENCH
    assert after == before
    content = path.read_bytes()
    assert content.count(b"\r\n") == (content.count(b"\n") if "\r\n" in text else 0)


def test_benches_are_added_one_after_the_other(tmp_path) -> None:
    """Several benches share one file."""
    for name in ("one", "two", "three"):
        write_bench(tmp_path, name, BENCH)
    assert list(load_catalog(tmp_path, cwd=tmp_path).benches) == ["one", "two", "three"]


def unchanged_after(tmp_path: Path, text: str, name: str) -> Exception:
    """Get the error of adding a bench, having checked that the lab stays as it was."""
    path = tmp_path / "powerlab.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        write_bench(tmp_path, name, BENCH)
    assert path.read_text() == text
    assert [each.name for each in tmp_path.glob("*powerlab*")].count("powerlab.toml") == 1
    assert not list(tmp_path.glob(".powerlab-*"))
    return caught.value


def test_an_existing_bench_is_never_overwritten(tmp_path) -> None:
    """A second bench of one name is refused."""
    error = unchanged_after(tmp_path, WRITTEN, "desk")
    assert "has a bench 'desk' already" in str(error)


def test_a_malformed_file_is_left_alone(tmp_path) -> None:
    """A file that does not load gains nothing and its problem is told."""
    error = unchanged_after(tmp_path, WRITTEN.replace("host ", "hots "), "shelf")
    assert isinstance(error, ProfileError)
    assert {each.key for each in error.problems} == {"bench.desk.hots", "bench.desk.host"}


def test_a_file_that_would_no_longer_load_is_not_written(tmp_path) -> None:
    """An inline [bench] cannot be added to: the file stays, and the hint says how to write it."""
    text = "schema = 1\nbench = {a = {device='x', host='h', meter=[{model='m', resource='r'}]}}\n"
    error = unchanged_after(tmp_path, text, "shelf")
    assert isinstance(error, ProfileError)
    assert error.problems[0].path == str(tmp_path / "powerlab.toml")
    assert "[bench.NAME]" in error.hint


def test_a_name_that_is_no_identifier_is_refused(tmp_path) -> None:
    """A bench's name obeys the rule of all identifiers, and nothing is left behind."""
    with pytest.raises(ProfileError, match="lower-case letters"):
        write_bench(tmp_path, "My bench", BENCH)
    assert not list(tmp_path.glob("*.toml"))
    assert not list(tmp_path.glob(".powerlab-*"))


def test_a_place_that_cannot_be_written_is_a_configuration_error(tmp_path) -> None:
    """A lab directory that is a file is told with a way out."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written") as caught:
        write_bench(tmp_path / "file" / "lab", "shelf", BENCH)
    assert "--lab" in caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_permission_is_a_configuration_error(tmp_path) -> None:
    """A read-only lab is told with a way out."""
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="cannot be written"):
        write_bench(tmp_path, "shelf", BENCH)
