"""One run of a benchmark program: its lines, the way to halt it, and what it did wrong."""

import os
import signal
import sys
from typing import List, Tuple

from powerlab.agent.child import Child
from powerlab.agent.faults import AgentError
from powerlab.agent.program import quoted

# Standard error joins standard output: some of these programs write to one, some to the other.
_JOINED = "import os,sys;os.dup2(1,2);os.execvp(sys.argv[1],sys.argv[1:])"

_MEMORY = ("out of memory", "outofmemory", "bad_alloc", "failed to allocate")


class Process(Child):
    """Such a run; every failure kills it and is an AgentError with the end of what it said."""

    def __init__(self, words: List[str], deadline_ns: int) -> None:
        Child.__init__(self, [sys.executable, "-c", _JOINED] + words, b"")
        self.told: List[str] = []
        self._words = words
        self._deadline_ns = deadline_ns

    def halt(self) -> None:
        """Stop it, with all that it started."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        os.killpg(self._process.pid, signal.SIGCONT)

    def await_line(self, parts: Tuple[str, ...], times: int = 1) -> int:
        """Get when the line with one of these parts arrived, the ``times``-th of them."""
        while True:
            while self.lines:
                line, at_ns = self.lines.pop(0)
                self.told.append(line.decode("utf-8", "replace"))
                times -= any(part in self.told[-1] for part in parts)
                if times == 0:
                    return at_ns
            if self.at_end:
                self._check_status()
                raise self.failed("tool-output", f"never printed {parts[0]!r}")
            self._receive()

    def await_end(self) -> None:
        """Wait for its end, which must be a good one, and keep what it says until then."""
        while not self.at_end:
            self._receive()
        self.told += [line.decode("utf-8", "replace") for line, _ in self.lines]
        self._check_status()

    def failed(self, code: str, what: str) -> AgentError:
        """Kill it and get the error that says what it did."""
        self.close()
        faults = [line for line in self.told if "error" in line.lower() or "[E]" in line]
        last = (faults or [line for line in self.told if line.strip()])[-1:]
        hint = "run it on the board by hand, with the words in the detail"
        if code == "out-of-memory":
            hint = "choose a smaller batch or model, or stop other programs on the board"
        said = "\n".join(self.told[-60:])
        return AgentError(
            code,
            f"{os.path.basename(self._words[0])} {what}"
            + "".join(f": {line.strip()[:300]}" for line in last),
            hint,
            f"command: {quoted(self._words)}\n{said}",
        )

    def _receive(self) -> None:
        if not self.receive(self._deadline_ns):
            raise self.failed("command-silent", "was not done in time")

    def _check_status(self) -> None:
        status = self.end()
        if not status:
            return
        how = f"ended with status {status}"
        if status < 0:
            how = f"was ended by signal {-status} ({signal.Signals(-status).name})"
        said = " ".join(self.told[-40:]).lower()
        memory = -status == signal.SIGKILL or any(word in said for word in _MEMORY)
        raise self.failed("out-of-memory" if memory else "command-ended", how)
