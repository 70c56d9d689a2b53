"""Model files of the user's: found, checked, counted."""

from __future__ import annotations

import hashlib

import pytest
from pydantic import ValidationError

from powerlab.catalog.workload_profile import FORMATS, WorkloadProfile, board_names, ending_of
from powerlab.errors import ConfigError, UnknownId
from powerlab.recipes import build_workload, main_file
from powerlab.recipes.counted import check_counts, count_file, counted
from powerlab.recipes.own_files import sha256_of

ORIGIN = {"source": "made for a test", "retrieved": "2026-11-21"}


def _profile(files, **changes):
    told = {
        "schema": 1,
        "id": "mine",
        "name": "Mine",
        "summary": "A test",
        "precision": "int8",
        "input_shape": (1, 8, 8, 3),
        "outputs": 10,
        "parameters": 1,
        "macs": 1,
        "formats": {"edgetpu": "edgetpu"},
        "files": files,
        "origin": ORIGIN,
    }
    return WorkloadProfile.model_validate({**told, **changes})


def _file(path, content=b"model"):
    return {"path": path, "sha256": hashlib.sha256(content).hexdigest()}


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """Get a lab in which the command runs."""
    lab = tmp_path / "lab"
    (lab / "models").mkdir(parents=True)
    (lab / "powerlab.toml").write_text("schema = 1\n")
    (lab / "models" / "mine_edgetpu.tflite").write_bytes(b"model")
    monkeypatch.chdir(lab)
    return lab


def test_a_file_is_found_relative_to_its_lab(lab, tmp_path):
    """By a relative path, from a folder below as well, and by an absolute one."""
    profile = _profile({"edgetpu": [_file("models/mine_edgetpu.tflite")]})
    files = build_workload(profile, "edgetpu", tmp_path / "cache")
    assert files == {"model.tflite": lab / "models" / "mine_edgetpu.tflite"}
    absolute = _profile({"edgetpu": [_file(str(lab / "models" / "mine_edgetpu.tflite"))]})
    assert build_workload(absolute, "edgetpu", tmp_path / "cache") == files


def test_files_of_one_model_have_one_name_on_the_board(lab, tmp_path):
    """Whatever they are called here; the one to be opened comes first."""
    names = ("net.params", "inputs.inputs.json", "net-symbol.json")
    for name in names:
        (lab / name).write_bytes(name.encode())
    own = [_file(name, name.encode()) for name in names]
    profile = _profile({"mxnet": own}, formats={"mxnet": "mxnet"})
    files = build_workload(profile, "mxnet", tmp_path)
    assert list(files) == ["model-symbol.json", "model.params", "model.inputs.json"]
    assert main_file(files) == "model-symbol.json"
    assert [path.name for path in files.values()] == [names[2], names[0], names[1]]


def test_another_content_or_no_file_is_told(lab, tmp_path):
    """The message has the digest that would be right, or where the file was looked for."""
    profile = _profile({"edgetpu": [_file("models/mine_edgetpu.tflite", b"other")]})
    with pytest.raises(ConfigError, match="has the SHA-256") as caught:
        build_workload(profile, "edgetpu", tmp_path)
    assert sha256_of(lab / "models" / "mine_edgetpu.tflite") in caught.value.hint
    with pytest.raises(ConfigError, match="is not there") as caught:
        build_workload(_profile({"edgetpu": [_file("x.tflite")]}), "edgetpu", tmp_path)
    assert str(lab / "x.tflite") in caught.value.hint


def test_a_format_without_a_file_is_told(tmp_path):
    """A profile without a recipe has its files, and nothing else."""
    profile = _profile({"edgetpu": [_file("x.tflite")]}, formats={"rknn": "rknn"})
    with pytest.raises(ConfigError, match="no recipe and no such file"):
        build_workload(profile, "rknn", tmp_path)
    with_recipe = profile.model_copy(update={"recipe": "seed-cnn", "precision": "float32"})
    with pytest.raises((ConfigError, UnknownId)):
        build_workload(with_recipe, "rknn", tmp_path)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"tflight": [_file("x.tflite")]}, "formats of files are tflite"),
        ({"command": [_file("x.tflite")]}, "formats of files are"),
        ({"onnx": [_file("x.tflite")]}, r"ends in \.onnx"),
        ({"paddle": [_file("a.json"), _file("a.pdiparams")]}, "inputs.json"),
        ({"rknn": [_file("a.rknn"), _file("b.rknn")]}, "one file each"),
        ({"onnx": [{"path": "x.onnx", "sha256": "abc"}]}, "sha256"),
    ],
)
def test_files_that_are_no_model(files, said):
    """A slip of the pen in a format, an ending, a digest, or a part that is missing."""
    with pytest.raises(ValidationError, match=said):
        _profile(files)


def test_the_longest_ending_counts():
    """A description is none of the symbol, though both end in .json."""
    for kind, endings in FORMATS.items():
        for ending in endings:
            profile = _profile({kind: [_file(f"a{one}") for one in endings]})
            told = {ending_of(kind, one) for one in profile.files[kind]}
            assert told == set(endings)
            assert f"model{ending}" in board_names(kind)


def test_accuracies_are_counts():
    """More hits than pictures, and more first ones than five first ones, are none."""
    told = {"pictures": "some", "count": 10, "top1": 3, "top5": 9, **ORIGIN}
    profile = _profile({}, formats={}, accuracy=[told])
    assert profile.accuracy[0].top5 == 9
    for change in ({"top5": 11}, {"top1": 10, "top5": 9}):
        with pytest.raises(ValidationError, match="top1 <= top5 <= count"):
            _profile({}, formats={}, accuracy=[{**told, **change}])


def test_workloads_are_counted_in_their_files(workload, tmp_path):
    """The shipped ones hold what they say; one that says something else is refused."""
    pytest.importorskip("ai_edge_litert")
    for workload_id in ("seed-cnn", "seed-cnn-int8", "mobilenet-v2", "seed-cnn-trained-int8"):
        profile = workload(workload_id)
        found = counted(profile, tmp_path)
        check_counts(profile, found)
        with pytest.raises(ConfigError, match="macs is 5, but"):
            check_counts(profile.model_copy(update={"macs": 5}), count_file(found.path))
        least, layered = found.least_work(4), found.layered_work(4)
        assert least.macs == layered.macs == profile.macs
        assert profile.parameters / 4 < least.memory_bytes < layered.memory_bytes
    nothing = profile.model_copy(update={"formats": {"rknn": "rknn"}, "files": {}})
    assert counted(nothing, tmp_path) is None
