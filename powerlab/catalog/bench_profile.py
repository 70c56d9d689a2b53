"""One set-up on one desk: board, meter, wiring, supply. Lives in a lab's powerlab.toml."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from powerlab.catalog.facts import Identifier, Model, NonNegative, Positive

_GPIO = re.compile(r"gpiochip\d{1,4}:\d{1,6}!?")


def _gpio(text: str) -> str:
    if text and not _GPIO.fullmatch(text):
        raise ValueError(
            'must name a GPIO of the board as in "gpiochip0:17", with ! at its end for '
            f"active low, not {text!r}"
        )
    return text


class BenchMeter(Model):
    """Which meter, where it is reached, and how it is wired.

    ``serial`` is checked against the instrument where it tells. ``cable_ohm`` is the loop
    resistance of the leads between the voltage tap (or the supply) and the board.
    ``line_input`` is the digital input that the bench's trigger line is wired to. One of
    several meters says with ``boundary`` where it sits, if that is not the bench's, and with
    ``rail`` which part of the board it feeds; one that measures "voltage" alone reads the volts
    for the ammeter at the same place.
    """

    model: Identifier
    resource: str
    serial: str = ""
    measures: tuple[Literal["current", "voltage", "power"], ...] = ("current",)
    voltage_sense: Literal["meter", "board"] = "meter"
    cable_ohm: NonNegative = 0.0
    u_cable_ohm: NonNegative = 0.0
    line_input: str = ""
    boundary: Literal["board", "dc", "wall"] | None = None
    rail: str = ""


class BenchSupply(Model):
    """The supply voltage, read once at the board under load, ± its standard uncertainty.

    ``read_with_meter`` says that the ammeter was in the circuit then (a second meter read the
    volts), so that its burden is in the reading already. ``source_ohm`` ± ``u_source_ohm``
    (standard uncertainty) is the supply's own resistance: its volts idle less its volts under
    load, over the difference of the currents. Without them an adapter's sag is assumed.
    """

    voltage_v: Positive
    u_voltage_v: NonNegative
    read_with_meter: bool = False
    source_ohm: NonNegative | None = None
    u_source_ohm: NonNegative | None = None


class BenchCalibration(Model):
    """What the bench's meters are calibrated with: references, an electronic load, a supply.

    ``cable_set`` is the name of the leads between meter and board. ``laboratory``, its
    ``place`` and ``country`` (ISO 3166) stand on certificates.
    """

    reference: tuple[BenchMeter, ...] = ()
    load: BenchMeter | None = None
    supply: BenchMeter | None = None
    operator: str = ""
    laboratory: str = ""
    place: str = ""
    country: str = ""
    cable_set: str = ""


class Bench(Model):
    """A board, how to reach it, and the meters on it.

    ``host`` is an ssh alias or ``user@host[:port]``, or ``local`` for this computer.
    ``ssh_config`` names a configuration file given to ``ssh -F`` ("none" for none at all).
    ``room_temperature_c`` is that around the meter, which its calibration depends on.
    ``line`` is the board's GPIO that is wired to a meter's ``line_input``. ``calibration``
    says what ``powerlab calibrate`` finds there.
    """

    device: Identifier
    host: str = Field(min_length=1)
    python: str = "python3"
    ssh_config: str = ""
    identity_file: str = ""
    known_hosts_file: str = ""
    boundary: Literal["board", "dc", "wall"] = "board"
    room_temperature_c: float | None = None
    line: Annotated[str, AfterValidator(_gpio)] = ""
    meter: tuple[BenchMeter, ...] = Field(min_length=1)
    supply: BenchSupply | None = None
    calibration: BenchCalibration | None = None


class LabFile(Model):
    """A lab directory's ``powerlab.toml``."""

    schema_version: Literal[1] = Field(alias="schema")
    bench: dict[Identifier, Bench] = Field(default_factory=dict)
