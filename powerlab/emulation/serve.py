"""An emulated bench that stays up on its own: a set-up to try before the hardware arrives."""

from __future__ import annotations

import signal
from collections.abc import Callable

import tomlkit

from powerlab.catalog.bench_profile import Bench
from powerlab.catalog.layers import Catalog
from powerlab.emulation.bench import emulated_bench


def serve_bench(
    catalog: Catalog,
    device_id: str,
    meter_id: str | None = None,
    *,
    announce: Callable[[str], None],
    wait: Callable[[], object] = signal.pause,
    name: str | None = None,
    seed: int = 0,
    faults: tuple[str, ...] = (),
    runtime: str = "tflite",
) -> None:
    """Keep an emulated bench up until ``wait`` returns or raises, then remove all of it.

    ``announce`` gets the bench as a section for a lab's ``powerlab.toml``, under ``name`` (by
    default the device's id with ``-emulated``). Raises what ``emulated_bench`` raises.
    """
    with emulated_bench(
        catalog, device_id, meter_id, seed=seed, faults=faults, runtimes=(runtime,)
    ) as running:
        announce(bench_toml(name or f"{device_id}-emulated", running.bench))
        wait()


def bench_toml(name: str, bench: Bench) -> str:
    """Write a bench as a complete ``powerlab.toml``, what is at its default left out."""
    described = bench.model_dump(mode="json", exclude_defaults=True)
    return tomlkit.dumps({"schema": 1, "bench": {name: described}})
