"""A trigger line in profiles and benches: what belongs together, and what is missing."""

from __future__ import annotations

from datetime import date

import pytest

from powerlab.catalog.lint import lint

INSTRUMENT, BENCH = "instruments/acme-meter.toml", "powerlab.toml"
CHANNELS, HOST, MODEL = 'channels = ["current"]', 'host = "board"', 'model = "acme-meter"'
LINED = 'channels = ["current", "line"]\nline_inputs = ["D0", "D1"]'
WIRED = f'{HOST}\nline = "gpiochip0:17!"'


def told(lab) -> list[tuple[str, str]]:
    """Get (key, message) of all problems of the lab alone."""
    return [(each.key, each.message) for each in lint([lab.root], date.max)]


def test_a_line_to_an_input_of_the_meter_is_a_valid_bench(lab) -> None:
    """The board's GPIO, the meter's input, and a model that samples it."""
    lab.change(INSTRUMENT, CHANNELS, LINED)
    lab.change(BENCH, HOST, WIRED)
    lab.change(BENCH, MODEL, f'{MODEL}\nline_input = "D1"')
    assert told(lab) == []


@pytest.mark.parametrize(
    ("channels", "key", "message"),
    [
        ('channels = ["current", "line"]', "line_inputs", "must name the digital inputs"),
        (f'{CHANNELS}\nline_inputs = ["D0"]', "channels", "lacks line"),
        ('channels = ["line"]\nline_inputs = ["D0"]', "channels", "alone measures nothing"),
        (LINED.replace("D1", "D0"), "line_inputs", "D0 is named twice"),
        (LINED.replace("D1", " "), "line_inputs", "a name without a letter"),
    ],
)
def test_channel_and_inputs_belong_together(lab, channels, key, message) -> None:
    """A model that streams a line names its inputs, and the other way round."""
    lab.change(INSTRUMENT, CHANNELS, channels)
    assert any(found == key and message in text for found, text in told(lab))


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        ([(BENCH, HOST, WIRED)], "line", "is wired to no meter"),
        (
            [(INSTRUMENT, CHANNELS, LINED), (BENCH, MODEL, f'{MODEL}\nline_input = "D0"')],
            "meter[1].line_input",
            "is wired to nothing: name the board's GPIO as the bench's line",
        ),
        (
            [(BENCH, HOST, WIRED), (BENCH, MODEL, f'{MODEL}\nline_input = "D0"')],
            "meter[1].line_input",
            "Acme meter samples no digital input with its data",
        ),
        (
            [
                (INSTRUMENT, CHANNELS, LINED),
                (BENCH, HOST, WIRED),
                (BENCH, MODEL, f'{MODEL}\nline_input = "D7"'),
            ],
            "meter[1].line_input",
            "'D7' is no input of Acme meter: D0, D1",
        ),
        (
            [(BENCH, HOST, f'{HOST}\nline = "GPIO17"')],
            "line",
            'must name a GPIO of the board as in "gpiochip0:17"',
        ),
    ],
)
def test_both_ends_of_the_wire_are_named(lab, changes, key, message) -> None:
    """A bench names the board's GPIO and an input that its meter has."""
    for change in changes:
        lab.change(*change)
    assert any(found == f"bench.desk.{key}" and message in text for found, text in told(lab))
