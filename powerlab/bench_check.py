"""Whether a set-up can be switched on and measured on: told from bench and profiles alone.

What is unsafe for board or meter is a blocking finding and stops before anything is opened;
the others say what a figure of this bench will be worth.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from powerlab.catalog.bench_profile import Bench, BenchMeter
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.circumstances import PEAK_MARGIN, meter_request, wiring
from powerlab.errors import SetupError
from powerlab.findings import Finding, Severity

MAINS_V = (90.0, 264.0)
"""The world's mains, 100 V - 10 % to 240 V + 10 %."""

MAINS_POWER_FACTOR = 0.5
"""Of a small adapter: the amperes are up to twice those of its watts."""

OTHER_SUPPLY = 0.25
"""Volts that differ from the label by more are those of another supply."""

SUPPLY_TOLERANCE = 0.10
"""Below the label by more a board may reset or hold its clock down: an estimate, twice the
5 % that adapters are specified to."""

FUSE_MARGIN = 0.8
"""Share of a fuse's rating that it carries for good."""

_PLATFORMS = {
    "x86": "an x86 processor",
    "jetson": "a Jetson's power monitor",
    "nvidia-gpu": "a graphics card of NVIDIA's",
}


@dataclass(frozen=True, slots=True)
class _Placed:
    """A meter of the bench, its model, and the boundary at which it sits."""

    meter: BenchMeter
    profile: InstrumentProfile
    boundary: str

    @property
    def inside(self) -> bool:
        """Tell whether it sees a part of the board alone, whose volts nobody states."""
        return bool(self.meter.rail) or "agent" in self.profile.link.kinds

    def on_mains(self, device: DeviceProfile) -> bool:
        """Tell whether it sits on the mains: it is said so, or the board has no adapter."""
        return self.boundary == "wall" or device.power.supply_voltage_v.value >= MAINS_V[0]

    def carries_current(self) -> bool:
        """Tell whether the board's current goes through it: volts alone are read across."""
        return set(self.meter.measures) != {"voltage"}

    def in_series(self, device: DeviceProfile) -> bool:
        """Tell whether its burden lowers the board's volts."""
        return self.carries_current() and not self.inside and not self.on_mains(device)


@dataclass(frozen=True, slots=True)
class _Expected:
    """What a meter has to carry: volts, peak amperes and peak watts at its place."""

    volts: float
    peak_a: float
    peak_w: float


def check_bench(
    bench: Bench, device: DeviceProfile, instruments: Mapping[str, InstrumentProfile], name: str
) -> tuple[Finding, ...]:
    """Get what the files say against a bench; SetupError where it is unsafe.

    ``instruments`` has the models of its meters by id; a model that is not among them is passed
    over. ``name`` is the bench's.
    """
    findings = bench_findings(bench, device, instruments)
    refuse_unsafe(findings, name)
    return findings


def check_emulated(device: DeviceProfile, meter: InstrumentProfile, *, volts: bool = False) -> None:
    """Raise SetupError where a meter on an emulated board is one that a real board destroys.

    ``volts`` says that it reads the volts behind an ammeter, so that no current goes through it.
    The board's volts and watts are those of its ``[emulation]``; one without is passed over.
    """
    board = device.emulation
    if board is None or "agent" in meter.link.kinds:
        return
    peak_w = PEAK_MARGIN * board.active_w
    expected = _Expected(board.supply_voltage_v, peak_w / board.supply_voltage_v, peak_w)
    measures = ("voltage",) if volts else meter.quantities
    placed = BenchMeter(model=meter.id, resource="", measures=measures)
    findings = _limits(_Placed(placed, meter, "board"), expected)
    refuse_unsafe(tuple(findings), f"{device.id}-emulated")


def refuse_unsafe(findings: Sequence[Finding], name: str) -> None:
    """Raise SetupError with the first blocking finding, and with all of them in its context."""
    unsafe = [item for item in findings if item.severity is Severity.BLOCKING]
    if unsafe:
        more = f" (and {len(unsafe) - 1} more)" if len(unsafe) > 1 else ""
        raise SetupError(
            f"the bench {name} is not safe to switch on: {unsafe[0].message}{more}",
            hint=unsafe[0].hint,
            context={"findings": {item.code: item.message for item in unsafe}},
        )


def bench_findings(
    bench: Bench, device: DeviceProfile, instruments: Mapping[str, InstrumentProfile]
) -> tuple[Finding, ...]:
    """Get what bench and profiles say against a set-up, unsafe things first."""
    known = [
        _Placed(meter, instruments[meter.model], meter.boundary or bench.boundary)
        for meter in bench.meter
        if meter.model in instruments
    ]
    found = [*_boundary(bench), *_supply(bench, device), *_several(bench)]
    for placed in known:
        found += _meter(bench, device, placed)
    found += _drop(bench, device, [item for item in known if item.in_series(device)])
    gravest = (Severity.BLOCKING, Severity.WARNING, Severity.INFO)
    return tuple(sorted(found, key=lambda item: gravest.index(item.severity)))


