"""Layers of labs: which there are, which wins, and what one catalogue answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from powerlab.catalog.layers import builtin_lab, lab_layers, load_catalog, nearest_lab, user_lab
from powerlab.errors import ConfigError, ProfileError, UnknownId

DEVICE = "devices/acme-board.toml"


def test_the_builtin_lab_is_always_there(tmp_path) -> None:
    """Without any lab the shipped profiles are the catalogue."""
    catalog = load_catalog(cwd=tmp_path)
    assert catalog.layers == (builtin_lab(),)
    assert "edgeboard" in catalog.devices
    assert catalog.benches == {}


def test_a_lab_adds_to_the_builtin_one(lab, tmp_path) -> None:
    """A lab's profiles and benches stand beside the shipped ones."""
    catalog = load_catalog(lab.root, cwd=tmp_path)
    assert {"edgeboard", "acme-board"} <= set(catalog.devices)
    assert catalog.bench("desk").meter[0].model == "acme-meter"
    assert catalog.instrument("acme-meter").name == "Acme meter"
    assert catalog.workload("net").seed == 1
    assert catalog.protocol("short").runs == 5


def test_later_layers_win_as_a_whole(lab, make_lab, tmp_path) -> None:
    """A later profile of the same id replaces the earlier one, optional keys included."""
    home = user_lab()
    home.mkdir()
    text = (lab.root / DEVICE).read_text()
    (home / "devices").mkdir()
    (home / DEVICE).write_text(text.replace("Acme board", "From home"))
    assert load_catalog(cwd=tmp_path).device("acme-board").name == "From home"
    lab.write(DEVICE, text[: text.index("[[price]]")])
    catalog = load_catalog(lab.root, cwd=tmp_path)
    assert catalog.device("acme-board").name == "Acme board"
    assert catalog.device("acme-board").price == ()
    assert catalog.origin("device", "acme-board") == lab.root / DEVICE


def test_order_is_builtin_home_nearest_named(lab, make_lab, tmp_path) -> None:
    """The four layers come in the order that the architecture names."""
    near = make_lab("near")
    user_lab().mkdir()
    deep = near.root / "a" / "b"
    deep.mkdir(parents=True)
    assert lab_layers(lab.root, deep) == (builtin_lab(), user_lab(), near.root, lab.root)


def test_a_directory_is_one_layer_only(lab) -> None:
    """Being inside the lab that --lab names does not read it twice."""
    assert lab_layers(lab.root, lab.root) == (builtin_lab(), lab.root)


def test_the_nearest_lab_is_searched_upwards(lab, tmp_path) -> None:
    """The directory itself counts, then each one above it; none is None."""
    below = lab.root / "devices"
    assert nearest_lab(below) == lab.root
    assert nearest_lab(lab.root) == lab.root
    (tmp_path / "elsewhere").mkdir()
    assert nearest_lab(tmp_path / "elsewhere") is None


def test_the_working_directory_is_where_the_search_starts(lab, monkeypatch) -> None:
    """Without a named start, the nearest lab is looked for from here."""
    monkeypatch.chdir(lab.root / "devices")
    assert lab.root in load_catalog().layers


def test_a_working_directory_that_is_gone_is_no_layer(tmp_path, monkeypatch) -> None:
    """A removed working directory does not keep powerlab from starting."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert lab_layers() == (builtin_lab(),)


def test_the_users_layer_has_a_default_place(monkeypatch) -> None:
    """Without the variable, the platform's configuration directory is the user's layer."""
    monkeypatch.delenv("POWERLAB_HOME")
    assert user_lab().name == "powerlab"


def test_a_lab_that_is_no_directory_is_refused(tmp_path) -> None:
    """--lab with a wrong path is a configuration error with a hint."""
    with pytest.raises(ConfigError, match="is not a directory") as caught:
        load_catalog(tmp_path / "nowhere")
    assert "--lab" in caught.value.hint


def test_all_files_problems_come_in_one_error(lab, tmp_path) -> None:
    """Two broken profiles and a broken lab file are told together."""
    lab.change(DEVICE, "soc =", "soq =")
    lab.write("instruments/other.toml", "schema = 1 1")
    lab.change("powerlab.toml", "host =", "hots =")
    with pytest.raises(ProfileError) as caught:
        load_catalog(lab.root, cwd=tmp_path)
    told = {(Path(problem.path).name, problem.key) for problem in caught.value.problems}
    assert told == {
        ("acme-board.toml", "soc"),
        ("acme-board.toml", "soq"),
        ("other.toml", "line 1, column 12"),
        ("powerlab.toml", "bench.desk.host"),
        ("powerlab.toml", "bench.desk.hots"),
    }
    assert caught.value.exit_code == 2
    assert "5 problems" in caught.value.message
    assert str(lab.root / DEVICE) in caught.value.message


def test_a_shadowed_profile_is_checked_too(lab, tmp_path) -> None:
    """What a later layer replaces must still be well-formed."""
    home = user_lab()
    (home / "devices").mkdir(parents=True)
    (home / DEVICE).write_text("schema = 1\n")
    with pytest.raises(ProfileError) as caught:
        load_catalog(lab.root, cwd=tmp_path)
    assert {problem.path for problem in caught.value.problems} == {str(home / DEVICE)}


def test_the_id_is_the_name_of_the_file(lab, tmp_path) -> None:
    """An id that differs from the file's name is refused."""
    lab.change(DEVICE, 'id = "acme-board"', 'id = "other-board"')
    with pytest.raises(ProfileError) as caught:
        load_catalog(lab.root, cwd=tmp_path)
    (problem,) = caught.value.problems
    assert problem.key == "id"
    assert problem.message == "must be 'acme-board', the name of the file, not 'other-board'"


