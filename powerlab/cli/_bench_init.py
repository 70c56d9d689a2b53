"""A bench from options and answers: described, tested, written."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from powerlab.bench_check import check_bench
from powerlab.catalog.bench_profile import Bench, BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.lab_file import write_bench
from powerlab.catalog.layers import LAB_FILE, Catalog, load_catalog, nearest_lab, read_lab_file
from powerlab.catalog.measuring_points import measuring_points
from powerlab.cli._bench_named import check_meters
from powerlab.cli._bench_probe import Parts, Probe, probe, read_supply
from powerlab.cli._bench_text import probe_text
from powerlab.cli._output import check_output_file
from powerlab.cli._resolve import choose_runtime, parse_ohm, parse_supply, split_meter
from powerlab.errors import ConfigError, PowerlabError

Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """The options of ``bench init``, as given; None where they were not."""

    name: str | None
    device: str | None
    host: str | None
    python: str
    ssh_config: str
    identity_file: str
    known_hosts_file: str
    meter: str | None
    boundary: str | None
    voltage_sense: str | None
    cable_ohm: float | None
    u_cable_ohm: float | None
    supply: str | None
    read_voltage: bool
    workload: str
    runtime: str | None
    seconds: float


def make_bench(options: BenchOptions, lab: Path | None, note: Note) -> str:
    """Describe, test and write a bench; get the text that tells what came of it.

    Raises ConfigError for a description that cannot be used, and what board and meter
    raise; nothing is written then.
    """
    catalog = load_catalog(lab)
    place = lab or nearest_lab() or Path.cwd()
    device = _ask(
        options.device, "--device", f"Board ({', '.join(catalog.devices)})", check=catalog.device
    )
    name = options.name or device
    _check_place(place, name)
    bench = _describe(options, catalog, device)
    check_meters(bench, catalog)
    parts = parts_of(catalog, bench, options.workload, options.runtime, options.seconds)
    findings = check_bench(bench, parts.device, catalog.instruments, name)
    parts = _with_supply(parts, options, note)
    done = probe(parts, note, findings)
    path = write_bench(place, name, _with_serial(parts.bench, done))
    words = ["powerlab", "measure", "--device", device, "--bench", name]
    if choose_runtime(parts.device, parts.workload, None) != parts.runtime:
        words += ["--runtime", parts.runtime]
    if lab is not None:
        words += ["--lab", str(lab)]
    return (
        f"{probe_text(done)}\n\nwrote the bench {name} to {path}\nmeasure with: {shlex.join(words)}"
    )


def parts_of(
    catalog: Catalog, bench: Bench, workload: str, runtime: str | None, seconds: float
) -> Parts:
    """Get the profiles that a bench and a load name, at the bench's first measuring point."""
    device, load = catalog.device(bench.device), catalog.workload(workload)
    point = measuring_points(bench)[0]
    return Parts(
        bench=point,
        device=device,
        instrument=catalog.instrument(point.meter[0].model),
        workload=load,
        runtime=choose_runtime(device, load, runtime),
        seconds=seconds,
    )


def _describe(options: BenchOptions, catalog: Catalog, device: str) -> Bench:
    """Get the bench that options and answers describe."""
    catalog.device(device)
    host = _ask(options.host, "--host", "Host of the board (ssh alias, user@host, local)")
    model, resource = split_meter(options.meter or _ask_meter(catalog))
    instrument = catalog.instrument(model)
    return Bench(
        device=device,
        host=host,
        python=options.python,
        ssh_config=_from_here(options.ssh_config),
        identity_file=_from_here(options.identity_file),
        known_hosts_file=_from_here(options.known_hosts_file),
        boundary=_default(options.boundary, "Energy counts at", "board", ("board", "dc", "wall")),
        meter=(
            BenchMeter(
                model=model,
                resource=resource,
                measures=instrument.quantities,
                voltage_sense=_sense(options, instrument),
                **_cable(options),
            ),
        ),
        supply=parse_supply(options.supply) if options.supply else None,
    )


def _from_here(name: str) -> str:
    """Get a path as seen from anywhere: in the file it would be relative to the lab."""
    return name if name in ("", "none") else str(Path(name).expanduser().absolute())


def _sense(options: BenchOptions, instrument: InstrumentProfile) -> Any:
    """Get where volts are taken; a meter without that channel has no choice."""
    if "voltage" not in instrument.channels:
        return options.voltage_sense or "meter"
    return _default(options.voltage_sense, "Volts are taken at", "meter", ("meter", "board"))


