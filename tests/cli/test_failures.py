"""What stops a command: one message, one hint, the right exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import click
import pytest

import powerlab.cli.doctor
from powerlab import errors
from powerlab.cli import main
from powerlab.cli._style import styled


def command_that(raises: BaseException) -> click.Command:
    """Get a command that raises."""

    @click.command()
    def fail() -> None:
        raise raises

    return fail


@pytest.mark.parametrize(
    ("family", "code"),
    [
        (errors.ConfigError, 2),
        (errors.UnknownId, 2),
        (errors.SetupError, 3),
        (errors.InstrumentError, 4),
        (errors.InstrumentProtocolError, 4),
        (errors.TargetError, 5),
        (errors.InvalidMeasurement, 6),
        (errors.ReportError, 7),
        (errors.Interrupted, 130),
    ],
)
def test_each_family_has_its_exit_code(run, monkeypatch, family, code):
    """Message, notes and hint go to stderr, nothing to stdout."""
    error = family("it broke", hint="mend it")
    error.add_note("kept somewhere")
    monkeypatch.setattr(powerlab.cli.doctor, "command", command_that(error))
    ran = run("doctor")
    assert ran.code == code
    assert ran.out == ""
    assert " ".join(ran.err.split()) == "Error: it broke kept somewhere Hint: mend it"


def test_all_problems_of_a_file_are_told_at_once(run, monkeypatch):
    """A malformed profile lists every key."""
    problems = [errors.Problem("a.toml", "x.y", "is missing"), errors.Problem("b.toml", "", "bad")]
    error = errors.ProfileError(problems, hint="correct them")
    monkeypatch.setattr(powerlab.cli.doctor, "command", command_that(error))
    ran = run("doctor")
    assert ran.code == 2
    assert "a.toml: x.y: is missing" in ran.err
    assert "b.toml: bad" in ran.err


@pytest.mark.parametrize(
    ("error", "code", "word"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (PermissionError(13, "Permission denied", "/x"), 3, "/x"),
        (ZeroDivisionError("by zero"), 1, "--debug"),
    ],
)
def test_other_failures_are_told_without_a_traceback(run, monkeypatch, error, code, word):
    """Signals, the system's refusals and our own defects end in words as well."""
    monkeypatch.setattr(powerlab.cli.doctor, "command", command_that(error))
    ran = run("doctor")
    assert ran.code == code
    assert word in ran.err


def test_debug_shows_the_traceback(capfd, monkeypatch):
    """With --debug the place of the error comes before its message."""
    error = errors.SetupError("it broke", hint="mend it")
    monkeypatch.setattr(powerlab.cli.doctor, "command", command_that(error))
    assert main(["--debug", "doctor"]) == 3
    err = capfd.readouterr().err
    assert err.index("Traceback") < err.index("Error: it broke")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["mesure"], "Did you mean 'measure'?"),
        (["measure"], "Missing option '--device'"),
        (["measure", "--device", "x", "--batch", "0"], "whole numbers above 0"),
        (["measure", "--device", "x", "--batch", "1,1"], "each once"),
        (["measure", "--device", "x", "--runs", "1"], "2"),
        (["measure", "--device", "x", "--sped"], "--s"),
        (["results", "shwo"], "show"),
    ],
)
def test_usage_errors_exit_2_and_say_what_is_meant(run, words, told):
    """A mistyped command line is answered by click, with the nearest word."""
    ran = run(*words)
    assert ran.code == 2
    assert told in ran.err


def test_colour_only_for_a_terminal_without_no_color(monkeypatch):
    """NO_COLOR and pipes get plain text."""

    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert styled("x", stream=Terminal(), fg="red") != "x"
    monkeypatch.setenv("TERM", "dumb")
    assert styled("x", stream=Terminal(), fg="red") == "x"
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert styled("x", stream=Terminal(), fg="red") == "x"


WAITING = """
    import signal, sys, types
    import click
    from powerlab.cli import main

    @click.command()
    def wait():
        try:
            print("ready", flush=True)
            signal.pause()
        finally:
            print("cleaned", flush=True)
            if {twice}:
                print("again", flush=True)
                sys.stdin.readline()

    # Whoever started the tests may ignore hang-ups (nohup), which children inherit.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    sys.modules["powerlab.cli.doctor"] = types.SimpleNamespace(command=wait)
    sys.exit(main(["doctor"]))
"""


def waiting(*, twice: bool = False) -> subprocess.Popen[str]:
    """Start a command that waits, and clean-up that waits as well if ``twice``."""
    code = textwrap.dedent(WAITING.format(twice=twice))
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_a_command_with_130_after_its_clean_up(number):
    """Ctrl-C, kill and a closed terminal all run the finally clauses."""
    with waiting() as process:
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "cleaned\n")
    assert "interrupted" in err
    assert "Traceback" not in err


def test_a_repeated_signal_does_not_disturb_the_clean_up():
    """``timeout`` and terminals signal a whole group: the second is passed over."""
    with waiting(twice=True) as process:
        os.kill(process.pid, signal.SIGTERM)
        assert [process.stdout.readline() for _ in range(2)] == ["cleaned\n", "again\n"]
        os.kill(process.pid, signal.SIGTERM)
        _, err = process.communicate("\n")
    assert process.returncode == 130
    assert "Traceback" not in err
