"""One file, all its problems at once, in plain words."""

from __future__ import annotations

from pathlib import Path

import pytest

from powerlab.catalog.bench_profile import LabFile
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.facts import Model
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.protocol_preset import ProtocolPreset
from powerlab.catalog.reading import check, dotted, read_table
from powerlab.catalog.workload_profile import WorkloadProfile

DEVICE = "devices/acme-board.toml"
INSTRUMENT = "instruments/acme-meter.toml"
WORKLOAD = "workloads/net.toml"
PROTOCOL = "workloads/protocols/short.toml"
BENCH = "powerlab.toml"

MODELS: dict[str, type[Model]] = {
    DEVICE: DeviceProfile,
    INSTRUMENT: InstrumentProfile,
    WORKLOAD: WorkloadProfile,
    PROTOCOL: ProtocolPreset,
    BENCH: LabFile,
}


def problems_of(path: Path, model: type[Model]) -> list[tuple[str, str]]:
    """Get (key, message) of everything wrong in a file."""
    table, found = read_table(path)
    if not found:
        _, found = check(model, table, path)
    assert all(problem.path == str(path) for problem in found)
    return [(problem.key, problem.message) for problem in found]


@pytest.mark.parametrize("name", MODELS)
def test_a_valid_file_has_no_problem(lab, name) -> None:
    """Each kind of file of the sample lab is accepted as it stands."""
    assert problems_of(lab.root / name, MODELS[name]) == []


@pytest.mark.parametrize(
    "case",
    [
        (DEVICE, 'soc = "one core"\n', "", "soc", "is missing"),
        (DEVICE, "soc =", "soq =", "soq", "is no key of this file; did you mean 'soc'?"),
        (
            DEVICE,
            "supply_current_a",
            "suply_current_a",
            "power.suply_current_a",
            "is no key of this file; did you mean 'supply_current_a'?",
        ),
        (
            DEVICE,
            "life_years",
            "lifeyears",
            "price[1].lifeyears",
            "is no key of this file; did you mean 'life_years'?",
        ),
        (DEVICE, "soc =", "zzz = 1\nsoc =", "zzz", "is no key of this file"),
        (DEVICE, "value = 2.0", 'value = "2"', "power.idle_w.value", "must be a number, not '2'"),
        (DEVICE, "value = 2.0", "value = true", "power.idle_w.value", "must be a number, not true"),
        (DEVICE, "u = 0.5", "u = -1", "power.idle_w.u", "must be at least 0, not -1"),
        (DEVICE, "u = 0.5", "u = nan", "power.idle_w.u", "must be a finite number, not nan"),
        (DEVICE, "= 2.0", "= 0", "power.supply_current_a", "must be above 0, not 0"),
        (
            DEVICE,
            '"data sheet"\nretrieved = "2026-01-02"',
            '"data sheet"\nretrieved = "2 Jan"',
            "power.idle_w.retrieved",
            "must be a date like 2026-11-21, not '2 Jan'",
        ),
        (
            DEVICE,
            '"data sheet"\nretrieved = "2026-01-02"',
            '"data sheet"\nretrieved = "2026-02-30"',
            "power.idle_w.retrieved",
            "must be a date that exists, as in 2026-11-21, not '2026-02-30'",
        ),
        (
            DEVICE,
            'source = "data sheet"\n',
            "",
            "power.idle_w.source",
            "is missing",
        ),
        (
            DEVICE,
            'currency = "CNY"',
            'currency = "yuan"',
            "price[1].currency",
            "must be a currency code of three capital letters, like EUR, not 'yuan'",
        ),
        (DEVICE, '"5000"', '"inf"', "price[1].amount", "must be a finite number, not 'inf'"),
        (DEVICE, '"5000"', '"-3"', "price[1].amount", "must be above 0, not '-3'"),
        (
            DEVICE,
            '"5000"',
            '"much"',
            "price[1].amount",
            "must be an amount, best as text: amount = \"5000\", not 'much'",
        ),
        (
            DEVICE,
            'verified = "emulator"',
            'verified = "emulated"',
            "verified",
            (
                "must be one of 'hardware', 'emulator' or 'never', not 'emulated'; "
                "did you mean 'emulator'?"
            ),
        ),
        (
            DEVICE,
            "schema = 1",
            "schema = 2",
            "schema",
            "must be 1, the version this powerlab reads, not 2",
        ),
        (DEVICE, "schema = 1\n", "", "schema", "is missing"),
        (
            DEVICE,
            "native = false",
            'native = "no"',
            "runtime[2].native",
            "must be true or false, not 'no'",
        ),
        (DEVICE, 'soc = "one core"', "soc = 4", "soc", "must be text in quotes, not 4"),
        (
            DEVICE,
            'id = "acme-board"',
            'id = "Acme Board"',
            "id",
            "must be lower-case letters and digits joined by single hyphens, not 'Acme Board'",
        ),
        (INSTRUMENT, 'channels = ["current"]', "channels = []", "channels", "must not be empty"),
        (
            INSTRUMENT,
            'channels = ["current"]',
            'channels = "current"',
            "channels",
            "must be a list, not 'current'",
        ),
        (
            INSTRUMENT,
            'averaging = "gated"',
            'averaging = "gate"',
            "sampling.averaging",
            (
                "must be one of 'boxcar', 'gated', 'point' or 'counter', not 'gate'; "
                "did you mean 'gated'?"
            ),
        ),
        (
            INSTRUMENT,
            "gain_percent = 0.1",
            "gain_percnt = 0.1",
            "range[1].gain_percnt",
            "is no key of this file; did you mean 'gain_percent'?",
        ),
        (WORKLOAD, "seed = 1", "seed = 1.5", "seed", "must be a whole number, not 1.5"),
        (WORKLOAD, "[1, 8, 8, 1]", "[1, 8, 8]", "input_shape[4]", "is missing"),
        (WORKLOAD, "[1, 8, 8, 1]", "[1, 8, 8, 1, 1]", "input_shape", "must have at most 4 items"),
        (PROTOCOL, "runs = 5", "runs = 1", "runs", "must be at least 2, not 1"),
        (BENCH, 'host = "board"', 'host = ""', "bench.desk.host", "must not be empty"),
        (
            BENCH,
            "model =",
            "modle =",
            "bench.desk.meter[1].modle",
            "is no key of this file; did you mean 'model'?",
        ),
        (
            BENCH,
            "[bench.desk]",
            '["bench"."my desk"]\ndevice = "a"\nhost = "b"\n[bench.desk]',
            "bench.my desk",
            "must be lower-case letters and digits joined by single hyphens, not 'my desk'",
        ),
        (
            BENCH,
            'host = "board"',
            'host = "board"\nsupply = 5',
            "bench.desk.supply",
            "must be a table, not 5",
        ),
    ],
    ids=lambda case: f"{case[3]}: {case[4]}",
)
def test_each_problem_has_its_key_and_plain_words(lab, case) -> None:
    """A bent file is reported under the dotted key that is wrong, in words that say what."""
    name, old, new, key, message = case
    path = lab.change(name, old, new)
    assert (key, message) in problems_of(path, MODELS[name])


