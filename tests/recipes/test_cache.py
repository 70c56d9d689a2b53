"""Files are built once, whole, and the same everywhere."""

from __future__ import annotations

import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from powerlab.errors import ConfigError, SetupError, UnknownId
from powerlab.recipes import build_workload, cache_dir, main_file

FORMATS = {
    "tflite": ["model.tflite"],
    "openvino-ir": ["model.xml", "model.bin"],
    "onnx": ["model.onnx"],
    "ncnn": ["model.param", "model.bin"],
}
NEEDS = {"tflite": "ai_edge_litert", "openvino-ir": "openvino", "onnx": "numpy", "ncnn": "numpy"}


def _digests(files: dict[str, Path]) -> dict[str, str]:
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("workload_id", ["seed-cnn", "mobilenet-v2"])
def test_two_builds_give_the_same_bytes(workload, tmp_path, workload_id, format):  # noqa: A002
    """Building in two caches, with another network in between, gives equal files."""
    pytest.importorskip(NEEDS[format])
    first = build_workload(workload(workload_id), format, tmp_path / "a")
    build_workload(workload("seed-cnn"), format, tmp_path / "between")
    second = build_workload(workload(workload_id), format, tmp_path / "b")
    assert list(first) == FORMATS[format]
    assert _digests(first) == _digests(second)


def test_quantised_files_repeat_and_stand_apart(workload, tmp_path):
    """An int8 file is the same wherever it is built, and does not displace the float one."""
    pytest.importorskip(NEEDS["tflite"])
    first = build_workload(workload("seed-cnn-int8"), "tflite", tmp_path / "a")
    other = build_workload(workload("seed-cnn"), "tflite", tmp_path / "a")
    second = build_workload(workload("seed-cnn-int8"), "tflite", tmp_path / "b")
    assert _digests(first) == _digests(second) != _digests(other)
    sizes = [files["model.tflite"].stat().st_size for files in (first, other)]
    assert 3.4 < sizes[1] / sizes[0] < 4


def test_the_file_to_be_opened_comes_first(workload, tmp_path):
    """A runtime is given the first file; the command, which brings its own, none."""
    pytest.importorskip("openvino")
    assert main_file(build_workload(workload("seed-cnn"), "openvino-ir", tmp_path)) == "model.xml"
    assert main_file(build_workload(workload("seed-cnn"), "command", tmp_path)) == ""


def test_a_built_file_is_not_built_again(workload, tmp_path, monkeypatch):
    """The cache serves a computer that lacks the packages to build."""
    pytest.importorskip("ai_edge_litert")
    first = build_workload(workload("seed-cnn"), "tflite", tmp_path)
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    assert build_workload(workload("seed-cnn"), "tflite", tmp_path) == first


def test_a_missing_file_is_built_again(workload, tmp_path):
    """An IR without its weights is completed, and nothing else is left in the folder."""
    pytest.importorskip("openvino")
    files = build_workload(workload("seed-cnn"), "openvino-ir", tmp_path)
    before = _digests(files)
    files["model.bin"].unlink()
    assert _digests(build_workload(workload("seed-cnn"), "openvino-ir", tmp_path)) == before
    assert {path.name for path in files["model.xml"].parent.iterdir()} == set(files)


@pytest.mark.parametrize("format", FORMATS)
def test_builders_at_the_same_time_do_not_disturb_each_other(workload, tmp_path, format):  # noqa: A002
    """Four builders of one file all end with the same whole file."""
    pytest.importorskip(NEEDS[format])
    profile = workload("seed-cnn")
    with ThreadPoolExecutor(4) as pool:
        tasks = [pool.submit(build_workload, profile, format, tmp_path) for _ in range(4)]
        digests = [_digests(task.result()) for task in tasks]
    alone = _digests(build_workload(profile, format, tmp_path / "alone"))
    assert digests == [alone] * 4


