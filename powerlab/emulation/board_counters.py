"""The counters of an emulated board: files below its box, kept by a process from the world.

What reads them is the real agent, told where ``/sys`` lies by its ordinary option ``root``; for
tegrastats a program stands beside them that prints their lines. Files and units are those of the
kernel's documentation (hwmon, powercap) and of published lines of tegrastats.
"""

from __future__ import annotations

import os
import select
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import numpy as np

from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.emulation.edges_tail import EdgesTail
from powerlab.emulation.faults import GAP_S, FaultWatch
from powerlab.emulation.process import PARENT, EmulatorContext
from powerlab.emulation.ranges import choose_range, draw_channel, expected_peaks
from powerlab.emulation.site import profile_of
from powerlab.emulation.wiring import ErrorLaw, build_path
from powerlab.emulation.world import Edges, build_world
from powerlab.errors import SetupError
from powerlab.records import FloatArray
from powerlab.units import NS_PER_S, nanoseconds, now_ns

BEHIND_NS = 200_000
"""How long after an edge at most it can be read."""

RAPL_UPDATE_S = 0.005
TEGRASTATS_UPDATE_S = 0.02
RAPL_SPAN_UJ = 262_143_328_850
RAPL_LEFT_UJ = 60_000_000
"""A counter that is soon to begin anew, as one in a few does."""

AHEAD = -10
"""The nice value that it takes where it may: files that come late look like a slow sensor."""

LOGIC_SHARE, MEMORY_SHARE = 0.6, 0.15

TEGRASTATS = """\
#!{python} -SE
import sys, time
wait = float(sys.argv[sys.argv.index("--interval") + 1]) / 1000 if "--interval" in sys.argv else 1.0
sums, count, due = [0, 0, 0], 0, time.monotonic()
while True:
    with open({state!r}) as stream:
        now = [int(word) for word in stream.read().split()]
    sums, count = [a + b for a, b in zip(sums, now)], count + 1
    rails = zip(("VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"), now, sums)
    told = " ".join("%s %dmW/%dmW" % (name, one, total // count) for name, one, total in rails)
    print("01-01-2026 00:00:00 RAM 1024/7620MB (lfb 4x4MB) SWAP 0/3810MB (cached 0MB) CPU "
          "[5%@729,off] EMC_FREQ 0%@2133 GR3D_FREQ 0%@[305] cpu@48.5C tj@48.5C " + told, flush=True)
    due += wait
    time.sleep(max(0.0, due - time.monotonic()))
"""


class Sensor:
    """What the board's sensor makes of the true power at the board's input."""

    def __init__(self, context: EmulatorContext, profile: InstrumentProfile) -> None:
        self._world = build_world(context.device, context.seed)
        self._path = build_path(context.device, context.seed)
        self._tail = EdgesTail(context.edges)
        expected = expected_peaks(self._world, self._path)["power"]
        chosen = choose_range(profile, "power", None, expected)
        self._channel = draw_channel(chosen, context.seed, context.serial, ErrorLaw.UNIFORM)
        self._aperture_ns = nanoseconds(profile.sampling.aperture_s)
        self._index = 0
        self._until_ns = now_ns() - BEHIND_NS
        self.energy_j = 0.0

    def follow(self) -> int | None:
        """Read the agents' edges; get the first busy one, None before it."""
        self._tail.poll()
        return self._tail.first_busy_ns

    def mean_w(self) -> float:
        """Get the sensor's mean power [W] over its aperture, and count the energy until now."""
        until_ns = now_ns() - BEHIND_NS
        edges = self._tail.poll(scan=True)
        self.energy_j += self._steady_w(edges, self._until_ns, until_ns) * (
            (until_ns - self._until_ns) / NS_PER_S
        )
        begin_ns = until_ns - self._aperture_ns
        self._until_ns = until_ns
        told = float(self._channel.read(self._true_w(edges, begin_ns, until_ns), self._index)[0][0])
        self._index += 1
        full = self._channel.range.full_scale * self._channel.range.over_range_factor
        return full if np.isnan(told) else told

    def _true_w(self, edges: Edges, begin_ns: int, until_ns: int) -> FloatArray:
        span = np.array([begin_ns]), np.array([until_ns])
        return self._world.energy(edges, *span) * (NS_PER_S / (until_ns - begin_ns))

    def _steady_w(self, edges: Edges, begin_ns: int, until_ns: int) -> float:
        return float(self._channel.steady(self._true_w(edges, begin_ns, until_ns))[0])

    def volts(self, power_w: float) -> float:
        """Get the volts at the board's terminals while it draws a power."""
        amperes = self._path.current(np.array([power_w]))
        drop = amperes * self._path.cable_ohm
        return float((self._path.output_v(amperes) - drop)[0])


