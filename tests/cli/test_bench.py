"""Benches made, tested and measured on, against emulated servers over their real wires."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from powerlab.catalog.bench_profile import Bench
from powerlab.catalog.layers import load_catalog
from powerlab.cli import _bench_init, _bench_probe, _resolve
from powerlab.emulation.bench import emulated_bench
from powerlab.store.archive import list_runs, open_run
from tests.store.made import capture

TINY = """
schema = 1
id = "tiny"
name = "Tiny"
summary = "For tests: two runs of a second"
idle_s = 1.0
warm_up_limit_s = 1.0
runs = 2
run_s = 1.0
guard_s = 0.25
"""


@pytest.fixture(scope="module")
def served() -> Iterator[Bench]:
    """Get a bench whose board and meter are servers of their own."""
    with emulated_bench(load_catalog(cwd=Path("/")), "edgeboard", seed=3) as running:
        yield running.bench


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """Get a lab with a short protocol."""
    place = tmp_path / "lab"
    (place / "workloads" / "protocols").mkdir(parents=True)
    (place / "workloads" / "protocols" / "tiny.toml").write_text(TINY)
    return place


def init_words(bench: Bench, lab: Path) -> list[object]:
    """Get the command line that makes this bench."""
    meter = bench.meter[0]
    return [
        *("bench", "init", "--name", "desk", "--device", "edgeboard", "--host", bench.host),
        *("--python", bench.python, "--ssh-config", "none", "--seconds", "1", "--lab", lab),
        *("--identity-file", bench.identity_file, "--known-hosts-file", bench.known_hosts_file),
        *("--meter", f"{meter.model}@{meter.resource}"),
        *("--cable-ohm", meter.cable_ohm, "--u-cable-ohm", meter.u_cable_ohm),
    ]


@pytest.mark.slow
def test_a_bench_is_made_tested_written_and_measured_on(run, served, lab):
    """Board, meter and volts are read, the file is written, and the command it names works."""
    ran = run(*init_words(served, lab), "--read-voltage")
    assert ran.code == 0, ran.err
    assert "(EMULATED)" in ran.out
    assert "load   about " in ran.out
    assert "powerlab measure --device edgeboard --bench desk" in ran.out
    written = load_catalog(lab).bench("desk")
    assert written.meter[0].serial == served.meter[0].serial
    assert written.supply.voltage_v == pytest.approx(served.supply.voltage_v, rel=0.01)
    assert 0 < written.supply.u_voltage_v < 0.01 * written.supply.voltage_v

    again = run(*init_words(served, lab), "--supply", "12V±0.1V")
    assert again.code == 2
    assert "has a bench 'desk' already" in again.err

    checked = run("bench", "check", "desk", "--seconds", "1", "--lab", lab, "--json").json
    assert checked["load_w"] > checked["idle_w"] > 0
    assert checked["bad"] == 0
    assert checked["remarks"] == []
    assert checked["meter"]["emulated"]

    measured = run(
        *("measure", "--device", "edgeboard", "--bench", "desk", "--lab", lab),
        *("--protocol", "tiny", "--json"),
    )
    assert measured.code in (0, 6), measured.err
    assert measured.json["evidence"] == "emulated"
    assert "truth" not in measured.json
    (entry,) = list_runs(lab / "runs")
    assert open_run(entry.folder).capture.trace.identity.serial == served.meter[0].serial


def test_a_terminated_measurement_leaves_a_partial_run_and_no_process(served, lab):
    """SIGTERM while it records: exit 130, samples kept, meter and agent stopped."""
    meter = served.meter[0]
    (lab / "powerlab.toml").write_text(
        f"""schema = 1
