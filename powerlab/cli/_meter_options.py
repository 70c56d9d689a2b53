"""Options of the verbs that open one meter alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

_OPTIONS = (
    click.option("--bench", metavar="B", help="The bench that it stands on."),
    click.option("--resource", metavar="R", help="Where it is, such as serial:/dev/ttyACM0."),
    click.option("--emulate", is_flag=True, help="Emulate it: nothing to plug in."),
    click.option("--device", metavar="ID", help="The board behind it, which fixes the ranges."),
    click.option("--seed", type=int, default=0, show_default=True, help="Of the emulated world."),
    click.option(
        "--peak-a",
        type=click.FloatRange(0, min_open=True),
        metavar="A",
        help="The largest current to come, which fixes the range; by default the board's.",
    ),
    click.option(
        "--volts",
        type=click.FloatRange(0, min_open=True),
        metavar="V",
        help="The supply's volts, for a meter that reads none.",
    ),
)


def source_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which meter, and how it is reached."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function
