"""A report verified: one digit, one attachment, one stroke of a chart."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
from pathlib import Path

import pikepdf
import pytest

from powerlab.cli._reporting import write_stored_report
from powerlab.errors import ConfigError
from powerlab.store.archive import open_run
from powerlab.store.verifiable import verifiable_files
from powerlab.verify.pdf_file import read_pdf
from powerlab.verify.report import verify_report
from tests.verify.evidence import attach, change, seal


@pytest.fixture(scope="session")
def report(kept, tmp_path_factory) -> Path:
    """Get the report of the run, not to be changed."""
    path = tmp_path_factory.mktemp("report") / "report.pdf"
    write_stored_report(open_run(kept), path, "en")
    return path


@pytest.fixture
def verify(report):
    """Get a function that verifies a report, writing anew what the run of the fixture gives."""

    def verified(path: Path, *, anew: Path = report, kept=None):
        return verify_report(read_pdf(path), lambda _run, to, _lang: shutil.copy(anew, to), kept)

    return verified


def forged(report: Path, path: Path, forge) -> Path:
    """Get a copy of a report that ``forge`` changed."""
    with pikepdf.open(report) as document:
        forge(document)
        document.save(path, static_id=True)
    return path


def test_an_untouched_report_agrees_byte_for_byte(report) -> None:
    """Concluded and written anew from its own attachments, it is the same file."""
    found = verify_report(read_pdf(report), write_stored_report)
    assert found.differences == ()
    assert found.outcome == "agrees"
    assert any("byte for byte" in check.told for check in found.checks)


def test_a_report_added_to_the_run_leaves_the_next_one_the_same(report, folder, tmp_path) -> None:
    """The manifest that travels is told of the data alone."""
    path = folder / "run.json"
    manifest = json.loads(path.read_text())
    manifest["files"]["report.pdf"] = {"bytes": 1, "sha256": "0"}
    path.write_text(json.dumps(manifest))
    with pikepdf.open(report) as document:
        attached = document.attachments["run.json"].get_file().read_bytes()
    assert verifiable_files(folder)["run.json"] == attached


def test_a_digit_on_a_page_is_caught(report, verify, tmp_path) -> None:
    """The page is named, the words before it, what stands there, and what should."""
    found = verify(_one_digit_changed(report, tmp_path))
    assert found.outcome == "differs"
    (told,) = found.differences
    assert told.key.startswith("page 1, after")
    pairs = zip(told.stored, told.recomputed, strict=True)
    assert [one for one, other in pairs if one != other] == ["9"]


def _one_digit_changed(report: Path, place: Path) -> Path:
    """Get a report whose first page has a 9 for another digit of some number."""
    told: list[str] = []

    def forge(document: pikepdf.Pdf) -> None:
        page = document.pages[0]
        codes = {
            name: {text: code for code, text in _characters(font).items()}
            for name, font in page.Resources.Font.items()
        }
        operations, font = [], ""
        for operands, operator in pikepdf.parse_content_stream(page):
            if str(operator) == "Tf":
                font = str(operands[0])
            shown = str(operator) == "TJ" and not told
            parts = [_changed(operands[0], codes[font], told)] if shown else operands
            operations.append((parts, operator))
        page.Contents = document.make_stream(pikepdf.unparse_content_stream(operations))

    return forged(report, place / "digit.pdf", forge)


def _characters(font: pikepdf.Object) -> dict[int, str]:
    table = font.ToUnicode.read_bytes().decode("latin-1")
    pairs = re.findall(r"<([0-9a-fA-F]{4})>\s*<([0-9a-fA-F]{4})>", table)
    return {int(code, 16): chr(int(text, 16)) for code, text in pairs}


def _changed(parts: pikepdf.Array, codes: dict[str, int], told: list[str]) -> pikepdf.Array:
    """Change the first digit that is the whole of a text, or of its beginning."""
    texts = {code: text for text, code in codes.items()}
    made = []
    for part in parts:
        if isinstance(part, pikepdf.String) and not told:
            raw = bytes(part)
            text = "".join(texts.get(raw[i] << 8 | raw[i + 1], "?") for i in range(0, len(raw), 2))
            number = re.search(r"(?<!\S)[0-8][\d.]*(?!\S)", text)
            if number and "9" in codes:
                at = number.start()
                nine = codes["9"].to_bytes(2, "big")
                part = pikepdf.String(raw[: 2 * at] + nine + raw[2 * at + 2 :])  # noqa: PLW2901
                told.append("9" + number[0][1:])
        made.append(part)
    return pikepdf.Array(made)


def test_a_stroke_of_a_chart_is_caught(report, verify, tmp_path) -> None:
    """A line that is drawn elsewhere says other figures without a word changing."""

    def forge(document: pikepdf.Pdf) -> None:
        for item in document.objects:
            if isinstance(item, pikepdf.Stream) and item.get("/Subtype") == "/Form":
                content = item.read_bytes()
                moved = re.sub(
                    rb"(\d)(\.?\d*) l\b", lambda at: b"9" + at[2] + b" l", content, count=1
                )
                if moved != content:
                    item.write(moved)
                    return
        page = document.pages[0]
        content = page.Contents.read_bytes()
        moved = re.sub(rb"\d(\.\d+ l)\b", rb"9\1", content, count=1)
        assert moved != content
        page.Contents = document.make_stream(moved)

    found = verify(forged(report, tmp_path / "chart.pdf", forge))
    assert found.outcome == "differs"
    assert found.differences[0].key.startswith("drawing")


def test_letters_of_another_shape_are_caught(report, verify, tmp_path) -> None:
    """A font whose 3 looks like an 8 leaves the text that programs read as it was."""

    def forge(document: pikepdf.Pdf) -> None:
        descriptor = next(
            item
            for item in document.objects
            if isinstance(item, pikepdf.Dictionary) and "/FontFile2" in item
        )
        content = bytearray(descriptor.FontFile2.read_bytes())
        content[-100] ^= 0xFF
        descriptor.FontFile2.write(bytes(content))

    found = verify(forged(report, tmp_path / "font.pdf", forge))
    assert [item.key.split(",")[0] for item in found.differences] == ["drawing"]


@pytest.mark.parametrize(
    "name", ["result.json", "run.json", "capture.parquet", "events.jsonl", "readings.csv"]
)
def test_a_changed_attachment_is_caught(report, verify, tmp_path, name) -> None:
    """One byte of any of them: a digit where there is one, else any byte."""
    with pikepdf.open(report) as document:
        content = document.attachments[name].get_file().read_bytes()
    middle = len(content) // 2
    digit = re.compile(rb"\d").search(content, middle)
    at = middle if digit is None or name == "capture.parquet" else digit.start()
    other = bytes([content[at] ^ 1])
    changed = content[:at] + other + content[at + 1 :]
    found = verify(attach(report, tmp_path / "a.pdf", **{name.replace(".", "_"): changed}))
    assert found.outcome == "differs"
    assert any(name in item.key for item in found.differences)


def test_data_exchanged_as_a_whole_do_not_fit_the_pages(report, folder, tmp_path) -> None:
    """A result, manifest and hashes that all fit each other still give another report."""
    batch = change(folder / "run.json", "request", "bench", to="another")
    assert batch == "emulated"
    change(folder / "result.json", "bench", to="another")
    change(folder / "result.json", "detail", "request", "bench", to="another")
    seal(folder)
    files = {name.replace(".", "_"): content for name, content in verifiable_files(folder).items()}
    found = verify_report(
        read_pdf(attach(report, tmp_path / "a.pdf", **files)), write_stored_report
    )
    digest = hashlib.sha256(files["result_json"]).hexdigest()
    assert digest in {item.recomputed for item in found.differences}


def test_another_attachment_is_told(report, verify, tmp_path) -> None:
    """A file that powerlab did not attach is none of the evidence."""
    found = verify(attach(report, tmp_path / "a.pdf", offer_txt=b"cheap"))
    assert "attachment offer.txt sha256" in {item.key for item in found.differences}


def test_a_report_of_another_writer_is_compared_by_its_numbers(report, verify, tmp_path) -> None:
    """Its layout is another, so shapes are not compared, and it says so; a digit is caught."""

    def forge(document: pikepdf.Pdf) -> None:
        document.docinfo["/Producer"] = "WeasyPrint 99"

    found = verify(forged(report, tmp_path / "other.pdf", forge))
    assert found.outcome == "agrees"
    assert any("WeasyPrint 99" in text for text in found.unchecked)
    found = verify(_one_digit_changed(tmp_path / "other.pdf", tmp_path))
    assert len(found.differences) == 2
    assert all(item.key.startswith("pages, how often") for item in found.differences)


def test_a_report_of_another_powerlab_is_compared_by_its_numbers(
    report, verify, tmp_path, monkeypatch
) -> None:
    """It may word the same figures otherwise, which is said; a digit is caught all the same."""
    monkeypatch.setattr("powerlab.verify.report.__version__", "9.0")
    found = verify(_one_digit_changed(report, tmp_path))
    assert len(found.differences) == 2
    assert all(item.key.startswith("pages, how often") for item in found.differences)
    assert any("another version of powerlab" in text for text in found.unchecked)


def test_a_report_without_its_capture_is_verified_with_its_run(
    report, verify, kept, tmp_path
) -> None:
    """Alone it is not verifiable, and the hash of its result says which run it needs."""

    def forge(document: pikepdf.Pdf) -> None:
        for name in ("run.json", "capture.parquet", "events.jsonl"):
            del document.attachments[name]

    path = forged(report, tmp_path / "bare.pdf", forge)
    found = verify(path)
    assert found.outcome == "not verifiable"
    digest = hashlib.sha256((kept / "result.json").read_bytes()).hexdigest()
    assert any(digest in text for text in found.unchecked)
    assert verify(path, anew=path, kept=verifiable_files(kept)).outcome == "agrees"


@pytest.mark.parametrize("part", [0.001, 0.2, 0.7, 0.999])
def test_a_truncated_report_is_refused_or_differs(report, verify, tmp_path, part) -> None:
    """Half a file is told in words, not by a traceback."""
    content = report.read_bytes()
    path = tmp_path / "half.pdf"
    path.write_bytes(content[: int(len(content) * part)])
    with contextlib.suppress(ConfigError):
        assert verify(path).outcome != "agrees"


def test_files_of_other_places_are_never_written(report, verify, tmp_path) -> None:
    """An attachment whose name climbs out of its folder stays in the PDF."""
    path = forged(
        report,
        tmp_path / "climb.pdf",
        lambda document: document.attachments.__setitem__("../../climbed.json", b"{}"),
    )
    assert verify(path).outcome == "differs"
    assert not list(tmp_path.parent.rglob("climbed.json"))


def test_the_report_is_written_anew_in_its_own_language(report, tmp_path) -> None:
    """Which is the one that the document states."""
    path = forged(
        report, tmp_path / "zh.pdf", lambda made: made.Root.__setitem__("/Lang", "zh-Hans")
    )
    seen: list[str] = []

    def render(_run, to: Path, lang: str) -> None:
        seen.append(lang)
        shutil.copy(path, to)

    assert verify_report(read_pdf(path), render).outcome == "agrees"
    assert seen == ["zh"]
