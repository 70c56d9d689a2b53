"""From what a meter reads to the power at the stated boundary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from powerlab.records import Boundary, FloatArray, MeterSetup, VoltageSense, Wiring


@dataclass(frozen=True, slots=True)
class Circuit:
    """The corrections between reading and power; each field is an input of the budget.

    Gains multiply and offsets add to readings; ``supply_voltage_v`` is used where no
    channel reads volts; ``burden_ohm`` is the meter's own series resistance and
    ``cable_ohm`` that of the leads behind it.
    """

    gain: Mapping[str, float]
    offset: Mapping[str, float]
    supply_voltage_v: float
    burden_ohm: float
    cable_ohm: float

    def with_gain(self, channel: str, value: float) -> Circuit:
        """Get a copy with one channel's gain replaced."""
        return replace(self, gain={**self.gain, channel: value})

    def with_offset(self, channel: str, value: float) -> Circuit:
        """Get a copy with one channel's offset replaced."""
        return replace(self, offset={**self.offset, channel: value})


def nominal_circuit(setup: MeterSetup, wiring: Wiring) -> Circuit:
    """Get the circuit with every correction at its best estimate."""
    return Circuit(
        gain=dict.fromkeys(setup.channels, 1.0),
        offset=dict.fromkeys(setup.channels, 0.0),
        supply_voltage_v=wiring.supply_voltage_v or 0.0,
        burden_ohm=setup.burden_ohm,
        cable_ohm=wiring.cable_ohm,
    )


def boundary_power(
    values: FloatArray, setup: MeterSetup, wiring: Wiring, circuit: Circuit, active_current_a: float
) -> FloatArray:
    """Get the power [W] of each sample at the wiring's boundary.

    ``values`` is float64 ``(n, channels)``. A supply voltage read once at the board under
    load belongs to ``active_current_a``: at another current the drop over the leads differs.
    The ammeter's burden comes off it unless the ammeter was in the circuit then. A nominal
    voltage is the supply's, before both drops.
    """
    column = {name: index for index, name in enumerate(setup.channels)}

    def reading(channel: str) -> FloatArray:
        raw = values[:, column[channel]]
        corrected: FloatArray = raw * circuit.gain[channel] + circuit.offset[channel]
        return corrected

    if "power" in column:
        return reading("power")
    current = reading("current")
    board_v = _board_voltage(
        reading("voltage") if "voltage" in column else None,
        current,
        wiring,
        circuit,
        active_current_a,
    )
    volts = board_v
    if wiring.boundary is Boundary.DC:
        volts = board_v + current * circuit.cable_ohm
    power: FloatArray = volts * current
    return power


def _board_voltage(
    voltage: FloatArray | None,
    current: FloatArray,
    wiring: Wiring,
    circuit: Circuit,
    active_current_a: float,
) -> FloatArray:
    """Get the volts at the board's input terminals for each sample."""
    if voltage is None:
        apart_a = current - active_current_a
        in_meter_a = apart_a if wiring.supply_voltage_origin == "circuit" else current
        in_leads_a = current if wiring.supply_voltage_origin == "nominal" else apart_a
        drop = in_meter_a * circuit.burden_ohm + in_leads_a * circuit.cable_ohm
        volts: FloatArray = circuit.supply_voltage_v - drop
        return volts
    if wiring.voltage_sense is VoltageSense.BOARD:
        return voltage
    behind: FloatArray = np.asarray(voltage - current * circuit.cable_ohm)
    return behind
