"""A study plan: which options are measured on what, read from one TOML file.

A plan is one or several matrices. Each is the product of its lists; a device (or bench) with a
workload is one session, whose options are the runtimes and batch sizes.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from powerlab.catalog.facts import Identifier, Model, NonNegative, Positive
from powerlab.catalog.layers import Catalog
from powerlab.catalog.lookup import nearest
from powerlab.catalog.protocol_preset import ProtocolPreset
from powerlab.catalog.reading import Table, check, read_table
from powerlab.errors import Problem, ProfileError

Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]

HINT = "correct the file; docs/how-to/study-plans.md lists its keys"


class Matrix(Model):
    """Options that are the product of lists; ``devices`` or ``benches`` say where.

    Without ``runtimes`` the device's first that loads the workload is taken, without
    ``batches`` those of the protocol. ``precision`` is the relative U wanted of the energy.
    """

    devices: tuple[Identifier, ...] = ()
    benches: tuple[str, ...] = ()
    workloads: tuple[Identifier, ...] = Field(min_length=1)
    runtimes: tuple[str, ...] = ()
    batches: tuple[Count, ...] = ()
    threads: Count = 1
    protocol: Identifier = "standard"
    runs: int | None = Field(default=None, ge=2, le=4096)
    precision: Fraction | None = None
    dither: bool = False
    note: str = ""


class Emulated(Model):
    """What ``--emulate`` shortens: keys of the protocol, and the batch sizes that it keeps.

    ``threads`` is for this computer, whose cores are not the board's.
    """

    idle_s: Positive | None = None
    warm_up_limit_s: Positive | None = None
    runs: int | None = Field(default=None, ge=2, le=4096)
    run_s: Positive | None = None
    guard_s: NonNegative | None = None
    marker_s: NonNegative | None = None
    least_passes: Count | None = None
    least_inferences: Count | None = None
    block_passes: Count | None = None
    target_qps: Positive | None = None
    batches: tuple[Count, ...] = ()
    threads: Count | None = None

    def shortened(self, protocol: ProtocolPreset) -> ProtocolPreset:
        """Get a protocol with what is said here in the place of its own."""
        said = self.model_dump(exclude={"batches", "threads"}, exclude_none=True)
        if protocol.target_qps is None:
            said.pop("target_qps", None)
        return protocol.model_copy(update=said)


class StudyPlan(Model):
    """A study: where it is from, what it measures, and how ``--emulate`` shortens it."""

    schema_version: Literal[1] = Field(alias="schema")
    title: str = Field(min_length=1)
    source: str = ""
    did: str = ""
    mended: str = ""
    emulated: Emulated | None = None
    matrix: tuple[Matrix, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Session:
    """One session of a plan: a place, a workload, and the lists that make its options."""

    device: str
    bench: str | None
    workload: str
    matrix: Matrix


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """A plan as read, and the SHA-256 of its file."""

    path: Path
    sha256: str
    content: StudyPlan
    sessions: tuple[Session, ...]


def read_study(path: Path, catalog: Catalog) -> ReadPlan:
    """Read a plan; raises one ProfileError with every problem of its file."""
    table, problems = read_table(path)
    content = None
    if not problems:
        content, problems = check(StudyPlan, table, path)
        told = {problem.key for problem in problems}
        named = _unknown_names(table, catalog)
        problems += [Problem(str(path), *each) for each in named if each[0] not in told]
    if content is None or problems:
        raise ProfileError(problems, hint=HINT)
    sessions = tuple(_sessions(content, catalog))
    return ReadPlan(path, hashlib.sha256(path.read_bytes()).hexdigest(), content, sessions)


def _sessions(plan: StudyPlan, catalog: Catalog) -> Iterator[Session]:
    for matrix in plan.matrix:
        places: list[tuple[str, str | None]] = [(device, None) for device in matrix.devices]
        places += [(catalog.bench(name).device, name) for name in matrix.benches]
        for device, bench in places:
            for workload in matrix.workloads:
                yield Session(device, bench, workload, matrix)


def _unknown_names(table: Table, catalog: Catalog) -> Iterator[tuple[str, str]]:
    """Yield (dotted key, message) for what a plan names and nothing has, or names twice."""
    matrices = table.get("matrix")
    runtimes = _runtimes(catalog)
    known: Mapping[str, tuple[str, Collection[str]]] = {
        "devices": ("device", catalog.devices),
        "benches": ("bench", catalog.benches),
        "workloads": ("workload", catalog.workloads),
        "runtimes": ("runtime", runtimes),
    }
    for index, matrix in enumerate(matrices if isinstance(matrices, list) else ()):
        if not isinstance(matrix, dict):
            continue
        lead = f"matrix[{index + 1}]"
        for key, (kind, names) in known.items():
            yield from _list_problems(f"{lead}.{key}", kind, matrix.get(key), names)
        yield from _twice(f"{lead}.batches", matrix.get("batches"))
        protocol = matrix.get("protocol")
        if isinstance(protocol, str) and protocol not in catalog.protocols:
            yield f"{lead}.protocol", _no_such("protocol", protocol, catalog.protocols)
        if not (matrix.get("devices") or matrix.get("benches")):
            yield lead, "names neither devices nor benches"
        if "runs" in matrix and "precision" in matrix:
            yield f"{lead}.precision", "finds the number of runs, which `runs` fixes: keep one"


def _list_problems(
    key: str, kind: str, values: Any, names: Collection[str]
) -> Iterator[tuple[str, str]]:
    yield from _twice(key, values)
    for index, value in enumerate(values if isinstance(values, list) else ()):
        if isinstance(value, str) and value not in names:
            yield f"{key}[{index + 1}]", _no_such(kind, value, names)


def _twice(key: str, values: Any) -> Iterator[tuple[str, str]]:
    if isinstance(values, list):
        for value, count in Counter(map(str, values)).items():
            if count > 1:
                yield key, f"names {value} {count} times"


def _no_such(kind: str, name: str, names: Collection[str]) -> str:
    near = nearest(name, names)
    return f"there is no {kind} {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def _runtimes(catalog: Catalog) -> set[str]:
    """Get every runtime that a device or a workload of the catalogue names."""
    of_devices = {one.id for device in catalog.devices.values() for one in device.runtime}
    return of_devices.union(*(workload.formats for workload in catalog.workloads.values()))