[bench.desk]
device = "edgeboard"
host = "{served.host}"
python = "{served.python}"
ssh_config = "none"
identity_file = "{served.identity_file}"
known_hosts_file = "{served.known_hosts_file}"
[[bench.desk.meter]]
model = "{meter.model}"
resource = "{meter.resource}"
serial = "{meter.serial}"
"""
    )
    words = ["measure", "--device", "edgeboard", "--lab", str(lab), "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "powerlab.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stderr:
            if "warm-up" in line:
                break
        os.kill(process.pid, signal.SIGTERM)
        out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    (entry,) = list_runs(lab / "runs")
    assert entry.status == "partial"
    stored = open_run(entry.folder)
    assert len(stored.capture.trace.flags) > 100
    assert [phase.kind for phase in stored.capture.phases] == ["idle"]


def test_nothing_is_written_when_the_board_does_not_answer(run, served, lab):
    """A closed port is a target error, and there is no half-made bench."""
    words = init_words(served, lab)
    words[words.index("--host") + 1] = "powerlab@127.0.0.1:1"
    ran = run(*words, "--supply", "12V±0.1V")
    assert ran.code == 5
    assert not (lab / "powerlab.toml").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--supply", "12"], "5.1V±0.05V"),
        (["--device", "edgebord"], "'edgeboard'"),
        (["--meter", "rdtech-um25c"], "MODEL@RESOURCE"),
    ],
)
def test_a_description_that_cannot_be_used_is_refused_at_once(run, served, lab, words, told):
    """Before board or meter are reached."""
    ran = run(*init_words(served, lab), *words)
    assert ran.code == 2
    assert told in ran.err


def test_without_a_terminal_nothing_is_asked(run, lab):
    """What is missing is named as an option."""
    ran = run("bench", "init", "--lab", lab)
    assert ran.code == 2
    assert "--device is missing" in ran.err


def answered(monkeypatch: pytest.MonkeyPatch, lab: Path, *answers: str) -> tuple[Bench, str]:
    """Describe a bench by answers at a terminal; get it with the text of all questions."""
    waiting, asked = iter(answers), []

    def prompt(text: str) -> str:
        asked.append(text)
        return next(waiting)

    monkeypatch.setattr(_bench_init.sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.termui.visible_prompt_func", prompt)
    monkeypatch.setattr("click.termui.echo", lambda text=None, **_: asked.append(str(text or "")))
    options = dict.fromkeys(_bench_init.BenchOptions.__dataclass_fields__)
    options |= {"python": "python3", "ssh_config": "", "identity_file": "id"}
    options |= {"known_hosts_file": "", "read_voltage": False}
    bench = _bench_init._describe(
        _bench_init.BenchOptions(**options), load_catalog(lab), "edgeboard"
    )
    assert next(waiting, None) is None
    return bench, "\n".join(asked)


def test_a_terminal_is_asked_for_what_no_option_tells(monkeypatch, lab):
    """Questions in the order of the bench, the meter's own example as a default."""
    meter = ["keithley-dmm6500", "TCPIP0::1.2.3.4::5025::SOCKET"]
    bench, asked = answered(monkeypatch, lab, "me@desk", *meter, "dc", "0.1", "0.02")
    assert (bench.device, bench.host, bench.boundary) == ("edgeboard", "me@desk", "dc")
    assert (bench.meter[0].cable_ohm, bench.meter[0].u_cable_ohm) == (0.1, 0.02)
    assert bench.identity_file == str(Path("id").absolute())
    example = load_catalog(lab).instrument("keithley-dmm6500").link.example
    assert f"Where the meter is [{example}]" in asked


def test_a_typing_error_at_a_terminal_is_asked_again(monkeypatch, lab):
    """Unknown meters, resistances that are none, boundaries that are none."""
    meter = ["keithley-dmm650", "keithley-dmm6500@TCPIP0::1.2.3.4::5025::SOCKET"]
    words = ["me@desk", *meter, "bord", "board", "a little", "0.1", "-1", ""]
    bench, asked = answered(monkeypatch, lab, *words)
    assert bench.meter[0].resource == "TCPIP0::1.2.3.4::5025::SOCKET"
    assert bench.boundary == "board"
    assert (bench.meter[0].cable_ohm, bench.meter[0].u_cable_ohm) == (0.1, 0.025)
    assert "'keithley-dmm6500'" in asked
    assert "'a little' is no resistance" in asked


def test_an_empty_resistance_is_an_unknown_one(monkeypatch, lab):
    """The file then has no value, and the question says what an empty answer means."""
    meter = "keithley-dmm6500@TCPIP0::1.2.3.4::5025::SOCKET"
    bench, asked = answered(monkeypatch, lab, "me@desk", meter, "", "")
    assert not {"cable_ohm", "u_cable_ohm"} & bench.meter[0].model_fields_set
    assert "empty if unknown" in asked


def test_power_of_a_check_is_corrected_as_in_a_result(lab):
    """The ammeter's own burden comes off the volts that were read without it."""
    catalog = load_catalog(lab)
    bench = _resolve.build_bench(
        catalog, "edgeboard", "h", "keithley-dmm6500@x", "12V±0.1V", cable_ohm="0.5±0.1"
    )
    parts = _bench_init.parts_of(catalog, bench, "seed-cnn", None, 1.0)
    setup = capture().trace.setup
    idle, load = np.array([0.25]), np.array([0.75])
    assert _bench_probe.power_w(load, load, setup, parts) == pytest.approx(
        0.75 * (12 - 0.75 * setup.burden_ohm)
    )
    at_idle = 12 + 0.5 * 0.5 - 0.25 * setup.burden_ohm
    assert _bench_probe.power_w(idle, load, setup, parts) == pytest.approx(0.25 * at_idle)


def test_a_bench_where_there_is_none_at_all_is_told_how_to_make_one(run):
    """No list is offered that would be empty."""
    ran = run("bench", "check", "desk")
    assert ran.code == 2
    assert "powerlab bench init" in ran.err
    assert "bench list" not in ran.err


def test_benches_are_listed(run, lab):
    """Where each is, what is on it, and from which file."""
    assert "powerlab bench init" in run("bench", "list").out
    (lab / "powerlab.toml").write_text(
        'schema = 1\n[bench.desk]\ndevice = "edgeboard"\nhost = "h"\n'
        '[[bench.desk.meter]]\nmodel = "rdtech-um25c"\nresource = "serial:/dev/x"\n'
    )
    assert str(lab / "powerlab.toml") in run("bench", "list", "--lab", lab).out
    listed = run("bench", "list", "--lab", lab, "--json").json
    assert listed["benches"]["desk"]["meter"][0]["resource"] == "serial:/dev/x"
