"""The fixed terms of the field, each an enumeration: no numpy, so profiles load at once."""

from __future__ import annotations

from enum import IntFlag, StrEnum


class SampleFlag(IntFlag):
    """What a meter says of one sample; 0 is a good one."""

    GOOD = 0
    LOST = 1
    REPEATED = 2
    SATURATED = 4
    OVERRANGE = 8
    NOT_AVAILABLE = 16
    QUESTIONABLE = 32


class Averaging(StrEnum):
    """What one reading stands for, which decides the quadrature (method section 2.1).

    ``boxcar``: the mean over an aperture that fills the sample interval; ``gated``: the
    mean over a part of it; ``point``: an instantaneous value; ``counter``: accumulated.
    """

    BOXCAR = "boxcar"
    GATED = "gated"
    POINT = "point"
    COUNTER = "counter"


class Evidence(StrEnum):
    """Where a figure comes from. Emulated is never called measured."""

    MEASURED = "measured"
    EMULATED = "emulated"
    IMPORTED = "imported"
    DECLARED = "declared"


class Boundary(StrEnum):
    """Where energy is counted: the board's input, the DC supply's output, the mains."""

    BOARD = "board"
    DC = "dc"
    WALL = "wall"


class VoltageSense(StrEnum):
    """Where volts are taken: at the meter, or at the board's own input terminals."""

    METER = "meter"
    BOARD = "board"


class Distribution(StrEnum):
    """The probability density assigned to an input (JCGM 101 section 6.4)."""

    NORMAL = "normal"
    T = "t"
    RECTANGULAR = "rectangular"
    TRIANGULAR = "triangular"
    ARCSINE = "arcsine"
