"""Which option of a session is under way, so that a failure is known to be its own."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence

from powerlab.acquire import Sink
from powerlab.errors import TargetError
from powerlab.progress import Progress
from powerlab.records import SampleBlock

OWN_SIGNALS = frozenset(
    int(number)
    for number in (signal.SIGSEGV, signal.SIGILL, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE)
) | {int(signal.SIGKILL)}
"""By which a model ends the agent: its runtime's crash, and the kernel for want of memory."""

OWN_PHASES = frozenset({"warm-up", "run"})

OF_THE_BOARD = ("line-", "edge-file-full")
"""How the agent's codes begin for what is no option's: its trigger line, its edge file."""


class WatchedSink:
    """Passes everything on, and knows whether the option's model was loaded."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.loaded = False
        self.reached = False

    def block(self, block: SampleBlock) -> None:
        """Pass a block on."""
        self._sink.block(block)

    def voltmeter_block(self, block: SampleBlock) -> None:
        """Pass a block of a second meter on."""
        self._sink.voltmeter_block(block)

    def event(self, kind: str, payload: object) -> None:
        """Pass an event on; "board" comes when all is reached, "target" with each model."""
        self.reached = self.reached or kind == "board"
        self.loaded = self.loaded or kind == "target"
        self._sink.event(kind, payload)


class Witness:
    """Sees the jobs of a session, whose ``labels`` are those of its progress."""

    def __init__(self, sinks: Sequence[Sink], labels: Sequence[str]) -> None:
        self.sinks = tuple(map(WatchedSink, sinks))
        self._labels = tuple(labels)
        self._phase = ("", "")

    def watching(self, update: Callable[[Progress], None]) -> Callable[[Progress], None]:
        """Get a function that passes progress on and remembers the phase."""

        def told(progress: Progress) -> None:
            self._phase = (progress.phase, progress.option)
            update(progress)

        return told

    def culprit(self, error: TargetError) -> int | None:
        """Get the number of the job whose own failure this is; None for any other failure.

        Its own is what the agent answered about its model, and a crash while it was loaded or
        ran; a connection that was lost is nobody's.
        """
        if not _is_own(error) or not all(sink.reached for sink in self.sinks):
            return None
        for number, sink in enumerate(self.sinks):
            if not sink.loaded:
                return number
        phase, label = self._phase
        if phase in OWN_PHASES and label in self._labels:
            return self._labels.index(label)
        return None


def _is_own(error: TargetError) -> bool:
    """Tell whether an error can be an option's own: by the agent's code, or by a signal."""
    code = error.context.get("code")
    if code:
        return not str(code).startswith(OF_THE_BOARD)
    return error.context.get("signal") in OWN_SIGNALS
