"""Every format cut, overwritten, mis-encoded, emptied, blown up: an error that says where."""

from __future__ import annotations

import random
import re
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from powerlab.errors import ConfigError
from powerlab.evidence.audit import audit, readers
from powerlab.evidence.crc32c import crc32c
from tests.evidence.every_format import FORMATS

ROUNDS = 8
MOST_BYTES = 96 << 20
"""Of memory for any of these files, which are of some kilobytes."""

HUGE = (b"9" * 400, b"1e400", b"-1e308", b"nan", b"\xff" * 8, b"\x00" * 64, b",,,,", b"\n\n")


def spoil(content: bytes, chance: random.Random) -> bytes:
    """Cut, overwrite, insert, repeat or recode some of a file."""
    at = chance.randrange(len(content) + 1)
    lines = content.split(b"\n")
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: content[:at],
        lambda: content[:at] + chance.randbytes(8) + content[at + 8 :],
        lambda: content[:at] + chance.choice(HUGE) + content[at:],
        lambda: content[:at] + chance.choice(HUGE) + content[at + 8 :],
        lambda: content[:at] + content,
        lambda: content.decode("latin-1").encode("utf-16"),
        lambda: content[:at] + b"\xe4\xf6" + content[at:],
        lambda: b"\n".join(chance.sample(lines, len(lines))),
    )
    return chance.choice(ways)()


