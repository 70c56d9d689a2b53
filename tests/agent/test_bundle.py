"""What is sent to a board: complete, old enough in style, and alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from powerlab.agent import bundle

AGENT = Path(bundle.__file__).parent


def test_every_module_is_sent() -> None:
    """All of the agent's files travel but the one that packs them."""
    files = {str(path.relative_to(AGENT).with_suffix("")) for path in AGENT.rglob("*.py")}
    assert files - {"bundle"} == set(bundle.MODULES)


def test_oldest_python() -> None:
    """The agent's syntax and calls exist in Python 3.6."""
    command = [str(Path(sys.executable).with_name("vermin")), "-t=3.6-", "--no-tips", str(AGENT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_old_python_says_so(old_python: str) -> None:
    """A Python that is too old is told by a sentence, not by a syntax error."""
    done = subprocess.run(
        bundle.command(old_python), input=bundle.payload(), capture_output=True, check=False
    )
    assert done.returncode == 98
    assert done.stderr.strip() == (
        b"powerlab-agent: this is Python 2.7, the agent needs 3.6 or newer"
    )


@pytest.fixture
def old_python() -> str:
    """Get a Python 2, or skip where there is none."""
    for path in (Path.home() / ".pyenv/versions").glob("2.7*/bin/python"):
        return str(path)
    pytest.skip("no Python 2 is installed here")
