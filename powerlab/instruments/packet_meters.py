"""What the meters behind a packet link share: who they are, and how much they carry."""

from __future__ import annotations

import numpy as np

from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.instruments.contract import largest_magnitude
from powerlab.records import FloatArray, MeterIdentity
from powerlab.transport.packets import PacketLink, answered_by_program


def packet_identity(
    link: PacketLink,
    profile: InstrumentProfile,
    serial: str,
    *,
    model: str = "",
    firmware: str = "",
) -> MeterIdentity:
    """Get who a meter is; ``model`` is what it tells of itself, else the profile's name."""
    return MeterIdentity(
        model=model or profile.name,
        manufacturer=profile.manufacturer,
        name=profile.name,
        serial=serial,
        firmware=firmware,
        resource=link.resource,
        emulated=answered_by_program(link.resource),
    )


def largest_magnitudes(profile: InstrumentProfile) -> FloatArray:
    """Get the most [V, A, W] that each of a profile's channels carries, float64 ``(channels,)``."""
    return np.array([largest_magnitude(profile, name) for name in profile.channels])
