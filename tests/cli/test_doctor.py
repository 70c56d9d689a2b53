"""``powerlab doctor``."""

from __future__ import annotations

from pathlib import Path

import pytest

from powerlab.catalog.layers import load_catalog
from powerlab.cli import _checks, _scan
from powerlab.cli._output import LEAST_FREE_BYTES, check_run_root
from powerlab.errors import SetupError
from powerlab.transport import usb_obstacles
from powerlab.transport.usb_obstacles import Places
from tests.transport.usb_trees import Tree

NEEDED = {"python", "packages", "ssh client", "account", "PDF writer", "fonts (en)", "disk"}
USEFUL = {"fonts (zh)", "runtime tflite", "runtime openvino", "serial ports", "USB meters"}


def test_it_looks_at_everything(run):
    """Each thing is told with its state; on a complete machine nothing is advised."""
    ran = run("doctor", "--json")
    states = {check["name"]: check["state"] for check in ran.json["checks"]}
    assert states.keys() == NEEDED | USEFUL
    assert ran.code == (3 if "missing" in states.values() else 0)
    for check in ran.json["checks"]:
        assert bool(check["advice"]) == (check["state"] != "ok")
    assert "Python 3" in run("doctor").out


def test_what_is_missing_has_an_advice_and_exit_code_3(run, monkeypatch):
    """Without ssh, the package that brings it is named."""
    monkeypatch.setattr(_checks.shutil, "which", lambda _: None)
    ran = run("doctor")
    assert ran.code == 3
    assert "ssh client: apt-get install openssh-client" in ran.out


def test_a_user_without_an_entry_is_told_what_ssh_needs(monkeypatch):
    """Containers often run as a number."""

    def nobody(_: int) -> None:
        raise KeyError

    monkeypatch.setattr(_checks.pwd, "getpwuid", nobody)
    assert _checks.check_account().state == "missing"


def test_a_user_outside_the_group_is_told_the_command(monkeypatch):
    """Serial ports are needed only for some meters, so this is no failure."""
    group = type("Group", (), {"gr_name": "dialout", "gr_gid": 20})
    monkeypatch.setattr(_checks.grp, "getgrall", lambda: [group])
    monkeypatch.setattr(_checks.os, "getuid", lambda: 1000)
    monkeypatch.setattr(_checks.os, "getgid", lambda: 1000)
    monkeypatch.setattr(_checks.os, "getgroups", lambda: [1000])
    check = _checks.check_serial()
    assert check.state == "optional"
    assert "usermod -aG dialout" in check.advice
    monkeypatch.setattr(_checks.os, "getgroups", lambda: [1000, 20])
    assert _checks.check_serial().state == "ok"


@pytest.mark.parametrize(("permitted", "state"), [(True, "ok"), (False, "optional")])
def test_a_meter_with_something_in_its_way_is_told(monkeypatch, tmp_path, permitted, state):
    """Those plugged in are named; the scan has the details."""
    tree = Tree(tmp_path)
    usb_id = next(
        usb_id
        for each in load_catalog(cwd=tmp_path).instruments.values()
        for usb_id in each.link.usb_ids
    )
    tree.device("1-2", usb_id, [{"node": "ttyACM0"}, {"node": "hidraw0"}])
    monkeypatch.setattr(_scan, "PLACES", Places(tree.sys, tree.dev, tree.proc, tree.udev))
    monkeypatch.setattr(usb_obstacles.os, "access", lambda *_: permitted)
    check = _checks.check_usb(None)
    assert check.state == state
    assert ("powerlab instruments scan" in check.advice) == (state == "optional")


def test_a_missing_runtime_names_the_extra(monkeypatch):
    """The runtimes on this computer are an extra."""
    monkeypatch.setattr(_checks, "find_spec", lambda _: None)
    for check in _checks.check_runtimes():
        assert check.state == "optional"
        assert "powerlab[local]" in check.advice


@pytest.mark.parametrize(
    ("free", "state"), [(10**9, "ok"), (LEAST_FREE_BYTES, "ok"), (LEAST_FREE_BYTES - 1, "missing")]
)
def test_room_on_the_disk(monkeypatch, tmp_path: Path, free, state):
    """Looked at where runs go, with the limit of ``measure``, even before it exists."""
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr(_checks.shutil, "disk_usage", lambda _: usage)
    assert _checks.check_disk(tmp_path / "not" / "yet").state == state
    if state == "ok":
        check_run_root(tmp_path / "runs")
    else:
        with pytest.raises(SetupError):
            check_run_root(tmp_path / "runs")
