"""The arrays that records hold: their types, and how they are kept from being changed."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

Int64Array = NDArray[np.int64]
FloatArray = NDArray[np.float64]
FlagArray = NDArray[np.uint8]


def freeze_arrays(record: object) -> None:
    """Make every numpy array of a dataclass instance read-only."""
    for item in fields(record):  # type: ignore[arg-type]
        value = getattr(record, item.name)
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
