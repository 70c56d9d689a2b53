"""What the command line may load before it knows what is wanted."""

from __future__ import annotations

import subprocess
import sys

import pytest

from powerlab.cli import VERBS

HEAVY = {
    *("numpy", "pandas", "pydantic", "rich", "pyvisa", "matplotlib", "weasyprint", "scipy"),
    *("asyncssh", "pyarrow", "serial", "tomlkit", "jinja2"),
}

LISTS_MAY_LOAD = {"numpy", "pydantic"}


def loaded_by(code: str) -> set[str]:
    """Get the names of the heavy modules that a piece of code loads."""
    script = f"import sys\n{code}\nprint(*sorted(set(sys.modules) & {HEAVY!r}))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import powerlab",
        "import powerlab.cli",
        "from powerlab.cli import main; main(['--help'])",
        "from powerlab.cli import main; main(['measure', '--help'])",
        "from powerlab.cli import main; main(['bench', 'init', '--help'])",
        "from powerlab.cli import main; main(['no-such-verb'])",
    ],
)
def test_help_loads_nothing_heavy(code):
    """Importing, helping and refusing a word need click alone."""
    assert loaded_by(code) == set()


@pytest.mark.parametrize("verb", ["instruments", "devices", "workloads", "bench"])
def test_lists_load_only_the_models(verb):
    """A list of the catalogue needs no pandas and no terminal library."""
    code = f"from powerlab.cli import main; main(['{verb}', 'list'])"
    assert loaded_by(code) <= LISTS_MAY_LOAD


def test_every_verb_is_there_and_helps(run):
    """The static list of verbs matches what can be imported, each with its own help."""
    shown = run("--help").out
    for verb, text in VERBS.items():
        assert text in shown
        ran = run(verb, "--help")
        assert ran.code == 0
        assert f"powerlab {verb}" in ran.out
