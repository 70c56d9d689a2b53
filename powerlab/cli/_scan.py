"""What is plugged in, matched with the catalogue: told from descriptors, no port is opened."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.layers import Catalog
from powerlab.errors import ConfigError, PowerlabError
from powerlab.transport.usb_obstacles import Obstacle, Places, may_open, obstacles
from powerlab.transport.usb_tree import SerialPort, UsbDevice, other_serial_ports, usb_devices

PLACES = Places()

_SECTIONS = {
    "meter": "[[bench.desk.meter]]",
    "load": "[bench.desk.calibration.load]",
    "supply": "[bench.desk.calibration.supply]",
}
"""Where a bench names an instrument, by the kind of its model."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What an instrument told of itself through its driver, or why it did not."""

    model: str
    serial: str = ""
    firmware: str = ""
    failure: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """A USB device that profiles recognise.

    ``profiles`` are all models with its ids, ``resource`` is how the first of them is reached, with
    the settings of its example ("" where there is no way to it), ``benches`` those that have it
    already.
    """

    device: UsbDevice
    profiles: tuple[InstrumentProfile, ...]
    resource: str
    obstacles: tuple[Obstacle, ...]
    benches: tuple[str, ...]
    identity: Identity | None = None


@dataclass(frozen=True, slots=True)
class Configured:
    """An instrument that a bench names."""

    bench: str
    model: str
    resource: str


@dataclass(frozen=True, slots=True)
class Scan:
    """Everything found: ``unknown`` are devices with ports that no profile recognises."""

    matches: tuple[Match, ...]
    unknown: tuple[UsbDevice, ...]
    serial_ports: tuple[SerialPort, ...]
    configured: tuple[Configured, ...]


def scan(catalog: Catalog, places: Places, permitted: Callable[[str], bool] = may_open) -> Scan:
    """Read what is plugged in; ``permitted`` tells whether a node may be opened."""
    devices = usb_devices(places.sys)
    configured = tuple(_configured(catalog))
    matches, unknown = [], []
    for device in devices:
        profiles = tuple(
            profile
            for profile in catalog.instruments.values()
            if device.usb_id in profile.link.usb_ids
        )
        if profiles:
            matches.append(_match(device, profiles, places, configured, permitted))
        elif device.nodes("tty") or device.nodes("usbtmc"):
            unknown.append(device)
    return Scan(tuple(matches), tuple(unknown), other_serial_ports(places.sys), configured)


def identified(found: Scan) -> Scan:
    """Get a scan whose meters have told who they are, each through its own driver.

    Loads and supplies are not asked: being opened switches them off.
    """
    return replace(found, matches=tuple(replace(m, identity=identify(m)) for m in found.matches))


def identify(match: Match) -> Identity | None:
    """Ask one device who it is, as each model that it may be; None where it is no meter.

    Of several failures the first is told.
    """
    from powerlab.instruments.contract import open_meter  # noqa: PLC0415 - loads every transport

    first: Identity | None = None
    for profile in match.profiles:
        if profile.kind != "meter" or not match.resource:
            continue
        wanted = BenchMeter(model=profile.id, resource=match.resource, measures=profile.quantities)
        try:
            meter = open_meter(profile, wanted)
        except PowerlabError as error:
            first = first or Identity(profile.id, failure=error.message, hint=error.hint)
            continue
        told = meter.identity
        meter.close()
        return Identity(profile.id, serial=told.serial, firmware=told.firmware)
    return first


def snippet(match: Match) -> str:
    """Get the section of a bench that names a match, as TOML."""
    identity = match.identity
    known = identity is not None and not identity.failure
    model = identity.model if identity is not None and known else match.profiles[0].id
    profile = next(each for each in match.profiles if each.id == model)
    lines = [_SECTIONS[profile.kind], f"model = {json.dumps(model)}"]
    others = [each.id for each in match.profiles if each.id != model]
    if others and not known:
        lines[-1] += f"  # or {', '.join(others)}: they answer to the same USB ids"
    lines.append(f"resource = {json.dumps(match.resource, ensure_ascii=False)}")
    if "?" in match.resource:
        lines[-1] += "  # what follows the ? is an example"
    if identity is not None and identity.serial:
        lines.append(f"serial = {json.dumps(identity.serial, ensure_ascii=False)}")
    if profile.kind == "meter":
        lines.append(f"measures = {json.dumps(list(profile.quantities))}")
    return "\n".join(lines)


def resource_of(device: UsbDevice, kind: str, dev: Path = PLACES.dev) -> str:
    """Get the resource string by which a device is reached in one of the ``link.kinds``.

    "" where there is no way to it. Ports get their name by id where udev gave them one: that of
    /dev/ttyACM0 changes with the order of plugging in.
    """
    serial = device.serial if device.serial.isprintable() and ":" not in device.serial else ""
    if kind in ("usb", "hid"):
        return ":".join(filter(None, (kind, device.usb_id, serial)))
    if kind == "serial" and device.nodes("tty"):
        port = device.nodes("tty")[0]
        return f"serial:{_by_id(port, dev) or port}"
    if kind == "visa" and serial:
        return f"USB0::0x{device.vendor_id}::0x{device.product_id}::{serial}::INSTR"
    return ""


def _match(
    device: UsbDevice,
    profiles: tuple[InstrumentProfile, ...],
    places: Places,
    configured: tuple[Configured, ...],
    permitted: Callable[[str], bool],
) -> Match:
    kinds = tuple(dict.fromkeys(kind for each in profiles for kind in each.link.kinds))
    ways = {kind: resource_of(device, kind, places.dev) for kind in kinds}
    kind = next((kind for kind in kinds if ways[kind]), kinds[0])
    plain = {f"{lead}{port}" for port in device.nodes("tty") for lead in ("serial:", "")}
    _, mark, settings = profiles[0].link.example.partition("?")
    return Match(
        device=device,
        profiles=profiles,
        resource=f"{ways[kind]}{mark}{settings}" if ways[kind] else "",
        obstacles=obstacles(device, (kind,), places, permitted),
        benches=tuple(
            sorted(
                {
                    each.bench
                    for each in configured
                    if each.resource.partition("?")[0] in {*ways.values(), *plain}
                }
            )
        ),
    )


def _configured(catalog: Catalog) -> Iterator[Configured]:
    for name, bench in catalog.benches.items():
        calibration = bench.calibration
        extra = (
            (*calibration.reference, calibration.load, calibration.supply) if calibration else ()
        )
        for each in (*bench.meter, *extra):
            if each is not None:
                yield Configured(name, each.model, each.resource)


def _by_id(port: str, dev: Path) -> str:
    """Get the name that udev gave a port by what is plugged in, "" without one."""
    folder = dev / "serial" / "by-id"
    try:
        links = sorted(folder.iterdir())
        named = [link.name for link in links if link.readlink().name == Path(port).name]
    except OSError:
        return ""
    return f"/dev/serial/by-id/{named[0]}" if named else ""


def single(found: Scan, model: str) -> str:
    """Get the resource of the one plugged-in instrument of a model.

    Raises ConfigError where there is none, or more than one.
    """
    here = [
        match.resource
        for match in found.matches
        if match.resource and model in [profile.id for profile in match.profiles]
    ]
    if len(here) == 1:
        return here[0]
    if here:
        raise ConfigError(
            f"{len(here)} instruments here may be a {model}: {', '.join(here)}",
            hint=f"name one with --resource, for example --resource {here[0]}",
        )
    raise ConfigError(
        f"no {model} is known to be plugged in, and no bench is named",
        hint="give --bench NAME, --resource R (`powerlab instruments scan` looks for it) or "
        "--emulate",
    )
