"""Whether the instruments that a bench names are known, and their resources ones of theirs."""

from __future__ import annotations

from collections.abc import Iterator

from powerlab.catalog.bench_profile import Bench, BenchMeter
from powerlab.catalog.layers import Catalog
from powerlab.errors import ConfigError


def check_meters(bench: Bench, catalog: Catalog) -> None:
    """Check every instrument of a bench, those it is calibrated with included.

    Raises UnknownId for a model that no profile describes, ConfigError for a resource whose form
    is none of its link's. Whether anything answers there is not asked.
    """
    for meter in _named(bench):
        profile = catalog.instrument(meter.model)
        if not profile.link.takes(meter.resource):
            raise ConfigError(
                f"{meter.resource!r} is no resource of {profile.name}, which is reached by "
                f"{' or '.join(profile.link.kinds)}",
                hint=f"write it like {profile.link.example}; `powerlab instruments scan` lists "
                "what is plugged in",
                context={"model": meter.model, "resource": meter.resource},
            )


def _named(bench: Bench) -> Iterator[BenchMeter]:
    yield from bench.meter
    if bench.calibration is not None:
        yield from bench.calibration.reference
        yield from filter(None, (bench.calibration.load, bench.calibration.supply))
