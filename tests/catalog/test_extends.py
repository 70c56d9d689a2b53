"""``extends``: a profile that says only what differs from another one."""

from __future__ import annotations

import pytest

from powerlab.catalog.layers import load_catalog, user_lab
from powerlab.errors import ProfileError

DEVICE = "devices/acme-board.toml"


def problems(lab, tmp_path) -> list[tuple[str, str, str]]:
    """Get (file name, key, message) of everything wrong in a lab."""
    with pytest.raises(ProfileError) as caught:
        load_catalog(lab.root, cwd=tmp_path)
    return [
        (each.path.rpartition("/")[2], each.key, each.message) for each in caught.value.problems
    ]


def test_what_is_not_said_comes_from_the_base(lab, tmp_path) -> None:
    """A changed field in a table leaves its neighbours as the base has them."""
    lab.write(
        "devices/big.toml",
        'schema = 1\nid = "big"\nextends = "acme-board"\nname = "Big"\n'
        "[power.active_w]\nvalue = 9.5\n",
    )
    big = load_catalog(lab.root, cwd=tmp_path).device("big")
    assert (big.id, big.name, big.soc) == ("big", "Big", "one core")
    assert (big.power.active_w.value, big.power.active_w.u) == (9.5, 0.5)
    assert big.power.idle_w.value == 2.0
    assert big.emulation is not None


def test_lists_are_replaced_as_a_whole(lab, tmp_path) -> None:
    """A new [[price]] stands instead of the base's prices, it is not mixed with them."""
    lab.write(
        "devices/big.toml",
        'schema = 1\nid = "big"\nextends = "acme-board"\n[[price]]\namount = "7"\n',
    )
    found = problems(lab, tmp_path)
    assert {message for _, _, message in found} == {"is missing"}
    assert ("big.toml", "price[1].currency", "is missing") in found


def test_a_later_layer_changes_one_field_of_a_shipped_profile(lab, tmp_path) -> None:
    """The same id may extend itself: the profile of the earlier layer."""
    lab.write(
        "devices/edgeboard.toml",
        'schema = 1\nid = "edgeboard"\nextends = "edgeboard"\n[emulation]\nnoise_w = 0.1\n',
    )
    board = load_catalog(lab.root, cwd=tmp_path).device("edgeboard")
    shipped = load_catalog(cwd=tmp_path).device("edgeboard")
    assert board.emulation is not None
    assert shipped.emulation is not None
    assert board.emulation.noise_w == 0.1
    assert board.emulation.active_w == shipped.emulation.active_w
    assert board.verified == shipped.verified


def test_being_tried_is_not_inherited_by_another_id(lab, tmp_path) -> None:
    """A board that was derived from a tried one was not tried itself."""
    lab.write("devices/big.toml", 'schema = 1\nid = "big"\nextends = "acme-board"\n')
    lab.write(
        "devices/tried.toml",
        'schema = 1\nid = "tried"\nextends = "acme-board"\nverified = "hardware"\n',
    )
    catalog = load_catalog(lab.root, cwd=tmp_path)
    assert catalog.device("acme-board").verified == "emulator"
    assert catalog.device("big").verified == "never"
    assert catalog.device("tried").verified == "hardware"


def test_a_chain_is_followed_over_layers(lab, tmp_path) -> None:
    """A profile may extend one that extends one, whatever their names and layers."""
    home = user_lab()
    (home / "devices").mkdir(parents=True)
    (home / "devices/mid.toml").write_text(
        'schema = 1\nid = "mid"\nextends = "edgeboard"\nsoc = "mid"\nname = "Mid"\n'
    )
    lab.write("devices/a-top.toml", 'schema = 1\nid = "a-top"\nextends = "mid"\nname = "Top"\n')
    top = load_catalog(lab.root, cwd=tmp_path).device("a-top")
    assert (top.name, top.soc, top.manufacturer) == ("Top", "mid", "Baidu")


