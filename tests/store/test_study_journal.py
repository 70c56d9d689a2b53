"""The journal of a study: what stands in it after a crash, a restart, and another plan."""

from __future__ import annotations

import json

import pytest

from powerlab.errors import SetupError
from powerlab.store.study_journal import MEASURED, NOT_REACHED, REFUSED, SKIPPED, StudyJournal


@pytest.fixture
def journal(tmp_path):
    """Get a function that opens the journal, as each call of the command does."""
    return lambda *, resume=True: StudyJournal(tmp_path, "mine", sha256="0" * 64, resume=resume)


def test_what_is_done_stands_and_the_rest_is_to_be_done(journal):
    """A measured or refused option is done; the last line of each decides."""
    first = journal(resume=False)
    for status in (MEASURED, REFUSED, NOT_REACHED, SKIPPED):
        first.keep(status, status, run=f"run of {status}")
    first.keep("later", NOT_REACHED)
    first.keep("later", MEASURED, run="7")
    again = journal()
    assert {name for name in (MEASURED, REFUSED, NOT_REACHED, SKIPPED) if again.of(name)} == {
        MEASURED,
        REFUSED,
    }
    assert again.of("later")["run"] == "7"
    assert again.of("unheard of") is None


def test_a_new_start_forgets_and_keeps_the_lines(journal):
    """What stood there before can still be read by people."""
    journal(resume=False).keep("a", MEASURED, run="1")
    second = journal(resume=False)
    assert second.of("a") is None
    second.keep("b", MEASURED, run="2")
    third = journal()
    assert (third.of("a"), third.of("b")["run"]) == (None, "2")
    assert sum("begun" in json.loads(line) for line in third.path.read_text().splitlines()) == 2


@pytest.mark.parametrize("torn", ['{"option": "b", "sta', "\x00\x00", "[1]\n", '{"option": 3}\n'])
def test_a_line_that_a_crash_has_cut_costs_itself_alone(journal, torn):
    """What comes after it begins on a line of its own."""
    first = journal(resume=False)
    first.keep("a", MEASURED, run="1")
    with first.path.open("a") as file:
        file.write(torn)
    second = journal()
    second.keep("c", MEASURED, run="3")
    third = journal()
    assert [third.of(name) is not None for name in "abc"] == [True, False, True]


def test_a_place_that_cannot_be_written_is_told_at_once(tmp_path, journal):
    """Before anything is measured."""
    (tmp_path / "studies").write_text("in the way")
    with pytest.raises(SetupError, match="cannot be written"):
        journal()
