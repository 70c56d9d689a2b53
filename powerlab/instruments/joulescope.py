"""Joulescope JS110 and JS220 through their maker's driver, as mean power and current.

Interface: the topics of ``pyjoulescope_driver`` (jetperch/joulescope_driver), an extra package
for Python 3.12 and later. Never tried on hardware, nor on that package: checked against a
stand-in of its documented interface. The instrument counts charge and energy itself; a sample is
the difference of two updates, so one that gets lost costs nothing. Opening a JS110 interrupts
the supply of the board behind it for a moment.
"""

from __future__ import annotations

import contextlib
import importlib
import queue
import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile, Range
from powerlab.errors import ConfigError, InstrumentError, SetupError
from powerlab.instruments.contract import MeterRequest, check_channels, range_or_error
from powerlab.instruments.joulescope_statistics import UpdateRows, read_update
from powerlab.instruments.streaming import interval_ns, streamed_setup
from powerlab.records import MeterIdentity, MeterSetup, SampleBlock
from powerlab.units import nanoseconds, now_ns

PACKAGE = "pyjoulescope_driver"
SILENCE_S = 8.0
WAIT_S = 0.1
SETTINGS = {
    "js110": (
        ("/s/i/range/select", "auto"),
        ("/s/i/ctrl", "on"),
        ("/s/v/ctrl", "on"),
        ("/s/p/ctrl", "on"),
    ),
    "js220": (("/s/i/range/mode", "auto"),),
}
"""What is published before the statistics, by model; a JS110's are made on this computer."""

RATES_HZ = {"js110": 2_000_000, "js220": 1_000_000}
_RESOURCE = re.compile(r"usb:[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}(?::(?P<serial>[^:]+))?")

VALUE, COUNT, CONTROL = "/s/stats/value", "/s/stats/scnt", "/s/stats/ctrl"


class Joulescope:
    """One Joulescope; satisfies ``contract.Meter``."""

    def __init__(self, driver: Any, profile: InstrumentProfile, bench_meter: BenchMeter) -> None:
        self._driver = driver
        self._profile = profile
        self._model = profile.id.rsplit("-", 1)[-1]
        self._path = _choose(driver.device_paths(), self._model, bench_meter.resource)
        driver.open(self._path)
        self.identity = MeterIdentity(
            model=profile.name,
            manufacturer=profile.manufacturer,
            name=profile.name,
            serial=self._path.rsplit("/", 1)[-1],
            firmware="",
            resource=bench_meter.resource,
        )

    def configure(self, request: MeterRequest) -> MeterSetup:
        """Let the instrument choose its ranges and set how often it tells what it counted."""
        check_channels(request, self._profile.channels, self._profile.name)
        peaks = {
            "power": request.expected_peak_a * request.expected_peak_v or request.expected_peak_w,
            "current": request.expected_peak_a,
        }
        chosen: dict[str, Range] = {
            name: range_or_error(self._profile, name, peaks[name])
            for name in self._profile.quantities
        }
        samples = round(self._profile.sampling.interval_s * RATES_HZ[self._model])
        for topic, value in (*SETTINGS[self._model], (COUNT, samples)):
            self._driver.publish(self._path + topic, value)
        return streamed_setup(
            self._profile,
            chosen,
            {
                "current_range": "auto",
                "samples_per_update": float(samples),
                "power": "difference of the counted energy",
            },
        )

    def stream(self, stop: threading.Event) -> Iterator[SampleBlock]:
        """Get what each update tells, until ``stop``.

        ``InstrumentError`` where updates stay away.
        """
        came: queue.SimpleQueue[tuple[int, Mapping[str, Any]]] = queue.SimpleQueue()

        def keep(_topic: str, value: Mapping[str, Any]) -> None:
            came.put((now_ns(), value))

        rows = UpdateRows(interval_ns(self._profile))
        topic = self._path + VALUE
        self._driver.subscribe(topic, "pub", keep)
        self._driver.publish(self._path + CONTROL, "on" if self._model == "js110" else 1)
        try:
            yield from self._blocks(came, rows, stop)
        finally:
            with contextlib.suppress(Exception):  # it may be what ended the stream
                self._driver.unsubscribe(topic, keep)
                self._driver.publish(self._path + CONTROL, "off" if self._model == "js110" else 0)

    def _blocks(
        self,
        came: queue.SimpleQueue[tuple[int, Mapping[str, Any]]],
        rows: UpdateRows,
        stop: threading.Event,
    ) -> Iterator[SampleBlock]:
        delivered, before_ns = 0, now_ns()
        while not stop.is_set():
            try:
                arrived_ns, told = came.get(timeout=WAIT_S)
            except queue.Empty:
                if now_ns() - before_ns > nanoseconds(SILENCE_S):
                    raise InstrumentError(
                        f"{self.identity.name} {self.identity.serial} told nothing for "
                        f"{SILENCE_S:g} s",
                        hint="check its plug, and that no other program uses it",
                    ) from None
                continue
            some = rows.feed(read_update(told))
            if some is not None:
                delivered += len(some.flags)
                yield SampleBlock(
                    values=some.values,
                    device_ns=some.device_ns,
                    flags=some.flags,
                    sent_ns=before_ns,
                    received_ns=arrived_ns,
                    completed=delivered,
                )
            before_ns = arrived_ns

    def close(self) -> None:
        """Let the instrument go; never raises. The board keeps its supply."""
        with contextlib.suppress(Exception):
            self._driver.close(self._path)
        with contextlib.suppress(Exception):
            self._driver.finalize()


def _choose(paths: list[str], model: str, resource: str) -> str:
    match = _RESOURCE.fullmatch(resource)
    if match is None:
        raise ConfigError(
            f"'{resource}' names no Joulescope",
            hint="write it like usb:16D0:10BA:002557, or without the serial number where there "
            "is one of them",
        )
    serial = match["serial"] or ""
    alike = [path for path in paths if f"/{model}/" in path]
    found = [path for path in alike if not serial or path.rsplit("/", 1)[-1] == serial]
    if len(found) == 1:
        return found[0]
    known = ", ".join(path.rsplit("/", 1)[-1] for path in alike) or "none"
    raise InstrumentError(
        f"there are {len(found)} Joulescopes {model.upper()} {serial}".rstrip(),
        hint=f"connect it, or name its serial number last in the resource (there are: {known}); "
        "a missing udev rule hides it as well",
    )


def open_session(profile: InstrumentProfile, bench_meter: BenchMeter) -> Joulescope:
    """Open the meter of a bench; ``InstrumentError`` where it is not there.

    ``SetupError`` where its maker's driver is not installed.
    """
    try:
        package = importlib.import_module(PACKAGE)
    except ImportError as error:
        raise SetupError(
            "a Joulescope needs its maker's driver, which is not installed",
            hint="install powerlab[joulescope] on Python 3.12 or later",
            context={"reason": str(error)},
        ) from error
    driver = package.Driver()
    try:
        return Joulescope(driver, profile, bench_meter)
    except BaseException:
        driver.finalize()
        raise
