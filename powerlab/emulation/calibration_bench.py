"""A whole emulated calibration bench: meters, load and source as processes, and the truth.

The loop is source, meter, first reference, load; volts of all meters are those behind the meter.
Everything lies in one temporary directory that is removed at the end, whatever the end is.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.layers import Catalog
from powerlab.emulation.bench import EMULATORS, PREFIX
from powerlab.emulation.circuit import BRIDGE, LOAD, SUPPLY, History, draw_circuit
from powerlab.emulation.faults import Fault, parse_faults
from powerlab.emulation.process import EmulatorContext, EmulatorProcess, emulated_serial
from powerlab.emulation.set_points import SetPointFile, SetPointTail, point_path
from powerlab.emulation.site import LOOP_FILE, Loop
from powerlab.emulation.tapped_meter import Unit
from powerlab.errors import ConfigError, SetupError
from powerlab.records import FloatArray, Int64Array, freeze_arrays
from powerlab.records.correction import REFERENCE_TEMPERATURE_C, CommonError
from powerlab.units import now_ns

METER, REFERENCE = "meter", "reference"
SOURCE_V = 12.0
"""What the source delivers where nobody says and no programmable supply is on the bench."""

CABLE_OHM = 0.02
"""Each connection of the loop, leads and contacts: an estimate."""

_SERIAL_STEP = 0x10000001


@dataclass(frozen=True, slots=True)
class TrueValues:
    """What truly was at one instrument at some instants, float64 of their shape: A and V."""

    current_a: FloatArray
    voltage_v: FloatArray

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class EmulatedCalibrationBench:
    """A running emulated calibration bench: how each instrument is reached, and the truth.

    ``loop`` names the instruments "meter", "reference-1" and so on, "load", "supply".
    """

    meter: BenchMeter
    references: tuple[BenchMeter, ...]
    load: BenchMeter
    supply: BenchMeter | None
    directory: Path
    loop: Loop
    processes: tuple[EmulatorProcess, ...]

    def truth(self, name: str, at_ns: Int64Array) -> TrueValues:
        """Get the true current and volts at an instrument, at host instants.

        Raises KeyError for a name that is on no instrument.
        """
        history, circuit = self.history(), self.loop.circuit
        volts = circuit.voltage(history, at_ns, self.loop.taps_ohm[name])
        return TrueValues(circuit.current(history, at_ns), volts)

    def take_out_reference(self) -> None:
        """Join meter and load without the first reference, as from now on."""
        SetPointFile(point_path(self.directory, BRIDGE)).publish(now_ns(), 0.0)

    def history(self) -> History:
        """Get what load and supply were set to so far."""
        return SetPointTail(self.loop.points, self.loop.circuit.source_v).poll()


@contextmanager
def emulated_calibration_bench(
    catalog: Catalog,
    instrument_id: str,
    reference_ids: Sequence[str],
    load_id: str,
    *,
    supply_id: str | None = None,
    source_v: float = SOURCE_V,
    seed: int = 0,
    certificates: Sequence[tuple[CommonError, ...]] = (),
    faults: tuple[str, ...] = (),
    load_faults: tuple[str, ...] = (),
    temperature_c: float = REFERENCE_TEMPERATURE_C,
) -> Iterator[EmulatedCalibrationBench]:
    """Run an emulated calibration bench of a meter, its references, a load and a source.

    ``seed`` fixes every draw; the meter is the same unit as on an ``emulated_bench`` of that
    seed. Each reference errs as its entry of ``certificates`` says, or else as its profile
    allows. ``faults`` befall the meter's link and ``load_faults`` the load's, in seconds after
    the first current. Without ``supply_id`` the source delivers ``source_v`` all the time.
    Raises ConfigError for what cannot be emulated and SetupError where a process does not start.
    """
    profiles = {METER: catalog.instrument(instrument_id)}
    for number, name in enumerate(reference_ids, start=1):
        profiles[f"{REFERENCE}-{number}"] = catalog.instrument(name)
    profiles[LOAD] = catalog.instrument(load_id)
    if supply_id is not None:
        profiles[SUPPLY] = catalog.instrument(supply_id)
    _check_kinds(profiles)
    strikes = {METER: parse_faults(faults), LOAD: parse_faults(load_faults)}
    units = _units(profiles, seed, certificates, temperature_c)
    serving = {name: _emulator(profile) for name, profile in profiles.items()}
    directory = Path(tempfile.mkdtemp(prefix=PREFIX))
    started: list[EmulatorProcess] = []
    try:
        for name in (LOAD, SUPPLY, BRIDGE):
            SetPointFile.create(point_path(directory, name))
        loop = _loop(directory, profiles, units, source_v if supply_id is None else 0.0)
        for name, profile in profiles.items():
            context = _context(catalog, directory / name, seed, profile, strikes.get(name, ()))
            context.directory.mkdir()
            loop.write(context.directory / LOOP_FILE)
            started.append(EmulatorProcess(name, serving[name], context))
        for process in started:
            process.wait_ready()
        reached = {
            process.name: _describe(profiles[process.name], units[process.name], process)
            for process in started
        }
        yield EmulatedCalibrationBench(
            meter=reached[METER],
            references=tuple(reached[f"{REFERENCE}-{n + 1}"] for n in range(len(reference_ids))),
            load=reached[LOAD],
            supply=reached.get(SUPPLY),
            directory=directory,
            loop=loop,
            processes=tuple(started),
        )
    finally:
        for process in started:
            process.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _check_kinds(profiles: dict[str, InstrumentProfile]) -> None:
    for name, profile in profiles.items():
        kind = name if name in (LOAD, SUPPLY) else "meter"
        if profile.kind != kind:
            raise ConfigError(
                f"{profile.id} is a {profile.kind}, not a {kind}",
                hint="`powerlab instruments list` shows what each model is",
            )


def _units(
    profiles: dict[str, InstrumentProfile],
    seed: int,
    certificates: Sequence[tuple[CommonError, ...]],
    temperature_c: float,
) -> dict[str, Unit]:
    """Draw the units: the meter bears the seed's own serial number, the others one each."""
    certified = {f"{REFERENCE}-{n + 1}": errors for n, errors in enumerate(certificates)}
    return {
        name: Unit(
            seed=seed,
            serial=emulated_serial(seed + number * _SERIAL_STEP),
            temperature_c=temperature_c,
            certificates=certified.get(name, ()),
        )
        for number, name in enumerate(profiles)
    }


