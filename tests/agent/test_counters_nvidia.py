"""tegrastats' lines and NVML's calls, without a graphics processor."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.agent.counters import nvml, open_source, tegrastats
from powerlab.agent.counters.rails import choose
from powerlab.agent.faults import AgentError

MW = st.integers(0, 99_999)


def test_published_lines(shared) -> None:
    """Every rail of the published lines: now, and the mean since the program began."""
    published = json.loads(shared("vectors/linux/tegrastats.json").read_text())["lines"]
    for item in published:
        told = tegrastats.parse_line(item["line"])
        assert told == {name: tuple(mw[:2]) for name, mw in item["rails_mW"].items()}
        choice = choose(list(told), "")
        if item["total_rail"]:
            assert choice == ((item["total_rail"],), "board")
        else:
            assert choice == (tuple(told), "sum")


@given(
    st.dictionaries(st.from_regex(r"\A[A-Z][A-Z0-9_]{1,15}\Z"), st.tuples(MW, MW), max_size=6),
    st.sampled_from(["{0}/{1}", "{0}mW/{1}mW", "{0}mW/{1}mW/{0}mW"]),
    st.sampled_from(["12%", "12%@1300", "12%@[1300,1300]", "0%@[1000]"]),
)
@settings(max_examples=60, deadline=None)
def test_any_rails_among_any_other_words(rails: dict, form: str, gpu: str) -> None:
    """Memory, clocks and temperatures of old and new releases are no rails."""
    lead = (
        f"RAM 330/3964MB (lfb 758x4MB) SWAP 0/1982MB IRAM 0/252kB CPU [5%@102,off] GR3D_FREQ {gpu}"
    )
    words = (f"{name} {form.format(*mw)}" for name, mw in rails.items())
    assert tegrastats.parse_line(f"{lead} cpu@52.9C/52.9C APE 174 {' '.join(words)}") == rails


def program(path: Path, *lines: str) -> str:
    """Write a stand-in for the program: these lines, then the same for ever."""
    text = "\\n".join(lines)
    path.write_text(f"#!/bin/sh\nprintf '{text}\\n'\nexec sleep 60\n")
    path.chmod(0o755)
    return str(path)


def test_its_lines_are_samples(tmp_path: Path) -> None:
    """Started anew with its interval; the lines that came are watts of the chosen rails."""
    line = "RAM 330/3964MB GPU 1000/900 CPU 500/400 SOC 250/250"
    command = program(tmp_path / "tegrastats", "no rail in this one", line, line)
    source = open_source(["tegrastats", f"command={command}", "selector=GPU+CPU"])
    try:
        assert source.facts["not_read"] == ["SOC"]
        source.start(0.1)
        samples = []
        while len(samples) < 2:
            samples += source.take()
        assert [values for _, values in samples] == [[1.0, 0.5]] * 2
    finally:
        source.stop()


def test_lines_that_come_with_the_end_are_samples(tmp_path: Path) -> None:
    """They are handed out; that it has ended is told the next time."""
    source = open_source(["tegrastats", f"command={program(tmp_path / 't', 'GPU 1000/900')}"])
    ended = SimpleNamespace(
        lines=[(b"GPU 2000/1500", 7)],
        at_end=True,
        receive=lambda _deadline_ns: True,
        close=lambda: None,
        words=lambda: ("killed", ""),
    )
    source._child = ended
    assert source.take() == [(7, [2.0])]
    with pytest.raises(AgentError, match="tegrastats ended: killed"):
        source.take()


def test_a_program_that_ends_or_is_not_there(tmp_path: Path) -> None:
    """Its last words are told; a missing one names where it comes from."""
    path = tmp_path / "tegrastats"
    path.write_text("#!/bin/sh\necho 'cannot open sysfs' >&2\nexit 1\n")
    path.chmod(0o755)
    with pytest.raises(AgentError, match="cannot open sysfs"):
        open_source(["tegrastats", f"command={path}"])
    with pytest.raises(AgentError, match="no program '/nowhere/tegrastats'"):
        open_source(["tegrastats", "command=/nowhere/tegrastats"])


def library(*, energy: int | None, instant: int | None, average: int | None, init: int = 0) -> Any:
    """Get a stand-in for the driver's library; None is a call that the device does not support."""

    def put(value: int | bytes | None, into: Any) -> int:
        into.value = value if value is not None else 0
        return 0 if value is not None else 3

    def field(_handle: object, count: int, asked: Any) -> int:
        assert (count, asked._obj.fieldId) == (1, nvml.POWER_INSTANT)
        asked._obj.nvmlReturn = 3 if instant is None else 0
        asked._obj.valueType = nvml.UNSIGNED_INT
        asked._obj.value.uiVal = instant or 0
        return 0

    def shut() -> int:
        made.shut += 1
        return 0

    made = SimpleNamespace(
        shut=0,
        nvmlInit_v2=lambda: init,
        nvmlShutdown=shut,
        nvmlErrorString=lambda _code: b"Driver Not Loaded",
        nvmlDeviceGetCount_v2=lambda count: put(2, count._obj),
        nvmlDeviceGetHandleByIndex_v2=lambda index, handle: put(1000 + index.value, handle._obj),
        nvmlDeviceGetName=lambda _handle, text, _size: put(b"NVIDIA Test", text),
        nvmlDeviceGetUUID=lambda handle, text, _size: put(b"GPU-%d" % handle.value, text),
        nvmlSystemGetDriverVersion=lambda text, _size: put(b"595.10", text),
        nvmlDeviceGetTotalEnergyConsumption=lambda _handle, into: put(energy, into._obj),
        nvmlDeviceGetPowerUsage=lambda _handle, into: put(average, into._obj),
        nvmlDeviceGetFieldValues=field,
    )
    return made


