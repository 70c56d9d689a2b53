"""One set-up on one desk: board, meter, wiring, supply. Lives in a lab's powerlab.toml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from powerlab.catalog.facts import Identifier, Model, NonNegative, Positive


class BenchMeter(Model):
    """Which meter, where it is reached, and how it is wired.

    ``serial`` is checked against the instrument where it tells. ``cable_ohm`` is the loop
    resistance of the leads between the voltage tap (or the supply) and the board.
    """

    model: Identifier
    resource: str
    serial: str = ""
    measures: tuple[Literal["current", "voltage", "power"], ...] = ("current",)
    voltage_sense: Literal["meter", "board"] = "meter"
    cable_ohm: NonNegative = 0.0
    u_cable_ohm: NonNegative = 0.0


class BenchSupply(Model):
    """The supply voltage, read once at the board under load, ± its standard uncertainty.

    ``read_with_meter`` says that the ammeter was in the circuit then (a second meter read the
    volts), so that its burden is in the reading already.
    """

    voltage_v: Positive
    u_voltage_v: NonNegative
    read_with_meter: bool = False


class Bench(Model):
    """A board, how to reach it, and the meters on it.

    ``host`` is an ssh alias or ``user@host[:port]``, or ``local`` for this computer.
    ``ssh_config`` names a configuration file given to ``ssh -F`` ("none" for none at all).
    """

    device: Identifier
    host: str = Field(min_length=1)
    python: str = "python3"
    ssh_config: str = ""
    identity_file: str = ""
    known_hosts_file: str = ""
    boundary: Literal["board", "dc", "wall"] = "board"
    meter: tuple[BenchMeter, ...] = Field(min_length=1)
    supply: BenchSupply | None = None


class LabFile(Model):
    """A lab directory's ``powerlab.toml``."""

    schema_version: Literal[1] = Field(alias="schema")
    bench: dict[Identifier, Bench] = Field(default_factory=dict)