def _boundary(bench: Bench) -> Iterator[Finding]:
    if "boundary" not in bench.model_fields_set:
        yield Finding(
            code="boundary-assumed",
            severity=Severity.INFO,
            message=f"the bench does not say where energy counts; {bench.boundary} is taken",
            hint='write boundary = "board", "dc" or "wall" into the bench',
        )
    if {meter.boundary or bench.boundary for meter in bench.meter} == {"wall"}:
        yield Finding(
            code="supply-efficiency",
            severity=Severity.INFO,
            message="energy counts at the wall: the adapter's loss is in it, and nothing here "
            "says how large that is",
            hint="compare with other figures at the wall only; a meter behind the adapter tells "
            "its efficiency",
        )


def _supply(bench: Bench, device: DeviceProfile) -> Iterator[Finding]:
    label_v = device.power.supply_voltage_v.value
    if bench.supply is None:
        return
    volts = bench.supply.voltage_v
    off = abs(volts / label_v - 1)
    if off <= SUPPLY_TOLERANCE:
        return
    yield Finding(
        code="supply-volts",
        severity=Severity.BLOCKING if off > OTHER_SUPPLY else Severity.WARNING,
        message=f"the bench's supply gives {volts:g} V; {device.name} is made for {label_v:g} V",
        hint="use the board's own supply, or correct voltage_v under [bench.NAME.supply]",
        evidence={"supply_v": volts, "label_v": label_v},
    )


def _several(bench: Bench) -> Iterator[Finding]:
    resources = [meter.resource for meter in bench.meter]
    if len(set(resources)) < len(resources):
        yield Finding(
            code="meter-twice",
            severity=Severity.BLOCKING,
            message="two meters of the bench are at the same resource",
            hint="give each its own: `powerlab instruments scan` lists what is plugged in",
        )


def _meter(bench: Bench, device: DeviceProfile, placed: _Placed) -> Iterator[Finding]:
    profile = placed.profile
    if "agent" in profile.link.kinds:
        yield from _counter(device, placed)
        return
    yield from _habits(profile)
    if placed.inside:
        return
    expected = _expected(bench, device, placed)
    yield from _mains(device, placed)
    yield from _limits(placed, expected)


def _limits(placed: _Placed, expected: _Expected) -> Iterator[Finding]:
    yield from _ranges(placed, expected)
    yield from _across(placed.profile, expected)
    if placed.carries_current():
        yield from _through(placed.profile, expected)


def _expected(bench: Bench, device: DeviceProfile, placed: _Placed) -> _Expected:
    request = meter_request(device)
    if placed.on_mains(device):
        low_v, high_v = MAINS_V
        peak_w = request.expected_peak_w
        return _Expected(high_v, peak_w / low_v / MAINS_POWER_FACTOR, peak_w)
    label_v = device.power.supply_voltage_v.value
    return _Expected(
        volts=bench.supply.voltage_v if bench.supply else label_v,
        peak_a=request.expected_peak_a,
        peak_w=request.expected_peak_a * label_v,
    )


def _counter(device: DeviceProfile, placed: _Placed) -> Iterator[Finding]:
    needs = placed.profile.needs
    if needs is not None and device.has is not None and needs not in device.has:
        yield Finding(
            code="counter-absent",
            severity=Severity.WARNING,
            message=f"{placed.profile.name} needs {_PLATFORMS[needs]}, which {device.name} has not",
            hint="put a meter into the board's supply line, or correct `has` in its profile",
        )
    if placed.boundary != "board":
        yield Finding(
            code="boundary-unseen",
            severity=Severity.WARNING,
            message=f"{placed.profile.name} sees rails inside the board, not the boundary "
            f"{placed.boundary!r}",
            hint='state boundary = "board", or put a meter where energy is to count',
        )


def _mains(device: DeviceProfile, placed: _Placed) -> Iterator[Finding]:
    if placed.on_mains(device) and "power" not in placed.profile.channels:
        yield Finding(
            code="meter-on-mains",
            severity=Severity.BLOCKING,
            message=f"{placed.profile.name} would sit on the mains: it reads no watts and is not "
            "made for that",
            hint='take a power analyser, or put this meter behind the adapter: boundary = "dc"',
        )


def _ranges(placed: _Placed, expected: _Expected) -> Iterator[Finding]:
    profile = placed.profile
    wanted = {"current": ("A", expected.peak_a)} if placed.carries_current() else {}
    if "voltage" in profile.channels or not wanted:
        wanted["voltage"] = ("V", expected.volts)
    if "power" in profile.channels and placed.carries_current():
        wanted["power"] = ("W", expected.peak_w)
    for quantity, (unit, value) in wanted.items():
        ranges = profile.ranges(quantity)
        if not ranges or profile.range_for(quantity, value) is not None:
            continue
        most = ranges[-1].full_scale * ranges[-1].over_range_factor
        yield Finding(
            code="beyond-range",
            severity=Severity.BLOCKING,
            message=f"up to {value:.3g} {unit} are expected, and {profile.name} carries "
            f"{most:.3g} {unit} at most",
            hint="take a meter with a larger range, or correct the board's power in its profile",
            evidence={"expected": value, "most": most},
        )


