"""The file: pages, tags, attachments, fonts, the same bytes."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pikepdf
import pytest

from powerlab.errors import ReportError, SetupError
from powerlab.report import fonts, pdf, write_report

needs_chinese = pytest.mark.skipif(
    not fonts.installed_cjk(), reason="no known Chinese font on this machine (fonts-droid-fallback)"
)


def page_texts(path: Path) -> list[str]:
    """Get the text of every page as its fonts map it; U+FFFD for a glyph that is missing."""
    with pikepdf.open(path) as document:
        return [_page_text(page) for page in document.pages]


def _page_text(page: pikepdf.Page) -> str:
    maps = {name: _unicode_map(font) for name, font in page.Resources.Font.items()}
    text, current = [], {}
    for operands, operator in pikepdf.parse_content_stream(page):
        if str(operator) == "Tf":
            current = maps[str(operands[0])]
        if str(operator) in ("Tj", "TJ"):
            parts = operands[0] if str(operator) == "TJ" else [operands[0]]
            for part in parts:
                if isinstance(part, pikepdf.String):
                    codes = bytes(part)
                    pairs = zip(codes[::2], codes[1::2], strict=True)
                    text += [current.get(high << 8 | low, "\ufffd") for high, low in pairs]
    return "".join(text)


def _unicode_map(font: pikepdf.Object) -> dict[int, str]:
    table = font.ToUnicode.read_bytes().decode("latin-1")
    pairs = re.findall(r"<([0-9a-fA-F]{4})>\s*<([0-9a-fA-F]+)>\s*(?:\n|$)", table)
    return {int(code, 16): bytes.fromhex(text).decode("utf-16-be") for code, text in pairs if code}


def test_the_english_report_is_four_tagged_archival_pages(measurement, written, caplog) -> None:
    """A4, PDF/A-3a, tagged with alternative texts, bookmarks, and nothing to complain about."""
    with caplog.at_level(logging.WARNING, logger="weasyprint"):
        path = written(measurement)
    complaints = [item.getMessage() for item in caplog.records if item.name == "weasyprint"]
    assert [text for text in complaints if "HarfBuzz-Subset" not in text] == []
    with pikepdf.open(path) as document:
        assert 2 <= len(document.pages) <= 4
        assert document.Root.MarkInfo.Marked
        assert str(document.Root.Lang) == "en"
        assert document.open_metadata().pdfa_status == "3A"
        assert [float(side) for side in document.pages[0].MediaBox[2:]] == pytest.approx(
            [595.28, 841.89], abs=0.01
        )
        with document.open_outline() as outline:
            assert outline.root[0].title == "EdgeBoard"
            assert len(outline.root[0].children) == 15
        figures = [item for item in document.objects if _is_figure(item)]
        assert len(figures) == 4
        assert all(len(str(item.Alt)) > 20 for item in figures)


def _is_figure(item: pikepdf.Object) -> bool:
    return isinstance(item, pikepdf.Dictionary) and item.get("/S") == "/Figure"


def test_every_page_says_emulated_and_the_run(measurement, written) -> None:
    """A page torn out of the report still tells what it is."""
    for text in page_texts(written(measurement)):
        assert "EMULATED" in text
        assert measurement.result.run in text
        assert "\ufffd" not in text


@needs_chinese
def test_the_chinese_report_prints_chinese(measurement, written) -> None:
    """No empty boxes: every glyph exists, maps to its character, and its font is embedded."""
    path = written(measurement, "zh")
    pages = page_texts(path)
    assert 2 <= len(pages) <= 4
    whole = "".join(pages)
    for words in ("单次推理能耗", "不确定度分量表", "测量方法", "包含因子", "本计算机与功率模型"):
        assert words in whole
    assert "\ufffd" not in whole
    for text in pages:
        assert "仿真数据" in text
        assert "EMULATED" in text


def test_the_data_travels_inside(measurement, written) -> None:
    """The result document and every reading are attached, and the digest printed is theirs."""
    path = written(measurement)
    with pikepdf.open(path) as document:
        files = {name: item.get_file().read_bytes() for name, item in document.attachments.items()}
        relations = {str(item.AFRelationship) for item in document.Root.AF}
    assert set(files) == {"result.json", "readings.csv"}
    assert relations == {"/Data", "/Source"}
    stored = json.loads(files["result.json"])
    assert stored["schema"] == "powerlab.result/1"
    energy = measurement.result.quantities["energy_per_inference"]
    assert stored["quantities"]["energy_per_inference"]["value"] == energy.value
    lines = files["readings.csv"].decode().splitlines()
    assert lines[0] == "start_ns,stop_ns,current,flags"
    assert len(lines) == 1 + len(measurement.aligned.flags)
    assert hashlib.sha256(files["result.json"]).hexdigest() in "".join(page_texts(path))


def test_the_run_folders_own_document_is_attached_unchanged(measurement, tmp_path) -> None:
    """Given bytes travel as they are; the digest printed and the date are theirs."""
    path, run = tmp_path / "r.pdf", measurement.result.run
    document = f'{{"run": "{run}",  "created": "2026-11-21T05:19:54+00:00"}}'.encode()
    write_report(path, lang="en", kept={"result.json": document}, **measurement.arguments())
    with pikepdf.open(path) as written:
        assert written.attachments["result.json"].get_file().read_bytes() == document
        with written.open_metadata() as metadata:
            assert metadata["xmp:CreateDate"].startswith("2026-11-21T05:19:54")
    text = "".join(page_texts(path))
    assert hashlib.sha256(document).hexdigest() in text
    assert "2026-11-21 05:19 UTC" in text


@pytest.mark.parametrize("document", [b"{}", b"[]", b"no document", b"\xff"])
def test_the_document_of_another_run_is_refused(measurement, tmp_path, document) -> None:
    """A document that does not state this run is never attached as its evidence."""
    with pytest.raises(ReportError, match="not that of the run"):
        write_report(
            tmp_path / "r.pdf", lang="en", kept={"result.json": document}, **measurement.arguments()
        )
    assert list(tmp_path.iterdir()) == []


def test_a_long_trace_is_attached_as_parquet_or_not_at_all(
    measurement, written, monkeypatch
) -> None:
    """Beyond the limits the report says where the readings are."""
    monkeypatch.setattr("powerlab.report.evidence.CSV_LIMIT", 10)
    with pikepdf.open(written(measurement)) as document:
        assert set(document.attachments) == {"result.json", "readings.parquet"}
    monkeypatch.setattr("powerlab.report.evidence.PARQUET_LIMIT", 10)
    path = written(measurement)
    with pikepdf.open(path) as document:
        assert set(document.attachments) == {"result.json"}
    assert "in the run folder" in "".join(page_texts(path))


def test_the_same_measurement_gives_the_same_bytes(measurement, written) -> None:
    """Neither the time of day, nor the hash seed, nor the environment reaches the file."""
    first = written(measurement, name="first.pdf").read_bytes()
    second = written(measurement, name="second.pdf").read_bytes()
    assert first == second
    assert "SOURCE_DATE_EPOCH" not in os.environ


def test_another_process_gives_the_same_bytes(measurement, written) -> None:
    """A report made again elsewhere compares equal."""
    first = written(measurement, name="first.pdf")
    script = (
        "import sys, importlib.util as u; from pathlib import Path\n"
        "spec = u.spec_from_file_location('factory', sys.argv[1])\n"
        "factory = u.module_from_spec(spec); sys.modules['factory'] = factory\n"
        "spec.loader.exec_module(factory)\n"
        "from powerlab.report import write_report\n"
        "made = factory.build_measurement().arguments()\n"
        "write_report(Path(sys.argv[2]), lang='en', **made)\n"
    )
    second = first.with_name("second.pdf")
    factory = Path(__file__).with_name("conftest.py")
    subprocess.run(
        [sys.executable, "-c", script, str(factory), str(second)],
        env={**os.environ, "PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "1", "TZ": "Asia/Tokyo"},
        check=True,
    )
    assert first.read_bytes() == second.read_bytes()


def test_an_invalid_result_says_so_on_every_page(measurement, written) -> None:
    """A report of figures that must not be used cannot be mistaken for another."""
    path = written(measurement.but(valid=False))
    for text in page_texts(path):
        assert "NOT VALID" in text


def test_long_names_and_sources_do_not_break_the_report(measurement, written) -> None:
    """Names beyond a line wrap; a page more is allowed, a failure is not."""
    device = measurement.device.model_copy(
        update={"name": "Accelerator Kit " * 6, "soc": "x" * 200}
    )
    path = written(replace(measurement, device=device))
    assert len(page_texts(path)) <= 5


def test_an_unwritable_place_is_told_and_leaves_nothing(measurement, tmp_path) -> None:
    """The message names the file, the hint what to do."""
    with pytest.raises(ReportError) as caught:
        write_report(tmp_path / "absent" / "r.pdf", lang="en", **measurement.arguments())
    assert "absent" in caught.value.message
    assert list(tmp_path.rglob("*.pdf*")) == []


def test_missing_pango_names_the_packages(monkeypatch) -> None:
    """Without Pango the user is told what to install, not what a loader could not open."""

    class NoPango:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "weasyprint":
                message = "cannot load library 'libgobject-2.0-0'"
                raise OSError(message)

    monkeypatch.delitem(sys.modules, "weasyprint", raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoPango(), *sys.meta_path])
    with pytest.raises(SetupError) as caught:
        pdf.load_weasyprint()
    assert "libpango-1.0-0 libpangoft2-1.0-0" in caught.value.hint
