"""What a meter's set-up says before a single sample: apertures that hold no whole mains periods."""

from __future__ import annotations

from powerlab.findings import Finding, Severity
from powerlab.records import Averaging, MeterSetup

HUM_FROM_S, HUM_TO_S = 0.005, 0.5
"""Apertures in which hum matters: shorter ones are averaged by the dozen, longer ones hold so
many periods that the part of one weighs little."""

HUM_PART = 0.01
"""Part of a period by which an aperture may miss whole ones."""

USUAL_MAINS_HZ = 50.0

UNBROKEN = (Averaging.BOXCAR, Averaging.COUNTER)


def setup_findings(setup: MeterSetup, mains_hz: float = USUAL_MAINS_HZ) -> tuple[Finding, ...]:
    """Get what a meter's set-up says of hum; ``mains_hz`` stands for what it does not tell.

    Readings that follow each other without a break hold all of it and lose none: there hum
    averages out over a run.
    """
    told = setup.settings.get("line_frequency_hz")
    hz = float(mains_hz if told is None else told)
    periods = setup.aperture_s * hz
    off = abs(periods - round(periods))
    if (
        setup.mains
        or setup.averaging in UNBROKEN
        or not HUM_FROM_S <= setup.aperture_s <= HUM_TO_S
        or off <= HUM_PART
    ):
        return ()
    mains = f"if the mains is {hz:g} Hz" if told is None else f"of the {hz:g} Hz mains"
    return (
        Finding(
            code="hum",
            severity=Severity.WARNING,
            message=f"a reading takes {setup.aperture_s * 1e3:.3g} ms, which is {periods:.3g} "
            f"periods {mains}: hum does not average out in it",
            hint="use an aperture of whole periods: 20 ms at 50 Hz, 16.67 ms at 60 Hz, 100 ms "
            "for both",
            evidence={"aperture_s": setup.aperture_s, "mains_hz": hz, "periods": periods},
        ),
    )
