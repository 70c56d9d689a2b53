"""An audit: a path found to be of a format, read, recomputed both ways, and judged."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from powerlab.errors import ConfigError, SetupError
from powerlab.evidence.checks import check
from powerlab.evidence.contract import GROUP, Evidence, Reader
from powerlab.evidence.files import damaged
from powerlab.evidence.mapped_csv import MappedCsv, described, maps_columns, read_mapped
from powerlab.evidence.reckoning import Reckoned, reckon
from powerlab.findings import Finding, Severity
from powerlab.records import Quantity

DEEPEST = 24
"""Folders below the path given; a submission has some ten."""


@dataclass(frozen=True, slots=True)
class Audit:
    """One run audited: what was read, what the method makes of it, what is wrong with it.

    ``recomputed`` is the figure of the first claim by powerlab's method, in its unit; None
    where the evidence does not allow one.
    """

    evidence: Evidence
    reckoned: Reckoned
    recomputed: Quantity | None
    findings: tuple[Finding, ...]

    @property
    def valid(self) -> bool:
        """Tell whether no blocking finding forbids the use of the evidence."""
        return not any(each.severity is Severity.BLOCKING for each in self.findings)


def readers() -> dict[str, Reader]:
    """Get all installed readers by name. Raises SetupError for one that cannot be loaded."""
    found: dict[str, Reader] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda each: each.name):
        try:
            found[entry.name] = entry.load()()
        except (ImportError, AttributeError, TypeError) as error:
            raise SetupError(
                f"{GROUP}: {entry.name} ({entry.value}) cannot be loaded: {error}",
                hint="install the package that it names, or correct its entry point",
            ) from error
    return found


@dataclass(frozen=True, slots=True)
class Audited:
    """All runs at a path that could be read, and what kept others from it."""

    audits: tuple[Audit, ...]
    failed: tuple[ConfigError, ...]


def audit(path: Path, form: str | None = None, mapping: Path | None = None) -> Audited:
    """Audit a file, a run, or all runs below a folder.

    ``form`` forces a format, ``mapping`` says what the columns of a table are. Raises
    ConfigError where nothing is recognised, or nothing of that can be read.
    """
    found, failed = evidence_at(path, form, mapping)
    return Audited(tuple(judged(each) for each in found), tuple(failed))


def judged(evidence: Evidence) -> Audit:
    """Recompute one evidence and look for what is wrong with it."""
    done = reckon(evidence)
    return Audit(evidence, done, _recomputed(evidence, done), check(evidence, done))


def evidence_at(
    path: Path, form: str | None = None, mapping: Path | None = None
) -> tuple[list[Evidence], list[ConfigError]]:
    """Read what is at a path, or all that is below it, and tell which of that is damaged."""
    if not path.exists():
        raise ConfigError(f"there is no {path}", hint="check the path")
    known = readers()
    if mapping is not None:
        return _mapped(path, mapping, form, known), []
    if form is not None:
        if form not in known:
            raise ConfigError(
                f"there is no format {form!r}", hint=f"known: {', '.join(sorted(known))}"
            )
        return list(_read(known[form], path)), []
    reader = _recognised(path, known.values())
    if reader is not None:
        return list(_read(reader, path)), []
    if not path.is_dir():
        raise ConfigError(
            f"{path}: its format is not recognised",
            hint=f"name it with --format: {', '.join(sorted(known))}; any other table needs a "
            "mapping in TOML beside it (docs/how-to/audit.md)",
        )
    found, failed = _walked(path, known.values())
    if not found:
        if failed:
            raise failed[0]
        raise ConfigError(
            f"{path}: no evidence of a known format is in this folder",
            hint=f"formats: {', '.join(sorted(known))}",
        )
    return found, failed


def _mapped(
    path: Path, mapping: Path, form: str | None, known: dict[str, Reader]
) -> list[Evidence]:
    """Read a table by a mapping of its columns, or a known format with what one adds to it."""
    reader = known.get(form or "") or (None if path.is_dir() else _recognised(path, known.values()))
    if reader is None or reader.name == MappedCsv.name or maps_columns(mapping):
        return [read_mapped(path, mapping)]
    return list(_with_readings(described(path, mapping, reader)))


def _read(reader: Reader, path: Path) -> tuple[Evidence, ...]:
    """Read what is of a format, with ``NAME.SUFFIX.toml`` beside it where there is one."""
    beside = path.with_name(f"{path.name}.toml")
    if reader.name == MappedCsv.name or not path.is_file() or not beside.is_file():
        return _with_readings(reader.read(path))
    return _with_readings(described(path, beside, reader))


def _with_readings(found: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    """Raise ConfigError for traces without a usable reading, and for a window of no length."""
    for each in found:
        if each.traces and not any(len(trace.power.power_w) for trace in each.traces):
            raise damaged(each.path, "holds no usable reading of power")
        for number, span in enumerate(each.windows, start=1):
            if span.stop_ns <= span.start_ns:
                raise damaged(each.path, f"its window {number} does not end after it begins")
    return found


def _walked(path: Path, known: Any) -> tuple[list[Evidence], list[ConfigError]]:
    found: list[Evidence] = []
    failed: list[ConfigError] = []
    for place, reader in _below(path, list(known), 0):
        try:
            found.extend(_read(reader, place))
        except ConfigError as error:
            failed.append(error)
    return found, failed


def _below(folder: Path, known: Sequence[Reader], depth: int) -> Iterator[tuple[Path, Reader]]:
    """Yield every place that a reader recognises; below one that is, nothing more is sought."""
    if depth > DEEPEST:
        return
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be read: {error.strerror}", hint="check its permissions"
        ) from error
    for entry in entries:
        if entry.name.startswith(".") or entry.is_symlink():
            continue
        reader = _recognised(entry, known)
        if reader is not None:
            yield entry, reader
        elif entry.is_dir():
            yield from _below(entry, known, depth + 1)


def _recognised(path: Path, known: Any) -> Reader | None:
    try:
        return next((reader for reader in known if reader.recognises(path)), None)
    except OSError:  # a place that may not be looked into holds nothing to audit
        return None


_TO_UNIT = {"mJ": 1e3, "J": 1.0, "uJ": 1e6, "W min": 1 / 60, "Wh": 1 / 3600, "kWh": 1 / 3.6e6}


def _recomputed(evidence: Evidence, done: Reckoned) -> Quantity | None:
    """Get the first claim's figure by powerlab's method, in the claim's unit."""
    claim = evidence.claims[0] if evidence.claims else None
    base = done.quantities.get("energy_of_these_runs") or done.quantities.get("energy")
    if claim is None or base is None:
        return base
    if claim.unit == "W":
        return _same_error(base, done.quantities["power_active"].value, claim.unit)
    if "energy per" not in claim.quantity:
        total = float(done.energy_j.sum())
        return _same_error(base, total * _TO_UNIT.get(claim.unit, 1.0), claim.unit)
    scale = _TO_UNIT.get(claim.unit, 1.0) * _per_query(evidence)
    return _same_error(base, base.value * scale, claim.unit)


def _per_query(evidence: Evidence) -> float:
    """Get how many inferences the claim's query holds: its figure over that of one inference."""
    claim, span = evidence.claims[0], evidence.windows[0]
    if not span.inferences:
        return 1.0
    each = span.energy_j / span.inferences * _TO_UNIT.get(claim.unit, 1.0)
    ratio = claim.value / each if each else math.nan
    return round(ratio) if math.isfinite(ratio) and abs(ratio - round(ratio)) < 1e-3 else 1.0


def _same_error(base: Quantity, value: float, unit: str) -> Quantity:
    factor = value / base.value if base.value else math.nan
    return Quantity(
        name=base.name,
        unit=unit,
        value=value,
        u=base.u * factor,
        expanded=base.expanded * factor,
        k=base.k,
        dof=base.dof,
        p=base.p,
        low=None if base.low is None else base.low * factor,
        high=None if base.high is None else base.high * factor,
        budget=base.budget,
    )