def test_a_layer_does_not_build_upon_later_ones(lab, tmp_path) -> None:
    """A base is looked for in the own layer and earlier ones only."""
    home = user_lab()
    (home / "devices").mkdir(parents=True)
    (home / "devices/mid.toml").write_text('schema = 1\nid = "mid"\nextends = "acme-board"\n')
    ((name, key, message),) = problems(lab, tmp_path)
    assert (name, key) == ("mid.toml", "extends")
    assert message.startswith("there is no profile 'acme-board'")


def test_other_kinds_extend_too(lab, tmp_path) -> None:
    """Instruments, workloads and protocols know extends as devices do."""
    lab.write(
        "workloads/protocols/long.toml",
        'schema = 1\nid = "long"\nextends = "quick"\nrun_s = 60.0\n',
    )
    lab.write("workloads/net-b.toml", 'schema = 1\nid = "net-b"\nextends = "net"\nseed = 2\n')
    lab.write(
        "instruments/my-dmm.toml",
        'schema = 1\nid = "my-dmm"\nextends = "keithley-dmm6500"\n[link]\nnote = "mine"\n',
    )
    catalog = load_catalog(lab.root, cwd=tmp_path)
    assert (catalog.protocol("long").run_s, catalog.protocol("long").runs) == (60.0, 5)
    assert catalog.workload("net-b").seed == 2
    assert catalog.instrument("my-dmm").link.note == "mine"
    assert catalog.instrument("my-dmm").verified == "never"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ('"acme-bord"', "there is no profile 'acme-bord'; did you mean 'acme-board'?"),
        ('"zzz"', "there is no profile 'zzz'"),
        ('"big"', "no earlier layer has a profile 'big'"),
        ("3", "must be the id of a profile, in quotes"),
    ],
)
def test_a_base_that_is_not_there_is_a_problem(lab, tmp_path, said, message) -> None:
    """Extending nothing, oneself or no id at all is said in plain words."""
    lab.write("devices/big.toml", f'schema = 1\nid = "big"\nextends = {said}\n')
    assert problems(lab, tmp_path) == [("big.toml", "extends", message)]


def test_a_circle_is_a_problem(lab, tmp_path) -> None:
    """Profiles that extend each other are each refused."""
    lab.write("devices/a.toml", 'schema = 1\nid = "a"\nextends = "b"\n')
    lab.write("devices/b.toml", 'schema = 1\nid = "b"\nextends = "a"\n')
    assert problems(lab, tmp_path) == [
        ("a.toml", "extends", "runs in a circle: a -> b"),
        ("b.toml", "extends", "runs in a circle: b -> a"),
    ]


def test_a_bases_problem_is_told_once(lab, tmp_path) -> None:
    """What the base gets wrong is its own problem, not that of all who extend it."""
    lab.change(DEVICE, 'soc = "one core"', "")
    lab.write("devices/big.toml", 'schema = 1\nid = "big"\nextends = "acme-board"\nnmae = "x"\n')
    assert problems(lab, tmp_path) == [
        ("acme-board.toml", "soc", "is missing"),
        ("big.toml", "nmae", "is no key of this file; did you mean 'name'?"),
    ]


def test_a_base_that_cannot_be_read_is_told_once(lab, tmp_path) -> None:
    """A syntax error in the base does not make its id unknown."""
    lab.write(DEVICE, "schema = ")
    lab.write("devices/big.toml", 'schema = 1\nid = "big"\nextends = "acme-board"\n')
    assert [name for name, _, _ in problems(lab, tmp_path)] == ["acme-board.toml"]


def test_schema_and_id_are_said_by_every_file(lab, tmp_path) -> None:
    """A file's version and id are its own, never its base's."""
    lab.write("devices/big.toml", 'extends = "acme-board"\n')
    assert problems(lab, tmp_path) == [
        ("big.toml", "schema", "is missing"),
        ("big.toml", "id", "is missing"),
    ]
