"""From a study plan to sessions that can be measured, and the reason of each that cannot."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.layers import Catalog
from powerlab.catalog.protocol_preset import ProtocolPreset
from powerlab.catalog.study_plan import ReadPlan, Session
from powerlab.catalog.tools import format_for
from powerlab.catalog.workload_profile import WorkloadProfile
from powerlab.cli._plan import Plan
from powerlab.cli._resolve import Chosen, check_scenario, choose_bench, choose_runtime
from powerlab.cli._wanted import Wanted
from powerlab.errors import ConfigError, PowerlabError


@dataclass(frozen=True, slots=True)
class StudyOption:
    """One option of a study: what it is, its key in the journal, and why it is not measured."""

    device: str
    bench: str | None
    workload: str
    runtime: str
    batch: int
    protocol: str
    key: str = ""
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class StudySession:
    """A session of a study and its options; ``plan`` is None where none can be measured.

    ``stand_ins`` pairs runtimes that were asked for with those measured in their place.
    """

    options: tuple[StudyOption, ...]
    plan: Plan | None
    stand_ins: tuple[tuple[str, str], ...] = ()


def study_sessions(
    study: ReadPlan, catalog: Catalog, root: Path, *, emulate: bool, seed: int
) -> tuple[StudySession, ...]:
    """Get the sessions of a plan in its order.

    What cannot be measured, for want of a bench, a file for the runtime or an emulation, is
    there with its reason and stops nothing.
    """
    how = _How(study, catalog, root, emulate=emulate, seed=seed)
    return tuple(how.session(each) for each in study.sessions)


class _How:
    """What all sessions of a study have in common."""

    def __init__(
        self, study: ReadPlan, catalog: Catalog, root: Path, *, emulate: bool, seed: int
    ) -> None:
        self._study, self._catalog, self._root = study, catalog, root
        self._emulate, self._seed = emulate, seed

    def session(self, asked: Session) -> StudySession:
        """Get one session, with the runtimes that can be had."""
        catalog, matrix = self._catalog, asked.matrix
        device, workload = catalog.device(asked.device), catalog.workload(asked.workload)
        protocol = self._protocol(asked)
        batches = matrix.batches or protocol.batches or (1,)
        if self._emulate and (kept := self._shortened_batches()):
            batches = tuple(batch for batch in batches if batch in kept) or batches[:1]
        wanted = self._wanted(asked, protocol, batches)
        found = tuple(self._runtimes(device, workload, matrix.runtimes))
        able = tuple(runtime for runtime, reason in found if not reason)
        reason = self._obstacle(device, protocol, wanted, able, batches)
        chosen = Chosen(device, workload, protocol, able, batches)
        place = self._place(wanted)
        options = tuple(
            self._option(asked, chosen, place, runtime, batch, skipped=reason or why)
            for runtime, why in found
            for batch in batches
        )
        if reason or not able:
            return StudySession(options, None)
        pairs = tuple((runtime, batch) for runtime in able for batch in batches)
        plan = Plan(catalog, wanted, chosen, pairs, self._root, (), "en", self._link())
        return StudySession(options, plan, tuple(self._stand_ins(chosen, matrix.runtimes)))

    def _stand_ins(self, chosen: Chosen, asked: Sequence[str]) -> Iterator[tuple[str, str]]:
        if not self._emulate:
            return
        for name in asked:
            runtime, reason = _stand_in(chosen.device, chosen.workload, name)
            if not reason and runtime != name:
                yield name, runtime

    def _protocol(self, asked: Session) -> ProtocolPreset:
        protocol = self._catalog.protocol(asked.matrix.protocol)
        if asked.matrix.runs is not None:
            protocol = protocol.model_copy(update={"runs": asked.matrix.runs})
        shortened = self._study.content.emulated
        if self._emulate and shortened is not None:
            protocol = shortened.shortened(protocol)
        return protocol

    def _threads(self, asked: Session) -> int:
        shortened = self._study.content.emulated
        fewer = shortened.threads if self._emulate and shortened is not None else None
        return fewer or asked.matrix.threads

    def _shortened_batches(self) -> tuple[int, ...]:
        shortened = self._study.content.emulated
        return shortened.batches if shortened is not None else ()

    def _wanted(self, asked: Session, protocol: ProtocolPreset, batches: tuple[int, ...]) -> Wanted:
        matrix = asked.matrix
        return Wanted(
            device=asked.device,
            bench=None if self._emulate else asked.bench,
            host=None,
            meter=None,
            supply=None,
            emulate=self._emulate,
            seed=self._seed,
            faults=(),
            workload=asked.workload,
            runtimes=matrix.runtimes,
            batches=batches,
            threads=self._threads(asked),
            protocol=protocol.id,
            runs=None,
            precision=matrix.precision or 0.0,
            dither=matrix.dither,
        )

    def _runtimes(
        self, device: DeviceProfile, workload: WorkloadProfile, asked: Sequence[str]
    ) -> Iterator[tuple[str, str]]:
        """Yield each runtime and why it cannot be had, "" where it can; no runtime twice."""
        seen: set[str] = set()
        for name in asked or (None,):
            if self._emulate:
                runtime, reason = _stand_in(device, workload, name)
            else:
                runtime, reason = _own(device, workload, name)
            if runtime not in seen:
                seen.add(runtime)
                yield runtime, reason

    def _obstacle(
        self,
        device: DeviceProfile,
        protocol: ProtocolPreset,
        wanted: Wanted,
        runtimes: Sequence[str],
        batches: Sequence[int],
    ) -> str:
        """Get why the whole session cannot be measured, "" where nothing is in the way."""
        try:
            check_scenario(protocol, runtimes, batches, dither=wanted.dither)
            if self._emulate:
                if device.emulation is None:
                    return f"{device.name} cannot be emulated: its profile has no [emulation]"
            else:
                choose_bench(self._catalog, wanted)
        except PowerlabError as error:
            return error.message
        return ""

    def _link(self) -> dict[str, str]:
        study = self._study
        return {
            "title": study.content.title,
            "plan": study.path.name,
            "plan_sha256": study.sha256,
        }

    def _place(self, wanted: Wanted) -> object:
        """Get what the bench and its meters are, in plain values; None where there is none."""
        if self._emulate:
            return None
        try:
            name, bench = choose_bench(self._catalog, wanted)
            meters = [self._catalog.instrument(meter.model) for meter in bench.meter]
        except ConfigError:
            return None
        return [name, *(each.model_dump(mode="json", by_alias=True) for each in (bench, *meters))]

    def _option(
        self,
        asked: Session,
        chosen: Chosen,
        place: object,
        runtime: str,
        batch: int,
        *,
        skipped: str,
    ) -> StudyOption:
        option = StudyOption(
            device=asked.device,
            bench=asked.bench,
            workload=asked.workload,
            runtime=runtime,
            batch=batch,
            protocol=chosen.protocol.id,
            skipped=skipped,
        )
        return replace(option, key=self._key(asked, chosen, place, option))

    def _key(self, asked: Session, chosen: Chosen, place: object, option: StudyOption) -> str:
        """Get a key that is another one where anything that decides the result is."""
        matrix = asked.matrix
        settings = {
            "emulate": self._seed if self._emulate else None,
            "bench": place,
            "device": chosen.device.model_dump(mode="json", by_alias=True),
            "threads": self._threads(asked),
            "precision": matrix.precision,
            "dither": matrix.dither,
            "protocol": chosen.protocol.model_dump(mode="json", by_alias=True),
            "workload": chosen.workload.model_dump(mode="json", by_alias=True),
        }
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
        words = (option.device, option.workload, option.runtime, f"batch {option.batch}", digest)
        return " / ".join(words)


def _own(device: DeviceProfile, workload: WorkloadProfile, name: str | None) -> tuple[str, str]:
    try:
        return choose_runtime(device, workload, name), ""
    except ConfigError as error:
        return name or "none", error.message


def _stand_in(
    device: DeviceProfile, workload: WorkloadProfile, name: str | None
) -> tuple[str, str]:
    """Get the runtime by which this computer stands in for a device's own, and why not."""
    emulated = device.emulation.runtime if device.emulation else ""
    of_device = {runtime.id: runtime for runtime in device.runtime}
    wanted = name or emulated
    stand_ins = [each.id for each in device.runtime if each.stands_in_for == wanted]
    here = wanted == emulated or (wanted in of_device and not of_device[wanted].native)
    for runtime in (*([wanted] if here else []), *stand_ins):
        if format_for(runtime, workload.formats) is not None:
            return runtime, ""
    return wanted or "none", f"the emulated {device.name} has nothing in the place of {wanted!r}"
