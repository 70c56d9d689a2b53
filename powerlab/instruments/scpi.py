"""What SCPI instruments have in common: identities, numbers, the error queue (SCPI-99).

Pure functions from an answer's text to its meaning. Whatever an instrument may send, they
return a value or raise ``InstrumentProtocolError`` with what was sent and received.
"""

from __future__ import annotations

import re

from powerlab.errors import InstrumentProtocolError

# SCPI-99 volume 1 section 7.2.1: 9.9E37 stands for infinity, 9.91E37 for "not a number".
OVERLOAD = 9.9e37
NOT_A_NUMBER = 9.91e37

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)


def decode_identity(reply: str) -> tuple[str, str, str, str]:
    """Get manufacturer, model, serial number and firmware from the answer to ``*IDN?``.

    Fields beyond the fourth belong to the firmware; a serial number of 0 is none.
    """
    fields = [field.strip() for field in reply.split(",", 3)]
    if len(fields) != 4 or not all(fields):
        raise broken("*IDN?", reply, "has not the four fields of an identity")
    manufacturer, model, serial, firmware = fields
    model = model.removeprefix("MODEL ").strip()
    return manufacturer, model, serial if serial.strip("0") else "", firmware


def decode_number(command: str, reply: str) -> float:
    """Get one number."""
    text = reply.strip()
    if not _NUMBER.fullmatch(text):
        raise broken(command, reply, "is no number")
    return float(text)


def decode_count(command: str, reply: str) -> int:
    """Get a count of readings: a whole number, 0 or more."""
    number = decode_number(command, reply)
    if not (0 <= number <= 2**53 and number == int(number)):
        raise broken(command, reply, "is no count")
    return int(number)


def decode_error(reply: str, command: str = ":SYST:ERR?") -> tuple[int, str]:
    """Get code and text of one entry of the error queue; code 0 where it is empty.

    Instruments write ``-113,"Undefined header"``, ``0  No Error`` or the code alone.
    """
    match = re.fullmatch(r"\s*([+-]?\d{1,6})(?:[\s,]+(.*))?", reply, re.ASCII | re.DOTALL)
    if match is None:
        raise broken(command, reply, "is no entry of an error queue")
    return int(match[1]), (match[2] or "").strip().strip('"')


def broken(command: str, reply: str, why: str) -> InstrumentProtocolError:
    """Make the error for an answer that breaks the protocol."""
    shown = reply if len(reply) <= 60 else reply[:60] + "…"
    return InstrumentProtocolError(
        f"the answer to {command} {why}: {shown!r}",
        hint="measure again; if it happens again, check that no other program talks to the meter",
        sent=command.encode("latin-1", "replace"),
        received=reply[:2000].encode("latin-1", "replace"),
    )
