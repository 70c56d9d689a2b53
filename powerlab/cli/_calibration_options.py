"""From the words of ``powerlab calibrate`` to instruments, a plan's wishes and conditions."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click

from powerlab.analysis.calibration.setup_terms import CABLE_LOOP
from powerlab.calibration.bench import QUANTITIES, Instrument, Instruments
from powerlab.calibration.sources import Ask
from powerlab.catalog.bench_profile import Bench, BenchCalibration, BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.layers import Catalog
from powerlab.cli._resolve import named_bench, parse_cable
from powerlab.errors import ConfigError
from powerlab.records.calibration import Environment, SetupTerm

DUE = timedelta(days=365)
"""When a calibration is due, unless told: limits of meters are specified over a year."""

_VOLTS = re.compile(r"(\d+(?:\.\d+)?)\s*V", re.IGNORECASE)
_DEGREES = re.compile(
    r"([+-]?\d+(?:\.\d+)?)\s*(?:°?C)?(?:\s*(?:±|\+/?-)\s*(\d+(?:\.\d+)?)\s*(?:°?C|K)?)?"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options of ``calibrate``, as given; None or empty where they were not."""

    instrument: str
    references: tuple[str, ...]
    certificates: tuple[Path, ...]
    load: str | None
    supply: str | None
    bench: str | None
    serial: str | None
    emulate: bool
    seed: int
    faults: tuple[str, ...]
    quantities: tuple[str, ...]
    ranges: tuple[float, ...]
    points: tuple[float, ...]
    readings: int
    steps: int
    operator: str | None
    laboratory: str
    place: str
    country: str
    customer: str
    condition: str
    temperature: str | None
    humidity: float | None
    cable_set: str | None
    cable_ohm: str | None
    least_voltage: float
    due: str | None
    resume: bool
    restart: bool

    def reference_certificates(self) -> tuple[Path | None, ...]:
        """Get the certificate of each reference, None where it has none.

        Raises ConfigError for more certificates than references.
        """
        if len(self.certificates) > len(self.references):
            raise ConfigError(
                f"{len(self.certificates)} certificates are given for {len(self.references)} "
                "references",
                hint="give one --reference-certificate for each --reference, in their order",
            )
        missing = len(self.references) - len(self.certificates)
        return (*self.certificates, *[None] * missing)


def terminal() -> Ask | None:
    """Get what asks the person at the terminal, None where there is none."""
    if not sys.stdin.isatty():
        return None

    def ask(text: str) -> None:
        click.prompt(text, default="", show_default=False, prompt_suffix=" ", err=True)

    return ask


def check_options(wanted: Wanted) -> None:
    """Refuse options that exclude each other, or that lack what they go with."""
    if wanted.faults and not wanted.emulate:
        raise ConfigError("--fault needs --emulate", hint="add --emulate, or leave out --fault")
    if wanted.resume and wanted.restart:
        raise ConfigError(
            "--resume goes on with a calibration, --restart gives it up",
            hint="give one of the two",
        )
    if not wanted.references:
        raise ConfigError(
            "there is nothing to compare the meter with",
            hint="name the reference with --reference ID@RESOURCE; "
            "`powerlab instruments list` shows the models",
        )
    if not wanted.emulate:
        return
    named = [wanted.instrument, *wanted.references, wanted.load or "", wanted.supply or ""]
    if any("@" in name for name in named) or wanted.bench is not None:
        raise ConfigError(
            "an emulated instrument has no resource of yours",
            hint="with --emulate name models alone, and leave out --bench",
        )


def fixed_volts(wanted: Wanted) -> float | None:
    """Get the volts of a supply that nothing sets (``--supply 5V``), None for another."""
    match = _VOLTS.fullmatch((wanted.supply or "").strip())
    return float(match[1]) if match else None


def quantities_of(wanted: Wanted, profile: InstrumentProfile) -> tuple[str, ...]:
    """Get what is to be calibrated: what was asked for, else all that the meter streams."""
    return wanted.quantities or tuple(q for q in QUANTITIES if q in profile.quantities)


