"""A program of the user's on the board, which says by three lines when it infers.

It is started by its words, without a shell, and writes to its standard output, each line
flushed::

    powerlab: ready         idle, and able to infer at once
    powerlab: begin N       the next thing it does is the first of N inferences
    powerlab: end N         the last of these N is complete

Between "ready" and "begin" it reads one line from its standard input, a number: how many
inferences are wanted. After "end" it is "ready" again or ends with status 0; then it is
started anew for the next window. A program that reads nothing makes a number of its own, and
idles for as long as the guards take before it begins. Whatever else it writes is kept for an
error message, its standard error apart.
"""

import re
import shlex
import signal
import time
from typing import List, Optional, Tuple

from powerlab.agent.child import Child
from powerlab.agent.clock import now_ns
from powerlab.agent.faults import AgentError

READY = "ready"
BEGIN = "begin"
END = "end"

MOST_INFERENCES = 2000000
"""In one window, as for a runtime that is called for each of them."""

_PREFIX = b"powerlab:"
_MARKER = re.compile(rb"powerlab: (?:(ready)|(begin|end) ([1-9][0-9]{0,9}))\Z")
_NS_PER_S = 1000000000

Marker = Tuple[str, int, int]
"""Which of the three, its N (0 for "ready"), and when its line was read."""


