"""The layers of labs, and the catalogue they make: later layers win.

Built-in, the user's directory, the nearest ``powerlab.toml`` upwards, ``--lab DIR``. A
layer is a directory that may hold ``instruments/``, ``devices/``, ``workloads/`` and
``workloads/protocols/`` with one profile a file, and a ``powerlab.toml`` with benches.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from powerlab.catalog.bench_profile import Bench, LabFile
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.lookup import unknown_id
from powerlab.catalog.profiles import read_profiles
from powerlab.catalog.protocol_preset import ProtocolPreset
from powerlab.catalog.reading import check, read_table
from powerlab.catalog.workload_profile import WorkloadProfile
from powerlab.errors import ConfigError, Problem, ProfileError, SetupError

LAB_FILE = "powerlab.toml"
HOME_VARIABLE = "POWERLAB_HOME"

FOLDERS = {
    "instrument": "instruments",
    "device": "devices",
    "workload": "workloads",
    "protocol": "workloads/protocols",
}
"""Where each kind of profile lives in a layer; the folder decides the kind."""

_LISTED_BY = {
    "instrument": "powerlab instruments list",
    "device": "powerlab devices list",
    "workload": "powerlab workloads list",
    "protocol": "powerlab workloads list",
    "bench": "powerlab bench list",
}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that can be named: profiles by kind, benches, and the layers they are from."""

    instruments: Mapping[str, InstrumentProfile]
    devices: Mapping[str, DeviceProfile]
    workloads: Mapping[str, WorkloadProfile]
    protocols: Mapping[str, ProtocolPreset]
    benches: Mapping[str, Bench]
    layers: tuple[Path, ...]
    origins: Mapping[tuple[str, str], Path] = field(default_factory=dict)

    def instrument(self, name: str) -> InstrumentProfile:
        """Get an instrument model; raises UnknownId."""
        return _named("instrument", name, self.instruments)

    def device(self, name: str) -> DeviceProfile:
        """Get a board model; raises UnknownId."""
        return _named("device", name, self.devices)

    def workload(self, name: str) -> WorkloadProfile:
        """Get a workload; raises UnknownId."""
        return _named("workload", name, self.workloads)

    def protocol(self, name: str) -> ProtocolPreset:
        """Get a protocol preset; raises UnknownId."""
        return _named("protocol", name, self.protocols)

    def bench(self, name: str) -> Bench:
        """Get a set-up; raises UnknownId."""
        return _named("bench", name, self.benches)

    def origin(self, kind: str, name: str) -> Path:
        """Get the file that a profile ("instrument", "device", ...) or "bench" is from."""
        return _named(kind, name, {one: at for (of, one), at in self.origins.items() if of == kind})

    def bench_for_device(self, device: str) -> tuple[str, Bench]:
        """Get the one set-up with this board model, and its name.

        Raises UnknownId for a device that no profile describes, ConfigError where no bench
        or more than one has it.
        """
        profile = self.device(device)
        found = [(name, bench) for name, bench in self.benches.items() if bench.device == device]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(name for name, _ in found)
            raise ConfigError(
                f"{len(found)} benches have the device {device!r}: {names}",
                hint=f"name one with --bench, for example --bench {found[0][0]}",
            )
        ways = "`powerlab bench init` writes one, --host H --meter MODEL@RESOURCE names one"
        if profile.emulation is not None:
            ways += ", --emulate needs none"
        raise ConfigError(f"no bench has the device {device!r}", hint=ways)


def builtin_lab() -> Path:
    """Get the catalogue that is shipped: inside the installed package, else the checkout."""
    package = Path(__file__).resolve().parents[1]
    for place in (package / "_catalog", package.parent):
        if (place / "devices").is_dir():
            return place
    raise SetupError(
        "the built-in catalogue is missing from this installation of powerlab",
        hint="install powerlab again from its wheel or checkout",
    )


def user_lab() -> Path:
    """Get the user's own layer (it need not exist): POWERLAB_HOME, else the config directory."""
    named = os.environ.get(HOME_VARIABLE)
    if named:
        return Path(named).expanduser()
    from platformdirs import user_config_path  # noqa: PLC0415  20 ms, seldom needed

    return user_config_path("powerlab")


