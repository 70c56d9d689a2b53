"""A meter's readings as they come: on a terminal, in lines, or as JSON."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import click

from powerlab.acquire import Acquisition
from powerlab.analysis.live import Reading, Tally, add_block, reading_between
from powerlab.cli._meter_source import Source
from powerlab.cli._style import count_text, is_live
from powerlab.records import MeterIdentity, SampleBlock
from powerlab.units import NS_PER_S, now_ns

EVERY_S = 1.0
"""How often a reading is told: the mean over so long."""

LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Told:
    """A reading, and the seconds that all readings until then stand for.

    They are those in which its energy came together, whatever the host's clock says: a first
    reading stands for the time before it, and what is unseen is told beside them.
    """

    at_s: float
    reading: Reading


Show = Callable[[Told], None]


class Sums:
    """A sink that keeps sums alone; ``tally`` may be looked at from any thread."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.tally = Tally()

    def block(self, block: SampleBlock) -> None:
        """Add one block."""
        self.tally = add_block(self.tally, block, self._source.setup, self._source.supply_v)

    def voltmeter_block(self, block: SampleBlock) -> None:
        """Pass over a second meter: there is one."""

    def event(self, kind: str, payload: object) -> None:
        """Pass over events."""

    def whole(self) -> Told:
        """Get the reading over all that came until now."""
        tally = self.tally
        elapsed_s = tally.seen_s + tally.unseen_s
        return Told(tally.seen_s, reading_between(Tally(), tally, elapsed_s))


def watch(source: Source, seconds: float | None, sums: Sums, show: Show) -> None:
    """Show a reading each second until ``seconds`` are over, or Ctrl-C, or nobody looks.

    Raises what stops the meter; ``sums`` has what came until then.
    """
    with Acquisition(source.meter, source.setup, sums) as acquisition:
        told_ns = now_ns()
        end_ns = math.inf if seconds is None else told_ns + seconds * NS_PER_S
        before = sums.tally
        try:
            while told_ns < end_ns:
                _wait(acquisition, min(told_ns + EVERY_S * NS_PER_S, end_ns))
                now, after = now_ns(), sums.tally
                elapsed_s = (now - told_ns) / NS_PER_S
                reading = reading_between(before, after, elapsed_s)
                show(Told(after.seen_s, reading))
                told_ns, before = now, after
        except BrokenPipeError:
            _silence_stdout()
        except KeyboardInterrupt:
            pass  # this is how it ends
        acquisition.finish()


def _wait(acquisition: Acquisition, until_ns: float) -> None:
    """Wait while the meter is read; raises what stops it."""
    while now_ns() < until_ns:
        acquisition.check()
        time.sleep(min(LOOK_S, max(0.0, (until_ns - now_ns()) / NS_PER_S)))


@contextlib.contextmanager
def shown(source: Source, *, as_json: bool) -> Iterator[Show]:
    """Get what shows readings on stdout for a ``with`` block: a live panel, lines, or JSON."""
    identity = source.meter.identity
    if as_json:
        yield lambda told: click.echo(_json(told, source))
    elif is_live(sys.stdout):
        with _panel(f"{identity.name}{', EMULATED' if identity.emulated else ''}") as show:
            yield show
    else:
        lead = "EMULATED  " if identity.emulated else ""
        yield lambda told: click.echo(lead + line(told))


def line(told: Told) -> str:
    """Get a reading as one line."""
    return f"{told.at_s:8.1f} s  {'  '.join(_facts(told).values())}"


def summary(told: Told, identity: MeterIdentity) -> str:
    """Get what all of it came to."""
    reading = told.reading
    emulated = "EMULATED, " if identity.emulated else ""
    return (
        f"{emulated}{told.at_s:.1f} s: mean {_electrics(reading)}; "
        f"{_si(reading.energy_j, 'J')}; {reading.samples:,} readings, "
        f"{count_text(reading.rate_hz)}/s, {reading.lost} lost, {reading.repeated} repeated, "
        f"{reading.beyond} out of range, {reading.unseen_s:.3g} s unseen"
    )


def _electrics(reading: Reading) -> str:
    figures = ((reading.voltage_v, "V"), (reading.current_a, "A"), (reading.power_w, "W"))
    return ", ".join(_si(value, unit) for value, unit in figures)


def _facts(told: Told) -> dict[str, str]:
    reading = told.reading
    return {
        "voltage": _si(reading.voltage_v, "V"),
        "current": _si(reading.current_a, "A"),
        "power": _si(reading.power_w, "W"),
        "rate": f"{count_text(reading.rate_hz)}/s",
        "lost": f"{reading.lost} lost",
        "repeated": f"{reading.repeated} repeated",
        "out of range": f"{reading.beyond} out of range",
        "energy": _si(reading.energy_j, "J"),
    }


def _si(value: float, unit: str) -> str:
    figure = f"{value:#.5g}".removesuffix(".") if math.isfinite(value) else "-"
    return f"{figure} {unit}"


def _json(told: Told, source: Source) -> str:
    import json  # noqa: PLC0415 - one of three ways

    reading, identity = told.reading, source.meter.identity
    document: dict[str, Any] = {
        "schema": "powerlab.reading/1",
        "instrument": source.profile.id,
        "serial": identity.serial,
        "emulated": identity.emulated,
        "t_s": round(told.at_s, 3),
    }
    for name in Reading.__slots__:
        value = getattr(reading, name)
        known = not isinstance(value, float) or math.isfinite(value)
        document[name] = value if known else None
    return json.dumps(document)


@contextlib.contextmanager
def _panel(title: str) -> Iterator[Show]:
    from rich.live import Live  # noqa: PLC0415 - only a terminal needs it
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    def table(told: Told | None) -> Table:
        grid = Table(title=Text(title), show_header=False, title_justify="left")
        if told is not None:
            grid.add_row("time", f"{told.at_s:.1f} s")
            for name, text in _facts(told).items():
                grid.add_row(name, Text(text, style="bold"))
        return grid

    with Live(table(None), auto_refresh=False, transient=True) as live:
        yield lambda told: live.update(table(told), refresh=True)


def _silence_stdout() -> None:
    """Send what is still to be written nowhere: who read it has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
