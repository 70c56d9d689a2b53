"""The options of ``measure`` as given, and which of them exclude each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from powerlab.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options of ``measure``, as given; None or empty where they were not."""

    device: str
    bench: str | None
    host: str | None
    meter: str | None
    supply: str | None
    emulate: bool
    seed: int
    faults: tuple[str, ...]
    workload: str
    runtimes: tuple[str, ...]
    batches: tuple[int, ...]  # none: those of the protocol
    threads: int
    protocol: str
    runs: int | None
    precision: float
    dither: bool = False
    cable_ohm: str | None = None
    voltmeter: str | None = None
    command: str | None = None


def check_options(wanted: Wanted) -> None:
    """Refuse options that exclude each other. Raises ConfigError."""
    by_hand = {
        "--supply": wanted.supply,
        "--cable-ohm": wanted.cable_ohm,
        "--voltmeter": wanted.voltmeter,
    }
    if wanted.emulate:
        _check_emulated(wanted)
    elif wanted.faults:
        raise ConfigError("--fault needs --emulate", hint="add --emulate, or leave out --fault")
    elif wanted.bench is not None:
        if wanted.host or wanted.meter or any(by_hand.values()):
            raise ConfigError(
                "--bench and --host, --meter, --voltmeter, --supply or --cable-ohm exclude each "
                "other",
                hint="give --bench alone, or --host and --meter without it",
            )
    else:
        _check_by_hand(wanted, by_hand)


def _check_emulated(wanted: Wanted) -> None:
    for option, value in (
        ("--bench", wanted.bench),
        ("--host", wanted.host),
        ("--supply", wanted.supply),
        ("--cable-ohm", wanted.cable_ohm),
    ):
        if value is not None:
            raise ConfigError(
                f"{option} and --emulate exclude each other",
                hint=f"leave out {option} to emulate, or --emulate to measure",
            )
    for option, value in (("--meter", wanted.meter), ("--voltmeter", wanted.voltmeter)):
        if value is not None and "@" in value:
            raise ConfigError(
                "an emulated meter has no resource of yours",
                hint=f"with --emulate write {option} {value.partition('@')[0]}",
            )


def _check_by_hand(wanted: Wanted, by_hand: Mapping[str, str | None]) -> None:
    """Refuse parts of a set-up that do not make a whole one."""
    if (wanted.host is None) != (wanted.meter is None):
        given, missing = ("--host", "--meter") if wanted.host else ("--meter", "--host")
        raise ConfigError(
            f"{given} alone does not describe a bench",
            hint=f"add {missing}: --host HOST --meter MODEL@RESOURCE [--supply 5.1V±0.05V]",
        )
    for option, value in by_hand.items():
        if value is not None and wanted.host is None:
            raise ConfigError(
                f"{option} goes with --host and --meter",
                hint="a bench has its supply and its cable in powerlab.toml",
            )
