"""Why an agent ended in the middle of its work, from its exit status and its last words."""

from __future__ import annotations

import re
import signal

from powerlab.agent.supervise import ENDED_BY_SIGNAL
from powerlab.errors import TargetError

SHELL_SIGNAL_BASE = 128

_HINTS: dict[int, str] = {
    signal.SIGSEGV: "the runtime crashed: its version does not suit this model, its accelerator "
    "library or this board; run the model on the board by hand, and try another version",
    signal.SIGILL: "the runtime was built for a newer processor than the board's: install a "
    "build for this one, or choose another --runtime",
    signal.SIGBUS: "the runtime crashed: check the board's storage and memory (dmesg on the board)",
    signal.SIGABRT: "the runtime gave up; its own words are above. Check that the model suits it",
    signal.SIGKILL: "most likely the board ran out of memory (dmesg on the board tells): choose "
    "a smaller model or batch",
    signal.SIGTERM: "somebody stopped it on the board; measure again",
}

_ANY_HINT = "measure again; if it happens again, run the model on the board by hand"


def explain_agent_end(host: str, stderr: str, returncode: int) -> TargetError:
    """Get the error for an agent that ended although nobody asked it to."""
    number = told_signal(stderr) or _signal_in(returncode)
    words = _last_words(stderr)
    if number is not None:
        return TargetError(
            f"the agent on {host} ended with signal {number} ({_name(number)}){words}",
            hint=_HINTS.get(number, _ANY_HINT),
            context={"signal": number},
        )
    return TargetError(f"the agent on {host} ended with status {returncode}{words}", hint=_ANY_HINT)


def no_room(host: str, stderr: str) -> TargetError:
    """Get the error for a board whose temporary directory cannot hold the agent's one file."""
    told = [line for line in stderr.splitlines() if line.startswith("powerlab-agent: ")]
    return TargetError(
        f"{host}: {''.join(told[-1:]).removeprefix('powerlab-agent: ')}",
        hint="free some space on the board, or set TMPDIR of the login to a larger disk",
        context={"stderr": stderr},
    )


def explain_unknown_end(host: str, stderr: str) -> TargetError:
    """Get the error for an agent that ended by a signal which ssh does not tell."""
    return TargetError(
        f"the agent on {host} was ended by a signal{_last_words(stderr)}",
        hint="something on the board killed it, most likely for want of memory (dmesg on the "
        "board tells); measure again",
    )


def told_signal(stderr: str) -> int | None:
    """Get the signal by which the agent ended, where its supervisor on the board told it."""
    told = re.search(re.escape(ENDED_BY_SIGNAL) + r" (\d+)", stderr)
    return int(told[1]) if told else None


def _signal_in(returncode: int) -> int | None:
    if returncode < 0:
        return -returncode
    number = returncode - SHELL_SIGNAL_BASE
    return number if number in {one.value for one in signal.Signals} else None


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _last_words(stderr: str) -> str:
    """Get the first line of a crash report, else the last line; empty where there is none."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith((ENDED_BY_SIGNAL, "INFO:"))]
    fatal = [line for line in lines if line.startswith(("Fatal Python error", "terminate called"))]
    chosen = fatal[-1:] or lines[-1:]
    return f": {chosen[0]}" if chosen else ""