def _with_supply(parts: Parts, options: BenchOptions, note: Note) -> Parts:
    """Read the volts at the board, where no channel does and the user wants it."""
    bench = parts.bench
    if bench.supply is not None or {"voltage", "power"} & set(parts.instrument.channels):
        return parts
    wanted = options.read_voltage
    if not wanted and sys.stdin.isatty():
        wanted = click.confirm("Read the volts at the board with this meter now?", err=True)
        if wanted:
            click.prompt(
                "Put its voltage leads across the board's input, then press Enter",
                default="", show_default=False, err=True,
            )  # fmt: skip
    if not wanted:
        return parts
    supply = read_supply(parts, note)
    note(f"{supply.voltage_v:.4f} V ± {supply.u_voltage_v:.4f} V at the board")
    if sys.stdin.isatty():
        click.prompt(
            "Put the meter back into the supply line, then press Enter",
            default="", show_default=False, err=True,
        )  # fmt: skip
    return replace(parts, bench=bench.model_copy(update={"supply": supply}))


def _with_serial(bench: Bench, done: Probe) -> Bench:
    """Tie a bench to the one meter that answered: its calibration belongs to that unit."""
    meter = bench.meter[0].model_copy(update={"serial": done.identity.serial})
    return bench.model_copy(update={"meter": (meter, *bench.meter[1:])})


def _check_place(place: Path, name: str) -> None:
    """Find out early whether the bench can be written."""
    path = place / LAB_FILE
    if not path.exists():
        check_output_file(path, "--lab")
        return
    content, _ = read_lab_file(path)
    if content is not None and name in content.bench:
        raise ConfigError(
            f"{path} has a bench {name!r} already",
            hint="give another --name, or edit or remove that bench in the file",
        )


def _ask_meter(catalog: Catalog) -> str:
    """Get MODEL@RESOURCE from one answer or from two."""

    def known(text: str) -> None:
        catalog.instrument(split_meter(text)[0] if "@" in text else text)

    question = f"Meter ({', '.join(catalog.instruments)}), or MODEL@RESOURCE"
    answer = _ask(None, "--meter", question, check=known)
    if "@" in answer:
        return answer
    example = catalog.instrument(answer).link.example
    return f"{answer}@{_ask(None, '--meter', 'Where the meter is', example)}"


def _cable(options: BenchOptions) -> dict[str, float]:
    """Get the resistance of the leads, nothing where nobody knows it."""
    ohm, u_ohm = options.cable_ohm, options.u_cable_ohm
    if ohm is None and sys.stdin.isatty():
        question = "Loop resistance of the leads between meter and board [ohm] (empty if unknown)"
        ohm = _ask_ohm(question, "")
    if ohm is None:
        return {} if u_ohm is None else {"u_cable_ohm": u_ohm}
    if u_ohm is None:
        u_ohm = ohm / 4
        if sys.stdin.isatty():
            u_ohm = _ask_ohm("Its standard uncertainty [ohm]", f"{u_ohm:g}") or 0.0
    return {"cable_ohm": ohm, "u_cable_ohm": u_ohm}


def _ask_ohm(question: str, default: str) -> float | None:
    """Get ohms from the answer at a terminal, None for an empty one."""

    def check(text: str) -> None:
        if text:
            parse_ohm(text)

    answer = click.prompt(
        question,
        default=default,
        show_default=bool(default),
        err=True,
        value_proc=_again(check),
    )
    return parse_ohm(answer) if answer else None


def _again(check: Callable[[str], object]) -> Callable[[str], str]:
    """Get what makes click ask again wherever ``check`` raises an error of ours."""

    def value(text: str) -> str:
        word = text.strip()
        try:
            check(word)
        except PowerlabError as error:
            raise click.UsageError(f"{error.message}\n       {error.hint}") from error
        return word

    return value


def _ask(
    value: str | None,
    option: str,
    question: str,
    default: str | None = None,
    check: Callable[[str], object] = str,
) -> str:
    """Get an option's value, or the answer at a terminal; what ``check`` refuses is asked again.

    Raises ConfigError where there is no terminal.
    """
    if value is not None:
        return value
    if not sys.stdin.isatty():
        raise ConfigError(
            f"{option} is missing, and there is no terminal to ask at",
            hint="give it as an option; `powerlab bench init --help` lists them",
        )
    return str(click.prompt(question, default=default, err=True, value_proc=_again(check)))


def _default(value: Any, question: str, default: str, choices: Sequence[str]) -> Any:
    """Get an option's value, the answer at a terminal, or the default without one."""
    if value is not None or not sys.stdin.isatty():
        return default if value is None else value
    return click.prompt(question, default=default, err=True, type=click.Choice(choices))
