"""The report's sentences in one language, by key, with named placeholders."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from powerlab.errors import ReportError
from powerlab.findings import Finding
from powerlab.report.numbers import Magnitude

NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def templates_dir() -> Path:
    """Get the folder of themes and locales: inside the wheel, or in the checkout."""
    from powerlab.catalog.layers import builtin_lab  # noqa: PLC0415

    return builtin_lab() / "templates"


def languages() -> tuple[str, ...]:
    """Get the languages a report can be written in."""
    files = (templates_dir() / "locales").glob("*.toml")
    return tuple(sorted(path.stem for path in files if "." not in path.stem))


@dataclass(frozen=True, slots=True)
class Texts:
    """Every sentence of one locale: ``say`` fills the placeholders of a key."""

    lang: str
    sentences: Mapping[str, str]
    magnitudes: tuple[Magnitude, ...]

    def say(self, key: str, **values: object) -> str:
        """Get the sentence ``key`` with its placeholders filled; a KeyError is a bug here."""
        return self.sentences[key].format_map(values)

    def count(self, key: str, number: int) -> str:
        """Get the sentence ``key.one`` or ``key.other`` with ``{n}`` filled."""
        return self.say(f"{key}.{'one' if number == 1 else 'other'}", n=number)

    def known(self, group: str, name: str) -> str:
        """Get the locale's word for a text of the records, or the text itself.

        The key is ``group.`` and the text itself, or the text in lower case with every
        number turned into "n" and everything but letters into single hyphens; {0}, {1}
        are those numbers.
        """
        exact = self.sentences.get(f"{group}.{name}")
        if exact is not None:
            return exact
        pattern = self.sentences.get(f"{group}.{_slug(name)}")
        return name if pattern is None else pattern.format(*NUMBER.findall(name))

    def finding(self, finding: Finding) -> tuple[str, str]:
        """Get message and hint of a finding; untranslated where the locale has none.

        {0}, {1} are the numbers of the English message or hint, {reason} what follows its colon,
        other names those of its evidence. A code with several messages has a key for each:
        the words before the colon, as ``known`` makes keys.
        """
        numbers = NUMBER.findall(finding.message)
        head, _, reason = finding.message.partition(": ")
        group = f"finding.{finding.code}"
        try:
            general = self.sentences[f"{group}.message"]
            message = self.sentences.get(f"{group}.{_slug(head)}", general)
            hint = self.sentences[f"{group}.hint"]
            values = {**finding.evidence, "reason": self.known("reason", reason)}
            return message.format(*numbers, **values), hint.format(*NUMBER.findall(finding.hint))
        except (KeyError, ValueError, IndexError):
            return finding.message, finding.hint


def load_texts(lang: str) -> Texts:
    """Read one locale: ``LANG.toml`` and, for single documents, every ``DOCUMENT.LANG.toml``.

    Raises ReportError for a language that has none.
    """
    if lang not in languages():
        raise ReportError(
            f"there is no report in the language {lang!r}",
            hint=f"choose one of: {', '.join(languages())}",
        )
    folder = templates_dir() / "locales"
    sentences: dict[str, str] = {}
    for path in (folder / f"{lang}.toml", *sorted(folder.glob(f"*.{lang}.toml"))):
        sentences |= flat_sentences("", tomllib.loads(path.read_text(encoding="utf-8")))
    magnitudes = tuple(
        Magnitude(float(sentences.pop(f"magnitude.{key}.factor")), word)
        for key, word in _magnitude_words(sentences)
    )
    return Texts(lang=lang, sentences=sentences, magnitudes=magnitudes)


def _magnitude_words(sentences: dict[str, str]) -> list[tuple[str, str]]:
    words = [key for key in sentences if key.startswith("magnitude.") and key.endswith(".word")]
    return [(key.split(".")[1], sentences.pop(key)) for key in sorted(words)]


def flat_sentences(prefix: str, table: Mapping[str, object]) -> list[tuple[str, str]]:
    """Get the sentences of a table of tables, each by its dotted key."""
    pairs: list[tuple[str, str]] = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            pairs += flat_sentences(f"{prefix}{key}.", value)
        else:
            pairs.append((f"{prefix}{key}", str(value)))
    return pairs


def _slug(name: str) -> str:
    plain = NUMBER.sub(" n ", name.lower())
    return "-".join(
        "".join(letter if letter.isalnum() or letter == "_" else " " for letter in plain).split()
    )
