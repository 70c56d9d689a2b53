"""What a board's facts mean for a measurement: pure functions over ``powerlab.agent.check``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from powerlab.devices.checked import Checked, State

Facts = Mapping[str, Any]

LEAST_FREE_BYTES = 50_000_000
"""The agent's edge file takes 4 MiB of temporary files, a model some more."""

LEAST_MEMORY_BYTES = 100_000_000
NEAR_TRIP_K = 10.0
"""A board that idles so near to where it slows down will slow down under load."""

HOT_C = 75.0
"""The same where the kernel tells no limit: most boards slow down from 80 °C on."""

STEADY_GOVERNOR = "performance"
GOOD_CLOCKS = ("tsc", "arch_sys_counter", "riscv_clocksource", "kvm-clock", "timebase")


def judge_facts(facts: Facts) -> Iterator[Checked]:
    """Yield what the facts say, one thing after another."""
    yield _heat(facts)
    yield _throttling(facts)
    yield _governor(facts)
    yield _clock_source(facts)
    yield _memory(facts)
    yield from map(_place, facts["places"])
    yield from map(_counter, facts["counters"])
    yield _devices("GPIO", facts["gpio"], facts, "a trigger line")
    yield _devices("serial ports", facts["serial"], facts, "a meter that hangs on the board")
    if facts["unrelated_pycoral"]:
        yield Checked(
            "pycoral",
            State.ADVICE,
            "an unrelated package of that name, from the public index (about coral reefs)",
            "pip uninstall pycoral; Google's is on no public index, and its Edge TPU needs only "
            "libedgetpu and tflite-runtime",
        )


def _heat(facts: Facts) -> Checked:
    degrees, trip = facts["temperature_c"], facts["trip_c"]
    if degrees is None:
        return Checked("temperature", State.OK, "the board tells none")
    limit = trip - NEAR_TRIP_K if trip else HOT_C
    found = f"{degrees:.1f} °C" + (f", the kernel acts from {trip:.0f} °C on" if trip else "")
    if degrees < limit:
        return Checked("temperature", State.OK, found)
    advice = "let it cool, give it a fan or a larger heat sink: it will slow down under load"
    return Checked("temperature", State.ADVICE, found, advice)


def _throttling(facts: Facts) -> Checked:
    now, before = facts["throttled"], facts["throttled_before"]
    mend = (
        "a stronger supply and a shorter, thicker cable"
        if any("voltage" in reason for reason in (*now, *before))
        else "better cooling"
    )
    if now:
        found = f"its clock is held down now: {', '.join(now)}"
        return Checked("throttling", State.ADVICE, found, f"{mend}; a measurement would show it")
    if before:
        found = f"not now; since its start: {', '.join(before)}"
        return Checked("throttling", State.ADVICE, found, f"if it strikes again under load: {mend}")
    return Checked("throttling", State.OK, "none is told")


def _governor(facts: Facts) -> Checked:
    found = facts["governors"]
    told = ", ".join(f"{name} ({count} processors)" for name, count in sorted(found.items()))
    if not found or set(found) == {STEADY_GOVERNOR}:
        return Checked("governor", State.OK, told or "the board tells none")
    return Checked(
        "governor",
        State.ADVICE,
        told,
        "clock rates that change scatter the runs; to fix them until the next start: echo "
        f"{STEADY_GOVERNOR} | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
    )


def _clock_source(facts: Facts) -> Checked:
    name, others = facts["clock_source"], facts["clock_sources"]
    if not name or name in GOOD_CLOCKS:
        return Checked("clock source", State.OK, name or "the board tells none")
    return Checked(
        "clock source",
        State.ADVICE,
        f"{name} (there are {', '.join(others)})",
        "a slow or coarse clock; the kernel has given up a better one, and says why in dmesg "
        "(grep -i clocksource)",
    )


def _memory(facts: Facts) -> Checked:
    free, whole = facts["memory_free_bytes"], facts["memory_bytes"]
    if free is None:
        return Checked("memory", State.OK, "the board tells none")
    found = f"{free / 1e6:,.0f} of {whole / 1e6:,.0f} MB free"
    if free >= LEAST_MEMORY_BYTES:
        return Checked("memory", State.OK, found)
    return Checked("memory", State.ADVICE, found, "stop other programs (top shows them)")


def _place(place: Mapping[str, Any]) -> Checked:
    name = f"disk for {place['what']}"
    found = f"{place['free_bytes'] / 1e6:,.0f} MB free for {place['path']}"
    temporary = place["what"] == "temporary files"
    if not place["writable"]:
        state = State.BLOCKING if temporary else State.ADVICE
        advice = (
            "set TMPDIR of the login to a folder that it may write to"
            if temporary
            else "models are then sent anew for each session; make the folder writable"
        )
        return Checked(name, state, f"{place['path']} may not be written", advice)
    if place["free_bytes"] < LEAST_FREE_BYTES:
        return Checked(name, State.BLOCKING, found, "make room for at least 50 MB")
    return Checked(name, State.OK, found)


def _counter(counter: Mapping[str, Any]) -> Checked:
    name = f"counters {counter['kind']}"
    if counter["error"]:
        return Checked(name, State.ADVICE, counter["error"], counter["hint"])
    if not counter["parts"]:
        return Checked(name, State.OK, "none")
    parts = " + ".join(counter["parts"])
    return Checked(name, State.OK, f"{parts} (agent:{counter['kind']})")


def _devices(name: str, devices: list[Mapping[str, Any]], facts: Facts, use: str) -> Checked:
    shut = [device for device in devices if not device["open"]]
    if not shut:
        found = ", ".join(device["path"].rpartition("/")[2] for device in devices)
        return Checked(name, State.OK, found or "none")
    user, paths = facts["user"][0], " ".join(device["path"] for device in shut)
    groups = sorted({device["group"] for device in shut if device["group"]})
    mend = f"sudo usermod -aG {','.join(groups)} {user}, then log in again"
    if not groups:
        mend = f"sudo chown {user} {paths} (until its next start)"
    found = f"{user} may not open {', '.join(device['path'] for device in shut)}"
    return Checked(name, State.ADVICE, found, f"only for {use}, on the board: {mend}")
