"""Supply sensors that the kernel reads for everyone: INA2xx, INA238, INA3221 and their like.

Files and units after the kernel's Documentation/hwmon: sysfs-interface.rst, ina2xx.rst,
ina238.rst, ina3221.rst. Volts are in mV, amperes in mA, watts in µW, energies in µJ. An INA3221
has no power file: volts times amperes. Where the board's kernel has the old IIO driver of the
INA3221, its rails are those of ``iio``.
"""

import glob
import os
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence

from powerlab.agent.counters import iio
from powerlab.agent.counters.files import number
from powerlab.agent.counters.rails import NOT_CONNECTED, choose, facts_of
from powerlab.agent.facts import read_text
from powerlab.agent.faults import AgentError

OPTIONS = ("selector", "root")

MONITORS = ("ina", "ltc294", "pac19")
"""Beginnings of the names of chips that are made to watch a supply; others (a graphics card's
own sensor) are read only when they are named."""

MULTI = "ina3221"
CHANNELS = (1, 2, 3)
"""Of an INA3221; in4 to in6 are its shunts, in7 and curr4 sums of channels."""

PLACES = ("sys/class/hwmon/hwmon*", "sys/bus/i2c/devices/*/hwmon/hwmon*")


class Rail(NamedTuple):
    """One rail and the files that tell of it; a path is empty where there is none.

    ``update_s`` is the interval in which the chip renews its reading, 0 where it is not told.
    """

    name: str
    chip: str
    place: str
    voltage: str = ""
    current: str = ""
    power: str = ""
    energy: str = ""
    update_s: float = 0.0


def find(root: str = "/") -> List[Rail]:
    """Get every rail of a file tree that tells a power, each name once."""
    seen = set()
    found: List[Rail] = []
    for pattern in PLACES:
        for place in sorted(glob.glob(os.path.join(glob.escape(root), pattern))):
            real = os.path.realpath(place)
            if real not in seen:
                seen.add(real)
                found += _rails(place)
    found += [Rail(*one) for one in iio.find(root)]
    return _unique(found)


def volts(rail: Rail) -> Optional[float]:
    """Read a rail's volts [V], None where it tells none."""
    return _scaled(rail.voltage, 1000)


def amperes(rail: Rail) -> Optional[float]:
    """Read a rail's amperes [A], None where it tells none."""
    return _scaled(rail.current, 1000)


def watts(rail: Rail) -> Optional[float]:
    """Read a rail's power [W], None where it tells none."""
    if rail.power:
        return _scaled(rail.power, 1000000)
    u, i = volts(rail), amperes(rail)
    return None if u is None or i is None else u * i


class Rails:
    """Some rails, read one after another: watts, or energies where all of them count these."""

    def __init__(self, rails: Sequence[Rail], facts: Dict[str, Any]) -> None:
        self._rails = tuple(rails)
        counting = all(rail.energy for rail in rails)
        self._counting = counting
        self.facts = dict(
            facts,
            quantity="energy" if counting else "power",
            unit_j=1e-6,
            wraps_at=[0] * len(self._rails),
            chips=sorted({rail.chip for rail in self._rails}),
            update_s=max(rail.update_s for rail in self._rails),
            stands_for="energy counted since the chip began"
            if counting
            else "power, as the chip averages it between two conversions",
        )

    def read(self) -> List[Optional[float]]:
        """Get watts, or counts of ``unit_j``, of each rail."""
        if self._counting:
            return [number(rail.energy) for rail in self._rails]
        return [watts(rail) for rail in self._rails]


def open_source(options: Dict[str, str]) -> Rails:
    """Choose the rails by name or by rule; raises AgentError where there is no sensor."""
    rails = {rail.name: rail for rail in find(options.get("root") or "/")}
    monitors = [name for name, rail in rails.items() if rail.chip.startswith(MONITORS)]
    if not rails:
        raise AgentError(
            "counter-missing",
            "the board's kernel shows no sensor of its supply (hwmon or IIO)",
            "load the sensor's driver (modprobe ina2xx, ina3221), or use another meter",
        )
    choice = choose(
        monitors,
        options.get("selector", ""),
        alone=[name for name in rails if name not in monitors],
        related=all(rails[name].chip.startswith(MULTI) for name in monitors),
    )
    return Rails([rails[name] for name in choice.names], facts_of(choice, list(rails)))


def _rails(place: str) -> Iterator[Rail]:
    chip = read_text(os.path.join(place, "name"))
    if chip.startswith(MULTI):
        yield from _channels(place, chip)
        return
    update_s = _update_s(place)
    for path in sorted(glob.glob(os.path.join(glob.escape(place), "power[0-9]*_*"))):
        stem, _, what = os.path.basename(path).partition("_")
        if what != "input" and (
            what != "average" or os.path.exists(os.path.join(place, f"{stem}_input"))
        ):
            continue
        digit = stem[len("power") :]
        yield Rail(
            name=_label(place, digit) or chip,
            chip=chip,
            place=place,
            voltage=_there(place, f"in{digit}_input"),
            current=_there(place, f"curr{digit}_input"),
            power=path,
            energy=_there(place, f"energy{digit}_input"),
            update_s=update_s,
        )


def _channels(place: str, chip: str) -> Iterator[Rail]:
    update_s = _update_s(place)
    for channel in CHANNELS:
        voltage = _there(place, f"in{channel}_input")
        current = _there(place, f"curr{channel}_input")
        label = read_text(os.path.join(place, f"in{channel}_label"))
        off = read_text(os.path.join(place, f"in{channel}_enable")) == "0"
        if voltage and current and not off and label.upper() != NOT_CONNECTED:
            name = label or f"{chip}-{channel}"
            yield Rail(name, chip, place, voltage, current, update_s=update_s)


def _update_s(place: str) -> float:
    text = read_text(os.path.join(place, "update_interval"))
    return int(text) / 1000 if text.isdigit() else 0.0


def _label(place: str, digit: str) -> str:
    for name in (f"power{digit}_label", f"in{digit}_label", "label"):
        text = read_text(os.path.join(place, name))
        if text:
            return text
    return ""


def _there(place: str, name: str) -> str:
    path = os.path.join(place, name)
    return path if os.path.exists(path) else ""


def _scaled(path: str, per_unit: int) -> Optional[float]:
    told = number(path) if path else None
    return None if told is None else told / per_unit


def _unique(rails: Sequence[Rail]) -> List[Rail]:
    """Add to each name that is there twice where it is from."""
    names = [rail.name.upper() for rail in rails]
    return [
        rail
        if names.count(rail.name.upper()) == 1
        else rail._replace(name=f"{rail.name}@{os.path.basename(rail.place)}")
        for rail in rails
    ]
