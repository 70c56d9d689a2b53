"""Qoitech Otii Arc and Ace through the Otii server: volts and amperes of its main output.

Protocol: JSON objects over TCP (``json_lines``); commands and channel names as in the vendor's
client (qoitech/otii-tcp-client-python). Never tried on hardware: checked against the published
messages and the emulator. The recording runs in the server, which keeps every sample with its
time; it is fetched as it grows, so a slow network delays samples and loses none. The server
asks for a licence for automation, which has to be reserved in the Otii application.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.errors import ConfigError, InstrumentError, InstrumentProtocolError
from powerlab.instruments.contract import MeterRequest, check_channels, range_or_error
from powerlab.instruments.otii_join import Joiner, Polls, Values
from powerlab.instruments.packet_meters import largest_magnitudes
from powerlab.instruments.resource_options import ResourceOptions, split_options
from powerlab.instruments.rows import over_range
from powerlab.instruments.streaming import interval_ns, streamed_setup
from powerlab.records import MeterIdentity, MeterSetup, SampleBlock
from powerlab.transport.json_lines import JsonLines
from powerlab.units import NS_PER_S, nanoseconds, now_ns

PORT = 1905
OPTIONS = ("volts",)
LEAST_V, MOST_V = 0.5, 25.0
CURRENT, VOLTAGE = "mc", "mv"
MOST_VALUES = 40_000
POLL_S = 0.25
VOLTS_LIMIT_S, AGAIN_S = 0.5, 0.005
SILENCE_S = 8.0
GREETING_LIMIT_S = 3.0
DEVICES_LIMIT_S = 15.0
RATE_TOLERANCE = 0.01

_RESOURCE = re.compile(r"otii:(?P<host>[^:/?]+)(?::(?P<port>\d+))?(?:/(?P<device>.*))?")


class Otii:
    """One Arc or Ace behind a server; satisfies ``contract.Meter``."""

    def __init__(
        self,
        link: JsonLines,
        profile: InstrumentProfile,
        bench_meter: BenchMeter,
        wanted: str,
        options: ResourceOptions,
    ) -> None:
        self._link = link
        self._profile = profile
        self._volts = options.number("volts", LEAST_V, MOST_V)
        version = _greeting(link)
        found = link.request("otii_get_devices", {"timeout": 10}, DEVICES_LIMIT_S)
        device = _choose(found.get("devices") or [], wanted, link.resource)
        self._device = {"device_id": str(device["device_id"])}
        self._project: dict[str, Any] = {}
        self._limits = largest_magnitudes(profile)
        self.identity = MeterIdentity(
            model=profile.name,
            manufacturer=profile.manufacturer,
            name=profile.name,
            serial=self._device["device_id"],
            firmware=version,
            resource=bench_meter.resource,
            emulated=device.get("type") in ("Simulator", "Emulator"),
        )

    def configure(self, request: MeterRequest) -> MeterSetup:
        """Enable current and volts; set and switch on the output where the bench names volts.

        ``InstrumentError`` where the server refuses it or samples at another rate than the
        profile's.
        """
        check_channels(request, self._profile.channels, self._profile.name)
        chosen = {
            "voltage": range_or_error(self._profile, "voltage", request.expected_peak_v),
            "current": range_or_error(self._profile, "current", request.expected_peak_a),
        }
        for channel in (CURRENT, VOLTAGE):
            self._device_request("arc_enable_channel", channel=channel, enable=True)
        self._set_rate()
        if self._volts is not None:
            self._device_request("arc_set_main_voltage", value=self._volts)
            self._device_request("arc_set_main", enable=True)
        supply = float(self._device_request("arc_get_main_voltage")["value"])
        if self._volts is not None and abs(supply - self._volts) > 0.01:
            raise InstrumentError(
                f"the Otii is set to {supply:g} V where {self._volts:g} V were asked for",
                hint="see which volts this device can supply from its power source",
            )
        self._project = self._open_project()
        return streamed_setup(
            self._profile,
            chosen,
            {
                "supply_v": supply,
                "supply_set_by": "the bench" if self._volts is not None else "the Otii application",
                "volts": "of their own samples, on the straight line between two",
            },
        )

    def stream(self, stop: threading.Event) -> Iterator[SampleBlock]:
        """Record in the server and get what each poll brings, until ``stop``; recording ends then.

        Times that the server left out are rows marked ``LOST``. A value beyond the largest range,
        of which the server says nothing, is ``OVERRANGE``.
        """
        polls = Polls(now_ns())
        self._link.request("project_start_recording", self._project)
        try:
            told = self._link.request("project_get_last_recording", self._project)
            if int(told.get("recording_id", -1)) < 0:
                raise _odd("project_get_last_recording", told)
            recording = {"recording_id": told["recording_id"], **self._device}
            yield from self._blocks(recording, polls, stop)
        finally:
            with contextlib.suppress(InstrumentError):  # it may be what ended the stream
                self._link.request("project_stop_recording", self._project)

    def close(self) -> None:
        """Let the server go; never raises. The output stays as it is."""
        self._link.close()

    def _blocks(
        self, recording: Mapping[str, Any], polls: Polls, stop: threading.Event
    ) -> Iterator[SampleBlock]:
        joiner = Joiner(interval_ns(self._profile))
        fetched = {CURRENT: 0, VOLTAGE: 0}
        news_ns = next_ns = now_ns()
        while True:
            next_ns += nanoseconds(POLL_S)
            stopping = stop.wait(max(0.0, (next_ns - now_ns()) / NS_PER_S))
            sent_ns = now_ns()
            ready = self._count(recording, CURRENT)
            received_ns = now_ns()
            polls.found(ready, sent_ns, received_ns)
            for told in self._fetch(recording, CURRENT, fetched, ready):
                joiner.current(told)
            self._fetch_volts(recording, joiner, fetched)
            rows = joiner.take()
            if rows is not None:
                news_ns = received_ns
                first_ns, last_ns = polls.between(joiner.taken)
                beyond = over_range(np.nan_to_num(rows.values), self._limits)
                yield SampleBlock(
                    values=rows.values,
                    device_ns=rows.device_ns,
                    flags=rows.flags | beyond,
                    sent_ns=first_ns,
                    received_ns=last_ns,
                    completed=joiner.rows,
                )
            if stopping:
                return
            if received_ns - news_ns > nanoseconds(SILENCE_S):
                raise InstrumentError(
                    f"the Otii at {self._link.resource} recorded nothing for {SILENCE_S:g} s",
                    hint="see in the Otii application whether the recording still runs",
                )
            next_ns = max(next_ns, now_ns() - nanoseconds(POLL_S))

    def _fetch_volts(
        self, recording: Mapping[str, Any], joiner: Joiner, fetched: dict[str, int]
    ) -> None:
        """Get volts until they cover the current: they come a moment later, seldom for long."""
        end_ns = now_ns() + nanoseconds(VOLTS_LIMIT_S)
        while True:
            there = self._count(recording, VOLTAGE)
            for told in self._fetch(recording, VOLTAGE, fetched, there):
                joiner.voltage(told)
            if joiner.covered or now_ns() > end_ns:
                return
            time.sleep(AGAIN_S)

    def _fetch(
        self, recording: Mapping[str, Any], channel: str, fetched: dict[str, int], ready: int
    ) -> Iterator[Values]:
        """Get the values of a channel that have not been fetched; a piece may be shorter."""
        while fetched[channel] < ready:
            at = fetched[channel]
            asked = min(MOST_VALUES, ready - at)
            told = self._link.request(
                "recording_get_channel_data",
                {**recording, "channel": channel, "index": at, "count": asked},
            )
            values = channel_values(told)
            if not 0 < len(values.values) <= asked:
                raise _odd("recording_get_channel_data", {"values": len(values.values)})
            fetched[channel] += len(values.values)
            yield values

    def _count(self, recording: Mapping[str, Any], channel: str) -> int:
        told = self._link.request(
            "recording_get_channel_data_count", {**recording, "channel": channel}
        )
        return int(told["count"])

    def _device_request(self, command: str, **data: Any) -> Mapping[str, Any]:
        return self._link.request(command, {**self._device, **data})

    def _set_rate(self) -> None:
        """Have the current sampled as the profile says; an Arc knows one rate only."""
        wanted_hz = 1 / self._profile.sampling.interval_s
        if abs(self._rate_hz() / wanted_hz - 1) <= RATE_TOLERANCE:
            return
        self._device_request("arc_set_channel_samplerate", channel=CURRENT, value=round(wanted_hz))
        told_hz = self._rate_hz()
        if abs(told_hz / wanted_hz - 1) > RATE_TOLERANCE:
            raise InstrumentError(
                f"the Otii samples the current {told_hz:g} times a second, "
                f"not {wanted_hz:g} times as it was set to",
                hint="use the profile of this very model, or one with the interval_s that it has",
            )

    def _rate_hz(self) -> float:
        told = self._device_request("arc_get_channel_samplerate", channel=CURRENT)
        return float(told["value"])

    def _open_project(self) -> dict[str, Any]:
        told = self._link.request("otii_get_active_project")
        if int(told.get("project_id", -1)) < 0:
            told = self._link.request("otii_create_project")
        return {"project_id": told["project_id"]}


def channel_values(told: Mapping[str, Any]) -> Values:
    """Read the data of ``recording_get_channel_data``; ``InstrumentProtocolError`` where odd."""
    try:
        values = np.array(told["values"], dtype=np.float64)
        start_s, interval_s = float(told["timestamp"]), float(told["interval"])
    except (KeyError, TypeError, ValueError):
        raise _odd("recording_get_channel_data", told) from None
    if values.ndim != 1 or interval_s <= 0:
        raise _odd("recording_get_channel_data", told)
    return Values(start_s, interval_s, values)


def _greeting(link: JsonLines) -> str:
    """Get the server's version from what it says first."""
    told = link.receive(now_ns() + nanoseconds(GREETING_LIMIT_S))
    if told is None or told.get("info") != "connected":
        raise InstrumentError(
            f"what answers at {link.resource} is no Otii server",
            hint="check host and port (1905 unless changed), and that its server is switched on",
        )
    return str((told.get("data") or {}).get("otii_version", ""))


