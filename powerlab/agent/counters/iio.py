"""The rails of an INA3221 by NVIDIA's old IIO driver (JetPack 4).

Files: ``rail_name_N``, ``in_voltageN_input`` in mV and ``in_currentN_input`` in mA. Its
``in_powerN_input`` is their product in whole mW, so that is formed anew.
"""

import glob
import os
from typing import Iterator, Tuple

from powerlab.agent.counters.rails import NOT_CONNECTED
from powerlab.agent.facts import read_text

CHIP = "ina3221x"
QUANTITIES = ("voltage", "current")
PLACES = (
    "sys/bus/i2c/devices/*/iio:device*",
    "sys/bus/i2c/drivers/ina3221x/*/iio:device*",
    "sys/bus/iio/devices/iio:device*",
)

Found = Tuple[str, str, str, str, str]


def find(root: str = "/") -> Iterator[Found]:
    """Yield of each rail the name, the chip, the place and the files of volts and amperes."""
    seen = set()
    for pattern in PLACES:
        for place in sorted(glob.glob(os.path.join(glob.escape(root), pattern))):
            real = os.path.realpath(place)
            if real not in seen:
                seen.add(real)
                yield from _rails(place)


def _rails(place: str) -> Iterator[Found]:
    for path in sorted(glob.glob(os.path.join(glob.escape(place), "rail_name_*"))):
        name, channel = read_text(path), path.rpartition("_")[2]
        files = [os.path.join(place, f"in_{what}{channel}_input") for what in QUANTITIES]
        if name and name.upper() != NOT_CONNECTED and all(map(os.path.exists, files)):
            yield name, CHIP, place, files[0], files[1]
