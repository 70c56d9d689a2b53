"""Live readings and self-checks of one meter, in place of a wire and over an emulated one."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from powerlab.catalog.layers import load_catalog
from powerlab.cli import _meter_source, _watch
from tests.cli.watching import FakeMeter, is_number, put_in_place

BENCHES = """schema = 1
[bench.desk]
device = "raspberry-pi-4"
host = "h"
[[bench.desk.meter]]
model = "rdtech-tc66c"
resource = "serial:/dev/one"
[bench.shelf]
device = "edgeboard"
host = "h"
[[bench.shelf.meter]]
model = "rdtech-um25c"
resource = "serial:/dev/two"
[bench.other]
device = "edgeboard"
host = "h"
[[bench.other.meter]]
model = "rdtech-um25c"
resource = "serial:/dev/three"
"""


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """Get a lab with three benches."""
    place = tmp_path / "lab"
    place.mkdir()
    (place / "powerlab.toml").write_text(BENCHES)
    return place


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell a reading ten times a second."""
    monkeypatch.setattr(_watch, "EVERY_S", 0.1)


@pytest.fixture
def watch(run, lab, quick):
    """Get a function that watches for a third of a second."""
    return lambda *words: run("instruments", "watch", *words, "--seconds", 0.3, "--lab", lab)


def test_readings_are_lines_and_an_end_with_their_sum(watch, monkeypatch):
    """Volts, amperes, watts, rate, what was lost, the energy so far."""
    meter = FakeMeter()
    put_in_place(monkeypatch, meter)
    ran = watch("rdtech-tc66c", "--resource", "serial:/dev/fake")
    assert ran.code == 0, ran.err
    *lines, end = ran.out.splitlines()
    assert lines
    for line in lines:
        assert re.search(r" s  [45]\.\d+ V  [01]\.\d+ A  \d\.\d+ W  [\d.]+/s  0 lost", line)
    assert re.search(r"mean 5(\.\d+)? V.* \d+ readings, .*0 lost, 0 repeated", end)
    assert "serial 77, at serial:/dev/fake" in ran.err
    assert meter.closed


def test_json_is_one_document_a_reading(watch, monkeypatch):
    """Stdout has nothing else; energy grows."""
    put_in_place(monkeypatch, FakeMeter())
    ran = watch("rdtech-tc66c", "--resource", "serial:/dev/fake", "--json")
    documents = [json.loads(line) for line in ran.out.splitlines()]
    assert {each["schema"] for each in documents} == {"powerlab.reading/1"}
    assert documents[0]["instrument"] == "rdtech-tc66c"
    energies = [each["energy_j"] for each in documents]
    assert energies == sorted(energies)
    for each in documents:
        # 5 W, and the seconds that came together with the joules: the first reading's too
        assert each["energy_j"] == pytest.approx(5.0 * each["t_s"], rel=0.01)
        assert all(is_number(each[name]) for name in ("voltage_v", "current_a", "power_w"))
        assert each["power_w"] == pytest.approx(5.0, rel=0.01)


def test_what_came_before_a_failure_is_summed_up(watch, monkeypatch):
    """Exit code 4 and the error, after the summary."""
    meter = FakeMeter(breaks_after=15)
    put_in_place(monkeypatch, meter)
    ran = watch("rdtech-tc66c", "--resource", "serial:/dev/fake")
    assert ran.code == 4
    assert "15 readings" in ran.out
    assert "unplugged" in ran.err
    assert meter.closed


