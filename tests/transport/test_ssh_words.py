"""Words for a board's shell: whatever they hold, the shell hands them on as they are."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.errors import ConfigError
from powerlab.transport.ssh import ssh_command

ECHO = [sys.executable, "-c", "import json,sys;print(json.dumps(sys.argv[1:]))"]
HOSTILE = ["$(touch hit)", "`id`", "; reboot", "a b", "'\"\\", "*", "line\nbreak", "~root", "", "é"]


def _through_a_shell(words: list[str]) -> list[str]:
    """Get the words as a program on the board has them."""
    argv = ssh_command("board", remote_argv=[*ECHO, *words])
    done = subprocess.run(["/bin/sh", "-c", argv[-1]], capture_output=True, check=True, text=True)
    found: list[str] = json.loads(done.stdout)
    return found


def test_hostile_words_arrive_as_they_are(tmp_path, monkeypatch) -> None:
    """Substitutions, separators and quotes are letters like any other."""
    monkeypatch.chdir(tmp_path)
    assert _through_a_shell(HOSTILE) == HOSTILE
    assert not (tmp_path / "hit").exists()


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)))
def test_any_words_arrive_as_they_are(words: list[str]) -> None:
    """All that an argument can hold."""
    kept = [word for word in words if not word.startswith("~/")]
    assert _through_a_shell(kept) == kept


@pytest.mark.parametrize("host", ["-oProxyCommand=touch hit", "me@-oX=y", "a;b", "$(id)"])
def test_a_host_is_never_an_option_nor_read_by_a_shell(host: str) -> None:
    """One that looks like either is refused, or is a single word after ``--``."""
    try:
        argv = ssh_command(host, remote_argv=["true"])
    except ConfigError:
        return
    assert argv[-3:] == ["--", host, "true"]