def serve(context: EmulatorContext) -> None:
    """Keep the counters of one board until the parent wants an end."""
    profile = profile_of(context)
    kind, _, selector = profile.link.example.removeprefix("agent:").partition(":")
    root = context.box / "root"
    quicker = {"rapl": RAPL_UPDATE_S, "tegrastats": TEGRASTATS_UPDATE_S}
    update_s = quicker.get(kind, profile.sampling.interval_s)
    sensor, watch = Sensor(context, profile), FaultWatch(context.faults)
    options = {"root": str(root)}
    if kind == "hwmon" and not selector:
        files = _ina226(sensor, update_s)
    elif kind == "hwmon":
        files = _ina3221(sensor, update_s)
    elif kind == "rapl":
        files = _rapl(sensor)
    elif kind == "tegrastats":
        files = _tegrastats(sensor, root)
        options = {"command": str(root / "tegrastats")}
    else:
        raise SetupError(
            f"there is no emulation of {profile.id}: it is a library of the driver, not a file",
            hint="emulate with --meter linux-hwmon-ina226 or --meter linux-rapl",
        )
    _write(root, next(files))
    query = "&".join(f"{key}={quote(value)}" for key, value in options.items())
    context.ready({"resource": f"agent:{kind}?{query}", "serial": ""})
    _keep(root, files, sensor, watch, nanoseconds(update_s))


def _keep(
    root: Path, files: Iterator[Mapping[str, str]], sensor: Sensor, watch: FaultWatch, step_ns: int
) -> None:
    with suppress(PermissionError):  # a sensor does not wait for a processor
        os.setpriority(os.PRIO_PROCESS, 0, AHEAD)
    due_ns = now_ns() + step_ns
    while not select.select([PARENT], [], [], max(0, due_ns - now_ns()) / NS_PER_S)[0]:
        at_ns = now_ns()
        due_ns = max(due_ns + step_ns, at_ns)
        watch.arm(sensor.follow())
        if watch.strikes("unplug", at_ns):
            shutil.rmtree(root)
            select.select([PARENT], [], [])
            return
        held = any(start <= at_ns < stop for start, stop in watch.windows("gap", GAP_S))
        if not held:
            _write(root, next(files))


def _write(root: Path, files: Mapping[str, str]) -> None:
    """Write each file whole: a reader sees the old content or the new one."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}")
        beside.write_text(content)
        beside.chmod(0o755 if content.startswith("#!") else 0o644)
        beside.replace(path)


def _ina226(sensor: Sensor, update_s: float) -> Iterator[Mapping[str, str]]:
    place = "sys/class/hwmon/hwmon3"
    still = {
        "name": "ina226",
        "shunt_resistor": "10000",
        "update_interval": f"{update_s * 1e3:.0f}",
    }
    while True:
        power_w = sensor.mean_w()
        volts = sensor.volts(max(power_w, 0.0))
        moving = {
            "in1_input": round(volts * 1e3),
            "curr1_input": round(power_w / volts * 1e3),
            "power1_input": round(power_w * 1e6),
        }
        yield {f"{place}/{name}": f"{value}\n" for name, value in {**still, **moving}.items()}
        still = {}


def _ina3221(sensor: Sensor, update_s: float) -> Iterator[Mapping[str, str]]:
    place = "sys/bus/i2c/devices/1-0040/hwmon/hwmon1"
    shares = {"VDD_IN": 1.0, "VDD_CPU_GPU_CV": LOGIC_SHARE, "VDD_SOC": MEMORY_SHARE}
    still = {"name": "ina3221", "update_interval": f"{update_s * 1e3:.0f}"}
    for channel, label in enumerate(shares, start=1):
        still |= {f"in{channel}_label": label, f"in{channel}_enable": "1"}
    while True:
        power_w = sensor.mean_w()
        volts = sensor.volts(max(power_w, 0.0))
        moving = {}
        for channel, share in enumerate(shares.values(), start=1):
            moving[f"in{channel}_input"] = round(volts * 1e3)
            moving[f"curr{channel}_input"] = round(share * power_w / volts * 1e3)
        yield {f"{place}/{name}": f"{value}\n" for name, value in {**still, **moving}.items()}
        still = {}


def _rapl(sensor: Sensor) -> Iterator[Mapping[str, str]]:
    tree = "sys/class/powercap/intel-rapl"
    domains = {
        f"{tree}:0": ("package-0", LOGIC_SHARE),
        f"{tree}:0:0": ("core", LOGIC_SHARE / 2),
        f"{tree}:0:1": ("dram", MEMORY_SHARE),
        f"{tree}:1": ("psys", 1.0),
    }
    still = {f"{place}/name": f"{name}\n" for place, (name, _) in domains.items()}
    still |= {f"{place}/max_energy_range_uj": f"{RAPL_SPAN_UJ}\n" for place in domains}
    while True:
        sensor.mean_w()
        counted_uj = sensor.energy_j * 1e6
        moving = {
            f"{place}/energy_uj": (
                f"{round(RAPL_SPAN_UJ - RAPL_LEFT_UJ + share * counted_uj) % RAPL_SPAN_UJ}\n"
            )
            for place, (_, share) in domains.items()
        }
        yield {**still, **moving}
        still = {}


def _tegrastats(sensor: Sensor, root: Path) -> Iterator[Mapping[str, str]]:
    state = "tegrastats.now"
    text = TEGRASTATS.format(python=sys.executable, state=str(root / state))
    still = {"tegrastats": text}
    while True:
        power_w = sensor.mean_w()
        shares = (1.0, LOGIC_SHARE, MEMORY_SHARE)
        yield {state: " ".join(f"{round(share * power_w * 1e3)}" for share in shares), **still}
        still = {}