def files_below(folder: Path) -> dict[str, bytes]:
    """Get all files of a folder with what they hold."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def attempt(path: Path, form: str | None = None) -> None:
    """Audit a path; an error names it and says what to do."""
    told = None
    try:
        audit(path, form)
    except ConfigError as error:
        told = error
    if told is not None:
        assert str(path.parent) in told.message
        assert told.hint
        assert "\n" not in told.message


def test_the_examples_are_whole_and_of_every_reader(tmp_path: Path) -> None:
    """Each is read as what it is: what follows begins at good files."""
    for name, make in FORMATS.items():
        folder = tmp_path / name
        folder.mkdir()
        done = audit(make(folder)).audits[0]
        assert done.evidence.format == name.removesuffix("-csv"), name
    assert set(readers()) <= {name.removesuffix("-csv") for name in FORMATS}


@pytest.mark.parametrize("name", FORMATS)
def test_a_spoiled_file_is_an_error_or_an_audit(tmp_path: Path, name: str) -> None:
    """In every file of the example in turn; nothing is written or changed."""
    chance = random.Random(name)
    path = FORMATS[name](tmp_path)
    whole = files_below(tmp_path)
    form = name.removesuffix("-csv")
    for turn in range(ROUNDS):
        victim = tmp_path / sorted(whole)[turn % len(whole)]
        victim.write_bytes(spoil(whole[str(victim.relative_to(tmp_path))], chance))
        before = files_below(tmp_path)
        attempt(path, form if turn % 2 else None)
        assert files_below(tmp_path) == before
        for place, content in whole.items():
            (tmp_path / place).write_bytes(content)


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_file_is_an_error(tmp_path: Path, name: str) -> None:
    """Of a format that is forced, and of one that is to be found."""
    path = FORMATS[name](tmp_path)
    for each in tmp_path.rglob("*"):
        if each.is_file() and each.suffix != ".toml":
            each.write_bytes(b"")
    for form in (None, name.removesuffix("-csv")):
        with pytest.raises(ConfigError) as caught:
            audit(path, form)
        assert str(path) in caught.value.message
        assert caught.value.hint


TEXTS = [name for name in FORMATS if name not in ("jls", "ppk2", "energyrunner", "mlcommons-tiny")]


@pytest.mark.parametrize("name", TEXTS)
def test_a_bad_number_in_a_text_is_named_by_its_line(tmp_path: Path, name: str) -> None:
    """The last sample of a text becomes a word: file and line stand in the error."""
    path = FORMATS[name](tmp_path)
    victim = next(
        tmp_path / place
        for place in sorted(files_below(tmp_path))
        if place.endswith(("spl.txt", "_all.txt", ".csv", ".log"))
    )
    lines = victim.read_text().splitlines()
    # keep what a line is told by, spoil the figures
    lines[-1] = re.sub(r"\d+\.?\d*(?=\D*$)", "1x1", lines[-1])
    lines[-1] = re.sub(r"Watts,[\d.]+", "Watts,1x1", lines[-1])
    lines[-1] = re.sub(r"2026\S+ \S+,|2026-\S+?,\w,", "1x1,", lines[-1])
    lines[-1] = lines[-1].replace("3600,10,", "x,10,").replace(" 933/933", " 933")
    if name in ("fnirsi", "otii", "km003c", "joulescope", "devlib", "ppk2-csv", "energibridge"):
        lines[-1] = re.sub(r"(?<=[, ])[\d.]+", "1x1", lines[-1])
    if name == "tegrastats":
        lines[-1] = lines[-1].replace("POM_5V_IN 933", "POM").replace("POM_5V_CPU 121/1x1", "")
    victim.write_text("\n".join(lines) + "\n")
    with pytest.raises(ConfigError, match=re.escape(f"{victim}:{len(lines)}:")):
        audit(path)


def jls_with_length(content: bytes, length: int) -> bytes:
    """Get a JLS file whose first chunk states a length, under a CRC that fits."""
    header = bytearray(content[64:96])
    struct.pack_into("<I", header, 20, length)
    header[28:] = crc32c(bytes(header[:28])).to_bytes(4, "little")
    return content[:64] + bytes(header) + content[96:]


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFFFFF, 64 << 20, 30_000])
def test_a_declared_length_beyond_the_file_is_not_believed(tmp_path: Path, length: int) -> None:
    """The offset of the chunk stands in the error, and no such memory is taken."""
    path = FORMATS["jls"](tmp_path)
    path.write_bytes(jls_with_length(path.read_bytes(), length))
    tracemalloc.start()
    try:
        with pytest.raises(ConfigError, match=rf"at byte 64: a chunk states {length} bytes"):
            audit(path)
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()


def test_zeros_that_deflate_a_thousandfold_stay_in_bounds(tmp_path: Path) -> None:
    """A session of 24 MB of zeros in 24 KB is read piece by piece."""
    path = tmp_path / "a.ppk2"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        with made.open("session.raw", "w") as member:
            for _ in range(24):
                member.write(bytes(1_000_000 // 6 * 6))
        made.writestr("metadata.json", '{"metadata": {"samplesPerSecond": 100000}}')
    (tmp_path / "a.ppk2.toml").write_text("voltage_v = 3.0\n")
    assert path.stat().st_size < 50_000
    tracemalloc.start()
    try:
        audit(path)
        # four million samples are held as float64 with their bits; a copy at a time is made
        assert tracemalloc.get_traced_memory()[1] < 20 * 4_000_000 * 8
    finally:
        tracemalloc.stop()


def test_a_mapping_may_name_no_path(tmp_path: Path) -> None:
    """Names in a mapping are names: what they lead to is neither read nor written."""
    path = FORMATS["csv"](tmp_path)
    mapping = tmp_path / "a.csv.toml"
    mapping.write_text(mapping.read_text().replace('"t"', '"../../etc/passwd"'))
    with pytest.raises(ConfigError, match="the table has t, p"):
        audit(path)


def test_a_line_without_end_is_not_read_whole(tmp_path: Path) -> None:
    """A table whose second line is longer than any is told by its line."""
    path = FORMATS["joulescope"](tmp_path)
    path.write_bytes(b"#time,current,voltage\n0.01,0.5,4.0\n" + b"0," * (1 << 20))
    with pytest.raises(ConfigError, match=re.escape(f"{path}:3: is longer than")):
        audit(path)


def test_random_bytes_are_no_format(tmp_path: Path) -> None:
    """Of every beginning that a format is told by."""
    chance = random.Random(7)
    beginnings = (b"PK\x03\x04", b"jlsfmt\r\n", b"\xf1", b"Time,", b"[", b"\xff\xfe", b"\x1f\x8b")
    for number, start in enumerate(beginnings):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(start + zlib.compress(chance.randbytes(3000)))
        with pytest.raises(ConfigError, match=re.escape(str(path))):
            audit(path)