class Program:
    """One such program; started where it is needed, killed at the first thing amiss."""

    def __init__(self, words: List[str]) -> None:
        self._words = words
        self._running: Optional[Child] = None
        self._due = READY

    def make_ready(self, deadline_ns: int) -> None:
        """Have it wait for its next window, started anew where it has ended.

        Raises AgentError where it cannot be started, does not get so far, or fails.
        """
        if self._running is not None and self._due == READY:
            self.is_ready_again(deadline_ns)
        if self._running is None:
            self._running, self._due = Child(self._words, _PREFIX), READY
            self._await(READY, deadline_ns)
            self._due = BEGIN

    def is_ready_again(self, deadline_ns: int) -> bool:
        """Get whether it is ready once more after a window, rather than ending with status 0."""
        if self._await(READY, deadline_ns, may_end=True) is None:
            self.close()
            return False
        self._due = BEGIN
        return True

    def ask(self, inferences: int) -> None:
        """Tell it how many inferences are wanted."""
        self._child.tell(b"%d" % inferences)

    def await_begin(self, deadline_ns: int) -> Tuple[int, int]:
        """Get when it begins, in ns of the board's clock, and its number of inferences."""
        _, count, at_ns = self._expect(BEGIN, deadline_ns)
        if count > MOST_INFERENCES:
            raise self._failed(
                "command-markers",
                f"began {count} inferences at once",
                f"make at most {MOST_INFERENCES} between two markers",
            )
        self._due = END
        return at_ns, count

    def await_end(self, begun: int, deadline_ns: int) -> int:
        """Get when it ends what it began, ``begun`` inferences."""
        _, count, at_ns = self._expect(END, deadline_ns)
        if count != begun:
            raise self._failed(
                "command-markers",
                f"began {begun} inferences and ended {count}",
                "print the same number in `powerlab: begin N` and `powerlab: end N`",
            )
        self._due = READY
        return at_ns

    def rest(self, seconds: float) -> None:
        """Sleep while it idles; raises AgentError where it begins or fails in this time."""
        until_ns = now_ns() + round(seconds * _NS_PER_S)
        child = self._child
        while not child.lines and not child.at_end:
            if not child.receive(until_ns):
                return
        for line, at_ns in child.lines:
            marker = self._parse(line, at_ns)
            if self._due == BEGIN or marker[0] != READY:
                raise self._out_of_order(marker, self._due)
        if child.at_end and self._due == BEGIN:
            raise self._ended(self._due)
        time.sleep(max(0, until_ns - now_ns()) / _NS_PER_S)

    def close(self) -> None:
        """Kill it and whatever it started."""
        child, self._running = self._running, None
        if child is not None:
            child.close()

    @property
    def _child(self) -> Child:
        if self._running is None:
            raise AgentError(
                "command-ended",
                f"the program {self._words[0]!r} does not run any more",
                "measure again",
            )
        return self._running

    def _expect(self, kind: str, deadline_ns: int) -> Marker:
        marker = self._await(kind, deadline_ns)
        assert marker is not None  # noqa: S101 -- an end would have raised
        return marker

    def _await(self, kind: str, deadline_ns: int, *, may_end: bool = False) -> Optional[Marker]:
        """Get the next marker, which must be of this kind; None where it ended and may."""
        child = self._child
        while not child.lines:
            if child.at_end:
                if may_end and child.end() == 0:
                    return None
                raise self._ended(kind)
            if not child.receive(deadline_ns):
                raise self._silent(kind)
        marker = self._parse(*child.lines.pop(0))
        if marker[0] != kind:
            raise self._out_of_order(marker, kind)
        return marker

    def _parse(self, line: bytes, at_ns: int) -> Marker:
        found = _MARKER.match(line)
        if found is None:
            raise self._failed(
                "command-markers",
                f"printed {line[:80].decode('utf-8', 'replace')!a}, which is none of the "
                "three markers",
                "write `powerlab: ready`, `powerlab: begin N` or `powerlab: end N`, N a whole "
                "number above 0",
            )
        if found.group(1):
            return READY, 0, at_ns
        return found.group(2).decode(), int(found.group(3)), at_ns

    # --- what can be amiss -----------------------------------------------------------

    def _silent(self, kind: str) -> AgentError:
        hint = "flush after each marker (std::endl, fflush(stdout), flush=True)"
        if kind == END:
            hint += "; if it was still inferring, make fewer, or choose a longer protocol"
        if kind == BEGIN:
            hint += "; after `powerlab: ready` read one line, the number wanted, and begin"
        return self._failed("command-silent", f"did not print {_form(kind)} in time", hint)

    def _ended(self, kind: str) -> AgentError:
        status = self._child.end()
        if status >= 0:
            how, hint = f"ended with status {status}", "run it on the board by hand"
        else:
            name = signal.Signals(-status).name
            how, hint = f"was ended by signal {-status} ({name})", "run it on the board by hand"
            if -status == signal.SIGKILL:
                hint = "most likely the board ran out of memory (dmesg on the board tells)"
        return self._failed("command-ended", f"{how} before it printed {_form(kind)}", hint)

    def _out_of_order(self, marker: Marker, due: str) -> AgentError:
        kind, count, _ = marker
        printed = f"powerlab: {kind}" + (f" {count}" if count else "")
        hint = "print ready, begin and end in this order, each begin with its end"
        if kind == BEGIN and due == BEGIN:
            return self._failed(
                "command-markers",
                f"printed `{printed}` before it was asked to begin",
                "after `powerlab: ready` read one line from standard input, or sleep for longer "
                "than the idle guard before a run (1 s is enough for most meters)",
            )
        return self._failed(
            "command-markers", f"printed `{printed}` where {_form(due)} is due", hint
        )

    def _failed(self, code: str, what: str, hint: str) -> AgentError:
        """Kill it and get the error that says what it did, with the end of what it wrote."""
        child = self._child
        self.close()
        complained, said = child.words()
        last = complained.strip().splitlines()[-1:] or said.strip().splitlines()[-1:]
        return AgentError(
            code,
            f"the program {self._words[0]!r} {what}" + "".join(f": {line[:300]}" for line in last),
            hint,
            f"command: {quoted(self._words)}\nstderr:\n{complained}\nstdout:\n{said}",
        )


def quoted(words: List[str]) -> str:
    """Get a command's words as a shell would have to be given them."""
    return " ".join(shlex.quote(word) for word in words)


def _form(kind: str) -> str:
    return f"`powerlab: {kind}`" if kind == READY else f"`powerlab: {kind} N`"
