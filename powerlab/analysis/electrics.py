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
    channel reads volts; ``burden_ohm`` is the meter's own series resistance, ``cable_ohm``
    that of the leads behind it and ``source_ohm`` that within the supply.
    """

    gain: Mapping[str, float]
    offset: Mapping[str, float]
    supply_voltage_v: float
    burden_ohm: float
    cable_ohm: float
    source_ohm: float

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
        source_ohm=wiring.source_ohm,
    )


def boundary_power(
    values: FloatArray, setup: MeterSetup, wiring: Wiring, circuit: Circuit, active_current_a: float
) -> FloatArray:
    """Get the power [W] of each sample at the wiring's boundary.

    ``values`` is float64 ``(n, channels)``; ``active_current_a`` the mean current under load,
    at which volts that were read once were read.
    """
    column = {name: index for index, name in enumerate(setup.channels)}

    def reading(channel: str) -> FloatArray:
        raw = values[:, column[channel]]
        corrected: FloatArray = raw * circuit.gain[channel] + circuit.offset[channel]
        return corrected

    if "power" in column:
        taken = reading("power")
        if "current" in column:
            amperes = reading("current")
            return taken - _leads_ohm(wiring, circuit) * amperes * amperes
        return taken - _loss_per_w2(wiring, circuit) * taken * taken
    current = reading("current")
    source_v, ohm = _behind(setup, wiring, circuit, active_current_a)
    volts = reading("voltage") if "voltage" in column else source_v
    power: FloatArray = (volts - current * ohm) * current
    return power


def readings_basis(values: FloatArray, setup: MeterSetup) -> FloatArray:
    """Get the monomials of the readings of which power is a weighted sum, ``(terms, n)``.

    1, the power and its square; or 1, the power, the current and its square where both are
    read; or 1, the current and its square and, where the meter reads volts, these and their
    product with the current. ``power_weights`` has the weights.
    """
    column = {name: values[:, index] for index, name in enumerate(setup.channels)}
    if "power" in column and "current" in column:
        terms = np.empty((4, len(values)))
        terms[1], terms[2] = column["power"], column["current"]
        np.multiply(terms[2], terms[2], out=terms[3])
    elif "power" in column:
        terms = np.empty((3, len(values)))
        terms[1] = column["power"]
        np.multiply(terms[1], terms[1], out=terms[2])
    else:
        terms = np.empty((5 if "voltage" in column else 3, len(values)))
        terms[1] = column["current"]
        np.multiply(terms[1], terms[1], out=terms[2])
        if "voltage" in column:
            terms[3] = column["voltage"]
            np.multiply(terms[3], terms[1], out=terms[4])
    terms[0] = 1.0
    return terms


def power_weights(
    setup: MeterSetup, wiring: Wiring, circuit: Circuit, active_current_a: float
) -> FloatArray:
    """Get the weight of each term of ``readings_basis`` in the power, ``(terms,)``.

    ``boundary_power`` multiplied out: with it the corrections act on sums over samples just
    as they would on each sample.
    """
    if "power" in setup.channels:
        gain, offset = circuit.gain["power"], circuit.offset["power"]
        if "current" in setup.channels:
            gain_a, offset_a = circuit.gain["current"], circuit.offset["current"]
            ohm = _leads_ohm(wiring, circuit)
            of_leads = -ohm * np.array([offset_a**2, 2 * gain_a * offset_a, gain_a**2])
            return np.array([offset + of_leads[0], gain, of_leads[1], of_leads[2]])
        loss = _loss_per_w2(wiring, circuit)
        return np.array(
            [offset - loss * offset**2, gain - 2 * loss * gain * offset, -loss * gain**2]
        )
    source_v, ohm = _behind(setup, wiring, circuit, active_current_a)
    gain, offset = circuit.gain["current"], circuit.offset["current"]
    resistive = np.array([-ohm * offset**2, -2 * ohm * gain * offset, -ohm * gain**2])
    if "voltage" not in setup.channels:
        return resistive + source_v * np.array([offset, gain, 0.0])
    gain_v, offset_v = circuit.gain["voltage"], circuit.offset["voltage"]
    linear = resistive + offset_v * np.array([offset, gain, 0.0])
    return np.array([*linear, gain_v * offset, gain_v * gain])


def _loss_per_w2(wiring: Wiring, circuit: Circuit) -> float:
    """Get what the leads burn of a power read before them, per square of that power (1/W).

    The current is power over the volts known of the supply; 0 where none are.
    """
    volts = circuit.supply_voltage_v
    return _leads_ohm(wiring, circuit) / volts**2 if volts else 0.0


def _leads_ohm(wiring: Wiring, circuit: Circuit) -> float:
    """Get the resistance of the leads between where power is read and the boundary.

    Negative where it is read behind them; 0 on the mains side, where they are no part of it.
    """
    if wiring.boundary is Boundary.WALL:
        return 0.0
    ohm = 0.0 if wiring.voltage_sense is VoltageSense.BOARD else circuit.cable_ohm
    return ohm - circuit.cable_ohm if wiring.boundary is Boundary.DC else ohm


def _behind(
    setup: MeterSetup, wiring: Wiring, circuit: Circuit, active_current_a: float
) -> tuple[float, float]:
    """Get the volts at no current and the resistance behind which the boundary sees them.

    Volts that a channel reads all along (the first figure is 0 then) lose the leads' drop if
    they are taken before the leads. Volts read once at the board under load belong to
    ``active_current_a``: at another current the drop over the leads and within the supply
    differs; the ammeter's burden comes off them unless the ammeter was in the circuit then.
    A nominal voltage is the supply's, whatever it delivers, before both drops.
    """
    regained = circuit.cable_ohm if wiring.boundary is Boundary.DC else 0.0
    if "voltage" in setup.channels:
        at_board = wiring.voltage_sense is VoltageSense.BOARD
        return 0.0, (0.0 if at_board else circuit.cable_ohm) - regained
    inner = circuit.burden_ohm + circuit.cable_ohm
    if wiring.supply_voltage_origin == "nominal":
        return circuit.supply_voltage_v, inner - regained
    held = circuit.cable_ohm + circuit.source_ohm
    if wiring.supply_voltage_origin == "circuit":
        held += circuit.burden_ohm
    source_v = circuit.supply_voltage_v + active_current_a * held
    return source_v, inner + circuit.source_ohm - regained
