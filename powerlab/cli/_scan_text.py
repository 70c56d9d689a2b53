"""A scan of what is plugged in, as text and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from powerlab.cli._scan import Identity, Match, Scan, snippet
from powerlab.transport.usb_tree import UsbDevice


def scan_document(found: Scan) -> dict[str, Any]:
    """Get a scan for JSON."""
    return {
        "schema": "powerlab.scan/1",
        "matches": [
            {
                **_device(match.device),
                "models": [profile.id for profile in match.profiles],
                "resource": match.resource,
                "benches": list(match.benches),
                "obstacles": [
                    {"code": each.code, "message": each.message, "hint": each.hint}
                    for each in match.obstacles
                ],
                "identity": _identity(match.identity),
                "snippet": snippet(match) if match.resource else "",
            }
            for match in found.matches
        ],
        "unknown": [_device(device) for device in found.unknown],
        "serial_ports": [
            {"path": port.path, "kind": port.kind, "driver": port.driver}
            for port in found.serial_ports
        ],
        "configured": [
            {"bench": each.bench, "model": each.model, "resource": each.resource}
            for each in found.configured
        ],
    }


def scan_text(found: Scan) -> str:
    """Get a scan as text."""
    count = len(found.matches)
    lead = {0: "no known instrument is plugged in by USB", 1: "1 known instrument is plugged in"}
    blocks = [lead.get(count, f"{count} known instruments are plugged in")]
    blocks += ["\n".join(_match_lines(match)) for match in found.matches]
    if found.unknown:
        blocks.append("\n".join(_unknown_lines(found)))
    if found.serial_ports:
        lines = ["serial ports that are no USB device, left alone:"]
        lines += [f"  {port.path}  {port.kind}" for port in found.serial_ports]
        if any(port.kind == "bluetooth" for port in found.serial_ports):
            lines.append(
                "  (opening a Bluetooth port makes its connection: name the meter yourself)"
            )
        blocks.append("\n".join(lines))
    if found.configured:
        lines = ["named by benches, not contacted:"]
        lines += [f"  {each.bench}: {each.model} at {each.resource}" for each in found.configured]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _match_lines(match: Match) -> Iterator[str]:
    device, profile = match.device, match.profiles[0]
    serial = f", serial {device.serial}" if device.serial else ""
    yield f"{profile.manufacturer} {profile.name} ({device.usb_id}{serial}, port {device.port})"
    yield f"  says     {device.manufacturer} {device.product}".rstrip()
    yield f"  resource {match.resource or 'none: there is no way to it yet'}"
    if match.benches:
        yield f"  bench    {', '.join(match.benches)}"
    told = match.identity
    if told is not None and told.failure:
        yield f"  no identity: {told.failure}"
        yield f"    {told.hint}"
    elif told is not None:
        firmware = f", firmware {told.firmware}" if told.firmware else ""
        yield f"  is       {told.model}, serial {told.serial or 'not told'}{firmware}"
    for each in match.obstacles:
        yield f"  in the way: {each.message}"
        yield f"    {each.hint}"
    if match.resource:
        yield "  for a bench:"
        yield textwrap.indent(snippet(match), "    ")


def _unknown_lines(found: Scan) -> Iterator[str]:
    yield "USB devices with a port that no profile recognises, left alone:"
    for device in found.unknown:
        ports = ", ".join((*device.nodes("tty"), *device.nodes("usbtmc")))
        name = f"{device.manufacturer} {device.product}".strip() or "no name"
        yield f"  {ports}  {device.usb_id} {name}"


def _device(device: UsbDevice) -> dict[str, Any]:
    return {
        "usb_id": device.usb_id,
        "port": device.port,
        "manufacturer": device.manufacturer,
        "product": device.product,
        "serial": device.serial,
        "nodes": {
            kind: list(device.nodes(kind))
            for kind in ("tty", "hidraw", "usbtmc")
            if device.nodes(kind)
        },
    }


def _identity(told: Identity | None) -> dict[str, str] | None:
    if told is None:
        return None
    return {
        "model": told.model,
        "serial": told.serial,
        "firmware": told.firmware,
        "failure": told.failure,
        "hint": told.hint,
    }
