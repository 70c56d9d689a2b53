"""The Otii server on the wire: JSON lines over TCP, one device, a recording that grows.

Written from the messages of the vendor's public client, not from the driver. It says more than
it is asked: progress, information, names that are not ASCII; and TCP cuts where it likes.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
from collections.abc import Mapping
from typing import Any

import numpy as np

from powerlab.emulation.faults import LATE_REPLY_S, FaultWatch
from powerlab.emulation.process import PARENT, EmulatorContext
from powerlab.emulation.site import profile_of
from powerlab.emulation.streamed import LiveSamples
from powerlab.units import now_ns

VERSION = "3.5.5"
TICK_S = 0.02
VOLTS_EVERY = 4
"""Samples of the current for one of the volts."""


class OtiiServer:
    """A server with one emulated device, and one client at a time."""

    def __init__(self, context: EmulatorContext, watch: FaultWatch) -> None:
        profile = profile_of(context)
        self.serial = context.serial
        self._kind = profile.id.rsplit("-", 1)[-1].capitalize()
        self._interval_s = profile.sampling.interval_s
        largest = profile.ranges("current")[-1]
        self._beyond_a = 1.2 * largest.full_scale * largest.over_range_factor
        self._watch = watch
        self._live = LiveSamples(context, watch, ("voltage", "current"))
        self._times = np.empty(0)
        self._values = np.empty((0, 2))
        self._received = b""
        self._client: socket.socket | None = None
        self._listener: socket.socket | None = socket.create_server(("127.0.0.1", 0), backlog=1)
        self.settings: dict[str, Any] = {"voltage": 3.7, "main": False, "channels": set()}
        self.project = -1
        self.port = int(self._listener.getsockname()[1])

    @property
    def name(self) -> str:
        """Get the device's name, not ASCII as names are."""
        return f"Mät-{self._kind}"

    def serve(self) -> None:
        """Serve until the parent closes our standard input."""
        while True:
            watched: list[Any] = [PARENT, self._client or self._listener or PARENT]
            ready, _, _ = select.select(watched, [], [], TICK_S)
            if PARENT in ready:
                self._hang_up(forever=True)
                return
            self._record()
            if self._client is None:
                if self._listener in ready:
                    self._greet()
            elif self._client in ready:
                self._requests(self._client)

    def _greet(self) -> None:
        assert self._listener is not None  # noqa: S101 - it was ready
        self._client, _ = self._listener.accept()
        data = {"otii_version": VERSION, "protocol_version": "0.1", "server": "otii-server"}
        self._send({"type": "information", "info": "connected", "data": data})

    def _record(self) -> None:
        piece = self._live.due(now_ns())
        if piece is None:
            return
        times = (piece.first + np.arange(len(piece.sent))) * self._interval_s
        self._times = np.concatenate((self._times, times[piece.sent]))
        values = piece.readings.values.copy()
        values[piece.over, 1] = self._beyond_a
        self._values = np.concatenate((self._values, values[piece.sent]))

    def _requests(self, client: socket.socket) -> None:
        try:
            data = client.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            self._hang_up(forever=False)
            return
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            if line.strip():
                self._answer(json.loads(line))

    def _answer(self, request: Mapping[str, Any]) -> None:
        head = {"cmd": request["cmd"], "trans_id": request["trans_id"]}
        reply: dict[str, Any]
        try:
            told = self._carry_out(request["cmd"], request.get("data") or {})
            reply = {"type": "response", **head, "data": told}
        except (LookupError, ValueError, TypeError) as error:
            message = {"message": f"geht nicht, so schön es wäre: {error}"}
            reply = {"type": "error", **head, "errorcode": "Invalid request", "data": message}
        if self._watch.strikes("late-reply", now_ns()):
            select.select([PARENT], [], [], LATE_REPLY_S)
        self._send({"type": "progress", **head, "progress_value": 1.0})
        self._send({"type": "response", "cmd": "foreign", "trans_id": "foreign", "data": {}})
        self._send(reply)

    def _carry_out(self, command: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
        if command == "otii_get_devices":
            device = {"device_id": self.serial, "name": self.name, "type": "Emulator"}
            return {"devices": [device]}
        if command in ("otii_get_active_project", "otii_create_project"):
            self.project = max(self.project, 1) if command.endswith("create_project") else -1
            return {"project_id": self.project}
        if command.startswith("arc_"):
            return self._device(command, data)
        if command.startswith("project_"):
            return self._project(command)
        return self._recording(command, data)

    def _device(self, command: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
        if data["device_id"] != self.serial:
            raise LookupError("no such device")
        if command == "arc_enable_channel":
            self.settings["channels"].add(data["channel"])
        elif command == "arc_set_main_voltage":
            self.settings["voltage"] = float(data["value"])
        elif command == "arc_set_main":
            self.settings["main"] = bool(data["enable"])
        elif command == "arc_get_main_voltage":
            return {"value": self.settings["voltage"]}
        elif command == "arc_get_channel_samplerate":
            return {"value": round(1 / self._interval_s)}
        else:
            raise LookupError(command)
        return {}

    def _project(self, command: str) -> Mapping[str, Any]:
        if command == "project_start_recording":
            self._times, self._values = np.empty(0), np.empty((0, 2))
            self._live.start(now_ns())
        elif command == "project_stop_recording":
            self._live.stop()
        elif command == "project_get_last_recording":
            return {"recording_id": 1, "name": "Aufnahme für morgen"}
        else:
            raise LookupError(command)
        return {}

    def _recording(self, command: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
        if data["channel"] not in self.settings["channels"]:
            raise LookupError("the channel is not enabled")
        times, values, interval_s = self._channel(data["channel"])
        if command == "recording_get_channel_data_count":
            return {"count": len(times)}
        if command != "recording_get_channel_data":
            raise LookupError(command)
        chosen = slice(data["index"], data["index"] + min(data["count"], 40_000))
        some = times[chosen]
        jumps = np.flatnonzero(np.diff(some) > 1.5 * interval_s)
        count = int(jumps[0]) + 1 if len(jumps) else len(some)
        return {
            "data_type": "analog",
            "timestamp": float(some[0]),
            "interval": interval_s,
            "values": values[chosen][:count].tolist(),
        }

    def _channel(self, channel: str) -> tuple[np.ndarray, np.ndarray, float]:
        if channel == "mc":
            return self._times, self._values[:, 1], self._interval_s
        whole = len(self._times) // VOLTS_EVERY * VOLTS_EVERY
        times = self._times[:whole:VOLTS_EVERY]
        means = self._values[:whole, 0].reshape(-1, VOLTS_EVERY).mean(axis=1)
        return times, means, self._interval_s * VOLTS_EVERY

    def _send(self, told: Mapping[str, Any]) -> None:
        line = json.dumps(told, ensure_ascii=False).encode() + b"\r\n"
        if self._client is None:
            return
        with contextlib.suppress(OSError):  # the client has gone
            if self._watch.strikes("unplug", now_ns()):
                self._client.sendall(line[: len(line) // 2])
                self._hang_up(forever=True)
                return
            for at in range(0, len(line), 1021):  # cuts characters as well
                self._client.sendall(line[at : at + 1021])

    def _hang_up(self, *, forever: bool) -> None:
        if self._client is not None:
            self._client.close()
        if forever and self._listener is not None:
            self._listener.close()
            self._listener = None
        self._client = None
        self._received = b""


def build(context: EmulatorContext) -> OtiiServer:
    """Make one server on a free port of the loopback."""
    return OtiiServer(context, FaultWatch(context.faults))


def serve(context: EmulatorContext) -> None:
    """Serve one device until the parent wants an end."""
    server = build(context)
    context.ready({"resource": f"otii:127.0.0.1:{server.port}", "serial": server.serial})
    server.serve()