def _choose(devices: list[Mapping[str, Any]], wanted: str, place: str) -> Mapping[str, Any]:
    found = [
        device
        for device in devices
        if not wanted or wanted in (str(device.get("device_id")), device.get("name"))
    ]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{item.get('name')} ({item.get('device_id')})" for item in devices)
    raise InstrumentError(
        f"the Otii server at {place} has no device '{wanted}'"
        if wanted and not found
        else f"the Otii server at {place} has {len(found)} devices where one is to be chosen",
        hint=f"name one behind the host, as in otii:{place}/NAME; there are: {known or 'none'}",
    )


def _odd(command: str, told: Mapping[str, Any]) -> InstrumentProtocolError:
    return InstrumentProtocolError(
        f"the Otii server's answer to {command} makes no sense",
        hint="another version of it may speak otherwise: tell us which, with this message",
        received=str(dict(told))[:300].encode(),
    )


def split_resource(resource: str) -> tuple[str, int, str]:
    """Get host, port and device of ``otii:HOST[:PORT]/DEVICE``; ``ConfigError`` for another."""
    match = _RESOURCE.fullmatch(resource)
    if match is None:
        raise ConfigError(
            f"'{resource}' names no Otii",
            hint="write it like otii:localhost/Arc, or otii:HOST:1905/DEVICE",
        )
    return match["host"], int(match["port"] or PORT), match["device"] or ""


def open_session(profile: InstrumentProfile, bench_meter: BenchMeter) -> Otii:
    """Open the meter of a bench; ``InstrumentError`` where it is not there or is another."""
    options = split_options(bench_meter.resource, OPTIONS)
    host, port, device = split_resource(options.place)
    link = JsonLines(host, port, "the Otii server")
    try:
        return Otii(link, profile, bench_meter, device, options)
    except BaseException:
        link.close()
        raise
