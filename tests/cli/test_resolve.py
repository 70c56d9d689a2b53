"""From words to profiles and a bench."""

from __future__ import annotations

from dataclasses import replace

import pytest

from powerlab.catalog.bench_profile import Bench, BenchMeter, BenchSupply
from powerlab.catalog.layers import builtin_lab, read_catalog
from powerlab.catalog.tools import format_for
from powerlab.cli._resolve import choose, choose_bench, parse_supply, split_meter
from powerlab.cli._wanted import Wanted
from powerlab.errors import ConfigError, UnknownId

WANTED = Wanted(
    device="edgeboard",
    bench=None,
    host=None,
    meter=None,
    supply=None,
    emulate=False,
    seed=0,
    faults=(),
    workload="seed-cnn",
    runtimes=(),
    batches=(1,),
    threads=1,
    protocol="quick",
    runs=None,
    precision=0.0,
)
DMM = "keithley-dmm6500@TCPIP0::10.0.0.2::5025::SOCKET"


def catalog(**benches: Bench):
    """Get the built-in catalogue with some benches."""
    found, problems = read_catalog([builtin_lab()])
    assert not problems
    return replace(found, benches=benches)


def bench(device: str = "edgeboard") -> Bench:
    """Get a bench of a device."""
    return Bench(device=device, host="desk", meter=(BenchMeter(model="m", resource="r"),))


@pytest.mark.parametrize(
    "text", ["5.1V±0.05V", "5.1±0.05", "5.1 V ± 0.05 V", "5.1+-0.05", "5.1V+/-0.05v"]
)
def test_a_supply_is_read_in_every_usual_spelling(text):
    """Units and blanks may be left out, ± may be written as +-."""
    assert parse_supply(text) == BenchSupply(voltage_v=5.1, u_voltage_v=0.05)


@pytest.mark.parametrize("text", ["5.1V", "", "five", "0±1", "-5±1", "5±-1", "5 V ± 1 A"])
def test_a_supply_without_its_uncertainty_is_refused(text):
    """No figure without its uncertainty."""
    with pytest.raises(ConfigError) as caught:
        parse_supply(text)
    assert "5.1V±0.05V" in caught.value.hint


def test_a_meter_is_split_at_its_first_at():
    """A resource may hold an @ of its own."""
    assert split_meter("a@serial:/x@y") == ("a", "serial:/x@y")
    for wrong in ("a", "@b", "a@"):
        with pytest.raises(ConfigError, match="where the meter is"):
            split_meter(wrong)


def test_the_bench_of_the_device_is_taken():
    """With one bench for a device there is nothing to name."""
    assert choose_bench(catalog(desk=bench()), WANTED)[0] == "desk"


def test_without_a_bench_the_ways_to_go_on_are_named():
    """The error is the manual."""
    with pytest.raises(ConfigError) as caught:
        choose_bench(catalog(), WANTED)
    for way in ("bench init", "--host", "--emulate"):
        assert way in caught.value.hint


def test_a_bench_of_another_device_is_refused():
    """A name that fits the wrong board is a mistake, not a choice."""
    with pytest.raises(ConfigError, match="has the device 'local'"):
        choose_bench(catalog(desk=bench("local")), replace(WANTED, bench="desk"))


def test_host_meter_and_supply_make_a_bench():
    """A bench may be described on the command line alone."""
    wanted = replace(WANTED, host="pi@10.0.0.3:22", meter=DMM, supply="12V±0.1V")
    name, found = choose_bench(catalog(), wanted)
    assert name == "command-line"
    assert found.host == "pi@10.0.0.3:22"
    assert found.meter[0].resource == "TCPIP0::10.0.0.2::5025::SOCKET"
    assert found.meter[0].measures == ("current",)
    assert found.supply == BenchSupply(voltage_v=12, u_voltage_v=0.1)


def test_a_meter_that_no_profile_describes_is_refused():
    """Did-you-mean holds for meters on the command line."""
    with pytest.raises(UnknownId) as caught:
        choose_bench(catalog(), replace(WANTED, host="h", meter="keithley-dmm650@x"))
    assert "keithley-dmm6500" in caught.value.hint


@pytest.mark.parametrize(
    "change",
    [
        {"emulate": True, "bench": "desk"},
        {"emulate": True, "host": "h"},
        {"emulate": True, "supply": "5±1"},
        {"emulate": True, "meter": DMM},
        {"faults": ("gap@1s",)},
        {"bench": "desk", "host": "h"},
        {"host": "h"},
        {"meter": DMM},
        {"supply": "5±1"},
    ],
)
def test_options_that_do_not_go_together_are_refused(change):
    """Nothing that was typed is silently ignored."""
    with pytest.raises(ConfigError) as caught:
        choose(catalog(), replace(WANTED, **change))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"device": "edgebord"}, "edgeboard"),
        ({"workload": "seed-cn"}, "seed-cnn"),
        ({"protocol": "quik"}, "quick"),
    ],
)
def test_a_mistyped_name_gets_the_nearest(change, kind):
    """Device, workload and protocol alike."""
    with pytest.raises(UnknownId) as caught:
        choose(catalog(), replace(WANTED, **change))
    assert repr(kind) in caught.value.hint


