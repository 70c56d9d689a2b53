"""``procurement.toml`` to the plan that the cost model takes, or every problem of it at once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from powerlab.catalog.procurement_figures import amount, uncertain
from powerlab.catalog.procurement_hours import hourly_values
from powerlab.catalog.procurement_measured import Measured, Runs
from powerlab.catalog.procurement_option_rules import comparison_problems
from powerlab.catalog.procurement_options import option_record
from powerlab.catalog.procurement_reading import read_procurement
from powerlab.catalog.procurement_rules import rules
from powerlab.catalog.procurement_tables import Hourly, Limit, Load, Procurement, Tariff
from powerlab.errors import Problem, ProfileError
from powerlab.records import procurement as record
from powerlab.records.procurement import Plan

LACKING = ("is missing", "must be a number or a table", "has no value for")
"""How a problem begins that a key left out may have made."""


def check_procurement(
    path: Path, runs: Mapping[str, Measured] | None = None, today: date | None = None
) -> tuple[Plan | None, tuple[Problem, ...]]:
    """Read a plan: the plan, or None and every problem of its file.

    ``runs`` are the measured options by what the file calls them: the run, or the device of
    an option that names none. ``today`` (default: the date in UTC) bounds the plan's date.
    """
    reading = read_procurement(path)
    content, problems = reading.content, list(reading.problems)
    if content is None:
        return None, reading.problems
    known = runs or {}
    found = [known.get(each.run or each.device or each.id or "") for each in content.option]
    day = (today or datetime.now(UTC).date()).isoformat()
    for key, message in rules(content, found, day):
        each = Problem(str(path), reading.key(key), message)
        if not any(_causes(other, each) for other in reading.problems):
            problems.append(each)
    if problems:
        # Told with the others; without any they are findings of the decision.
        problems += [Problem(str(path), *each) for each in comparison_problems(content, found)]
        return None, tuple(dict.fromkeys(problems))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return _plan(content, found, sha256, path.stem), ()


def read_plan(
    path: Path, runs: Mapping[str, Measured] | None = None, today: date | None = None
) -> Plan:
    """Read a plan; raises one ProfileError with every problem of its file."""
    plan, problems = check_procurement(path, runs, today)
    if plan is None:
        raise ProfileError(
            problems, hint="correct the file; `powerlab report --init` writes one to start from"
        )
    return plan


def _causes(told: Problem, other: Problem) -> bool:
    """Tell whether a problem is there only since what another one names was left out."""
    within = other.key.startswith((f"{told.key}.", f"{told.key}["))
    lacking = told.key.startswith((f"{other.key}.", f"{other.key}["))
    return told.key == other.key or within or (lacking and other.message.startswith(LACKING))


def _plan(content: Procurement, runs: Runs, sha256: str, name: str) -> Plan:
    """Make the plan of a file without problems."""
    currency, day = content.currency or "", content.date or ""
    load, tariff, fleet = content.load or Load(), content.tariff or Tariff(), content.fleet
    carbon = content.carbon_g_per_kwh
    return Plan(
        sha256=sha256,
        title=content.title or name,
        date=day,
        currency=currency,
        options=tuple(
            option_record(content, option, run)
            for option, run in zip(content.option, runs, strict=True)
        ),
        load=record.Load(
            hourly_per_s=tuple(map(float, _hours(load.per_s))),
            peak_per_s=load.peak_per_s,
            u_relative=load.u_relative,
            distribution=load.distribution,
            source=load.source,
        ),
        tariff=record.Tariff(
            hourly_per_kwh=_hours(tariff.per_kwh),
            currency=tariff.currency or currency,
            date=tariff.date or day,
            u_relative=tariff.u_relative,
            distribution=tariff.distribution,
            source=tariff.source,
        ),
        horizon_years=content.horizon_years or 0,
        requirements=tuple(map(_requirement, content.requirement)),
        rule=record.DecisionRule(**content.rule.model_dump()),
        fleet=record.FleetRule(
            headroom=uncertain(fleet.headroom),
            utilisation=uncertain(fleet.utilisation),
            spare_units=fleet.spare_units,
            availability=fleet.availability,
            repair_days=fleet.repair_days,
            most_units=fleet.most_units,
        ),
        discount_rate=uncertain(content.discount_rate),
        real=content.real,
        pue=uncertain(content.pue),
        labour_rate=amount(content.labour_per_h, currency, day),
        rates=tuple(
            record.ExchangeRate(
                base=rate.base or "",
                target=rate.target or "",
                rate=rate.rate or Decimal(0),
                date=rate.date or "",
                u_relative=rate.u_relative,
                distribution=rate.distribution,
                source=rate.source,
            )
            for rate in content.rate
        ),
        tax_counts=content.tax_counts,
        carbon_intensity=None if carbon is None else uncertain(carbon),
        equivalent=tuple(map(frozenset, content.equivalent_workloads)),
        requester=content.requester,
        report_number=content.report_number,
        valid_until=content.valid_until or "",
        needed_by=content.needed_by or "",
        purpose=content.purpose,
        assumptions=content.assumptions,
        exclusions=content.exclusions,
        risks=content.risks,
    )


def _hours(hours: Hourly | None) -> tuple[Decimal, ...]:
    return () if hours is None else hourly_values(hours)


def _requirement(limit: Limit) -> record.Requirement:
    least = limit.at_least is not None
    value = limit.at_least if least else limit.at_most
    sense = record.Sense.AT_LEAST if least else record.Sense.AT_MOST
    return record.Requirement(limit.quantity, sense, value or 0.0, limit.unit)