@pytest.mark.parametrize(
    ("told", "options", "quantity", "value"),
    [
        ({"energy": 123456, "instant": 71000, "average": 70000}, {}, "energy", 123456),
        ({"energy": None, "instant": 71000, "average": 70000}, {}, "power", 71.0),
        ({"energy": None, "instant": None, "average": 70000}, {}, "power", 70.0),
        ({"energy": 1, "instant": 2, "average": 70000}, {"read": "average"}, "power", 70.0),
    ],
)
def test_the_first_way_that_works_is_taken(told, options, quantity, value) -> None:
    """A counter, then the power now, then the driver's mean; or what was asked for."""
    stand_in = library(**told)
    device = nvml.Device(stand_in, {"selector": "1", **options})
    assert device.facts["quantity"] == quantity
    assert device.read() == [value]
    assert (device.facts["serial"], device.facts["driver"]) == ("GPU-1001", "595.10")
    means_of_s = None if value == 70.0 else 0.0
    assert device.facts["mean_of_s"] == means_of_s
    assert not stand_in.shut


@pytest.mark.parametrize(
    ("generation", "mean_of_s", "words"),
    [
        ((7, 5), 0.0, "now"),
        ((8, 0), 0.0, "now"),
        ((8, 6), 1.0, "mean of one second"),
        ((9, 0), 1.0, "mean of one second"),
        (None, None, "does not tell which generation"),
    ],
)
def test_the_generation_says_whether_its_power_is_a_mean(generation, mean_of_s, words) -> None:
    """From Ampere on, GA100 (8.0) apart; a driver without the call, or that refuses, says so."""

    def capability(_handle: object, major: Any, minor: Any) -> int:
        if generation is None:
            return 3
        major._obj.value, minor._obj.value = generation
        return 0

    stand_in = library(energy=None, instant=None, average=70000)
    stand_in.nvmlDeviceGetCudaComputeCapability = capability
    facts = nvml.Device(stand_in, {}).facts
    assert facts["mean_of_s"] == mean_of_s
    assert facts["mean_limit_s"] == 1.0
    assert words in facts["stands_for"]


def test_a_structure_is_as_large_as_the_header_says() -> None:
    """nvmlFieldValue_t: 4 + 4 + 8 + 8 + 4 + 4 + 8 bytes."""
    assert nvml.ctypes.sizeof(nvml.FieldValue) == 40


def test_what_cannot_be_read_is_told_and_let_go() -> None:
    """A device that is not there, a way it has not, a driver that is not loaded."""
    nothing = {"energy": None, "instant": None, "average": None}
    stand_in = library(**nothing)
    with pytest.raises(AgentError, match="does not tell its energy or instant or average"):
        nvml.Device(stand_in, {})
    with pytest.raises(AgentError, match="no graphics processor 2: the driver lists 2"):
        nvml.Device(stand_in, {"selector": "2"})
    with pytest.raises(AgentError, match="cannot be read as 'peak'"):
        nvml.Device(stand_in, {"read": "peak"})
    assert stand_in.shut == 3
    with pytest.raises(AgentError, match="error 9, Driver Not Loaded"):
        nvml.Device(library(**nothing, init=9), {})
    with pytest.raises(AgentError, match=r"no no-such-library\.so"):
        open_source(["nvml", "library=no-such-library.so"])