def test_the_runtime_is_that_of_the_emulation_or_the_first_that_loads():
    """Asked for, emulated, native, any: in this order."""
    found = catalog()
    assert choose(found, replace(WANTED, runtimes=("openvino",))).runtimes == ("openvino",)
    assert choose(found, replace(WANTED, emulate=True)).runtimes == ("tflite",)
    assert choose(found, replace(WANTED, device="local")).runtimes == ("tflite",)
    assert choose(found, WANTED).runtimes == ("tflite",)


def test_a_device_without_a_model_of_it_cannot_be_emulated():
    """The hint names those that can."""
    with pytest.raises(ConfigError, match="cannot be emulated") as caught:
        choose(catalog(), replace(WANTED, device="aistudio-v100", emulate=True))
    assert "edgeboard" in caught.value.hint


def test_a_runtime_without_a_file_is_refused():
    """The hint names those that have one."""
    with pytest.raises(ConfigError) as caught:
        choose(catalog(), replace(WANTED, runtimes=("tflite", "paddle-lite")))
    assert "openvino" in caught.value.hint


def test_runs_replace_those_of_the_preset():
    """Everything else of the preset stays."""
    preset = choose(catalog(), WANTED).protocol
    changed = choose(catalog(), replace(WANTED, runs=9)).protocol
    assert changed == preset.model_copy(update={"runs": 9})


def test_a_number_of_runs_and_a_precision_exclude_each_other():
    """Two answers to one question are refused before anything starts."""
    with pytest.raises(ConfigError, match="--precision"):
        choose(catalog(), replace(WANTED, runs=9, precision=0.01))


def protocols(**changes: object):
    """Get the built-in catalogue with a protocol of its own, "mine"."""
    found = catalog()
    mine = found.protocol("quick").model_copy(update={"id": "mine", **changes})
    return replace(found, protocols={**found.protocols, "mine": mine})


@pytest.mark.parametrize(
    ("protocol", "wanted", "told"),
    [
        ({"timed": "end-to-end"}, {"dither": True}, "takes no --dither"),
        ({"timed": "end-to-end"}, {"runtimes": ("command",), "command": "./x"}, "makes its"),
        ({"scenario": "multi-stream"}, {}, "a batch of several inputs"),
        ({"scenario": "server", "target_qps": 1.0}, {"batches": (1, 2)}, "is one input"),
        ({"scenario": "single-stream"}, {"batches": (8,)}, "is one input"),
        (
            {"scenario": "single-stream"},
            {"runtimes": ("command",), "command": "./x", "batches": ()},
            "cannot be asked of the runtime 'command'",
        ),
        (
            {"scenario": "single-stream"},
            {"runtimes": ("benchmark-model",), "command": "bm"},
            "cannot be asked of the runtime 'benchmark-model'",
        ),
    ],
)
def test_a_scenario_refuses_what_it_cannot_be_asked_for(protocol, wanted, told):
    """Before anything is opened."""
    asked = replace(WANTED, **{"protocol": "mine", **wanted})
    with pytest.raises(ConfigError, match=told):
        choose(protocols(**protocol), asked)


@pytest.mark.parametrize(("scenario", "batches"), [("single-stream", (1,)), ("offline", (1, 4))])
def test_passes_that_follow_each_other_take_pauses(scenario, batches):
    """Neither has instants of its own."""
    asked = replace(WANTED, protocol="mine", dither=True, batches=batches)
    assert choose(protocols(scenario=scenario), asked).batches == batches


def test_a_program_is_asked_for_its_rate_alone():
    """Offline has no percentile, which a program that times its passes together has not either."""
    asked = replace(WANTED, protocol="mine", runtimes=("benchmark-model",), command="bm")
    assert choose(protocols(scenario="offline"), asked).runtimes == ("benchmark-model",)


def test_a_protocol_brings_its_batches_where_none_are_asked_for():
    """Those on the command line go before them."""
    asked = replace(WANTED, protocol="mine", batches=())
    assert choose(protocols(batches=(8,)), asked).batches == (8,)
    assert choose(protocols(), asked).batches == (1,)
    assert choose(protocols(batches=(8,)), replace(asked, batches=(2,))).batches == (2,)


def test_a_makers_program_takes_the_files_of_other_runtimes():
    """benchmark_model reads TFLite; one without a file is refused by name."""
    asked = replace(WANTED, runtimes=("benchmark-model",), command="bm --use_gpu=true")
    chosen = choose(catalog(), asked)
    assert chosen.runtimes == ("benchmark-model",)
    assert format_for("benchmark-model", chosen.workload.formats) == "tflite"
    assert chosen.workload.command == ("bm", "--use_gpu=true")
    with pytest.raises(ConfigError, match="paddle-lite-benchmark"):
        choose(catalog(), replace(WANTED, runtimes=("paddle-lite-benchmark",)))
    assert format_for("trtexec", {"onnxruntime": "onnx"}) == "onnx"
