"""The reading memory of a Keysight Truevolt multimeter as it is told: blocks, no I/O here.

Operating and service guide of the Truevolt series: ``R?`` answers one definite block, with text
(``#247-4.98748741E-01,…``) or with IEEE doubles in it as ``FORMat:DATA`` says.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from powerlab.instruments.scpi import broken, decode_number
from powerlab.instruments.scpi_block import decode_floats
from powerlab.records import FloatArray

Form = Literal["text", "doubles"]


def decode_form(command: str, reply: str) -> Form:
    """Get in which form readings come, from the answer to ``FORM:DATA?``."""
    word, _, width = reply.replace(" ", "").replace("+", "").upper().partition(",")
    if word.startswith("ASC"):
        return "text"
    if word != "REAL" or width not in ("", "64"):
        raise broken(command, reply, "is no format of readings")
    return "doubles"


def decode_readings(command: str, payload: bytes, form: Form, count: int) -> FloatArray:
    """Get ``count`` readings [A or V] out of a block, float64 ``(count,)``.

    Doubles are little-endian (``FORM:BORD SWAP``). 9.9E37 and 9.91E37 are left as they are.
    """
    if form == "doubles":
        values = decode_floats(command, payload, 8, "little")
    else:
        text = payload.decode("latin-1")
        fields = text.split(",") if text else []
        values = np.array([decode_number(command, field) for field in fields], dtype=np.float64)
    if len(values) != count:
        why = f"holds {len(values)} readings where {count} were asked"
        raise broken(command, repr(payload[:40]), why)
    return values
