"""Progress on stderr: a live line for a terminal, one plain line per phase elsewhere."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

import click

from powerlab.cli._style import is_live

if TYPE_CHECKING:
    from powerlab.progress import Progress

Update = Callable[["Progress"], None]


class View(Protocol):
    """Where a command tells what it is doing."""

    def note(self, text: str) -> None:
        """Tell of a step that has no progress of its own."""

    def live(self) -> contextlib.AbstractContextManager[Update]:
        """Show one measurement; the function given may be called from any thread."""


def open_view(*, quiet: bool) -> View:
    """Get the view that suits stderr."""
    if quiet:
        return _Silent()
    return _Terminal() if is_live(sys.stderr) else _Lines()


def phase_name(progress: Progress) -> str:
    """Get a phase in words: "run 2 of 5", or "run 2 of 10 (batch 4)" of one of several options."""
    name = progress.phase
    if progress.count > 1:
        name += f" {progress.index + 1} of {progress.count}"
    return f"{name} ({progress.option})" if progress.option else name


class _Silent:
    """Says nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    @contextlib.contextmanager
    def live(self) -> Iterator[Update]:
        """Show nothing."""
        yield lambda _: None


class _Lines:
    """One line per phase, for logs and pipes."""

    def note(self, text: str) -> None:
        """Write one line."""
        with contextlib.suppress(OSError):  # a closed stderr is no reason to stop measuring
            click.echo(text, err=True)

    @contextlib.contextmanager
    def live(self) -> Iterator[Update]:
        """Write a line whenever another phase begins, and each note."""
        lock = threading.Lock()
        last = ""

        def update(progress: Progress) -> None:
            nonlocal last
            name = phase_name(progress)
            with lock:
                if progress.note:
                    self.note(progress.note)
                if name == last:
                    return
                last = name
                left = f"about {progress.remaining_s:.0f} s left"
                self.note(f"{progress.elapsed_s:6.1f} s  {name}, {left}")

        yield update


class _Terminal:
    """A bar with phase, elapsed and remaining time, and the power now.

    That power is a reading before the corrections of the result, hence its "≈".
    """

    def note(self, text: str) -> None:
        """Write one line."""
        click.echo(text, err=True)

    @contextlib.contextmanager
    def live(self) -> Iterator[Update]:
        """Redraw one line as the measurement goes on; it is gone afterwards. Notes stay."""
        from rich import progress as bars  # noqa: PLC0415  only a terminal needs it
        from rich.console import Console  # noqa: PLC0415

        columns = (
            bars.TextColumn("{task.description:<14}"),
            bars.BarColumn(bar_width=24),
            bars.TextColumn("{task.fields[times]}"),
            bars.TextColumn("{task.fields[power]}"),
        )
        with bars.Progress(*columns, console=Console(stderr=True), transient=True) as shown:
            task = shown.add_task("start", total=1.0, times="", power="")

            def update(progress: Progress) -> None:
                if progress.note:
                    shown.console.print(progress.note, markup=False, highlight=False)
                power = "" if progress.power_w is None else f"≈ {progress.power_w:.3f} W"
                shown.update(
                    task,
                    description=phase_name(progress),
                    completed=progress.elapsed_s,
                    total=progress.elapsed_s + progress.remaining_s,
                    times=f"{progress.elapsed_s:4.0f} s, {progress.remaining_s:.0f} s left",
                    power=power,
                )

            yield update
