"""``bench check``: what the files say comes first, and what is unsafe reaches nothing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from powerlab.analysis.meter_check import MeterCheck, Verdict
from powerlab.catalog.bench_profile import Bench
from powerlab.catalog.layers import load_catalog
from powerlab.cli import _bench_meters, _bench_probe, _meter_checks
from powerlab.cli._bench_meters import Tried, try_others
from powerlab.cli._bench_text import any_failed, probe_text
from tests.cli.watching import FakeMeter

HEAD = 'schema = 1\n[bench.{0}]\ndevice = "{1}"\nhost = "h"\nboundary = "board"\n'
METER = '[[bench.{0}.meter]]\nmodel = "{1}"\nresource = "{2}"\nmeasures = [{3}]\n'
BOTH = '"voltage", "current"'


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Get a function that writes a lab's benches; nothing may be reached from there."""

    def reached(*_: object, **__: object) -> None:
        raise AssertionError("a board or meter was reached")

    monkeypatch.setattr(_bench_probe, "open_board", reached)
    monkeypatch.setattr(_bench_probe, "open_meter", reached)
    place = tmp_path / "lab"
    place.mkdir()

    def write(text: str) -> Path:
        (place / "powerlab.toml").write_text(text)
        return place

    return write


def test_an_unsafe_bench_ends_before_anything_is_reached(run, lab):
    """Exit code 3 with what is unsafe and what to do."""
    text = HEAD.format("desk", "jetson-agx-orin") + METER.format(
        "desk", "rdtech-um25c", "serial:/dev/x", BOTH
    )
    text += "[bench.desk.supply]\nvoltage_v = 48.0\nu_voltage_v = 0.1\n"
    ran = run("bench", "check", "desk", "--lab", lab(text))
    assert ran.code == 3
    assert "the bench desk is not safe to switch on" in ran.err
    assert "48" in ran.err


def test_an_unsafe_bench_is_not_made(run, lab):
    """``bench init`` refuses it as well, and writes nothing."""
    place = lab("schema = 1\n")
    words = ["bench", "init", "--name", "desk", "--device", "raspberry-pi-4", "--host", "h"]
    ran = run(*words, "--meter", "rdtech-um25c@serial:/dev/x", "--boundary", "wall", "--lab", place)
    assert ran.code == 3
    assert "mains" in ran.err
    assert "desk" not in (place / "powerlab.toml").read_text()


def test_a_dry_run_tells_what_the_files_say(run, lab):
    """Without a name where there is one bench; text and JSON."""
    text = HEAD.format("desk", "raspberry-pi-4")
    text += METER.format("desk", "keithley-dmm6500", "TCPIP0::x::5025::SOCKET", '"current"')
    place = lab(text)
    document = run("bench", "check", "--dry-run", "--lab", place, "--json").json
    assert document["schema"] == "powerlab.bench-check/1"
    assert document["bench"] == "desk"
    assert [each["code"] for each in document["findings"]] == ["undervoltage", "terminals"]
    assert "warning: at 1.71 A" in run("bench", "check", "--dry-run", "--lab", place).out


def test_a_sound_bench_is_said_to_be_one(run, lab):
    """A dry run has an answer in any case."""
    text = HEAD.format("desk", "raspberry-pi-4") + METER.format(
        "desk", "rdtech-tc66c", "/dev/x", BOTH
    )
    assert "nothing speaks against it" in run("bench", "check", "--dry-run", "--lab", lab(text)).out


@pytest.mark.parametrize(
    ("model", "resource", "told"),
    [
        ("fnirsi-c2", "hid:0483:003B", "did you mean 'fnirsi-c1'"),
        ("fnirsi-c1", "foo", "write it like hid:0483:003B"),
    ],
)
def test_a_meter_that_cannot_be_is_refused(run, lab, model, resource, told):
    """Exit code 2, dry run or not: no such model, or a resource that is none of its kind."""
    text = HEAD.format("desk", "raspberry-pi-4") + METER.format("desk", model, resource, BOTH)
    for words in ((), ("--dry-run",)):
        ran = run("bench", "check", *words, "--lab", lab(text))
        assert ran.code == 2
        assert told in ran.err


def test_of_several_benches_one_is_named(run, lab):
    """And where there is none at all, how to make one."""
    text = HEAD.format("desk", "edgeboard") + METER.format("desk", "rdtech-tc66c", "x", BOTH)
    more = HEAD.format("shelf", "edgeboard") + METER.format("shelf", "rdtech-tc66c", "y", BOTH)
    ran = run("bench", "check", "--lab", lab(text + more.removeprefix("schema = 1\n")))
    assert ran.code == 2
    assert "powerlab bench check desk" in ran.err
    ran = run("bench", "check", "--lab", lab("schema = 1\n"))
    assert ran.code == 2
    assert "powerlab bench init" in ran.err


def test_the_other_meters_are_read_alone(monkeypatch):
    """The voltmeter is asked for volts; each has its own checks."""
    catalog = load_catalog(cwd=Path("/"))
    meters = [
        {"model": "keithley-dmm6500", "resource": "TCPIP0::a::5025::SOCKET"},
        {"model": "siglent-sdm3065x", "resource": "b", "measures": ["voltage"]},
        {"model": "yokogawa-wt310e", "resource": "c", "measures": ["power"], "boundary": "wall"},
    ]
    bench = Bench(device="edgeboard", host="h", boundary="board", meter=meters)
    made: dict[str, FakeMeter] = {}

    def open_meter(_profile, bench_meter, _bench):
        return made.setdefault(bench_meter.resource, FakeMeter())

    monkeypatch.setattr(_bench_meters, "open_meter", open_meter)
    monkeypatch.setattr(_meter_checks, "LEAD_S", 0.0)
    told: list[str] = []
    device = catalog.device("edgeboard")
    tried = try_others(bench, device, catalog.instruments, 0.2, told.append)
    assert [line.split()[1] for line in told] == ["siglent-sdm3065x", "yokogawa-wt310e"]
    assert made["b"].requests[0].channels == ("voltage",)
    assert made["c"].requests[0].channels == ()
    assert all(meter.closed for meter in made.values())
    found = [{check.name: check.verdict for check in each.checks} for each in tried]
    assert found[0]["volts"] is Verdict.FAIL  # 5 V, where the board's supply has 12 V
    assert "volts" not in found[1]


def test_a_failed_check_of_any_meter_is_told():
    """As text, and for the exit code."""
    identity = FakeMeter.identity
    bad = MeterCheck("sign", Verdict.FAIL, "current is negative", "turn it round")
    fine = MeterCheck("rate", Verdict.PASS, "100/s")
    done = SimpleNamespace(
        board={"hostname": "b", "cpu": "c", "machine": "m", "python": "3"},
        identity=identity,
        idle_w=1.0,
        load_w=2.0,
        samples=5,
        bad=0,
        remarks=(),
        findings=(),
        checks=(fine,),
    )
    assert not any_failed(done, ())
    others = (Tried(identity, (fine, bad)),)
    assert any_failed(done, others)
    assert "failed: sign of TC66C: current is negative" in probe_text(done, others)
