"""From words on the command line to profiles and a bench."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from powerlab.catalog.bench_profile import Bench, BenchMeter, BenchSupply
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.layers import Catalog
from powerlab.catalog.protocol_preset import ProtocolPreset
from powerlab.catalog.tools import TOOL_FORMATS, format_for
from powerlab.catalog.workload_profile import COMMAND, WorkloadProfile
from powerlab.cli._command import check_command, no_command, with_command
from powerlab.cli._wanted import Wanted, check_options
from powerlab.errors import ConfigError, UnknownId

PROGRAMS = frozenset((COMMAND, *TOOL_FORMATS))
"""Runtimes that are programs on the board, which make their inferences themselves."""

_NUMBER = r"\d+(?:\.\d+)?"
_SUPPLY = re.compile(rf"({_NUMBER})\s*V?\s*(?:±|\+/?-)\s*({_NUMBER})\s*V?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The profiles of a measurement, and the runtimes and batch sizes that it is made with."""

    device: DeviceProfile
    workload: WorkloadProfile
    protocol: ProtocolPreset
    runtimes: tuple[str, ...]
    batches: tuple[int, ...] = (1,)


def choose(catalog: Catalog, wanted: Wanted) -> Chosen:
    """Get the profiles that were asked for.

    Raises UnknownId for a name that is none, ConfigError for options that exclude each other.
    """
    check_options(wanted)
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
    batches = wanted.batches or protocol.batches or (1,)
    check_command(wanted.command, runtimes, batches=batches, dither=wanted.dither)
    check_scenario(protocol, runtimes, batches, dither=wanted.dither)
    return Chosen(device, workload, protocol, runtimes, batches)


def check_scenario(
    protocol: ProtocolPreset, runtimes: Sequence[str], batches: Sequence[int], *, dither: bool
) -> None:
    """Refuse what a scenario of queries cannot be asked for. Raises ConfigError."""
    if protocol.scenario in (None, "offline") and protocol.timed == "forward":
        return
    back_to_back = protocol.scenario == "single-stream" and protocol.timed == "forward"
    if dither and not back_to_back:
        raise ConfigError(
            f"the protocol {protocol.id} has instants of its own: it takes no --dither",
            hint="leave out --dither, or choose a protocol without a scenario",
        )
    alone = sorted(set(runtimes) & PROGRAMS)
    if alone:
        raise ConfigError(
            f"the protocol {protocol.id} cannot be asked of the runtime {alone[0]!r}, whose "
            "program makes its inferences itself",
            hint="choose another --runtime, or a protocol without a scenario",
        )
    if protocol.scenario in ("single-stream", "server") and tuple(batches) != (1,):
        raise ConfigError(
            f"a query of the scenario {protocol.scenario} is one input",
            hint="leave out --batch",
        )
    if protocol.scenario == "multi-stream" and min(batches) < 2:
        raise ConfigError(
            "a query of the scenario multi-stream is a batch of several inputs",
            hint="give their number as --batch; MLPerf has 8",
        )


def choose_runtime(device: DeviceProfile, workload: WorkloadProfile, asked: str | None) -> str:
    """Get the runtime that was asked for, else the device's first that loads the workload.

    Raises ConfigError where the workload has no file for it.
    """
    known = sorted(workload.formats)
    if asked is not None:
        if format_for(asked, workload.formats) is None:
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
            voltmeter=wanted.voltmeter,
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
    voltmeter: str | None = None,
) -> Bench:
    """Get the bench that ``--host`` and the options that go with it describe."""
    model, resource = split_meter(meter)
    leads = {} if cable_ohm is None else parse_cable(cable_ohm)
    measures = catalog.instrument(model).quantities
    meters = [BenchMeter(model=model, resource=resource, measures=measures, **leads)]
    if voltmeter is not None:
        model, resource = split_meter(voltmeter)
        meters.append(BenchMeter(model=model, resource=resource, measures=("voltage",), **leads))
    return Bench(
        device=device,
        host=host,
        meter=tuple(meters),
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
