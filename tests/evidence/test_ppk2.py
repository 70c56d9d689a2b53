"""Nordic's .ppk2: samples, inputs and rate out of the archive, nothing out of its names."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from powerlab.errors import ConfigError
from powerlab.evidence import held, ppk2_file
from powerlab.evidence.audit import audit

METADATA = {
    "metadata": {"samplesPerSecond": 1000, "startSystemTime": 1_760_000_000_000.0},
    "formatVersion": 2,
}


def bits(*, high: bool) -> int:
    """Get the 16 bits of eight inputs of which the first is high or low."""
    return 0b0101010101010101 ^ (3 if high else 0)


def session(microampere: np.ndarray, high: np.ndarray) -> bytes:
    """Get the samples as the Power Profiler writes them."""
    pairs = zip(microampere.tolist(), high.tolist(), strict=True)
    return b"".join(struct.pack("<fH", value, bits(high=level)) for value, level in pairs)


def archive(
    path: Path,
    content: bytes,
    metadata: object = METADATA,
    others: tuple[tuple[str, bytes], ...] = (),
) -> Path:
    """Write a recording and the mapping that gives its volts."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("session.raw", content)
        made.writestr("metadata.json", json.dumps(metadata))
        made.writestr("minimap.raw", b"{}")
        for name, told in others:
            made.writestr(name, told)
    path.with_name(f"{path.name}.toml").write_text("voltage_v = 3.0\n")
    return path


def recorded(count: int = 3000) -> bytes:
    """Get 1 mA, and 2 mA while the first input is high from sample 1000 to 2000."""
    high = (np.arange(count) >= 1000) & (np.arange(count) < 2000)
    return session(np.where(high, 2000.0, 1000.0), high)


def test_an_input_that_switches_is_the_window(tmp_path: Path) -> None:
    """Energy, instants and rate are those of the samples between its edges."""
    done = audit(archive(tmp_path / "a.ppk2", recorded())).audits[0]
    span = done.evidence.windows[0]
    assert span.start_ns == 1_760_000_001_000_000_000
    assert span.stop_ns - span.start_ns == 10**9
    assert done.reckoned.energy_j[0] == pytest.approx(0.006, rel=1e-6)
    assert "3 V all along, as the mapping states" in done.evidence.assumptions


def test_without_volts_there_is_no_power(tmp_path: Path) -> None:
    """The error says what to write; a mapping on the command line does as well."""
    path = archive(tmp_path / "a.ppk2", recorded())
    mapping = path.with_name("volts.toml")
    path.with_name("a.ppk2.toml").rename(mapping)
    with pytest.raises(ConfigError, match="no voltage"):
        audit(path)
    assert audit(path, mapping=mapping).audits[0].evidence.format == "ppk2"


def test_windows_of_a_mapping_count_inferences(tmp_path: Path) -> None:
    """What a mapping says takes the place of what the recording has."""
    path = archive(tmp_path / "a.ppk2", recorded())
    path.with_name("a.ppk2.toml").write_text(
        'voltage_v = 3.0\nboundary = "board"\ndevice = "nano"\n'
        "[[window]]\nstart_s = 0.0\nstop_s = 0.5\ninferences = 10\n"
    )
    done = audit(path).audits[0]
    each = done.reckoned.quantities["energy_per_inference"].value
    assert each == pytest.approx(0.5 * 0.003 / 10, rel=1e-6)
    assert (done.evidence.boundary.value, done.evidence.device) == ("board", "nano")


