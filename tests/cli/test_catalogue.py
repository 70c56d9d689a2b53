"""The verbs that show and check the catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest

from powerlab.catalog.layers import builtin_lab

INSTRUMENT = (builtin_lab() / "instruments" / "rdtech-um25c.toml").read_text()


@pytest.mark.parametrize(
    ("verb", "name"),
    [("instruments", "rdtech-um25c"), ("devices", "edgeboard"), ("workloads", "seed-cnn")],
)
def test_lists_and_shows(run, verb, name):
    """Each kind is listed and shown, as text and as JSON."""
    assert name in run(verb, "list").out
    listed = run(verb, "list", "--json").json
    assert listed["schema"] == f"powerlab.{verb}/1"
    assert name in [item["id"] for item in listed[verb]]
    shown = run(verb, "show", name).out
    assert f"{name}.toml" in shown
    assert "2026-" in shown
    assert run(verb, "show", name, "--json").json["id"] == name


@pytest.mark.parametrize("verb", ["instruments", "devices", "workloads"])
def test_an_unknown_id_names_the_nearest(run, verb):
    """Did-you-mean, and the command that lists all."""
    known = run(verb, "list", "--json").json[verb][0]["id"]
    ran = run(verb, "show", known[:-1])
    assert ran.code == 2
    assert repr(known) in ran.err
    assert f"powerlab {verb} list" in ran.err


def test_a_built_workload_is_printed_by_path(run, monkeypatch, tmp_path):
    """The files are in the cache, once."""
    monkeypatch.setenv("POWERLAB_CACHE", str(tmp_path / "cache"))
    paths = run("workloads", "build", "seed-cnn").out.split()
    assert paths
    assert all(Path(path).is_file() for path in paths)
    assert run("workloads", "build", "seed-cnn", "--json").json["files"]["seed-cnn"] == paths


def test_the_shipped_catalogue_has_no_problem(run):
    """Schema, sources, references, drivers, emulators and recipes of every file."""
    ran = run("catalog", "lint")
    assert (ran.code, ran.err) == (0, "")
    assert run("catalog", "lint", "--json").json["problems"] == []


def test_lint_tells_all_problems_of_all_files(run, tmp_path):
    """A driver that is not installed and a key that is none, each with its file."""
    lab = tmp_path / "lab"
    (lab / "instruments").mkdir(parents=True)
    changed = INSTRUMENT.replace('driver = "rdtech_um25c"', 'driver = "nobody"')
    (lab / "instruments" / "rdtech-um25c.toml").write_text(changed)
    wrong = INSTRUMENT.replace('id = "rdtech-um25c"', 'id = "other"\ncolour = "red"')
    (lab / "instruments" / "other.toml").write_text(wrong)
    ran = run("catalog", "lint", "--lab", lab, "--json")
    assert ran.code == 2
    found = {(Path(each["path"]).name, each["key"]) for each in ran.json["problems"]}
    assert {("rdtech-um25c.toml", "driver"), ("other.toml", "colour")} <= found
    assert "nobody" in ran.err


def test_a_malformed_lab_stops_a_measurement_with_every_key(run):
    """All problems at once, with file and key, exit code 2."""
    Path("powerlab.toml").write_text("schema = 1\n[bench.a]\nhots = 1\n[bench.b]\ndevice = 3\n")
    ran = run("measure", "--device", "edgeboard")
    assert ran.code == 2
    for key in ("bench.a.hots", "bench.a.host", "bench.b.device"):
        assert f"powerlab.toml: {key}" in ran.err


@pytest.mark.parametrize("kind", ["instrument", "device", "workload", "protocol", "lab"])
def test_schemas_are_json_schemas(run, kind):
    """Editors can complete and check each kind of file."""
    schema = run("catalog", "schema", kind).json
    assert schema["type"] == "object"
    assert "schema" in schema["properties"]


def test_entries_of_a_list_are_counted_from_1(run):
    """As people count prices."""
    shown = run("devices", "show", "edgeboard").out
    assert "price[1].amount" in shown
    assert "price[0]" not in shown


def test_one_is_told_in_the_singular(run, tmp_path):
    """One bench, two or more instruments."""
    (tmp_path / "powerlab.toml").write_text(
        'schema = 1\n[bench.desk]\ndevice = "edgeboard"\nhost = "h"\n'
        '[[bench.desk.meter]]\nmodel = "rdtech-um25c"\nresource = "serial:/dev/x"\n'
    )
    out = run("catalog", "lint", "--lab", tmp_path).out
    assert "1 bench\n" in out
    assert "1 protocols" not in out
    assert " instruments," in out
