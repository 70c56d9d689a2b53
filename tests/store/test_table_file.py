"""Tables for other programs."""

from __future__ import annotations

import sys
import zipfile
from decimal import Decimal

import pytest
from pyarrow import parquet

from powerlab.errors import ConfigError, SetupError
from powerlab.store.table_file import turned, write_table

ROWS = [
    {"option": "a|b", "price": Decimal("10.50"), "energy": 0.123456789, "tied": True, "none": None},
    {"option": "=1+1", "price": Decimal("7.00"), "energy": 2.0, "tied": False, "none": None},
]


def test_csv_keeps_decimals_and_every_digit(tmp_path):
    """Prices as they were rounded, floats in full."""
    write_table(tmp_path / "t.csv", ROWS)
    assert (tmp_path / "t.csv").read_text().splitlines() == [
        "option,price,energy,tied,none",
        "a|b,10.50,0.123456789,True,",
        "=1+1,7.00,2.0,False,",
    ]


def test_parquet_has_types(tmp_path):
    """A decimal is a decimal there."""
    write_table(tmp_path / "t.parquet", ROWS)
    assert parquet.read_table(tmp_path / "t.parquet").to_pylist() == ROWS


def test_markdown_is_a_table(tmp_path):
    """A bar within a cell does not end it."""
    write_table(tmp_path / "t.md", ROWS)
    lines = (tmp_path / "t.md").read_text().splitlines()
    assert lines[1] == "| --- | --- | --- | --- | --- |"
    assert lines[2] == "| a\\|b | 10.50 | 0.123457 | True |  |"


def test_a_table_can_be_turned():
    """One column per row, for people."""
    assert turned(ROWS, "option")[0] == {
        "option": "price",
        "a|b": Decimal("10.50"),
        "=1+1": Decimal("7.00"),
    }


def test_xlsx_holds_numbers_as_numbers_and_text_as_text(tmp_path):
    """A text that looks like a formula is none, and the same rows give the same bytes."""
    pytest.importorskip("xlsxwriter")
    write_table(tmp_path / "t.xlsx", ROWS)
    first = (tmp_path / "t.xlsx").read_bytes()
    write_table(tmp_path / "t.xlsx", ROWS)
    assert (tmp_path / "t.xlsx").read_bytes() == first
    with zipfile.ZipFile(tmp_path / "t.xlsx") as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
        texts = book.read("xl/sharedStrings.xml").decode()
    assert "<v>10.5</v>" in sheet
    assert "<f>" not in sheet
    assert "=1+1" in texts


def test_xlsx_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    """And what serves as well; nothing is written."""
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(SetupError, match="XlsxWriter") as caught:
        write_table(tmp_path / "t.xlsx", ROWS)
    assert ".csv" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_another_suffix_is_refused(tmp_path):
    """With those that can be written."""
    with pytest.raises(ConfigError) as caught:
        write_table(tmp_path / "t.doc", ROWS)
    assert ".parquet" in caught.value.hint
