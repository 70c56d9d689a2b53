"""Values by hour: what a table of times of use says of each hour of a day or a week."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from powerlab.catalog.procurement_tables import Hourly

DAY, WEEK = 24, 168
OTHER = "other"


def hourly_values(hours: Hourly) -> tuple[Decimal, ...]:
    """Get 24 values from midnight, or 168 from Monday's; for hours without problems."""
    if hours.each is not None:
        return hours.each
    if hours.weekdays or hours.weekend:
        return _day(hours.weekdays) * 5 + _day(hours.weekend) * 2
    return _day(hours.ranges)


def hourly_problems(hours: Hourly) -> Iterator[tuple[str, str]]:
    """Yield (key below the table's, message) for everything that leaves an hour undecided."""
    if hours.each is not None:
        if len(hours.each) not in {DAY, WEEK}:
            count = len(hours.each)
            yield "", f"must have {DAY} values, or {WEEK} from Monday's midnight, not {count}"
        return
    if not (hours.weekdays or hours.weekend):
        yield from _day_problems(hours.ranges, "")
        return
    for name, day in (("weekdays", hours.weekdays), ("weekend", hours.weekend)):
        yield from _day_problems(day, name)


def _day(ranges: Mapping[str, Decimal]) -> tuple[Decimal, ...]:
    values = [ranges.get(OTHER, Decimal(0))] * DAY
    for text, value in ranges.items():
        for hour in _hours(text) or ():
            values[hour] = value
    return tuple(values)


def _hours(text: str) -> tuple[int, ...] | None:
    """Get the hours of ``07-22``, which is 7 to 21; ``22-07`` runs over midnight.

    None for what is no range.
    """
    found = re.fullmatch(r"(\d{1,2})\s*-\s*(\d{1,2})", text)
    if found is None:
        return None
    begin, end = int(found[1]), int(found[2])
    if begin >= DAY or end > DAY or begin == end:
        return None
    return tuple(range(begin, end)) if begin < end else (*range(begin, DAY), *range(end))


def _day_problems(ranges: Mapping[str, Decimal], below: str) -> Iterator[tuple[str, str]]:
    named: dict[int, str] = {}
    for text in ranges:
        key = f"{below}.{text}".strip(".")
        if text == OTHER:
            continue
        hours = _hours(text)
        if hours is None:
            yield key, f'must be a range of hours as "07-22", or {OTHER}'
            continue
        twice = [hour for hour in hours if hour in named]
        if twice:
            yield key, f"names hour {twice[0]} again, which {named[twice[0]]} has"
        named.update(dict.fromkeys(hours, text))
    missing = [hour for hour in range(DAY) if hour not in named]
    if missing and OTHER not in ranges:
        told = f"has no value for {len(missing)} hours, the first from {missing[0]:02d}"
        yield below, f"{told}; add {OTHER} = ..."