def test_long_recordings_are_averaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The energy stays; the audit says what was done."""
    monkeypatch.setattr(held, "MOST_ROWS", 1000)
    done = audit(archive(tmp_path / "a.ppk2", recorded())).audits[0]
    assert any("4 samples are averaged" in each for each in done.evidence.assumptions)
    assert done.reckoned.energy_j[0] == pytest.approx(0.006, rel=1e-2)


def test_names_that_lead_elsewhere_are_not_written(tmp_path: Path) -> None:
    """Members with paths are passed over; nothing but the archive itself is there after."""
    inside = tmp_path / "inside"
    inside.mkdir()
    others = (("../../out.txt", b"x"), ("/abs.txt", b"x"), ("..\\win.txt", b"x"))
    audit(archive(inside / "a.ppk2", recorded(), others=others))
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.ppk2", "a.ppk2.toml", "inside"]


@pytest.mark.parametrize(
    ("content", "metadata", "told"),
    [
        (b"", METADATA, "holds no samples"),
        (recorded(10)[:-1], METADATA, r"ends within a sample \(byte 59\)"),
        (recorded(10), {}, "has no metadata"),
        (recorded(10), {"metadata": {"samplesPerSecond": 0}}, "samplesPerSecond is 0"),
        (recorded(10), {"metadata": {"samplesPerSecond": "x"}}, "samplesPerSecond is 'x'"),
        (recorded(10), {**METADATA, "formatVersion": 3}, "format 3"),
        (session(np.full(9, np.nan), np.zeros(9)), METADATA, "no usable reading"),
    ],
)
def test_what_is_wrong_inside_is_told(
    tmp_path: Path, content: bytes, metadata: object, told: str
) -> None:
    """Each with the member that it is in."""
    with pytest.raises(ConfigError, match=told):
        audit(archive(tmp_path / "a.ppk2", content, metadata))


def test_an_archive_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording longer than what is read of one is not begun."""
    monkeypatch.setattr(ppk2_file, "MOST_BYTES", 500)
    with pytest.raises(ConfigError, match=r"session\.raw unpacks to 600 bytes; 500 are the most"):
        audit(archive(tmp_path / "a.ppk2", recorded(100)))


def test_a_member_that_states_another_size_is_told(tmp_path: Path) -> None:
    """Neither more nor less than stated may come out of it."""
    path = archive(tmp_path / "a.ppk2", recorded(100))
    content = path.read_bytes()
    size = struct.pack("<I", 600)
    huge = struct.pack("<I", 0xFFFFFFF0)
    place = content.index(b"PK\x01\x02")
    assert size in content[place:]
    path.write_bytes(content[:place] + content[place:].replace(size, huge, 1))
    with pytest.raises(ConfigError, match="states 4294967280 bytes and has 600"):
        audit(path)


def test_a_bomb_of_metadata_is_not_unpacked(tmp_path: Path) -> None:
    """Zeros that deflate a thousandfold are refused by the size that they state."""
    path = tmp_path / "a.ppk2"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("session.raw", recorded(10))
        made.writestr("metadata.json", bytes(4 << 20))
    path.with_name("a.ppk2.toml").write_text("voltage_v = 3.0\n")
    with pytest.raises(ConfigError, match=r"metadata\.json unpacks to 4194304 bytes"):
        audit(path)


def test_a_thousand_members_are_refused(tmp_path: Path) -> None:
    """A recording has three."""
    others = tuple((f"{i}.txt", b"") for i in range(100))
    with pytest.raises(ConfigError, match="holds 103 files"):
        audit(archive(tmp_path / "a.ppk2", recorded(10), others=others))


@pytest.mark.parametrize("part", [4, 30, 60, 200, -100, -30, -1])
def test_a_cut_archive_is_told(tmp_path: Path, part: int) -> None:
    """However short it was cut, by the reader or by what else it might be."""
    path = archive(tmp_path / "a.ppk2", recorded(500))
    path.write_bytes(path.read_bytes()[:part])
    with pytest.raises(ConfigError, match=r"a\.ppk2"):
        audit(path)


def test_an_encrypted_or_doubled_member_is_refused(tmp_path: Path) -> None:
    """Neither can be what the Power Profiler wrote."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("session.raw", recorded(10))
        with pytest.warns(UserWarning, match="Duplicate"):
            made.writestr("session.raw", recorded(10))
        made.writestr("metadata.json", json.dumps(METADATA))
    path = tmp_path / "a.ppk2"
    path.write_bytes(buffer.getvalue())
    path.with_name("a.ppk2.toml").write_text("voltage_v = 3.0\n")
    with pytest.raises(ConfigError, match=r"holds 2 files named session\.raw"):
        audit(path)