def test_one_id_twice_in_a_layer_is_refused(lab, tmp_path) -> None:
    """A copy that kept its id is named together with the file that has it."""
    lab.write("devices/copy.toml", (lab.root / DEVICE).read_text())
    with pytest.raises(ProfileError, match=r"'acme-board' is taken by acme-board\.toml"):
        load_catalog(lab.root, cwd=tmp_path)


def test_other_files_are_left_alone(lab, tmp_path) -> None:
    """Notes, hidden files and editors' copies in a folder are no profiles."""
    lab.write("devices/notes.txt", "nothing")
    lab.write("devices/.#acme-board.toml", "nothing = ")
    lab.write("devices/acme-board.toml~", "nothing = ")
    assert "acme-board" in load_catalog(lab.root, cwd=tmp_path).devices


@pytest.mark.parametrize(
    ("kind", "word", "meant", "lister"),
    [
        ("instrument", "keithley-dmm650", "keithley-dmm6500", "instruments"),
        ("instrument", "UM25C", "rdtech-um25c", "instruments"),
        ("device", "edgebord", "edgeboard", "devices"),
        ("device", "v100", "aistudio-v100", "devices"),
        ("workload", "mobilenet_v2", "mobilenet-v2", "workloads"),
        ("protocol", "quik", "quick", "workloads"),
        ("bench", "dsek", "desk", "bench"),
    ],
)
def test_an_unknown_id_says_what_may_be_meant(lab, kind, word, meant, lister) -> None:
    """Each kind of unknown id names the nearest one and the command that lists them."""
    catalog = load_catalog(lab.root, cwd=lab.root)
    with pytest.raises(UnknownId) as caught:
        getattr(catalog, kind)(word)
    assert caught.value.message == f"there is no {kind} {word!r}"
    assert caught.value.hint.startswith(f"did you mean '{meant}'")
    assert f"`powerlab {lister} list`" in caught.value.hint
    assert caught.value.exit_code == 2


def test_an_unknown_id_near_to_nothing_lists_the_few_there_are(lab, tmp_path) -> None:
    """Where nothing is near, a short list is better than none."""
    catalog = load_catalog(lab.root, cwd=tmp_path)
    with pytest.raises(UnknownId) as caught:
        catalog.bench("zzz")
    assert caught.value.hint.startswith(f"known: {', '.join(sorted(catalog.benches))}; ")
    with pytest.raises(UnknownId, match="there is no bench 'x'") as caught:
        load_catalog(cwd=tmp_path).bench("x")
    assert caught.value.hint.startswith("there is none yet; ")


def test_the_origin_of_each_kind_is_its_file(lab, tmp_path) -> None:
    """Profiles and benches tell which file they are from."""
    catalog = load_catalog(lab.root, cwd=tmp_path)
    assert catalog.origin("bench", "desk") == lab.root / "powerlab.toml"
    assert catalog.origin("protocol", "quick").parent.name == "protocols"
    with pytest.raises(UnknownId):
        catalog.origin("device", "zzz")


def test_the_bench_of_a_device_is_found(lab, tmp_path) -> None:
    """A device with one bench needs no --bench."""
    name, bench = load_catalog(lab.root, cwd=tmp_path).bench_for_device("acme-board")
    assert (name, bench.host) == ("desk", "board")


def test_two_benches_of_a_device_must_be_told_apart(lab, tmp_path) -> None:
    """With two set-ups of one board the names are told and --bench is asked for."""
    text = (lab.root / "powerlab.toml").read_text()
    lab.write("powerlab.toml", text + text.split("schema = 1")[1].replace("desk", "shelf"))
    with pytest.raises(
        ConfigError, match="2 benches have the device 'acme-board': desk, shelf"
    ) as e:
        load_catalog(lab.root, cwd=tmp_path).bench_for_device("acme-board")
    assert "--bench desk" in e.value.hint


def test_no_bench_names_the_ways_to_go_on(tmp_path) -> None:
    """Three ways for a device that can be emulated, two for one that cannot."""
    catalog = load_catalog(cwd=tmp_path)
    with pytest.raises(ConfigError, match="no bench has the device 'edgeboard'") as caught:
        catalog.bench_for_device("edgeboard")
    for way in ("bench init", "--host", "--emulate"):
        assert way in caught.value.hint
    with pytest.raises(ConfigError) as caught:
        catalog.bench_for_device("local")
    assert "--emulate" not in caught.value.hint
    with pytest.raises(UnknownId):
        catalog.bench_for_device("zzz")


def test_files_of_a_bench_are_relative_to_its_lab(lab, tmp_path) -> None:
    """A key file beside powerlab.toml is found from any working directory."""
    lab.change(
        "powerlab.toml",
        'host = "board"',
        'host = "board"\nidentity_file = "keys/board"\nknown_hosts_file = "/etc/hosts.known"\n'
        'ssh_config = "none"',
    )
    bench = load_catalog(lab.root, cwd=tmp_path).bench("desk")
    assert bench.identity_file == str(lab.root / "keys/board")
    assert bench.known_hosts_file == "/etc/hosts.known"
    assert bench.ssh_config == "none"


def test_loading_reaches_no_slow_package() -> None:
    """The catalogue costs pydantic and no more: the listing commands stay quick."""
    code = (
        "import sys; from powerlab.catalog.layers import load_catalog; load_catalog();"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    slow = {
        "pandas",
        "matplotlib",
        "pyarrow",
        "scipy",
        "pyvisa",
        "weasyprint",
        "tomlkit",
        "asyncssh",
    }
    assert not slow & set(loaded)