def find_instruments(catalog: Catalog, wanted: Wanted, ask: Ask | None) -> Instruments:
    """Get every instrument with its place: from the options, else from a bench.

    Raises UnknownId for a model or bench that nobody knows, ConfigError where a place is not
    to be found.
    """
    benches = _benches(catalog, wanted)
    parts = [bench.calibration for bench in benches if bench.calibration is not None]
    meters = [meter for bench in benches for meter in bench.meter]
    references = [item for part in parts for item in part.reference]
    loads = [part.load for part in parts if part.load is not None]
    supplies = [part.supply for part in parts if part.supply is not None]
    volts = fixed_volts(wanted)
    supply = None
    if wanted.supply is not None and volts is None:
        supply = _located(catalog, wanted.supply, supplies, "--supply")
    meter = _located(catalog, wanted.instrument, meters, "--instrument")
    if wanted.serial is not None:
        at = meter.at.model_copy(update={"serial": wanted.serial})
        meter = Instrument(meter.profile, at)
    return Instruments(
        meter=meter,
        references=tuple(
            _located(catalog, name, references, "--reference") for name in wanted.references
        ),
        load=_located(catalog, wanted.load, loads, "--load") if wanted.load else None,
        supply=supply,
        supply_v=volts,
        least_v=wanted.least_voltage,
        ask=ask,
    )


def _benches(catalog: Catalog, wanted: Wanted) -> Sequence[Bench]:
    if wanted.bench is not None:
        return [named_bench(catalog, wanted.bench)]
    return list(catalog.benches.values())


def _located(catalog: Catalog, text: str, known: Iterable[BenchMeter], option: str) -> Instrument:
    """Get an instrument from ``ID@RESOURCE``, or from ``ID`` where a bench says where it is."""
    model, at, resource = text.partition("@")
    profile = catalog.instrument(model)
    if at and resource:
        return Instrument(profile, BenchMeter(model=model, resource=resource))
    places = {item.resource: item for item in known if item.model == model}
    if len(places) == 1:
        return Instrument(profile, next(iter(places.values())))
    if places:
        raise ConfigError(
            f"{option} {model}: the benches know {len(places)} of them, at {', '.join(places)}",
            hint=f"write {option} {model}@RESOURCE, or name the bench with --bench",
        )
    raise ConfigError(
        f"{option} {model} does not say where it is, and no bench does",
        hint=f"write {option} {model}@RESOURCE, such as {model}@{profile.link.example}",
    )


def defaults(catalog: Catalog, wanted: Wanted) -> BenchCalibration:
    """Get what the bench says of operator and leads, where one bench is named or the only one."""
    benches = _benches(catalog, wanted)
    section = benches[0].calibration if len(benches) == 1 else None
    return section or BenchCalibration()


def environment(wanted: Wanted) -> Environment:
    """Read ``--temperature 23.5±0.5``; NaN where nothing was said. Raises ConfigError."""
    humidity = math.nan if wanted.humidity is None else wanted.humidity
    if wanted.temperature is None:
        return Environment(math.nan, math.nan, humidity)
    match = _DEGREES.fullmatch(wanted.temperature.strip())
    if match is None:
        raise ConfigError(
            f"--temperature {wanted.temperature!r} is no temperature",
            hint="write degrees Celsius and their standard uncertainty, such as 23.5±0.5",
        )
    u_c = float(match[2]) if match[2] else math.nan
    return Environment(float(match[1]), u_c, humidity)


def today() -> str:
    """Get the date (UTC)."""
    return datetime.now(UTC).date().isoformat()


def due_date(wanted: Wanted, performed: str) -> str:
    """Get when the calibration is due: a year later unless told. Raises ConfigError."""
    if wanted.due is None:
        return (date.fromisoformat(performed) + DUE).isoformat()
    try:
        due = date.fromisoformat(wanted.due).isoformat()
    except ValueError:
        due = ""
    if due <= performed:
        raise ConfigError(
            f"--due {wanted.due!r} is no date after {performed}",
            hint="write the day from which it no longer counts, such as 2027-06-30",
        )
    return due


def stated_cable(wanted: Wanted) -> tuple[SetupTerm, ...]:
    """Get the cable's loop resistance where ``--cable-ohm`` states it. Raises ConfigError."""
    if wanted.cable_ohm is None:
        return ()
    stated = parse_cable(wanted.cable_ohm)
    return (
        SetupTerm(CABLE_LOOP, "ohm", stated["cable_ohm"], stated["u_cable_ohm"], None, "stated"),
    )