def _loop(
    directory: Path,
    profiles: dict[str, InstrumentProfile],
    units: dict[str, Unit],
    source_v: float,
) -> Loop:
    """Wire the loop: what lies in series, and how much of it before each one's volts."""
    meter_ohm, reference_ohm = (
        units[name].burden_ohm(profiles[name]) if name in profiles else 0.0
        for name in (METER, f"{REFERENCE}-1")
    )
    tap_ohm = CABLE_OHM + meter_ohm
    loop_ohm = tap_ohm + reference_ohm + 2 * CABLE_OHM
    circuit = draw_circuit(
        units[METER].seed,
        profiles[LOAD],
        profiles.get(SUPPLY),
        source_v=source_v,
        loop_ohm=loop_ohm,
        reference_ohm=reference_ohm + CABLE_OHM,
    )
    ends = {LOAD: loop_ohm, SUPPLY: 0.0}
    taps = {name: ends.get(name, tap_ohm) for name in profiles}
    return Loop(points=directory, circuit=circuit, units=units, taps_ohm=taps)


def _context(
    catalog: Catalog,
    directory: Path,
    seed: int,
    profile: InstrumentProfile,
    faults: tuple[Fault, ...],
) -> EmulatorContext:
    # A context names a board; no emulator in a loop looks at it.
    board: DeviceProfile = next(iter(catalog.devices.values()))
    return EmulatorContext(directory, seed, board, profile, faults)


def _describe(profile: InstrumentProfile, unit: Unit, process: EmulatorProcess) -> BenchMeter:
    return BenchMeter(
        model=profile.id,
        resource=str(process.address["resource"]),
        serial=unit.serial,  # where an instrument tells none, the label on it does
        measures=profile.quantities,
    )


def _emulator(instrument: InstrumentProfile) -> str:
    found = tuple(entry_points(group=EMULATORS, name=instrument.emulator))
    if not found:
        raise SetupError(
            f"no emulator '{instrument.emulator}' of {instrument.id} is installed",
            hint="install the package that brings it, or emulate another instrument",
        )
    return found[0].value