def test_the_one_bench_that_has_the_model_is_taken(watch, monkeypatch):
    """Its board fixes the range; --peak-a fixes another."""
    meter, opened = FakeMeter(), []
    put_in_place(monkeypatch, meter, opened)
    assert watch("rdtech-tc66c").code == 0
    assert opened[0].resource == "serial:/dev/one"
    assert meter.requests[0].expected_peak_a == pytest.approx(1.5 * 5.8 / 5.1)
    assert watch("rdtech-tc66c", "--peak-a", 3).code == 0
    assert meter.requests[1].expected_peak_a == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rdtech-um25c"], "--bench shelf"),
        (["rdtech-um25c", "--bench", "desk"], "watch rdtech-tc66c --bench desk"),
        (["rdtech-tc66c", "--emulate", "--bench", "desk"], "exclude each other"),
        (["rdtech-um24c"], "powerlab instruments scan"),
        (["rigol-dp832", "--resource", "x"], "is a supply, not a meter"),
    ],
)
def test_an_unclear_meter_is_refused_with_the_way_to_name_it(watch, words, told, monkeypatch):
    """Nothing is opened."""
    opened = []
    put_in_place(monkeypatch, FakeMeter(), opened)
    monkeypatch.setattr(_meter_source, "PLACES", _meter_source.PLACES.__class__(*[Path("/no")] * 4))
    ran = watch(*words)
    assert ran.code == 2
    assert told in ran.err
    assert opened == []


def test_the_emulated_board_is_one_that_the_meter_carries():
    """A tester for 5 V stands on no board of 12 V, where another one can be emulated."""
    catalog = load_catalog(cwd=Path("/"))
    for model in ("keithley-dmm6500", "rdtech-tc66c", "power-z-km003c"):
        assert _meter_source._emulable(catalog, catalog.instrument(model)).id == "edgeboard"
    tester = catalog.instrument("rdtech-um25c")
    small = [each.model_copy(update={"full_scale": 6.0}) for each in tester.range]
    small_tester = tester.model_copy(update={"range": tuple(small)})
    chosen = _meter_source._emulable(catalog, small_tester)
    assert chosen.emulation.supply_voltage_v < 6


@pytest.mark.parametrize(("meter", "code"), [(FakeMeter(), 0), (FakeMeter(amperes=-1.0), 4)])
def test_a_check_that_fails_has_exit_code_4(run, lab, monkeypatch, meter, code):
    """All checks are told, in JSON and as a table."""
    put_in_place(monkeypatch, meter)
    words = ["instruments", "check", "rdtech-tc66c", "--resource", "serial:/dev/fake"]
    monkeypatch.setattr("powerlab.cli._meter_checks.LEAD_S", 0.0)
    ran = run(*words, "--seconds", 0.3, "--lab", lab, "--json")
    found = {check["name"]: check["verdict"] for check in ran.json["checks"]}
    assert ran.code == code, ran.json
    assert ran.json["schema"] == "powerlab.meter-check/1"
    assert ran.json["verdict"] == ("fail" if code else "pass")
    assert found["sign"] == ("fail" if code else "pass")
    assert {"rate", "renewal", "time", "gaps", "range", "saturation"} <= set(found)


def test_a_check_as_a_table_ends_with_what_to_do(run, lab, monkeypatch):
    """Of what did not pass."""
    put_in_place(monkeypatch, FakeMeter(amperes=-1.0))
    monkeypatch.setattr("powerlab.cli._meter_checks.LEAD_S", 0.0)
    words = ["instruments", "check", "rdtech-tc66c", "--resource", "serial:/dev/fake"]
    ran = run(*words, "--seconds", 0.3, "--lab", lab)
    assert ran.code == 4
    assert re.search(r"^\w+ +rate .*counting to ± 1\.5 of \d+ readings", ran.out, re.MULTILINE)
    assert re.search(r"^fail +sign", ran.out, re.MULTILINE)
    assert re.search(r"^sign: turn the meter round", ran.out, re.MULTILINE)


def test_ctrl_c_ends_an_emulated_meter_with_a_summary():
    """The real driver over the emulated wire; exit code 0, and no process is left."""
    words = ["instruments", "watch", "rdtech-tc66c", "--emulate"]
    with subprocess.Popen(
        [sys.executable, "-m", "powerlab.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 0, err
    assert "EMULATED" in first
    assert re.search(r"EMULATED, .*mean .* W; .* J; \d+ readings", out)
    assert "Traceback" not in err
