"""The conductor of a calibration: every point walked and kept, then the set-up measured.

Each point is in the journal before the next one begins: whatever ends a session, a later one
goes on with the next point.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

from powerlab.analysis.calibration.plan import SETTLING, CalibrationPlan, Leg
from powerlab.analysis.calibration.step_checks import check_step
from powerlab.calibration.bench import OpenBench
from powerlab.calibration.points import Reader, Station, reading
from powerlab.calibration.record import Found, range_named, range_of
from powerlab.calibration.setup import Loop, resistances, step_burst
from powerlab.calibration.sources import Source
from powerlab.errors import ConfigError, InstrumentError, SetupError
from powerlab.findings import Finding, Severity
from powerlab.instruments.contract import Load
from powerlab.records.calibration import CalibrationPoint, SetupTerm, StepResponse
from powerlab.store.calibration_journal import CalibrationJournal
from powerlab.store.serial import from_plain

SET_UP, SKIPPED = "set-up", "skipped"
"""What the journal notes beside the points: the set-up's terms, and steps without a point."""

TAKE_OUT = (
    "Take the reference out: join meter and load by the cables that the board will have; "
    "press Enter"
)
"""What a person is asked before the set-up's resistances are measured."""

RESUMED_S = 1.0
"""How long the level before stays on when a calibration goes on within a range."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One point as it comes: its place among all of them, and how long the rest takes."""

    point: CalibrationPoint
    number: int
    count: int
    remaining_s: float


@dataclass(frozen=True, slots=True)
class SetUp:
    """What was measured beside the points."""

    terms: tuple[SetupTerm, ...] = ()
    step: StepResponse | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Occasion:
    """How a calibration is conducted.

    ``steps`` of the load tell the meter's latency, 0 for none; ``cable`` says that the leads
    between meter and load are those that the board will have, once the reference is out.
    ``show`` gets every point, ``say`` a line for a person.
    """

    temperature_c: float
    steps: int
    cable: bool
    show: Callable[[Progress], None]
    say: Callable[[str], None]


def journal_plan(plan: CalibrationPlan, bench: OpenBench) -> dict[str, object]:
    """Get what a journal is begun with."""
    return {"plan": plan, "references": bench.reference_serials}


def resumed_plan(journal: CalibrationJournal, bench: OpenBench) -> CalibrationPlan:
    """Get the plan of a journal to go on with.

    Raises ConfigError where it is of another kind, or its points were read against another
    reference than the one attached now.
    """
    try:
        plan: CalibrationPlan = from_plain(CalibrationPlan, journal.plan["plan"])
        before = tuple(journal.plan["references"])
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"the plan of the calibration under way cannot be read: {error!r}",
            hint="begin anew with --restart; another version of powerlab may have written it",
        ) from error
    if before != bench.reference_serials:
        raise ConfigError(
            f"the points so far were read against {_names(before)}, attached is "
            f"{_names(bench.reference_serials)}",
            hint="attach the reference that the calibration was begun with, or begin anew with "
            "--restart",
        )
    return plan


def _names(serials: Sequence[str]) -> str:
    return " and ".join(serial or "a reference without a serial number" for serial in serials)


def conduct(
    bench: OpenBench, plan: CalibrationPlan, journal: CalibrationJournal, occasion: Occasion
) -> Found:
    """Take every point of a plan that the journal does not hold yet, then measure the set-up.

    Raises what instruments and disk raise; what was taken until then is in the journal.
    """

    def keep(leg: Leg, point: CalibrationPoint | None) -> None:
        if point is None:
            journal.note(SKIPPED, {"quantity": leg.quantity, "full_scale": leg.full_scale})
            occasion.say(f"zero of {leg.quantity} left out: a meter shows nothing below 0")
            return
        journal.append(point)
        taken = steps_taken(journal)
        occasion.show(Progress(point, taken, plan.points, remaining_s(plan, taken)))

    take_points(bench, plan, occasion, keep=keep, taken=steps_taken(journal))
    if not journal.notes(SET_UP):
        journal.note(SET_UP, _measure_setup(bench, plan, occasion))
    beside: SetUp = from_plain(SetUp, journal.notes(SET_UP)[0])
    findings = (*beside.findings, *_one_sided(journal))
    return Found(plan, journal.points, beside.terms, beside.step, findings)


def steps_taken(journal: CalibrationJournal) -> int:
    """Get how many steps of the plan are behind a calibration: points, and zeros left out."""
    return len(journal.points) + len(journal.notes(SKIPPED))


def _one_sided(journal: CalibrationJournal) -> Iterable[Finding]:
    quantities = dict.fromkeys(note["quantity"] for note in journal.notes(SKIPPED))
    for quantity in quantities:
        yield Finding(
            code="zero-one-sided",
            severity=Severity.INFO,
            message=f"of {quantity} a meter shows nothing below 0: its zero is no point",
            hint="add a low level with --points where small readings matter",
        )


def take_points(
    bench: OpenBench,
    plan: CalibrationPlan,
    occasion: Occasion,
    *,
    keep: Callable[[Leg, CalibrationPoint | None], None],
    taken: int = 0,
) -> None:
    """Take the steps of a plan but the first ``taken``; ``keep`` gets each point as it comes.

    A zero of which a meter shows only one side has none.

    Raises what instruments raise, with nothing left under current.
    """
    wired: tuple[str, int] | None = None
    for leg, first in _left(plan, taken):
        if wired != (leg.quantity, leg.reference):
            bench.wire(leg)
        wired = leg.quantity, leg.reference
        station = partial(
            Station,
            leg,
            readings=plan.readings,
            temperature_c=occasion.temperature_c,
            say=occasion.say,
        )
        _take_leg(bench, leg, first, station, partial(keep, leg))


