"""The page on fast SCPI meters: its profile is complete, and its figures are the profiles'."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest

from powerlab.catalog.layers import builtin_lab, load_catalog
from powerlab.catalog.lint import lint

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "meters" / "fast-scpi.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_pages_profile_is_one(tmp_path: Path) -> None:
    """Under the name that the page gives it, with nothing to complain of."""
    (profile,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    (name,) = re.findall(r"as `(instruments/[\w-]+\.toml)`", TEXT)
    path = tmp_path / name
    path.parent.mkdir()
    path.write_text(profile, encoding="utf-8")
    made = load_catalog(tmp_path).instrument(tomllib.loads(profile)["id"])
    assert made.sampling.interval_s == made.sampling.aperture_s == 5e-6
    assert made.driver == "keithley_dmm6500"
    assert lint([builtin_lab(), tmp_path], date.max) == []


@pytest.mark.parametrize(
    ("identifier", "rate"),
    [
        ("keithley-dmm6500-digitize", "50,000"),
        ("keithley-daq6510-digitize", "50,000"),
        ("keysight-34465a-digitize", "1,000"),
        ("keysight-34470a-digitize", "1,000"),
        ("keysight-n6705c-n6781a", "4,883"),
        ("rohde-schwarz-ngu201", "10,000"),
    ],
)
def test_the_pages_rates_are_those_of_the_profiles(identifier: str, rate: str) -> None:
    """In the row of the table that names it."""
    (row,) = [line for line in TEXT.splitlines() if re.match(rf"\| .*`{identifier}`", line)]
    assert f"| {rate} " in row
    assert f"{1 / load_catalog().instrument(identifier).sampling.interval_s:,.0f}" == rate
