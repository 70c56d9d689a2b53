"""Records of a Keysight N6705's external data log: blocks in, volts and amperes out, no I/O.

N6700/N6705 programming guide: each record holds, of what is enabled, the mean, least and
greatest current, then the same of the voltage, as singles in ``FORM REAL``. Several outputs are
answered in one message, a block each, joined by commas.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from powerlab.instruments.scpi import broken, decode_number
from powerlab.instruments.scpi_block import decode_floats
from powerlab.records import FloatArray


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is recorded of an output: the mean of each quantity, with least and greatest or not."""

    current: bool = True
    voltage: bool = True
    current_extremes: bool = False
    voltage_extremes: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """Get the numbers of a record in their order."""
        found: tuple[str, ...] = ()
        for name, enabled, extremes in (
            ("current", self.current, self.current_extremes),
            ("voltage", self.voltage, self.voltage_extremes),
        ):
            if enabled:
                found += (name, f"{name}_min", f"{name}_max") if extremes else (name,)
        return found


def decode_period(command: str, reply: str, outputs: int) -> float:
    """Get the period [s] out of the answer for one output or several, which must have one."""
    periods = [decode_number(command, field) for field in reply.split(",")]
    if len(periods) != outputs or min(periods) <= 0 or len(set(periods)) != 1:
        raise broken(command, reply, "is not one period for all outputs")
    return periods[0]


def decode_records(command: str, blocks: tuple[bytes, ...], recorded: Recorded) -> FloatArray:
    """Get the records of several outputs, float64 ``(records, outputs, fields)``.

    Little-endian singles (``FORM:BORD SWAP``). Where one output has told more records than
    another, ``InstrumentProtocolError``: they are fetched together.
    """
    width = len(recorded.fields)
    told = []
    for block in blocks:
        numbers = decode_floats(command, block, 4, "little")
        if len(numbers) % width:
            why = f"holds {len(numbers)} numbers, which records of {width} do not divide"
            raise broken(command, repr(block[:20]), why)
        told.append(numbers.reshape(-1, width))
    if len({len(records) for records in told}) != 1:
        counts = ", ".join(str(len(records)) for records in told)
        raise broken(command, counts, "holds records of different number for each output")
    return np.stack(told, axis=1)


def columns(records: FloatArray, recorded: Recorded) -> FloatArray:
    """Get volts and amperes ``(records, 2)`` of outputs in parallel: their amperes add up."""
    fields = recorded.fields
    volts = records[:, :, fields.index("voltage")].mean(axis=1)
    amperes = records[:, :, fields.index("current")].sum(axis=1)
    return np.column_stack((volts, amperes))