def test_another_seed_has_files_of_its_own(workload, tmp_path):
    """Two seeds of one recipe stand beside each other in the cache."""
    pytest.importorskip("ai_edge_litert")
    profile = workload("seed-cnn")
    one = build_workload(profile, "tflite", tmp_path)
    other = build_workload(profile.model_copy(update={"seed": 9}), "tflite", tmp_path)
    assert _digests(one) != _digests(other)


@pytest.mark.parametrize(
    ("format", "package"),
    [("tflite", "ai_edge_litert"), ("tflite", "flatbuffers"), ("openvino-ir", "openvino")],
)
def test_a_missing_package_is_named_with_its_extra(
    workload,
    tmp_path,
    monkeypatch,
    format,  # noqa: A002
    package,
):
    """The error says which package lacks and how to install it; nothing is left behind."""
    monkeypatch.setitem(sys.modules, package, None)
    if package == "flatbuffers":
        monkeypatch.delitem(sys.modules, "ai_edge_litert.schema_py_generated", raising=False)
    with pytest.raises(SetupError, match=package) as caught:
        build_workload(workload("seed-cnn"), format, tmp_path)
    assert 'pip install "powerlab[local]"' in caught.value.hint
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_cache_that_cannot_be_made_is_a_setup_error(workload, tmp_path):
    """A file where the cache folder should be is reported with the way out."""
    (tmp_path / "cache").write_text("in the way", encoding="utf-8")
    with pytest.raises(SetupError, match="cannot be written") as caught:
        build_workload(workload("seed-cnn"), "tflite", tmp_path / "cache")
    assert "POWERLAB_CACHE" in caught.value.hint


@pytest.mark.parametrize("format", FORMATS)
def test_a_full_disk_is_a_setup_error_and_leaves_no_half_file(
    workload,
    tmp_path,
    monkeypatch,
    format,  # noqa: A002
):
    """Where flushing fails the file never gets its name."""
    pytest.importorskip(NEEDS[format])

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("powerlab.recipes.cache.os.fsync", full)
    with pytest.raises(SetupError, match="No space left on device"):
        build_workload(workload("seed-cnn"), format, tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_openvino_failing_to_write_is_a_setup_error(workload, tmp_path, monkeypatch):
    """OpenVINO's own error type does not reach the caller."""
    openvino = pytest.importorskip("openvino")

    def fail(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("Can't open bin file")

    monkeypatch.setattr(openvino, "save_model", fail)
    with pytest.raises(SetupError, match="Can't open bin file"):
        build_workload(workload("seed-cnn"), "openvino-ir", tmp_path)


def test_unknown_recipes_and_formats_name_the_known_ones(workload, tmp_path):
    """A slip of the pen is answered with the nearest name and the list."""
    profile = workload("seed-cnn")
    with pytest.raises(UnknownId, match="seed-cn") as caught:
        build_workload(profile.model_copy(update={"recipe": "seed-cn"}), "tflite", tmp_path)
    assert caught.value.hint.startswith("Did you mean seed-cnn?")
    with pytest.raises(UnknownId, match="'rknn'") as caught:
        build_workload(profile, "rknn", tmp_path)
    assert "ncnn, onnx, openvino-ir, tflite" in caught.value.hint
    with pytest.raises(UnknownId, match="int8 builds no 'onnx'"):
        build_workload(workload("seed-cnn-int8"), "onnx", tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("input_shape", (1, 64, 64, 1)),
        ("outputs", 10),
        ("parameters", 1),
        ("macs", 1),
        ("seed", -1),
    ],
)
def test_a_profile_that_misstates_its_recipe_is_refused(workload, tmp_path, key, value):
    """A report must not print counts that the built file does not have."""
    profile = workload("seed-cnn").model_copy(update={key: value})
    with pytest.raises(ConfigError, match=f"{key} is "):
        build_workload(profile, "tflite", tmp_path)


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    """POWERLAB_CACHE wins; without it the user's cache folder is taken."""
    monkeypatch.setenv("POWERLAB_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("POWERLAB_CACHE")
    assert cache_dir().parts[-2:] == ("powerlab", "models")