def test_no_message_speaks_of_the_validator(lab) -> None:
    """Nobody who edits a TOML file reads of inputs, pydantic, tuples or objects."""
    path = lab.write(DEVICE, "schema = 'x'\nprice = 3\nruntime = [1]\npower = []\nverified = 1\n")
    said = " ".join(message for _, message in problems_of(path, DeviceProfile)).lower()
    for word in ("input", "pydantic", "tuple", "object", "string", "instance", "value error"):
        assert word not in said


def test_all_problems_of_a_file_are_told_at_once(lab) -> None:
    """A missing, an unknown and a mistyped key are three problems of one reading."""
    path = lab.change(DEVICE, 'soc = "one core"', "socc = 1")
    lab.change(DEVICE, "value = 8.0", 'value = "8 W"')
    keys = {key for key, _ in problems_of(path, DeviceProfile)}
    assert keys == {"soc", "socc", "power.active_w.value"}


def test_a_list_of_bad_items_is_not_also_called_too_short(lab) -> None:
    """One bad meter is one problem, not also a bench without meters."""
    path = lab.change(BENCH, 'model = "acme-meter"', 'model = "acme-meter"\ncable_ohm = -1')
    assert problems_of(path, LabFile) == [
        ("bench.desk.meter[1].cable_ohm", "must be at least 0, not -1")
    ]


def test_a_syntax_error_names_its_line(lab) -> None:
    """TOML that cannot be parsed is one problem with line and column."""
    path = lab.change(DEVICE, 'soc = "one core"', "soc = one core")
    ((key, message),) = problems_of(path, DeviceProfile)
    assert key.startswith("line 8, column ")
    assert message.startswith("is not valid TOML: ")


def test_an_unfinished_file_is_a_syntax_error(lab) -> None:
    """A file that ends within a value says so."""
    path = lab.write(DEVICE, "schema = 1\nid = [")
    ((key, message),) = problems_of(path, DeviceProfile)
    assert (key, message.split(":")[0]) == ("end of document", "is not valid TOML")


def test_a_key_given_twice_is_a_syntax_error(lab) -> None:
    """The second of two equal keys is refused with its line."""
    path = lab.change(DEVICE, 'soc = "one core"', 'soc = "a"\nsoc = "b"')
    assert problems_of(path, DeviceProfile)[0][0].startswith("line 9")


def test_text_that_is_not_utf8_is_one_problem(lab) -> None:
    """A file in another encoding is refused, not guessed at."""
    path = lab.root / DEVICE
    path.write_bytes(b'schema = 1\nname = "\xb5"\n')
    assert problems_of(path, DeviceProfile) == [("", "is not UTF-8 text (byte 19)")]


def test_a_file_that_cannot_be_opened_is_one_problem(tmp_path) -> None:
    """What is no regular file is reported as a problem, not raised."""
    (key, message) = problems_of(tmp_path, DeviceProfile)[0]
    assert key == ""
    assert message.startswith("cannot be read: ")


def test_dates_may_be_written_without_quotes(lab) -> None:
    """TOML's own dates are as good as dates in quotes."""
    path = lab.change(DEVICE, 'retrieved = "2026-01-02"', "retrieved = 2026-01-02")
    table, _ = read_table(path)
    profile, problems = check(DeviceProfile, table, path)
    assert problems == []
    assert profile is not None
    assert profile.power.idle_w.retrieved == "2026-01-02"


def test_items_of_lists_count_from_one() -> None:
    """The first price is price[1], as people count."""
    assert dotted(("price", 0, "amount")) == "price[1].amount"
    assert dotted(("bench", "a", "[key]")) == "bench.a"
    assert dotted(()) == ""
