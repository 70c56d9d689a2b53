"""The pins: complete, exact, and as installed."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PIN = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+")


def pins(name: str) -> dict[str, str]:
    """Get the versions of a constraints file by canonical name; every line must be a pin."""
    lines = (ROOT / name).read_text("utf-8").splitlines()
    entries = [line for line in lines if line and not line.startswith("#")]
    assert all(PIN.fullmatch(entry) for entry in entries), entries
    pairs = [entry.split("==") for entry in entries]
    found = {canonicalize_name(package): version for package, version in pairs}
    assert len(found) == len(pairs), "a package is pinned twice"
    return found


def declared() -> list[Requirement]:
    """Get what ./run installs by name: requirements, extra `local`, backend, test group."""
    project = PROJECT["project"]
    return [
        Requirement(text)
        for text in (
            *project["dependencies"],
            *project["optional-dependencies"]["local"],
            *PROJECT["build-system"]["requires"],
            "editables",
            *PROJECT["dependency-groups"]["test"],
        )
    ]


def closure() -> dict[str, str]:
    """Get everything that is installed because of `declared`, with versions."""
    found: dict[str, str] = {}
    pending = declared()
    while pending:
        requirement = pending.pop()
        name = canonicalize_name(requirement.name)
        extras = requirement.extras or {""}
        if requirement.marker and not any(
            requirement.marker.evaluate({"extra": extra}) for extra in extras
        ):
            continue
        known = name in found
        found[name] = distribution(requirement.name).version
        if known and not requirement.extras:
            continue
        for text in distribution(requirement.name).requires or ():
            needed = Requirement(text)
            if needed.marker is None or any(
                needed.marker.evaluate({"extra": extra}) for extra in extras
            ):
                needed.marker = None
                pending.append(needed)
    return found


def test_every_installed_distribution_is_pinned_as_installed() -> None:
    """The constraints name each distribution that is needed, in the version that is used."""
    pinned = pins("constraints.txt")
    different = {
        name: (version, pinned.get(name))
        for name, version in closure().items()
        if pinned.get(name) != version
    }
    assert not different


def test_nothing_is_pinned_for_nobody() -> None:
    """No pin is left over from a package that nothing needs any more."""
    assert not set(pins("constraints.txt")) - set(closure())


def test_the_pins_satisfy_the_declared_ranges() -> None:
    """Each pinned version lies within what pyproject.toml asks for."""
    pinned = pins("constraints.txt")
    outside = [
        str(requirement)
        for requirement in declared()
        if not requirement.specifier.contains(pinned[canonicalize_name(requirement.name)])
    ]
    assert not outside


def test_the_boards_own_python_is_pinned_apart() -> None:
    """The emulated board's environment has numpy 1, which the host's pins contradict."""
    target = pins("constraints-target.txt")
    assert set(target) == {"numpy", "tflite-runtime"}
    assert target["numpy"].startswith("1.")
    assert pins("constraints.txt")["numpy"].startswith("2.")


@pytest.mark.parametrize("name", ["pycoral", "tensorrt", "tflite-runtime", "labgrid"])
def test_a_default_installation_leaves_out(name: str) -> None:
    """Packages that break an installation, or are another project's, are in no default set."""
    assert name not in closure()
    assert name not in pins("constraints.txt")
    extras = PROJECT["project"]["optional-dependencies"]
    assert "pycoral" not in {
        canonicalize_name(Requirement(text).name) for texts in extras.values() for text in texts
    }
