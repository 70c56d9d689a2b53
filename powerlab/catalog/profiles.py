"""All profile files of one kind, over all layers of labs: checked, and with their bases filled in.

A profile replaces the one of the same id in an earlier layer as a whole. Only with
``extends = "id"`` does it take what it does not say itself from another one: from the same
id in an earlier layer, or from another id in its own layer or an earlier one. Tables are
laid over tables key by key; lists, ``[[price]]`` among them, are replaced as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from powerlab.catalog.device_composite import COMPOSITE, completed
from powerlab.catalog.facts import Model
from powerlab.catalog.lookup import nearest
from powerlab.catalog.reading import Table, check, read_table
from powerlab.errors import Problem

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Written:
    """A profile file as written; ``table`` is None where it could not be read."""

    layer: int
    path: Path
    table: Table | None

    @property
    def id(self) -> str:
        """Get the id that the file's name promises."""
        return self.path.stem


@dataclass(frozen=True, slots=True)
class Profiles(Generic[M]):
    """The usable profiles of one kind by id, the file of each, and what was wrong."""

    by_id: dict[str, M]
    paths: dict[str, Path]
    problems: tuple[Problem, ...]


def read_profiles(model: type[M], folder: str, layers: Sequence[Path]) -> Profiles[M]:
    """Read ``layer/folder/*.toml`` of every layer; a later layer's profile wins as a whole."""
    written, problems = _collect(folder, layers)
    by_id: dict[str, M] = {}
    paths: dict[str, Path] = {}
    seen: dict[tuple[int, str], set[tuple[str, str]]] = {}
    for item in sorted(_bases_first(written), key=_is_composite):
        table, base, found = _filled_in(item, written)
        problems += found
        if table is None:
            continue
        table, odd = completed(table, by_id)
        problems += [Problem(str(item.path), *each) for each in odd]
        if odd:
            continue
        profile, found = check(model, table, item.path)
        inherited = seen.get((base.layer, base.id), set()) if base else set()
        seen[item.layer, item.id] = {(problem.key, problem.message) for problem in found}
        problems += [each for each in found if (each.key, each.message) not in inherited]
        if profile is not None:
            by_id[item.id], paths[item.id] = profile, item.path
    return Profiles(dict(sorted(by_id.items())), paths, tuple(problems))


def _is_composite(item: Written) -> bool:
    """Tell whether a file is made of others, which are read before it."""
    return COMPOSITE in (item.table or {})


def _collect(folder: str, layers: Sequence[Path]) -> tuple[list[Written], list[Problem]]:
    written: list[Written] = []
    problems: list[Problem] = []
    for index, layer in enumerate(layers):
        claimed: dict[object, str] = {}
        for path in sorted((layer / folder).glob("*.toml")):
            if path.name.startswith("."):
                continue
            table, found = read_table(path)
            problems += found
            written.append(Written(index, path, None if found else table))
            if not found:
                problems += _name_problems(path, table, claimed)
    return written, problems


def _name_problems(path: Path, table: Table, claimed: dict[object, str]) -> Iterator[Problem]:
    """Yield what is wrong with a file's id; ``claimed`` holds the layer's ids so far."""
    name = table.get("id")
    if not isinstance(name, str):
        return
    if name != path.stem:
        yield Problem(str(path), "id", f"must be {path.stem!r}, the name of the file, not {name!r}")
    if name in claimed:
        yield Problem(str(path), "id", f"{name!r} is taken by {claimed[name]} in the same folder")
    claimed[name] = path.name


def _bases_first(written: Sequence[Written]) -> list[Written]:
    """Order files by layer, and within one by depth of ``extends``, bases first."""

    def depth(item: Written) -> int:
        return len(_chain(item, written)[0])

    return sorted(written, key=lambda item: (item.layer, depth(item)))


def _base_of(item: Written, written: Sequence[Written]) -> Written | None:
    """Get the file that ``item`` extends, as seen from its own layer."""
    wanted = (item.table or {}).get("extends")
    if wanted is None:
        return None
    below = item.layer - 1 if wanted == item.id else item.layer
    found = [other for other in written if other.id == wanted and other.layer <= below]
    return max(found, key=lambda other: other.layer, default=None)


def _chain(item: Written, written: Sequence[Written]) -> tuple[list[Written], bool]:
    """Get what ``item`` is built upon, itself first, and whether that runs in a circle."""
    chain = [item]
    while (base := _base_of(chain[-1], written)) is not None:
        if base in chain:
            return chain, True
        chain.append(base)
    return chain, False


def _filled_in(
    item: Written, written: Sequence[Written]
) -> tuple[Table | None, Written | None, list[Problem]]:
    """Get the whole table of a file and the file it extends; the table None if that fails."""
    if item.table is None or "extends" not in item.table:
        return item.table, None, []
    chain, circular = _chain(item, written)
    last = chain[-1]
    if circular:
        names = " -> ".join(each.id for each in chain)
        return None, None, [Problem(str(item.path), "extends", f"runs in a circle: {names}")]
    if len(chain) == 1:
        return None, None, [_no_base(item, written)]
    if any(each.table is None for each in chain) or "extends" in (last.table or {}):
        return None, None, []  # the base's own problem is reported with its own file
    table = dict(last.table or {})
    for lower, upper in reversed(tuple(zip(chain[1:], chain, strict=False))):
        # Every file says its own schema and id; how far a profile was tried does not pass
        # on to another one.
        table = {key: value for key, value in table.items() if key not in ("schema", "id")}
        if upper.id != lower.id and "verified" in table:
            table["verified"] = "never"
        own = {key: value for key, value in (upper.table or {}).items() if key != "extends"}
        table = _overlay(table, own)
    return table, chain[1], []


def _no_base(item: Written, written: Sequence[Written]) -> Problem:
    wanted = (item.table or {}).get("extends")
    if not isinstance(wanted, str):
        return Problem(str(item.path), "extends", "must be the id of a profile, in quotes")
    if wanted == item.id:
        return Problem(str(item.path), "extends", f"no earlier layer has a profile {wanted!r}")
    near = nearest(wanted, [other.id for other in written if other.layer <= item.layer])
    suggestion = f"; did you mean {near[0]!r}?" if near else ""
    return Problem(str(item.path), "extends", f"there is no profile {wanted!r}{suggestion}")


def _overlay(base: Table, changes: Table) -> Table:
    """Lay ``changes`` over ``base``: tables key by key, everything else as a whole."""
    merged = dict(base)
    for key, value in changes.items():
        below = merged.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            merged[key] = _overlay(below, value)
        else:
            merged[key] = value
    return merged
