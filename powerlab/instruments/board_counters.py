"""The board's own counters as a meter: hwmon, tegrastats, RAPL, NVML.

Resource ``agent:KIND[:SELECTOR][?key=value&...]``: a rail, a domain or a device's number, several
to be added as A+B; options are ``root`` (where /sys lies, for a container), ``command`` (another
tegrastats), ``library`` (another NVML) and ``read`` (how NVML is read). A process of its own on
the board takes the samples and stamps them with the board's clock; the host asks for them about
once a second, in a channel of its own. The polls fix that clock on the host's: they come at ever
other places within a sampling interval, or they would not see where in it the reads are.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import numpy as np

from powerlab.agent.protocol import Message
from powerlab.catalog.bench_profile import Bench, BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.devices.line import AgentLine
from powerlab.devices.open import open_counters
from powerlab.errors import ConfigError, InstrumentError, PowerlabError, TargetError
from powerlab.instruments.contract import (
    ON_BOARD,
    MeterRequest,
    accuracy_of,
    check_channels,
    range_or_error,
)
from powerlab.instruments.counter_frames import (
    CounterFacts,
    Readings,
    observed_update_s,
    parse_facts,
    parse_readings,
)
from powerlab.instruments.counter_pace import Pace, pace_of
from powerlab.instruments.counter_rows import RowMaker
from powerlab.records import MeterIdentity, MeterSetup, SampleBlock
from powerlab.units import nanoseconds

ANSWER_LIMIT_S = 20.0
READ_S = 1.0
LOOK_S, LOOKS_S = 0.004, 0.8
"""Before it starts: how often the source is looked at, and for how long, to see its updates."""

_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, slots=True)
class CounterResource:
    """Which counters of the board: a kind, a part of it ("" for the rule), and options."""

    kind: str
    selector: str = ""
    options: dict[str, str] = field(default_factory=dict)

    @property
    def words(self) -> list[str]:
        """Get the words that start the process on the board."""
        chosen = {"selector": self.selector} if self.selector else {}
        return [self.kind, *(f"{key}={value}" for key, value in {**chosen, **self.options}.items())]


def parse_resource(text: str) -> CounterResource:
    """Read ``agent:KIND[:SELECTOR][?key=value&...]``; ``ConfigError`` where it is none."""
    link, _, rest = text.partition(":")
    place, _, query = rest.partition("?")
    kind, _, selector = place.partition(":")
    pairs = [word for word in query.split("&") if query]
    options = dict(parse_qsl(query))
    if link != ON_BOARD or not kind or len(options) < len(pairs) or "selector" in options:
        raise ConfigError(
            f"{text!r} names no counters of the board",
            hint="write agent:hwmon, agent:tegrastats, agent:rapl or agent:nvml, then if need be "
            "a rail, a domain or a number: agent:hwmon:VDD_IN",
        )
    return CounterResource(kind, selector, options)


class BoardCounters:
    """One source of counters on a line to the board; satisfies ``contract.Meter``."""

    def __init__(
        self, line: AgentLine, profile: InstrumentProfile, bench_meter: BenchMeter
    ) -> None:
        self._line = line
        self._profile = profile
        self._facts = parse_facts(self._ask({"do": "hello"}, "finding its counters"))
        self._pace: Pace | None = None
        facts = self._facts
        self.identity = MeterIdentity(
            model=facts.device or ", ".join(facts.chips),
            manufacturer=profile.manufacturer,
            name=profile.name,
            serial=facts.serial or bench_meter.serial,
            firmware=facts.driver,
            resource=bench_meter.resource,
            emulated=facts.emulated,
        )

    def configure(self, request: MeterRequest) -> MeterSetup:
        """See how often the readings change, and plan the reads.

        ``ConfigError`` where another channel than power is wanted, ``InstrumentError`` where the
        load is beyond the profile's range.
        """
        profile, facts = self._profile, self._facts
        check_channels(request, profile.channels, profile.name)
        chosen = range_or_error(profile, "power", request.expected_peak_w)
        observed_s = observed_update_s(self._look())
        self._pace = pace = pace_of(facts, profile.sampling, observed_s)
        return MeterSetup(
            channels=("power",),
            accuracy=(accuracy_of(chosen),),
            averaging=pace.averaging,
            aperture_s=pace.aperture_s,
            interval_s=pace.interval_s,
            timestamp="end",
            latency_s=pace.latency_s,
            latency_limit_s=pace.latency_limit_s,
            clock_limit_ppm=profile.sampling.clock_limit_ppm,
            burden_ohm=0.0,
            burden_limit_ohm=0.0,
            settings=_settings(facts, pace, observed_s),
        )

    def stream(self, stop: threading.Event) -> Iterator[SampleBlock]:
        """Get what the board has sampled since the last time, about once a second.

        Raises InstrumentError where the counters, or the process that reads them, are gone;
        TargetError where the board is.
        """
        try:
            yield from self._blocks(stop)
        except TargetError as error:
            if not _OF_THE_COUNTERS & error.context.keys():
                raise
            # Without code and signal: those are what a model's own failure is known by.
            raise InstrumentError(
                f"the board's counters failed: {error.message}",
                hint=error.hint if "code" in error.context else _ENDED_HINT,
                context={key: error.context.get(key, "") for key in ("host", "stderr", "detail")},
            ) from error

    def _blocks(self, stop: threading.Event) -> Iterator[SampleBlock]:
        pace = self._pace
        if pace is None:
            raise ConfigError("the board's counters are not set up", hint="configure them first")
        self._ask({"do": "start", "interval_s": pace.look_s}, "starting its counters")
        maker = RowMaker(self._facts, pace)
        # A row may have been made this long before the look that finds it: so much earlier than
        # the poll it is certain that the next one had not been made yet.
        unseen_ns = 3 * nanoseconds(pace.look_s) if pace.follows_s else 0
        delivered, polls, ended = 0, 0, False
        while not ended:
            ended = stop.wait(READ_S + pace.interval_s * (polls * _GOLDEN % 1))
            polls += 1
            pending = self._line.send({"do": "read"}, limit_s=ANSWER_LIMIT_S, doing=_READING)
            message, received_ns = self._line.receive(pending, limit_s=ANSWER_LIMIT_S)
            rows = maker.rows(parse_readings(message, self._facts))
            delivered += len(rows.at_ns)
            if len(rows.at_ns):
                yield SampleBlock(
                    values=rows.power_w[:, np.newaxis],
                    device_ns=rows.at_ns,
                    flags=rows.flags,
                    sent_ns=pending.sent_ns - unseen_ns,
                    received_ns=received_ns,
                    completed=delivered,
                )
        self._ask({"do": "stop"}, "stopping its counters")

    def close(self) -> None:
        """End the process on the board; never raises."""
        with suppress(PowerlabError, OSError):
            self._line.close()

    def _look(self) -> Readings:
        """Read as fast as it makes sense, for a moment."""
        self._ask({"do": "start", "interval_s": LOOK_S}, "looking at its counters")
        threading.Event().wait(LOOKS_S)
        seen = parse_readings(self._ask({"do": "read"}, _READING), self._facts)
        self._ask({"do": "stop"}, "looking at its counters")
        return seen

    def _ask(self, message: Message, doing: str) -> Message:
        return self._line.ask(message, limit_s=ANSWER_LIMIT_S, doing=doing)


_READING = "reading its counters"

_OF_THE_COUNTERS = {"code", "signal"}
"""What an error tells where the process on the board answered it, or was ended there; a lost
connection has neither."""

_ENDED_HINT = "look at what ended that process on the board (dmesg there tells), and measure again"


def open_session(
    profile: InstrumentProfile, bench_meter: BenchMeter, bench: Bench
) -> BoardCounters:
    """Open the counters of a bench's board; satisfies ``contract.BoardDriver``.

    Raises ``TargetError`` where the board cannot be reached, or has no such counters or may not
    read them.
    """
    line = open_counters(bench, parse_resource(bench_meter.resource).words)
    try:
        return BoardCounters(line, profile, bench_meter)
    except BaseException:
        line.close()
        raise


def _settings(facts: CounterFacts, pace: Pace, observed_s: float) -> dict[str, str | float]:
    told: dict[str, str | float] = {
        "parts": " + ".join(facts.parts),
        "scope": facts.scope,
        "stands_for": facts.stands_for,
        "read_every_s": pace.look_s,
        "update_period_s": observed_s or "not seen: the reading hardly changed",
    }
    if facts.update_s:
        told["update_interval_s"] = facts.update_s
    if facts.not_read:
        told["not_read"] = ", ".join(facts.not_read)
    return told
