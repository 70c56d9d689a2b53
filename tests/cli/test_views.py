"""Progress, output paths and tables."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from powerlab.cli._output import check_output_file, check_run_root, print_facts, print_table
from powerlab.cli._progress import open_view, phase_name
from powerlab.cli._style import folded
from powerlab.errors import ConfigError, SetupError
from powerlab.progress import Progress

NOW = Progress(phase="run", index=1, count=5, elapsed_s=12.0, remaining_s=30.0, power_w=8.4)


def test_a_log_gets_one_line_per_phase(capsys):
    """However often a phase reports, it has one line; a note has its own."""
    view = open_view(quiet=False)
    view.note("starting")
    with view.live() as update:
        for index in (0, 0, 1, 1, 1):
            update(Progress("run", index, 2, 1.0 + index, 9.0, None))
        update(Progress("run", 1, 2, 2.5, 20.0, None, note="4 runs in all"))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "starting",
        "   1.0 s  run 1 of 2, about 9 s left",
        "   2.0 s  run 2 of 2, about 9 s left",
        "4 runs in all",
    ]


def test_quiet_says_nothing(capsys):
    """Neither notes nor phases."""
    view = open_view(quiet=True)
    view.note("starting")
    with view.live() as update:
        update(NOW)
    assert capsys.readouterr() == ("", "")


def test_a_phase_that_comes_once_has_no_number():
    """The warm-up is no "warm-up 1 of 1"; a run is "run 2 of 5"."""
    assert phase_name(Progress("warm-up", 0, 1, 0.0, 1.0, None)) == "warm-up"
    assert phase_name(NOW) == "run 2 of 5"


def test_a_phase_of_one_of_several_options_says_whose_it_is():
    """The option stands behind the phase."""
    assert phase_name(replace(NOW, option="batch 4")) == "run 2 of 5 (batch 4)"


LIVE = """
    from powerlab.cli._progress import open_view
    from powerlab.progress import Progress
    with open_view(quiet=False).live() as update:
        update(Progress("run", 1, 5, 12.0, 30.0, 8.4, note="8 runs [in all]"))
"""


def test_a_terminal_shows_phase_times_and_power():
    """The live line has all four; it is read here through a pseudo-terminal."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    command = [sys.executable, "-c", textwrap.dedent(LIVE)]
    subprocess.run(command, stderr=theirs, env=environment, check=True)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how Linux tells the end of a pseudo-terminal
            break
        if not part:
            break
        shown += part
    os.close(ours)
    for word in (
        *(b"run 2 of 5", b"12 s", b"30 s left", "≈ 8.400 W".encode()),
        b"8 runs [in all]\r\n",
    ):
        assert word in shown


def test_a_writable_path_is_left_as_it_was(tmp_path):
    """Checking makes no file and changes none."""
    check_output_file(tmp_path / "new.pdf", "--report")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old.pdf").write_text("old")
    check_output_file(tmp_path / "old.pdf", "--report")
    assert (tmp_path / "old.pdf").read_text() == "old"


@pytest.mark.parametrize("path", ["missing/page.pdf", "folder", "/dev/full", "file/page.pdf"])
def test_a_path_that_can_be_no_file_is_a_configuration_error(tmp_path, path):
    """Folders, devices, and folders that are not there."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as caught:
        check_output_file(tmp_path / path, "--report")
    assert caught.value.hint


def test_a_path_that_the_system_refuses_is_a_set_up_error():
    """A place that takes no file, whoever asks."""
    with pytest.raises(SetupError, match="cannot be written"):
        check_output_file(Path("/proc/page.pdf"), "--report")


def test_a_disk_with_no_room_is_told_before(tmp_path, monkeypatch):
    """A run needs some megabytes, and a full disk is known beforehand."""
    usage = type("Usage", (), {"free": 1_000_000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(SetupError, match="1 MB left"):
        check_run_root(tmp_path / "runs")


def test_a_table_is_aligned_and_a_fact_keeps_its_lines(capsys):
    """Columns as wide as their widest cell; long facts go on below their first line."""
    print_table([{"id": "a", "name": "x y"}, {"id": "long", "name": "z"}], empty="none")
    print_table([], empty="none")
    print_facts({"one": 1, "three": "a\nb"})
    assert capsys.readouterr().out.splitlines() == [
        *("id    name", "a     x y", "long  z", "none"),
        *("one    1", "three  a", "       b"),
    ]


def test_a_narrow_terminal_folds_the_last_column_at_words(capsys, monkeypatch):
    """What goes on stands below its own beginning."""
    monkeypatch.setattr("powerlab.cli._output.columns", lambda: 30)
    long = "five runs of six seconds each"
    print_table([{"id": "quick", "summary": long}], empty="none")
    print_facts({"note": long})
    assert capsys.readouterr().out.splitlines() == [
        *("id     summary", "quick  five runs of six", "       seconds each"),
        *("note  five runs of six seconds", "      each"),
    ]


def test_text_is_folded_at_words_and_keeps_its_indent():
    """Lines that fit are left as they are, the rest go on two columns deeper."""
    assert folded("short  line\n  a hint of several words", 20).splitlines() == [
        *("short  line", "  a hint of several", "    words"),
    ]


def test_an_output_that_takes_nothing_is_an_error_in_words():
    """``> /dev/full`` ends with one message, not with the interpreter's."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "powerlab.cli", "devices", "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 3
    assert "the output cannot be written: No space left on device" in done.stderr
    assert "Exception ignored" not in done.stderr
