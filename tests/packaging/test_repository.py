"""House rules of the repository that no linter knows."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
README = ROOT / "README.md"
# Put together here, so that this file does not hold what it looks for.
REGISTRIES = [
    f"{host}.{domain}"
    for host, domain in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("deb.debian", "org"),
        ("archive.ubuntu", "com"),
        ("npmjs", "org"),
        ("conda.anaconda", "org"),
    )
]


def tracked_texts() -> list[tuple[str, str]]:
    """Get path and text of each file of the checkout that git tracks or would track."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    texts = []
    for name in filter(None, listed.decode().split("\0")):
        path = ROOT / name
        if path.is_file() and path.suffix not in {".png", ".pdf", ".parquet"}:
            texts.append((name, path.read_text("utf-8", errors="replace")))
    return texts


def test_no_file_names_a_package_registry() -> None:
    """Where packages come from is the user's own setting: no address is written down."""
    found = [
        (name, registry)
        for name, text in tracked_texts()
        for registry in REGISTRIES
        if registry in text
    ]
    assert not found


def test_no_module_is_longer_than_400_lines() -> None:
    """A file that outgrows 400 lines is two files."""
    long = [
        name for name, text in tracked_texts() if name.endswith(".py") and text.count("\n") > 400
    ]
    assert not long


def test_decisions_are_numbered_without_gaps() -> None:
    """Decision pages are 0001, 0002, ... each with its four headings."""
    pages = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert [page.name[:4] for page in pages] == [f"{n:04}" for n in range(1, len(pages) + 1)]
    assert pages
    for page in pages:
        text = page.read_text("utf-8")
        for part in ("Date:", "Status:", "## Context", "## Decision", "## Consequences"):
            assert part in text, f"{page.name} has no {part}"
        assert len(text) < 4000, f"{page.name} is longer than a page"


def test_the_readme_names_every_package() -> None:
    """The README's table has a row for each declared requirement, and for those left out."""
    rows = {
        name.lower()
        for line in README.read_text("utf-8").splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([^`]+)`", line.split("|")[1])
    }
    project = PROJECT["project"]
    extras = project["optional-dependencies"].values()
    texts = [*project["dependencies"], *(text for extra in extras for text in extra)]
    needed = {Requirement(text).name.lower() for text in texts}
    assert needed | {"pycoral", "tflite-runtime"} <= rows


def test_links_of_the_pages_lead_somewhere() -> None:
    """Each relative link or image in a page names a file that exists."""
    links = [
        (name, link)
        for name, text in tracked_texts()
        if name.endswith(".md")
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    ]
    broken = [
        (name, link)
        for name, link in links
        if "://" not in link and not ((ROOT / name).parent / link).exists()
    ]
    assert not broken


def test_the_readme_image_is_small() -> None:
    """The page of the report in the README loads quickly."""
    image = ROOT / "docs" / "images" / "report-page-1.png"
    assert image.stat().st_size <= 300_000
