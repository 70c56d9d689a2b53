"""A report's PDF taken apart: its attachments, its words, and what it is drawn from."""

from __future__ import annotations

import difflib
import hashlib
import io
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from powerlab.errors import ConfigError
from powerlab.verify.compare import ABSENT, Check, Difference

if TYPE_CHECKING:
    from pypdf import PdfReader

LIMIT = 256 << 20
"""Bytes that a report and all that is attached to it may have."""

WRITER = "WeasyPrint "
"""What every report is set by, whatever its version."""

WORDS_SHOWN = 12
"""Words of a changed passage that are told."""


@dataclass(frozen=True, slots=True)
class PdfFile:
    """A PDF's bytes, its attachments by name, its language, and the program that wrote it."""

    content: bytes
    attachments: Mapping[str, bytes]
    lang: str
    producer: str


def read_pdf(path: Path) -> PdfFile:
    """Read a PDF. Raises ConfigError where it is none, is damaged, or holds too much."""
    hint = "give a report as powerlab wrote it, or a run folder"
    try:
        if path.stat().st_size > LIMIT:
            raise ConfigError(f"{path} is larger than {LIMIT >> 20} MB", hint=hint)
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", hint=hint) from error
    if not content.startswith(b"%PDF-"):
        raise ConfigError(f"{path} is neither a run folder nor a PDF", hint=hint)
    try:
        reader = _reader(content)
        root: Any = reader.root_object
        about: Any = reader.metadata or {}
        return PdfFile(
            content=content,
            attachments=_attachments(reader),
            lang=str(root.get("/Lang", "en")).partition("-")[0],
            producer=str(about.get("/Producer", "")),
        )
    except Exception as error:  # the library raises whatever a damaged file makes it stumble on
        raise ConfigError(
            f"{path} is a PDF that cannot be read: {error}", hint="restore it from a copy"
        ) from error


def _reader(content: bytes) -> PdfReader:
    import pypdf  # noqa: PLC0415  slow, and only a report needs it

    # what it would say of a damaged file comes out as a difference
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    return pypdf.PdfReader(io.BytesIO(content))


def _attachments(reader: PdfReader) -> dict[str, bytes]:
    """Get the attached files. Raises ValueError for two of one name, or for too much."""
    found: dict[str, bytes] = {}
    for item in reader.attachment_list:
        if item.name in found:
            raise ValueError(f"two attachments are named {item.name}")
        found[item.name] = item.content
        if sum(map(len, found.values())) > LIMIT:
            raise ValueError(f"its attachments exceed {LIMIT >> 20} MB")
    return found


def compare_pages(
    given: PdfFile, made: PdfFile, *, alike: bool
) -> tuple[tuple[Check, ...], tuple[Difference, ...], tuple[str, ...]]:
    """Compare a report with the one its attachments give.

    The same bytes settle it. Else attachments and words are compared, then all that pages are
    drawn from. Where ``alike`` is False, or another version of the PDF writer or other fonts
    made the report, its layout is another: then words are compared by how often they stand
    there, and of another version of powerlab the numbers alone. Returns checks,
    differences, and what could not be compared.
    """
    if given.content == made.content:
        told = f"byte for byte what the attachments give ({len(given.content)} bytes)"
        return (Check("pages", told),), (), ()
    try:
        return _compare_parts(given, made, alike=alike)
    except Exception as error:  # noqa: BLE001 - as in read_pdf
        found = Difference("pages", f"cannot be read: {error}", "the report of the attachments")
        return (), (found,), ()


def _compare_parts(
    given: PdfFile, made: PdfFile, *, alike: bool
) -> tuple[tuple[Check, ...], tuple[Difference, ...], tuple[str, ...]]:
    one, other = _reader(given.content), _reader(made.content)
    words, remade = _words(one), _words(other)
    differences = list(_differing_files(given, made))
    fonts = [_fonts(reader) for reader in (one, other)]
    if not given.producer.startswith(WRITER):
        differences.append(Difference("producer", given.producer or ABSENT, made.producer))
    if not alike or given.producer != made.producer or fonts[0] != fonts[1]:
        counts = [_counted(each, numbers_only=not alike) for each in (words, remade)]
        what = "words and numbers" if alike else "numbers"
        check = Check("pages", f"{counts[0].total()} {what} of {len(words)} pages, by how often")
        unchecked = _not_compared(given, made, fonts, alike=alike)
        return (check,), (*differences, *_differing_counts(*counts)), (unchecked,)
    differences += _differing_words(words, remade)
    checks = [Check("pages", f"{sum(map(len, words))} words of {len(words)} pages")]
    if not differences:
        objects = [_objects(reader) for reader in (one, other)]
        differences += _differing_objects(*objects)
        checks.append(Check("drawing", f"{len(objects[0])} objects of the file"))
    return tuple(checks), tuple(differences), ()


