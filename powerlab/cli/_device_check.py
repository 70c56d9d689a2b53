"""Which board ``devices check`` looks at, with which models, and how it tells what it found."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click

from powerlab.catalog.bench_profile import Bench, BenchMeter
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.layers import Catalog
from powerlab.catalog.workload_profile import COMMAND, WorkloadProfile
from powerlab.cli._entry import load_entry
from powerlab.cli._output import print_json, print_table
from powerlab.devices.check import Trial, check_board
from powerlab.devices.checked import Checked, State
from powerlab.errors import ConfigError, PowerlabError, TargetError
from powerlab.recipes import build_workload, cache_dir
from powerlab.recipes.cache import main_file

EMULATED = "EMULATED: not a board. This computer stands in for it, and what is found is found here."

NO_METER = BenchMeter(model="none", resource="none")
"""A board can be looked at before it has a meter."""


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """The options of ``devices check``, as given; None where they were not."""

    device: str | None
    bench: str | None
    host: str | None
    python: str | None
    workload: str
    emulate: bool


@dataclass(frozen=True, slots=True)
class Subject:
    """The board that is looked at; no device where only its host was named."""

    bench: Bench
    bench_name: str
    device: DeviceProfile | None
    emulated: bool


def check_device(
    catalog: Catalog, options: CheckOptions, *, as_json: bool, note: Callable[[str], None]
) -> int:
    """Look at the board and print what was found; get the exit code.

    Raises ConfigError where the options name no board.
    """
    with _subject(catalog, options, note) as subject:
        trials = _trials(catalog.workload(options.workload), subject.device, note)
        found = check_board(subject.bench, trials, note)
    found = (*found, *_untried(trials, subject.device, found))
    if as_json:
        print_json(check_document(subject, found))
    else:
        if subject.emulated:
            click.echo(f"{EMULATED}\n")
        _print(found)
    blocked = any(item.state is State.BLOCKING for item in found)
    return TargetError.exit_code if blocked else 0


def check_document(subject: Subject, found: Sequence[Checked]) -> dict[str, Any]:
    """Get what was found as ``powerlab.check/1``."""
    return {
        "schema": "powerlab.check/1",
        "device": subject.device.id if subject.device else None,
        "bench": subject.bench_name or None,
        "host": subject.bench.host,
        "emulated": subject.emulated,
        "checks": [
            {
                "name": item.name,
                "state": item.state.value,
                "found": item.found,
                "advice": item.advice,
            }
            for item in found
        ],
    }


@contextlib.contextmanager
def _subject(
    catalog: Catalog, options: CheckOptions, note: Callable[[str], None]
) -> Iterator[Subject]:
    _check_options(options)
    device = catalog.device(options.device) if options.device else None
    if options.emulate and device is not None:
        note("starting the emulated board")
        emulated_bench = load_entry("powerlab.emulation", "bench")
        with emulated_bench(catalog, device.id) as running:
            yield Subject(running.bench, f"{device.id}-emulated", device, emulated=True)
        return
    if options.host is not None:
        bench = Bench(
            device=device.id if device else "none",
            host=options.host,
            python=options.python or "python3",
            meter=(NO_METER,),
        )
        yield Subject(bench, "", device, emulated=False)
        return
    name, bench = _named(catalog, options)
    if options.python is not None:
        bench = bench.model_copy(update={"python": options.python})
    yield Subject(bench, name, catalog.device(bench.device), emulated=False)


def _named(catalog: Catalog, options: CheckOptions) -> tuple[str, Bench]:
    if options.bench is None:
        return catalog.bench_for_device(str(options.device))
    bench = catalog.bench(options.bench)
    if options.device not in (None, bench.device):
        raise ConfigError(
            f"the bench {options.bench!r} has the device {bench.device!r}, not {options.device!r}",
            hint="name the device or the bench, not both",
        )
    return options.bench, bench


def _check_options(options: CheckOptions) -> None:
    """Refuse options that name no board, or two."""
    if options.emulate and (options.device is None or options.bench or options.host):
        raise ConfigError(
            "--emulate takes a DEVICE, and neither --bench nor --host",
            hint="write powerlab devices check edgeboard --emulate",
        )
    if options.device is None and options.bench is None and options.host is None:
        raise ConfigError(
            "no board is named",
            hint="name a DEVICE that has a bench, or --bench B, or --host H; `powerlab bench "
            "list` shows the benches",
        )
    if options.bench is not None and options.host is not None:
        raise ConfigError("--bench and --host exclude each other", hint="give one of the two")


def _trials(
    workload: WorkloadProfile, device: DeviceProfile | None, note: Callable[[str], None]
) -> tuple[Trial, ...]:
    """Get a model for each runtime that the workload has a file for."""
    listed = {item.id for item in device.runtime} if device else set()
    trials = []
    for runtime, kind in workload.formats.items():
        if runtime == COMMAND:
            continue
        try:
            files = build_workload(workload, kind, cache_dir())
        except PowerlabError as error:
            note(f"{runtime} is not tried: {error.message}")
            continue
        trials.append(Trial(runtime, files, main_file(files), runtime in listed))
    return tuple(trials)


def _untried(
    trials: Sequence[Trial], device: DeviceProfile | None, found: Sequence[Checked]
) -> Iterator[Checked]:
    """Yield the runtimes of the device that no model could be tried with."""
    if device is None or not any(item.name.startswith("runtime ") for item in found):
        return
    tried = {trial.runtime for trial in trials}
    for item in device.runtime:
        if item.id not in tried:
            yield Checked(
                f"runtime {item.id}",
                State.ADVICE,
                "not tried: the workload has no file for it",
                "name one that has with --workload (powerlab workloads list)",
            )


def _print(found: Sequence[Checked]) -> None:
    rows = [{"": item.state.value, "check": item.name, "found": item.found} for item in found]
    print_table(rows, empty="")
    advised = [item for item in found if item.advice]
    if advised:
        click.echo()
    for item in advised:
        click.echo(f"{item.name}: {item.advice}")
