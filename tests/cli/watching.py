"""A meter without a wire for the verbs that watch and check one."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from powerlab.cli import _meter_source
from powerlab.errors import InstrumentError
from powerlab.records import MeterIdentity, MeterSetup, SampleBlock
from powerlab.units import now_ns
from tests.analysis.factories import accuracy, setup

INTERVAL_S = 0.01


class FakeMeter:
    """Delivers 5 V and 1 A a hundred times a second, until it is told to break.

    Its instants are those of the plan, whatever this computer is busy with.
    """

    identity = MeterIdentity("rdtech-tc66c", "RDTech", "TC66C", "77", "1.0", "serial:/dev/fake")

    def __init__(self, *, breaks_after: int | None = None, amperes: float = 1.0) -> None:
        self._breaks_after = breaks_after
        self._amperes = amperes
        self.requests: list[object] = []
        self.closed = False

    def configure(self, request: object) -> MeterSetup:
        """Remember what was asked."""
        self.requests.append(request)
        return setup(
            channels=("voltage", "current"),
            accuracy=(accuracy("voltage"), accuracy("current")),
            interval_s=INTERVAL_S,
            aperture_s=INTERVAL_S,
        )

    def stream(self, stop: threading.Event) -> Iterator[SampleBlock]:
        """Get one sample a poll."""
        rng = np.random.default_rng(1)
        begin_ns, count = now_ns(), 0
        while not stop.is_set():
            if count == self._breaks_after:
                raise InstrumentError("the meter was unplugged", hint="plug it in")
            time.sleep(max(0.0, (begin_ns - now_ns()) / 1e9 + count * INTERVAL_S))
            count += 1
            values = np.array([[5.0, self._amperes]]) + rng.normal(0, 1e-3, (1, 2))
            at_ns = begin_ns + round(count * INTERVAL_S * 1e9)
            yield SampleBlock(
                values=values,
                device_ns=None,
                flags=np.zeros(1, dtype=np.uint8),
                sent_ns=at_ns,
                received_ns=at_ns + 1000,
                completed=count,
            )

    def close(self) -> None:
        """Note it."""
        self.closed = True


def put_in_place(
    monkeypatch: pytest.MonkeyPatch, meter: FakeMeter, opened: list[object] | None = None
) -> None:
    """Have a verb open this meter, whatever it asks for."""

    def open_meter(_profile: object, bench_meter: object, _bench: object = None) -> FakeMeter:
        if opened is not None:
            opened.append(bench_meter)
        return meter

    monkeypatch.setattr(_meter_source, "open_meter", open_meter)


def is_number(value: object) -> bool:
    """Tell whether a value of JSON is a finite number."""
    return isinstance(value, int | float) and math.isfinite(value)
