"""From words on the command line to profiles and a bench."""

from __future__ import annotations

import re
from dataclasses import dataclass

from powerlab.catalog.bench_profile import Bench, BenchMeter, BenchSupply
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.layers import Catalog
from powerlab.catalog.workload_profile import COMMAND, ProtocolPreset, WorkloadProfile
from powerlab.cli._command import check_command, no_command, with_command
from powerlab.errors import ConfigError, UnknownId

_NUMBER = r"\d+(?:\.\d+)?"
_SUPPLY = re.compile(rf"({_NUMBER})\s*V?\s*(?:±|\+/?-)\s*({_NUMBER})\s*V?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options of ``measure``, as given; None or empty where they were not."""

    device: str
    bench: str | None
    host: str | None
    meter: str | None
    supply: str | None
    emulate: bool
    seed: int
    faults: tuple[str, ...]
    workload: str
    runtimes: tuple[str, ...]
    batches: tuple[int, ...]
    threads: int
    protocol: str
    runs: int | None
    precision: float
    dither: bool = False
    cable_ohm: str | None = None
    command: str | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """The profiles of a measurement, and the runtimes that it is made with."""

    device: DeviceProfile
    workload: WorkloadProfile
    protocol: ProtocolPreset
    runtimes: tuple[str, ...]


def choose(catalog: Catalog, wanted: Wanted) -> Chosen:
    """Get the profiles that were asked for.

    Raises UnknownId for a name that is none, ConfigError for options that exclude each other.
    """
    _check_options(wanted)
    device = catalog.device(wanted.device)
    workload = with_command(catalog.workload(wanted.workload), wanted.command)
    protocol = catalog.protocol(wanted.protocol)
    if wanted.runs is not None and wanted.precision:
        raise ConfigError(
            "--runs fixes the number of runs, --precision asks to find it",
            hint="give one of the two",
        )
    if wanted.runs is not None:
        protocol = protocol.model_copy(update={"runs": wanted.runs})
    named = wanted.runtimes or (() if wanted.command is None else (COMMAND,))
    asked: tuple[str | None, ...] = named or (None,)
    if wanted.emulate:
        if device.emulation is None:
            able = [name for name, item in catalog.devices.items() if item.emulation]
            raise ConfigError(
                f"{device.name} cannot be emulated: its profile has no [emulation]",
                hint=f"emulate {' or '.join(able)}, or measure a real one",
            )
        if not named and device.emulation.runtime in workload.formats:
            asked = (device.emulation.runtime,)
    runtimes = tuple(choose_runtime(device, workload, runtime) for runtime in asked)
    check_command(wanted.command, runtimes, batches=wanted.batches, dither=wanted.dither)
    return Chosen(device, workload, protocol, runtimes)


def choose_runtime(device: DeviceProfile, workload: WorkloadProfile, asked: str | None) -> str:
    """Get the runtime that was asked for, else the device's first that loads the workload.

    Raises ConfigError where the workload has no file for it.
    """
    known = sorted(workload.formats)
    if asked is not None:
        if asked not in workload.formats:
            if asked == COMMAND:
                raise no_command()
            raise ConfigError(
                f"there is no file of {workload.id} for the runtime {asked!r}",
                hint=f"choose --runtime {' or '.join(known)}",
            )
        return asked
    for runtime in sorted(device.runtime, key=lambda item: not item.native):
        if runtime.id in workload.formats:
            return runtime.id
    if known == [COMMAND]:
        return COMMAND
    raise ConfigError(
        f"no runtime of {device.name} loads {workload.id}",
        hint=f"if one is on your board, name it: --runtime {' or '.join(known)}",
    )


def choose_bench(catalog: Catalog, wanted: Wanted) -> tuple[str, Bench]:
    """Get the bench and its name: --bench, --host and --meter, or the one of the device.

    Raises ConfigError with the ways to go on where there is none.
    """
    if wanted.bench is not None:
        bench = named_bench(catalog, wanted.bench)
        if bench.device != wanted.device:
            raise ConfigError(
                f"the bench {wanted.bench!r} has the device {bench.device!r}, "
                f"not {wanted.device!r}",
                hint=f"give --device {bench.device}, or another bench: `powerlab bench list`",
            )
        return wanted.bench, bench
    if wanted.host is not None and wanted.meter is not None:
        return "command-line", build_bench(
            catalog,
            wanted.device,
            wanted.host,
            wanted.meter,
            wanted.supply,
            cable_ohm=wanted.cable_ohm,
        )
    return catalog.bench_for_device(wanted.device)


def named_bench(catalog: Catalog, name: str) -> Bench:
    """Get a bench by name. Raises UnknownId, which says so where there is none at all."""
    if not catalog.benches:
        raise UnknownId(
            f"there is no bench {name!r}: no powerlab.toml in reach describes any",
            hint="`powerlab bench init` makes one; --lab DIR names a lab elsewhere",
        )
    return catalog.bench(name)


def build_bench(
    catalog: Catalog,
    device: str,
    host: str,
    meter: str,
    supply: str | None,
    *,
    cable_ohm: str | None = None,
) -> Bench:
    """Get the bench that ``--host``, ``--meter``, ``--supply`` and ``--cable-ohm`` describe."""
    model, resource = split_meter(meter)
    return Bench(
        device=device,
        host=host,
        meter=(
            BenchMeter(
                model=model,
                resource=resource,
                measures=catalog.instrument(model).quantities,
                **({} if cable_ohm is None else parse_cable(cable_ohm)),
            ),
        ),
        supply=None if supply is None else parse_supply(supply),
    )


def split_meter(text: str) -> tuple[str, str]:
    """Split ``MODEL@RESOURCE``."""
    model, at, resource = text.partition("@")
    if not (model and at and resource):
        raise ConfigError(
            f"--meter {text!r} does not say where the meter is",
            hint="write MODEL@RESOURCE, such as rdtech-um25c@serial:/dev/rfcomm0",
        )
    return model, resource


def parse_supply(text: str) -> BenchSupply:
    """Read ``5.1V±0.05V``: a voltage and its standard uncertainty (``+-`` serves as well)."""
    match = _SUPPLY.fullmatch(text.strip())
    if match is None or float(match[1]) <= 0:
        raise ConfigError(
            f"--supply {text!r} is no voltage with its uncertainty",
            hint="write the voltage read at the board under load ± its standard uncertainty, "
            "such as 5.1V±0.05V",
        )
    return BenchSupply(voltage_v=float(match[1]), u_voltage_v=float(match[2]))


def parse_cable(text: str) -> dict[str, float]:
    """Read ``0.1±0.02``: ohms and their standard uncertainty, as a bench's meter has them."""
    ohm, sign, u_ohm = text.replace("+/-", "±").replace("+-", "±").partition("±")
    if not sign:
        raise ConfigError(
            f"--cable-ohm {text!r} has no uncertainty",
            hint="write the loop resistance ± its standard uncertainty in ohms, as in 0.1±0.02",
        )
    return {"cable_ohm": parse_ohm(ohm), "u_cable_ohm": parse_ohm(u_ohm)}


def parse_ohm(text: str) -> float:
    """Read a resistance in ohms, 0 or more."""
    match = re.fullmatch(rf"({_NUMBER})\s*(?:Ω|ohm)?", text.strip(), re.IGNORECASE)
    if match is None:
        raise ConfigError(
            f"{text!r} is no resistance in ohms", hint="write 0 or a number above it, such as 0.1"
        )
    return float(match[1])


def _check_options(wanted: Wanted) -> None:
    """Refuse options that exclude each other."""
    if wanted.emulate:
        for option, value in (
            ("--bench", wanted.bench),
            ("--host", wanted.host),
            ("--supply", wanted.supply),
            ("--cable-ohm", wanted.cable_ohm),
        ):
            if value is not None:
                raise ConfigError(
                    f"{option} and --emulate exclude each other",
                    hint=f"leave out {option} to emulate, or --emulate to measure",
                )
        if wanted.meter is not None and "@" in wanted.meter:
            raise ConfigError(
                "an emulated meter has no resource of yours",
                hint=f"with --emulate write --meter {wanted.meter.partition('@')[0]}",
            )
        return
    if wanted.faults:
        raise ConfigError("--fault needs --emulate", hint="add --emulate, or leave out --fault")
    if wanted.bench is not None and (
        wanted.host or wanted.meter or wanted.supply or wanted.cable_ohm
    ):
        raise ConfigError(
            "--bench and --host, --meter, --supply or --cable-ohm exclude each other",
            hint="give --bench alone, or --host and --meter without it",
        )
    if (wanted.host is None) != (wanted.meter is None):
        given, missing = ("--host", "--meter") if wanted.host else ("--meter", "--host")
        raise ConfigError(
            f"{given} alone does not describe a bench",
            hint=f"add {missing}: --host HOST --meter MODEL@RESOURCE [--supply 5.1V±0.05V]",
        )
    for option, value in (("--supply", wanted.supply), ("--cable-ohm", wanted.cable_ohm)):
        if value is not None and wanted.host is None:
            raise ConfigError(
                f"{option} goes with --host and --meter",
                hint="a bench has its supply and its cable in powerlab.toml",
            )
