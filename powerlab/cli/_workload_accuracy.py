"""Counting on a board what a workload recognises, and telling it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from powerlab.analysis.accuracy import (
    TOP,
    Accuracy,
    Share,
    accuracy,
    stated_accuracy_findings,
    wilson,
)
from powerlab.catalog.bench_profile import Bench, BenchMeter
from powerlab.catalog.layers import Catalog
from powerlab.catalog.workload_profile import WorkloadProfile
from powerlab.devices.open import open_board
from powerlab.errors import ConfigError
from powerlab.recipes import build_workload, cache_dir, main_file
from powerlab.recipes.gabor import CLASSES, SIDE, gabor_set
from powerlab.recipes.pictures import (
    InputForm,
    as_input,
    labels_of,
    prepared,
    read_labelled,
    sample,
)
from powerlab.recipes.recognition import input_form, ranks_told
from powerlab.records import TargetFacts

NO_METER = BenchMeter(model="none", resource="none")


@dataclass(frozen=True, slots=True)
class AccuracyOptions:
    """What is counted, where, and of which pictures; no folder asks for generated ones."""

    workload: str
    runtime: str | None
    pictures: Path | None
    count: int
    seed: int
    first_class: int
    bench: str | None
    host: str | None
    python: str | None
    threads: int


def count_accuracy(
    catalog: Catalog, options: AccuracyOptions, note: Callable[[str], None]
) -> dict[str, Any]:
    """Count on the board and get the document ``powerlab.accuracy/1``.

    Raises the family of whatever fails.
    """
    profile = catalog.workload(options.workload)
    runtime = options.runtime or next(iter(profile.formats), "")
    if runtime not in profile.formats:
        raise ConfigError(
            f"{profile.name} has no file for the runtime {runtime}",
            hint=f"choose one of --runtime {', '.join(profile.formats)}",
        )
    files = build_workload(profile, profile.formats[runtime], cache_dir())
    main = main_file(files)
    with open_board(_bench(catalog, options)) as board:
        note(f"loading {profile.id} with {runtime}")
        facts = board.load(files, main, runtime=runtime, threads=options.threads)

        def ask(content: bytes) -> dict[str, Any]:
            return board.classify(content, TOP)

        form = input_form(ask, files.get(main), profile)
        inputs, labels, told = _pictures(profile, options, form)
        note(f"recognising {len(labels)} pictures")
        found = accuracy(ranks_told(ask, inputs, labels, form))
    return _document(profile, options, told, found, facts)


def in_words(document: dict[str, Any]) -> dict[str, str]:
    """Get the document as facts for a person."""
    facts = {
        "workload": document["workload"],
        "board": f"{document['host']}, {document['runtime']} {document['runtime_version']}",
        "pictures": document["pictures"],
        "top 1": _shown(document["top1"], document["count"]),
        "top 5": _shown(document["top5"], document["count"]),
    }
    for finding in document["findings"]:
        facts[finding["severity"]] = f"{finding['message']}\n{finding['hint']}"
    return facts


def _bench(catalog: Catalog, options: AccuracyOptions) -> Bench:
    if (options.bench is None) == (options.host is None):
        raise ConfigError(
            "one board is needed: --bench NAME or --host H",
            hint="this computer is --host local; `powerlab bench list` shows the benches",
        )
    if options.bench is not None:
        bench = catalog.bench(options.bench)
        return bench.model_copy(update={"python": options.python}) if options.python else bench
    python = options.python or "python3"
    return Bench(device="none", host=str(options.host), python=python, meter=(NO_METER,))


def _pictures(
    profile: WorkloadProfile, options: AccuracyOptions, form: InputForm
) -> tuple[NDArray[Any], NDArray[np.int64], str]:
    """Get inputs, labels and what they are in words."""
    how, count, seed = profile.preprocessing, options.count, options.seed
    if options.pictures is not None:
        chosen = sample(read_labelled(options.pictures), count, seed)
        labels = labels_of(chosen, profile, options.first_class)
        told = f"{options.pictures.name}, {count:,} at random (seed {seed})"
        return prepared(chosen, form, how), labels, told
    if (form.shape[1:], profile.outputs) != ((SIDE, SIDE, 1), CLASSES):
        raise ConfigError(
            f"generated pictures are grey, {SIDE} x {SIDE}, of {CLASSES} classes, and "
            f"{profile.id} takes others",
            hint="give a folder with --pictures",
        )
    pictures, labels = gabor_set(seed, count)
    told = f"{count:,} generated Gabor patches (gabor-848, seed {seed:,})"
    return as_input(pictures, form, how), labels, told


def _document(
    profile: WorkloadProfile,
    options: AccuracyOptions,
    told: str,
    found: Accuracy,
    facts: TargetFacts,
) -> dict[str, Any]:
    findings = [
        finding
        for stated in profile.accuracy
        for finding in stated_accuracy_findings(found.top1, wilson(stated.top1, stated.count))
    ]
    return {
        "schema": "powerlab.accuracy/1",
        "workload": profile.id,
        "host": facts.hostname,
        "runtime": facts.runtime,
        "runtime_version": facts.runtime_version,
        "pictures": told,
        "preprocessing": profile.preprocessing.model_dump(mode="json"),
        "first_class": options.first_class,
        "count": found.top1.count,
        "top1": _share(found.top1),
        "top5": _share(found.top5),
        "findings": [
            {
                "code": finding.code,
                "severity": finding.severity.value,
                "message": finding.message,
                "hint": finding.hint,
            }
            for finding in findings
        ],
    }


def _share(share: Share) -> dict[str, float]:
    return {"hits": share.hits, "value": share.value, "low": share.low, "high": share.high}


def _shown(share: dict[str, float], count: int) -> str:
    return (
        f"{share['value']:.1%}, with 95 % from {share['low']:.1%} to {share['high']:.1%} "
        f"({share['hits']:.0f} of {count})"
    )