def _across(profile: InstrumentProfile, expected: _Expected) -> Iterator[Finding]:
    across = profile.input_for("voltage", expected.volts)
    if across is not None and expected.volts > across.limit:
        yield Finding(
            code="beyond-input",
            severity=Severity.BLOCKING,
            message=f"{expected.volts:.3g} V are expected at {across.terminals}, which carry "
            f"{across.limit:g} V",
            hint="take a meter whose input carries it",
            evidence={"volts": expected.volts, "limit_v": across.limit},
        )


def _through(profile: InstrumentProfile, expected: _Expected) -> Iterator[Finding]:
    chosen = profile.range_for("current", expected.peak_a)
    used = None if chosen is None else profile.input_for("current", chosen.full_scale)
    if chosen is None or used is None:
        return
    fuse = f", fuse {used.fuse}" if used.fuse else ""
    share = expected.peak_a / used.limit
    if share > 1:
        yield Finding(
            code="beyond-input",
            severity=Severity.BLOCKING,
            message=f"up to {expected.peak_a:.3g} A are expected at {used.terminals}, which carry "
            f"{used.limit:g} A{fuse}",
            hint="take a meter whose input carries it",
            evidence={"peak_a": expected.peak_a, "limit_a": used.limit},
        )
        return
    if share > FUSE_MARGIN:
        yield Finding(
            code="near-input-limit",
            severity=Severity.WARNING,
            message=f"up to {expected.peak_a:.3g} A are expected at {used.terminals}, which carry "
            f"{used.limit:g} A{fuse}: a board's start may draw more",
            hint="switch the board on with the meter bypassed, or use the larger input",
            evidence={"peak_a": expected.peak_a, "limit_a": used.limit},
        )
    if len([item for item in profile.input if item.quantity == "current"]) > 1:
        yield Finding(
            code="terminals",
            severity=Severity.INFO,
            message=f"the {chosen.full_scale:g} A range of {profile.name} is at {used.terminals}",
            hint="check that the lead is there: at other terminals the meter reads nothing, and "
            "the fuse may be too small",
        )


def _drop(bench: Bench, device: DeviceProfile, series: Sequence[_Placed]) -> Iterator[Finding]:
    """Yield what burdens and leads leave of the volts at the board, under its peak."""
    peak_a = meter_request(device).expected_peak_a
    chosen = [item.profile.range_for("current", peak_a) for item in series]
    burden_ohm = math.fsum(item.burden_limit_ohm for item in chosen if item is not None)
    leads_ohm = max((item.meter.cable_ohm for item in series), default=0.0)
    label_v = device.power.supply_voltage_v.value
    circuit = wiring(bench, device)
    # Volts read at the board under load hold the drop at that load already.
    read = circuit.supply_voltage_origin != "nominal"
    held_a = device.power.active_w.value / label_v if read else 0.0
    burden_a = peak_a - (held_a if circuit.supply_voltage_origin == "circuit" else 0.0)
    supply_v = bench.supply.voltage_v if bench.supply else label_v
    at_board = supply_v - (peak_a - held_a) * (leads_ohm + circuit.source_ohm)
    worst_v = at_board - burden_a * burden_ohm
    usual_v = at_board - burden_a * burden_ohm / 2
    least_v = (1 - SUPPLY_TOLERANCE) * label_v
    if not series or worst_v >= least_v:
        return
    names = " and ".join(dict.fromkeys(item.profile.name for item in series))
    yield Finding(
        code="undervoltage",
        severity=Severity.BLOCKING if usual_v < least_v else Severity.WARNING,
        message=f"at {peak_a:.3g} A {names} and the leads leave the board about {usual_v:.3g} V, "
        f"{worst_v:.3g} V at worst, of {label_v:g} V",
        hint="take a meter of lower burden, shorter and thicker leads, or a supply that senses its "
        "volts at the board; if the board gets its volts all the same, read them there with the "
        "meter in its line and state them with read_with_meter = true",
        evidence={"usual_v": usual_v, "worst_v": worst_v, "least_v": least_v},
    )


def _habits(profile: InstrumentProfile) -> Iterator[Finding]:
    if profile.ranging == "automatic":
        yield Finding(
            code="ranging",
            severity=Severity.INFO,
            message=f"{profile.name} changes its range by itself: readings next to a change are "
            "less sure",
            hint="keep runs long, so that few of their readings lie next to a change",
        )
    if profile.auto_off_s is not None:
        yield Finding(
            code="auto-off",
            severity=Severity.WARNING,
            message=f"{profile.name} switches itself off after {profile.auto_off_s / 60:.3g} min "
            "without a key pressed",
            hint="switch that off at the meter; its manual says how",
            evidence={"auto_off_s": profile.auto_off_s},
        )
