"""The two locales."""

from __future__ import annotations

from itertools import pairwise
from string import Formatter

import pytest

from powerlab.errors import ReportError
from powerlab.findings import Finding, Severity
from powerlab.report.texts import languages, load_texts

FREE = ("finding.", "reason.", "magnitude.")
"""Groups in which a locale may say less: findings come in English, magnitudes are its own."""


def placeholders(sentence: str) -> set[str]:
    """Get the names a sentence wants filled."""
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


def shared_keys(lang: str) -> dict[str, str]:
    """Get the sentences that every locale must have."""
    sentences = load_texts(lang).sentences
    return {key: text for key, text in sentences.items() if not key.startswith(FREE)}


def test_both_languages_have_the_same_keys_and_placeholders() -> None:
    """A sentence missing in one language is found here, not by a reader."""
    english, chinese = shared_keys("en"), shared_keys("zh")
    assert set(english) == set(chinese)
    for key, sentence in english.items():
        assert placeholders(sentence) == placeholders(chinese[key]), key


def test_chinese_uses_full_width_punctuation() -> None:
    """A Latin comma or bracket between Chinese characters is a slip."""
    for key, sentence in load_texts("zh").sentences.items():
        for before, sign in pairwise(sentence):
            assert not ("\u4e00" <= before <= "\u9fff" and sign in ",;:()?!"), (key, sentence)


def test_a_finding_is_translated_with_the_numbers_of_its_message() -> None:
    """The figures in a translated finding are those of the record."""
    finding = Finding(
        "gap",
        Severity.WARNING,
        "no sample covers 1.234 s of the runs (12 lost); that may hide 3.20% of the energy and "
        "is 4.11% of the time",
        "look for a busy host",
    )
    message, hint = load_texts("zh").finding(finding)
    assert "1.234 s" in message
    assert "12 个" in message
    assert "3.20 %" in message
    assert "主机" in hint


def test_a_finding_with_a_reason_is_translated_with_it() -> None:
    """Which marker, why it was refused, and the figures of the reason are all in Chinese."""
    reason = "the marker explains only 41% of what the trace shows"
    message = f"the marker after the runs was not believed: {reason}"
    finding = Finding("marker-not-believed", Severity.BLOCKING, message, "look")
    told, _ = load_texts("zh").finding(finding)
    assert told == "各轮之后的标记未被采信\uff1a标记只能解释曲线变化的 41 %"


def test_the_numbers_of_a_hint_are_its_own() -> None:
    """A translated hint repeats the figures of the English hint, not those of the message."""
    message = "too slow: 3 samples lie wholly in the shortest, 5 are needed; runs of 4.2 s would do"
    hint = "use a protocol with runs of 4.0 s at least"
    finding = Finding("meter-too-slow", Severity.BLOCKING, message, hint)
    assert "每轮至少 4.0 s" in load_texts("zh").finding(finding)[1]


def test_an_unknown_finding_stays_as_it_is() -> None:
    """A finding no locale knows, or with too few numbers, is printed in its own words."""
    unknown = Finding("new-thing", Severity.INFO, "something {odd} happened", "do it again")
    assert load_texts("zh").finding(unknown) == ("something {odd} happened", "do it again")
    reworded = Finding("gap", Severity.INFO, "no numbers here", "nor here")
    assert load_texts("zh").finding(reworded) == ("no numbers here", "nor here")


def test_an_unknown_language_names_the_known_ones() -> None:
    """The error lists what may be chosen."""
    assert set(languages()) == {"en", "zh"}
    with pytest.raises(ReportError) as caught:
        load_texts("fr")
    assert "en, zh" in caught.value.hint
