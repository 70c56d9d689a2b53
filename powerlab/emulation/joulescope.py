"""Joulescopes are not emulated: what goes over their wire is their maker's driver's own affair."""

from __future__ import annotations

from powerlab.emulation.process import EmulatorContext
from powerlab.errors import SetupError


def serve(context: EmulatorContext) -> None:
    """Raise SetupError: there is nothing behind which its driver could be put."""
    name = "a Joulescope" if context.instrument is None else context.instrument.name
    raise SetupError(
        f"there is no emulation of {name}: its maker's driver speaks to USB itself",
        hint="emulate another meter of its speed: nordic-ppk2, powersensor3",
    )
