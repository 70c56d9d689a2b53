"""What is shipped: the wheel, the source distribution, and what they declare."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("instruments", "devices", "workloads", "templates")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build wheel and source distribution with the installed backend, without network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def wheel_names(built: Path) -> set[str]:
    """Get the paths inside the wheel."""
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        return set(wheel.namelist())


def catalogue_files() -> set[Path]:
    """Get the files of the catalogue folders, relative to the checkout."""
    found = {
        path.relative_to(ROOT)
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert found
    return found


def test_the_wheel_holds_the_whole_catalogue(wheel_names: set[str]) -> None:
    """Every file of the catalogue folders is in the wheel under powerlab/_catalog."""
    expected = {f"powerlab/_catalog/{path.as_posix()}" for path in catalogue_files()}
    shipped = {name for name in wheel_names if name.startswith("powerlab/_catalog/")}
    assert shipped == expected


def test_the_wheel_holds_the_whole_package(wheel_names: set[str]) -> None:
    """Every module of the package is in the wheel."""
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "powerlab").rglob("*.py")}
    assert modules <= wheel_names
    assert "powerlab/py.typed" in wheel_names


def test_the_wheel_adds_one_top_level_name(wheel_names: set[str]) -> None:
    """Nothing but `powerlab` becomes importable: `instruments` belongs to another package."""
    top = {name.partition("/")[0] for name in wheel_names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"powerlab"}


def test_the_catalogue_holds_data_only() -> None:
    """No code lives in the catalogue folders."""
    assert not [path for path in catalogue_files() if path.suffix in {".py", ".so", ".sh"}]


def test_the_licence_is_shipped(wheel_names: set[str]) -> None:
    """The wheel carries the licence's text."""
    assert [name for name in wheel_names if name.endswith("/licenses/LICENSE")]


def test_the_source_distribution_builds_the_same_wheel(built: Path, wheel_names: set[str]) -> None:
    """The source distribution has every file that the wheel is made from."""
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    sources = {
        name.replace("powerlab/_catalog/", "") for name in wheel_names if ".dist-info/" not in name
    }
    assert sources <= names
    assert {"run", "constraints.txt", "constraints-target.txt", "LICENSE", "README.md"} <= names


@pytest.mark.parametrize("group", PROJECT["project"]["entry-points"])
def test_entry_points_resolve(group: str) -> None:
    """Each declared driver, emulator and emulation is installed and can be loaded."""
    declared = PROJECT["project"]["entry-points"][group]
    installed = {entry.name: entry for entry in entry_points(group=group)}
    assert {name: entry.value for name, entry in installed.items()}.items() >= declared.items()
    for name in declared:
        assert callable(installed[name].load())
