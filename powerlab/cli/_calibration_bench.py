"""What a calibration is planned with, and its instruments opened: real ones, or emulated."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from powerlab.analysis.calibration.plan import CalibrationPlan
from powerlab.calibration.bench import Instrument, Instruments, OpenBench, open_bench
from powerlab.calibration.conduct import TAKE_OUT
from powerlab.calibration.reference import Believed, believed
from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.layers import Catalog, load_catalog
from powerlab.cli._calibration_options import (
    Wanted,
    check_options,
    environment,
    find_instruments,
    fixed_volts,
    quantities_of,
    terminal,
    today,
)
from powerlab.cli._entry import load_entry
from powerlab.cli._progress import View

EMULATED_V = 12.0
"""What the emulated source delivers where no emulated supply sets it."""

LOAD_FAULT = "load:"
"""What a ``--fault`` begins with that befalls the load and not the meter."""


@dataclass(frozen=True, slots=True)
class Planned:
    """Everything that is decided before an instrument is touched."""

    catalog: Catalog
    wanted: Wanted
    named: Instruments
    plan: CalibrationPlan
    temperature_c: float

    def believed(self, plan: CalibrationPlan, serials: Sequence[str]) -> list[Believed]:
        """Get what each reference errs by on the ranges of a plan.

        Raises ConfigError for a certificate that is none, or of another reference.
        """
        parts = zip(
            self.named.references, serials, self.wanted.reference_certificates(), strict=True
        )
        return [
            believed(
                item.profile,
                serial,
                certificate,
                [leg for leg in plan.legs if leg.reference == number],
                on=today(),
                temperature_c=self.temperature_c,
                any_owner=self.wanted.emulate,
            )
            for number, (item, serial, certificate) in enumerate(parts)
        ]


def prepare(wanted: Wanted, lab: Path | None) -> Planned:
    """Find every instrument that was named, and plan; nothing is touched yet.

    Raises ConfigError or SetupError for what cannot be found or planned.
    """
    check_options(wanted)
    catalog = load_catalog(lab)
    named = _emulated_ones(catalog, wanted) if wanted.emulate else None
    if named is None:
        named = find_instruments(catalog, wanted, terminal())
    plan = named.plan(
        quantities=quantities_of(wanted, named.meter.profile),
        fractions=wanted.points,
        readings=wanted.readings,
        only=wanted.ranges,
    )
    planned = Planned(catalog, wanted, named, plan, environment(wanted).temperature_c)
    planned.believed(plan, [""] * len(named.references))  # a certificate's faults come early
    return planned


def _emulated_ones(catalog: Catalog, wanted: Wanted) -> Instruments:
    """Get the models of an emulated bench; their places come with the bench itself."""

    def model(name: str) -> Instrument:
        return Instrument(catalog.instrument(name), BenchMeter(model=name, resource=""))

    def first(kind: str) -> str:
        return next(name for name, item in catalog.instruments.items() if item.kind == kind)

    volts = "voltage" in quantities_of(wanted, catalog.instrument(wanted.instrument))
    fixed = fixed_volts(wanted)
    supply = wanted.supply or (first("supply") if volts else None)
    supply = None if fixed is not None else supply
    return Instruments(
        meter=model(wanted.instrument),
        references=tuple(model(name) for name in wanted.references),
        load=model(wanted.load or first("load")),
        supply=model(supply) if supply else None,
        supply_v=None if supply else fixed or EMULATED_V,
        least_v=wanted.least_voltage,
        ask=lambda _: None,  # answered once the bench is there
    )


@contextlib.contextmanager
def opened(planned: Planned, view: View) -> Iterator[OpenBench]:
    """Open the instruments for a ``with`` block, of an emulated bench where one is asked for."""
    with contextlib.ExitStack() as stack:
        named = planned.named
        if planned.wanted.emulate:
            view.note("starting the emulated bench")
            named = stack.enter_context(_emulated(planned))
        view.note(f"reaching {named.meter.profile.name} and what goes with it")
        yield stack.enter_context(open_bench(named))


@contextlib.contextmanager
def _emulated(planned: Planned) -> Iterator[Instruments]:
    """Run an emulated bench and get its instruments with their places."""
    named, wanted = planned.named, planned.wanted
    assert named.load is not None  # noqa: S101 - an emulated bench has one
    emulated_bench = load_entry("powerlab.emulation", "calibration")
    certified = wanted.reference_certificates()
    errors = planned.believed(planned.plan, [""] * len(certified))
    known = math.isfinite(planned.temperature_c)
    temperature = {"temperature_c": planned.temperature_c} if known else {}
    with emulated_bench(
        planned.catalog,
        named.meter.profile.id,
        [item.profile.id for item in named.references],
        named.load.profile.id,
        supply_id=named.supply.profile.id if named.supply is not None else None,
        source_v=named.loop_v,
        seed=wanted.seed,
        certificates=[
            item.reference.errors if path is not None else ()
            for item, path in zip(errors, certified, strict=True)
        ],
        faults=tuple(f for f in wanted.faults if not f.startswith(LOAD_FAULT)),
        load_faults=tuple(
            f.removeprefix(LOAD_FAULT) for f in wanted.faults if f.startswith(LOAD_FAULT)
        ),
        **temperature,
    ) as bench:
        label = wanted.serial or bench.meter.serial or bench.loop.units["meter"].serial
        at = bench.meter.model_copy(update={"serial": label})

        def ask(task: str) -> None:  # each pass finds its wiring there already, but for this
            if task == TAKE_OUT:
                bench.take_out_reference()

        yield replace(
            named,
            meter=replace(named.meter, at=at),
            references=tuple(
                replace(item, at=place)
                for item, place in zip(named.references, bench.references, strict=True)
            ),
            load=replace(named.load, at=bench.load),
            supply=replace(named.supply, at=bench.supply) if named.supply is not None else None,
            ask=ask,
        )
