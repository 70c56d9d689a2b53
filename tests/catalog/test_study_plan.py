"""Study plans: what a file may say, every mistake of it at once, and those that are shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from powerlab.catalog.layers import builtin_lab, read_catalog
from powerlab.catalog.study_plan import read_study
from powerlab.errors import ProfileError
from tests.cli.test_study import PLAN

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = ["edgeboard", "memory-traffic", "prylipko", "sterckval", "tryolabs"]


@pytest.fixture(scope="module")
def catalog():
    """Get the built-in catalogue."""
    return read_catalog([builtin_lab()])[0]


@pytest.fixture
def read(catalog, tmp_path):
    """Get a function that reads a plan from its text."""

    def from_text(text):
        path = tmp_path / "plan.toml"
        path.write_text(text)
        return read_study(path, catalog)

    return from_text


def test_a_matrix_becomes_a_session_for_each_device_and_workload(read):
    """In the order of the file."""
    sessions = read(PLAN.replace('"edgeboard"', '"edgeboard", "jetson-nano"')).sessions
    assert [(each.device, each.workload) for each in sessions] == [
        ("edgeboard", "seed-cnn"),
        ("edgeboard", "mobilenet-v2"),
        ("jetson-nano", "seed-cnn"),
        ("jetson-nano", "mobilenet-v2"),
    ]


def test_emulation_shortens_what_it_names_alone(read, catalog):
    """A rate is replaced where the protocol has one."""
    text = PLAN.replace("run_s = 1.0", "run_s = 1.0\ntarget_qps = 3.0")
    emulated = read(text).content.emulated
    assert emulated is not None
    quick, server = (catalog.protocol(name) for name in ("quick", "mlperf-server"))
    assert emulated.shortened(quick) == quick.model_copy(update={"run_s": 1.0})
    assert emulated.shortened(server).target_qps == 3.0


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("edgeboard", "edgebord", "matrix[1].devices[1]: there is no device 'edgebord'; did you"),
        ("seed-cnn", "seed-cn", "matrix[1].workloads[1]: there is no workload"),
        ('"quick"', '"quik"', "matrix[1].protocol: there is no protocol 'quik'; did you mean"),
        ('"openvino"]', '"openvin"]', "matrix[1].runtimes[2]: there is no runtime"),
        ("[1, 2]", "[1, 1]", "matrix[1].batches: names 1 2 times"),
        ("[1, 2]", "[0]", "matrix[1].batches[1]: must be at least 1, not 0"),
        ("batches = [1, 2]", "batchs = [1]", "is no key of this file; did you mean 'batches'?"),
        ('devices = ["edgeboard"]', "", "matrix[1]: names neither devices nor benches"),
        ("run_s = 1.0", "run_s = 0", "emulated.run_s: must be above 0"),
        ('title = "Two networks"', "", "title: is missing"),
    ],
)
def test_mistakes_of_a_plan_are_told_by_their_keys(read, old, new, told):
    """With the nearest word."""
    with pytest.raises(ProfileError) as caught:
        read(PLAN.replace(old, new))
    assert told in str(caught.value)


def test_all_mistakes_are_told_at_once(read):
    """Schema and names together."""
    text = PLAN.replace("edgeboard", "edgebord").replace("[1, 2]", "[0]").replace("quick", "quik")
    with pytest.raises(ProfileError, match="3 problems"):
        read(text)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_a_plan(name, catalog):
    """Every name in it is one of the catalogue, and each says what it mends."""
    study = read_study(EXAMPLES / f"{name}.toml", catalog)
    assert study.content.did
    assert study.content.mended
    assert study.content.emulated is not None


def test_every_example_is_known_here():
    """A new one is added to the names above."""
    assert sorted(path.stem for path in EXAMPLES.glob("*.toml")) == NAMES