def _left(plan: CalibrationPlan, taken: int) -> Iterator[tuple[Leg, int]]:
    """Yield every leg that has points left, and the number of its first one."""
    for leg in plan.legs:
        if taken < len(leg.steps):
            yield leg, taken
        taken = max(0, taken - len(leg.steps))


def _take_leg(
    bench: OpenBench,
    leg: Leg,
    first: int,
    station: Callable[[Source, Reader, Reader], Station],
    keep: Callable[[CalibrationPoint | None], None],
) -> None:
    """Take the points of a leg from number ``first`` on, each kept at once."""
    source = bench.source(leg.quantity)
    profile, theirs = bench.named.meter.profile, bench.named.references[leg.reference].profile
    other = range_named(theirs, leg.quantity, leg.reference_full_scale)
    with ExitStack() as stack:
        source.begin()
        stack.push(partial(_rest, source))
        meter = stack.enter_context(reading(bench.meter, profile, range_of(profile, leg)))
        reference = stack.enter_context(reading(bench.references[leg.reference], theirs, other))
        if first and not source.by_hand:  # come to the next level from where it was left
            source.set(leg.steps[first - 1].nominal)
            time.sleep(RESUMED_S + SETTLING * source.settle_s)
        at = station(source, meter, reference)
        for step in leg.steps[first:]:
            keep(at.take(step))


def _rest(source: Source, _kind: object, error: BaseException | None, _trace: object) -> None:
    """Let go of the level, whatever ended the leg; where that fails, tell who must do it."""
    try:
        source.rest()
    except (InstrumentError, SetupError):
        if error is not None:  # else the next command to it tells
            error.add_note("load or supply cannot be reached: switch it off by hand")


def remaining_s(plan: CalibrationPlan, taken: int) -> float:
    """Get how long the points take that are left."""
    return sum(leg.predicted_s * (1 - first / len(leg.steps)) for leg, first in _left(plan, taken))


# --- the set-up --------------------------------------------------------------------------


def _measure_setup(bench: OpenBench, plan: CalibrationPlan, occasion: Occasion) -> SetUp:
    """Measure series resistances and the answer to steps, where a load can be set."""
    legs = [leg for leg in plan.legs if leg.quantity == "current"]
    named = bench.named
    if bench.load is None or named.load is None or not legs:
        return SetUp(findings=(_not_measured("there is no load whose current can be set"),))
    leg = max(legs, key=lambda item: item.top)
    with ExitStack() as stack:
        stack.callback(_switch_off, bench.load)
        chosen = range_of(named.meter.profile, leg)
        meter = stack.enter_context(reading(bench.meter, named.meter.profile, chosen))
        loop = Loop(
            load=bench.load,
            load_profile=named.load.profile,
            supply=bench.supply,
            supply_profile=named.supply.profile if named.supply is not None else None,
            meter=meter,
            volts=_volts(bench, meter, leg, stack),
            top=leg.top,
            readings=plan.readings,
        )
        terms: tuple[SetupTerm, ...] = ()
        findings: tuple[Finding, ...] = ()
        if loop.volts is None:
            findings = (_not_measured("nothing reads volts behind the meter"),)
        else:
            if occasion.cable and named.ask is not None:
                named.ask(TAKE_OUT)
            occasion.say("measuring the series resistances, at two currents")
            terms = resistances(loop, cable=occasion.cable)
        stepped = SetUp()
        if occasion.steps:
            occasion.say(f"measuring the latency, with {occasion.steps} steps of the load")
            stepped = _answer_to_steps(loop, occasion.steps)
    return SetUp(terms, stepped.step, (*findings, *stepped.findings))


def _answer_to_steps(loop: Loop, steps: int) -> SetUp:
    try:
        response = step_burst(loop, steps)
    except ValueError as error:
        return SetUp(findings=(_not_measured(str(error)),))
    return SetUp(step=response, findings=check_step(response, loop.meter.setup))


def _switch_off(load: Load) -> None:
    with contextlib.suppress(InstrumentError):
        load.input(on=False)


def _volts(bench: OpenBench, meter: Reader, leg: Leg, stack: ExitStack) -> Reader | None:
    """Get who reads volts behind the meter: the meter itself, else a second reference."""
    if "voltage" in meter.setup.channels:
        accuracy = meter.setup.accuracy[meter.setup.channels.index("voltage")]
        chosen = range_named(bench.named.meter.profile, "voltage", accuracy.full_scale)
        return replace(meter, range=chosen)
    for number, named in enumerate(bench.named.references):
        chosen_v = named.profile.range_for("voltage", bench.named.loop_v)
        if number != leg.reference and chosen_v is not None:
            return stack.enter_context(reading(bench.references[number], named.profile, chosen_v))
    return None


def _not_measured(reason: str) -> Finding:
    return Finding(
        code="setup-not-measured",
        severity=Severity.INFO,
        message=f"the set-up beside the meter was not measured in full: {reason}",
        hint="state the cable's resistance with --cable-ohm; the profile's figures count for "
        "the rest",
    )
