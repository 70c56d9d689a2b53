"""What ``powerlab workloads show`` says before anything is measured."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    """Build into a cache of the test's own."""
    monkeypatch.setenv("POWERLAB_CACHE", str(tmp_path / "cache"))


def test_counts_of_the_file(run):
    """Parameters, multiply-accumulates, traffic and intensity, the weights shared by a batch."""
    told = run("workloads", "show", "seed-cnn", "--json").json
    counts = told["counted"]
    assert (counts["parameters"], counts["macs"]) == (1_039_744, 49_371_200)
    assert counts["weight_bytes"] + counts["value_bytes"] == 5_879_104
    assert told["bounds"] is None
    assert told["layers"] is None
    batched = run("workloads", "show", "seed-cnn", "--json", "--batch", "16").json["counted"]
    assert round(batched["weight_bytes"] + batched["value_bytes"]) == 1_980_064
    text = run("workloads", "show", "seed-cnn").out
    assert "5.88 MB per inference" in text
    assert "16.8 operations per byte" in text


def test_a_boards_roofs(run):
    """What binds, and how fast it can be at most; the roofline lies below what is possible."""
    told = run("workloads", "show", "mobilenet-v2-int8", "--device", "rk1808", "--json").json
    bounds = told["bounds"]
    assert bounds["bound_by"] == "memory"
    assert bounds["layer_by_layer_per_s"] == pytest.approx(361.5, abs=0.1)
    assert bounds["layer_by_layer_per_s"] <= 1.001 * bounds["roofline_per_s"]
    assert bounds["roofline_per_s"] < bounds["possible_per_s"]
    assert bounds["memory_s"] == pytest.approx(17_703_448 / 6.4e9)
    text = run("workloads", "show", "mobilenet-v2-int8", "--device", "rk1808").out
    assert "memory: 2.77 ms for the traffic" in text
    assert "at most" in text


def test_a_board_without_known_roofs(run):
    """It is said that its profile states none."""
    told = run("workloads", "show", "seed-cnn", "--device", "raspberry-pi-3b-plus").out
    assert "states no peak" in told or "at most" in told


def test_layers(run):
    """A line for each operation of the file, with what can be done in place."""
    text = run("workloads", "show", "seed-cnn", "--layers").out
    assert "35,831,808" in text
    assert "in place" in text
    layers = run("workloads", "show", "seed-cnn", "--layers", "--json").json["layers"]
    assert sum(layer["macs"] for layer in layers) == 49_371_200


def test_a_workload_of_a_program_has_nothing_to_count(run, tmp_path):
    """What a program on the board infers is in no file of ours."""
    lab = tmp_path / "lab"
    (lab / "workloads").mkdir(parents=True)
    (lab / "workloads" / "mine.toml").write_text(
        'schema = 1\nid = "mine"\nname = "Mine"\nsummary = "A test"\nprecision = "int8"\n'
        "input_shape = [1, 8, 8, 3]\noutputs = 10\nparameters = 1\nmacs = 1\n"
        'command = ["./infer"]\n[origin]\nsource = "made for a test"\nretrieved = "2026-11-21"\n'
    )
    told = run("workloads", "show", "mine", "--lab", lab)
    assert told.code == 0
    assert "no file that can be read" in told.out


def test_a_file_that_is_not_there_is_said_below_the_profile(run, tmp_path):
    """What the profile says is shown all the same."""
    lab = tmp_path / "lab"
    (lab / "workloads").mkdir(parents=True)
    (lab / "workloads" / "mine.toml").write_text(
        'schema = 1\nid = "mine"\nname = "Mine"\nsummary = "A test"\nprecision = "int8"\n'
        "input_shape = [1, 8, 8, 3]\noutputs = 10\nparameters = 7\nmacs = 1\n"
        'formats = { tflite = "tflite" }\n'
        f'[[files.tflite]]\npath = "absent.tflite"\nsha256 = "{64 * "0"}"\n'
        '[origin]\nsource = "made for a test"\nretrieved = "2026-11-21"\n'
    )
    told = run("workloads", "show", "mine", "--lab", lab)
    assert told.code == 0
    assert "absent.tflite is not there" in told.out
    assert run("workloads", "show", "mine", "--lab", lab, "--json").json["counted"] is None


def test_a_profile_that_misstates_its_file_is_not_built(run, tmp_path):
    """The count that the file holds is in the message."""
    lab = tmp_path / "lab"
    (lab / "workloads").mkdir(parents=True)
    text = run("workloads", "show", "seed-cnn-trained-int8", "--json").json["files"]["tflite"][0]
    (lab / "workloads" / "mine.toml").write_text(
        'schema = 1\nid = "mine"\nname = "Mine"\nsummary = "A test"\nprecision = "int8"\n'
        "input_shape = [1, 88, 88, 1]\noutputs = 848\nparameters = 7\nmacs = 49371200\n"
        'formats = { tflite = "tflite" }\n'
        f'[[files.tflite]]\npath = "{text["path"]}"\nsha256 = "{text["sha256"]}"\n'
        '[origin]\nsource = "made for a test"\nretrieved = "2026-11-21"\n'
    )
    told = run("workloads", "build", "mine", "--lab", lab)
    assert told.code == 2
    assert "parameters is 7" in told.err
    assert "1039744" in told.err


def test_accuracy_is_counted_on_a_board(run):
    """This computer recognises of generated pictures what the profile says."""
    pytest.importorskip("ai_edge_litert")
    words = ("workloads", "accuracy", "seed-cnn-trained-int8", "--host", "local")
    told = run(*words, "--python", sys.executable, "--count", "200", "--seed", "9", "--json").json
    assert told["schema"] == "powerlab.accuracy/1"
    assert told["top1"]["low"] < 0.8618 < told["top1"]["high"]
    assert told["top5"]["hits"] >= told["top1"]["hits"]
    assert told["findings"] == []
    assert "gabor-848" in told["pictures"]


def test_accuracy_needs_one_board_and_fitting_pictures(run, tmp_path):
    """Neither or both of bench and host, and pictures that the model does not take."""
    assert "one board is needed" in run("workloads", "accuracy", "seed-cnn").err
    words = ("workloads", "accuracy", "mobilenet-v2", "--host", "local", "--python", sys.executable)
    assert "takes others" in run(*words, "--runtime", "tflite").err
    assert "no folder of pictures" in run(*words, "--pictures", tmp_path / "absent").err
    assert "no file for the runtime" in run(*words, "--runtime", "rknn").err