def _differing_files(given: PdfFile, made: PdfFile) -> Iterator[Difference]:
    for name in sorted(given.attachments.keys() | made.attachments.keys()):
        one, other = (_digest(file.attachments.get(name)) for file in (given, made))
        if one != other:
            yield Difference(f"attachment {name} sha256", one, other)


def _digest(content: bytes | None) -> str:
    return ABSENT if content is None else hashlib.sha256(content).hexdigest()


def _words(reader: PdfReader) -> list[list[str]]:
    """Get the words of every page, in the order in which they are drawn."""
    return [page.extract_text().split() for page in reader.pages]


def _differing_words(given: list[list[str]], made: list[list[str]]) -> Iterator[Difference]:
    for index in range(max(len(given), len(made))):
        one = given[index] if index < len(given) else []
        other = made[index] if index < len(made) else []
        matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
        for kind, begin, end, start, stop in matcher.get_opcodes():
            if kind != "equal":
                after = " ".join(one[max(begin - 3, 0) : begin])
                key = f"page {index + 1}" + (f", after “{after}”" if after else "")
                yield Difference(key, _passage(one[begin:end]), _passage(other[start:stop]))


def _not_compared(
    given: PdfFile, made: PdfFile, fonts: list[tuple[str, ...]], *, alike: bool
) -> str:
    """Say what of pages made elsewhere cannot be held against those made here, and why."""
    what = "charts, layout and the shapes of letters"
    reasons = []
    if not alike:
        what = f"words, {what}"
        reasons.append("another version of powerlab wrote the report")
    if given.producer != made.producer:
        reasons.append(f"it was set by {given.producer or 'no named program'}, not {made.producer}")
    if fonts[0] != fonts[1]:
        reasons.append(f"it is set in {_listed(fonts[0])}, not in {_listed(fonts[1])}")
    return f"{what}: {'; '.join(reasons)}"


def _counted(words: list[list[str]], *, numbers_only: bool) -> Counter[str]:
    return Counter(
        word
        for page in words
        for word in page
        if not numbers_only or any(letter.isdigit() for letter in word)
    )


def _differing_counts(given: Counter[str], made: Counter[str]) -> Iterator[Difference]:
    for word in sorted(given.keys() | made.keys()):
        if given[word] != made[word]:
            yield Difference(
                f"pages, how often {word}", f"{given[word]} times", f"{made[word]} times"
            )


def _passage(words: list[str]) -> str:
    more = f" … ({len(words)} words)" if len(words) > WORDS_SHOWN else ""
    return " ".join(words[:WORDS_SHOWN]) + more if words else ABSENT


def _objects(reader: PdfReader) -> dict[int, str]:
    """Get every object of a file by number, in one form, as its SHA-256."""
    from pypdf.generic import IndirectObject  # noqa: PLC0415

    numbers = {number for table in reader.xref.values() for number in table}
    numbers |= set(reader.xref_objStm)
    found = {}
    for number in sorted(numbers):
        item = reader.get_object(IndirectObject(number, 0, reader))
        if not (isinstance(item, dict) and item.get("/Type") in ("/XRef", "/ObjStm")):
            found[number] = hashlib.sha256(_plain(item)).hexdigest()
    return found


def _plain(item: Any) -> bytes:
    """Get an object as bytes, a stream decoded: writers may compress differently."""
    from pypdf.generic import DictionaryObject, IndirectObject, StreamObject  # noqa: PLC0415

    if isinstance(item, IndirectObject):
        return b"%d %d R" % (item.idnum, item.generation)
    if isinstance(item, DictionaryObject):
        packed = ("/Length", "/Filter", "/DecodeParms") if isinstance(item, StreamObject) else ()
        entries = [
            str(key).encode() + b" " + _plain(item.raw_get(key))
            for key in sorted(item)
            if key not in packed
        ]
        data = item.get_data() if isinstance(item, StreamObject) else b""
        return b"<<" + b" ".join(entries) + b">>" + data
    if isinstance(item, list):
        return b"[" + b" ".join(map(_plain, list.__iter__(item))) + b"]"
    return repr(item).encode()


def _differing_objects(given: dict[int, str], made: dict[int, str]) -> Iterator[Difference]:
    numbers = sorted(given.keys() | made.keys())
    changed = [number for number in numbers if given.get(number) != made.get(number)]
    if changed:
        first = changed[0]
        yield Difference(
            f"drawing, {len(changed)} of {len(numbers)} objects, the first of them {first}",
            given.get(first, ABSENT),
            made.get(first, ABSENT),
        )


def _fonts(reader: PdfReader) -> tuple[str, ...]:
    """Get the names of all fonts, without the tags of their subsets."""
    names = {
        str(font.get_object().get("/BaseFont")).lstrip("/").rpartition("+")[2]
        for page in reader.pages
        for font in page.get("/Resources", {}).get("/Font", {}).values()
    }
    return tuple(sorted(names))


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "no fonts"