def nearest_lab(start: Path | None = None) -> Path | None:
    """Get the nearest directory upwards of ``start`` (default: here) with a powerlab.toml."""
    try:
        here = (start or Path.cwd()).resolve()
    except OSError:  # the working directory was removed under us
        return None
    return next((place for place in (here, *here.parents) if (place / LAB_FILE).is_file()), None)


def lab_layers(lab: Path | None = None, cwd: Path | None = None) -> tuple[Path, ...]:
    """Get the directories of the catalogue, later ones win; each once, at its last place.

    Raises ConfigError if ``lab`` is named and is no directory.
    """
    if lab is not None and not lab.is_dir():
        raise ConfigError(
            f"the lab {str(lab)!r} is not a directory",
            hint="give --lab a directory that exists, with or without a powerlab.toml in it",
        )
    wanted = (builtin_lab(), user_lab(), nearest_lab(cwd), lab)
    places = [place.resolve() for place in wanted if place is not None and place.is_dir()]
    return tuple(place for i, place in enumerate(places) if place not in places[i + 1 :])


def load_catalog(lab: Path | None = None, cwd: Path | None = None) -> Catalog:
    """Read all layers; raises one ProfileError with every problem of every file."""
    catalog, problems = read_catalog(lab_layers(lab, cwd))
    if problems:
        raise ProfileError(
            problems, hint="correct the file; `powerlab catalog lint` checks it again"
        )
    return catalog


def read_catalog(layers: Sequence[Path]) -> tuple[Catalog, tuple[Problem, ...]]:
    """Read the given layers: what is usable of them, and every problem found."""
    instruments = read_profiles(InstrumentProfile, FOLDERS["instrument"], layers)
    devices = read_profiles(DeviceProfile, FOLDERS["device"], layers)
    workloads = read_profiles(WorkloadProfile, FOLDERS["workload"], layers)
    protocols = read_profiles(ProtocolPreset, FOLDERS["protocol"], layers)
    benches, bench_paths, bench_problems = _read_benches(layers)
    paths = {
        "instrument": instruments.paths,
        "device": devices.paths,
        "workload": workloads.paths,
        "protocol": protocols.paths,
        "bench": bench_paths,
    }
    catalog = Catalog(
        instruments=instruments.by_id,
        devices=devices.by_id,
        workloads={
            name: profile.anchored(_lab_of(workloads.paths[name]))
            for name, profile in workloads.by_id.items()
        },
        protocols=protocols.by_id,
        benches=benches,
        layers=tuple(layers),
        origins={(kind, name): at for kind, of in paths.items() for name, at in of.items()},
    )
    problems = (
        *instruments.problems,
        *devices.problems,
        *workloads.problems,
        *protocols.problems,
        *bench_problems,
    )
    return catalog, problems


def _lab_of(profile: Path) -> Path:
    """Get the lab in whose ``workloads/`` a profile lies."""
    return profile.parents[1]


def read_lab_file(path: Path) -> tuple[LabFile | None, list[Problem]]:
    """Read one powerlab.toml: its content, or None and every problem of it."""
    table, problems = read_table(path)
    return (None, problems) if problems else check(LabFile, table, path)


def _read_benches(
    layers: Sequence[Path],
) -> tuple[dict[str, Bench], dict[str, Path], list[Problem]]:
    benches: dict[str, Bench] = {}
    paths: dict[str, Path] = {}
    problems: list[Problem] = []
    for layer in layers:
        path = layer / LAB_FILE
        if not path.is_file():
            continue
        content, found = read_lab_file(path)
        problems += found
        for name, bench in (content.bench if content else {}).items():
            benches[name], paths[name] = _anchored(bench, layer), path
    return benches, paths, problems


def _anchored(bench: Bench, lab: Path) -> Bench:
    """Make the files a bench names absolute: written relative to the lab they are in."""
    named = bench.model_dump(include={"ssh_config", "identity_file", "known_hosts_file"})
    files = {key: str(lab / Path(value).expanduser()) for key, value in named.items() if value}
    if bench.ssh_config == "none":
        files["ssh_config"] = "none"
    return bench.model_copy(update=files)


def _named(kind: str, name: str, known: Mapping[str, T]) -> T:
    if name not in known:
        raise unknown_id(kind, name, known, _LISTED_BY[kind])
    return known[name]
