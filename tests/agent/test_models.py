"""The board's model cache: only complete and verified sets, bounded, always some place."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from powerlab.agent import models
from powerlab.agent.faults import AgentError
from powerlab.agent.models import ModelCache, cache_root, remove_temporary, temporary_prefix
from powerlab.agent.protocol import digest_of

FILES = {"model.xml": b"<net/>", "model.bin": b"\0" * 64}
DIGEST = digest_of((name, [content]) for name, content in FILES.items())


def _send(cache: ModelCache, digest: str, files: dict[str, bytes]) -> None:
    for name in cache.missing(digest, sorted(files)):
        cache.put(digest, name, files[name])


def _other(number: int) -> tuple[str, dict[str, bytes]]:
    files = {"model.tflite": bytes([number]) * 100}
    return digest_of((name, [content]) for name, content in files.items()), files


def test_send_locate_and_find_again(tmp_path: Path) -> None:
    """A set is asked for once, located when complete, and found by the next agent."""
    cache = ModelCache(str(tmp_path))
    assert cache.missing(DIGEST, sorted(FILES)) == sorted(FILES)
    _send(cache, DIGEST, FILES)
    path = Path(cache.locate(DIGEST, "model.xml"))
    assert path.read_bytes() == FILES["model.xml"]
    assert path.parent == tmp_path / DIGEST
    assert [entry.name for entry in tmp_path.iterdir()] == [DIGEST]
    assert ModelCache(str(tmp_path)).missing(DIGEST, sorted(FILES)) == []


def test_corrupt_upload(tmp_path: Path) -> None:
    """What arrives damaged never gets into the cache."""
    cache = ModelCache(str(tmp_path))
    _send(cache, DIGEST, FILES | {"model.bin": b"damaged"})
    with pytest.raises(AgentError, match="arrived") as caught:
        cache.locate(DIGEST, "model.xml")
    assert caught.value.code == "model-corrupt"
    assert list(tmp_path.iterdir()) == []


def test_damaged_cache_is_sent_again(tmp_path: Path) -> None:
    """A set whose files have changed on disk is thrown away and asked for."""
    _send(ModelCache(str(tmp_path)), DIGEST, FILES)
    ModelCache(str(tmp_path)).missing(DIGEST, [])
    cache = ModelCache(str(tmp_path))
    _send(cache, DIGEST, FILES)
    cache.locate(DIGEST, "model.xml")
    (tmp_path / DIGEST / "model.bin").write_bytes(b"bit rot")
    again = ModelCache(str(tmp_path))
    with pytest.raises(AgentError, match=r"holds no model\.xml"):
        again.locate(DIGEST, "model.xml")
    assert again.missing(DIGEST, sorted(FILES)) == sorted(FILES)


def test_least_recently_used_makes_room(tmp_path: Path) -> None:
    """Above the limit the sets go that were used longest ago, never the one in use."""
    cache = ModelCache(str(tmp_path), limit_bytes=250)
    for number in range(3):
        digest, files = _other(number)
        _send(cache, digest, files)
        cache.locate(digest, "model.tflite")
        os.utime(tmp_path / digest, (number + 1, number + 1))
    cache.locate(_other(1)[0], "model.tflite")
    kept = {entry.name for entry in tmp_path.iterdir()}
    assert kept == {_other(1)[0], _other(2)[0]}
    tiny = ModelCache(str(tmp_path), limit_bytes=1)
    tiny.locate(_other(1)[0], "model.tflite")
    assert {entry.name for entry in tmp_path.iterdir()} == {_other(1)[0]}


def test_abandoned_uploads_are_removed(tmp_path: Path) -> None:
    """What another agent began to receive a day ago and never finished goes away."""
    old, young = tmp_path / f".{DIGEST}.1", tmp_path / f".{DIGEST}.2"
    old.mkdir()
    young.mkdir()
    os.utime(old, (1, 1))
    cache = ModelCache(str(tmp_path))
    _send(cache, DIGEST, FILES)
    cache.locate(DIGEST, "model.xml")
    assert not old.exists()
    assert young.exists()


@pytest.mark.parametrize("name", ["../escape", "", ".hidden", "a/b", "a\nb", "x" * 300])
def test_names_stay_in_their_folder(tmp_path: Path, name: str) -> None:
    """A name that is no plain file name is refused."""
    cache = ModelCache(str(tmp_path / "cache"))
    with pytest.raises(AgentError, match="cannot be a model file's name"):
        cache.put(DIGEST, name, b"")
    with pytest.raises(AgentError, match="64 hex digits"):
        cache.put("../" + DIGEST, "model.xml", b"")


def test_home_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a writable home the models live in a private folder of this process."""
    occupied = tmp_path / "home"
    occupied.write_text("a file where the home directory should be")
    monkeypatch.setenv("HOME", str(occupied))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    prefix = temporary_prefix(os.getpid())
    squatted = temporary / prefix.removesuffix("-")
    squatted.mkdir(mode=0o777)
    roots = [Path(ModelCache().root) for _ in range(2)]
    assert roots[0] != roots[1]
    for root in roots:
        assert root.parent == temporary
        assert root.name.startswith(prefix)
        assert root.stat().st_mode & 0o777 == 0o700
    (roots[0] / "model").write_bytes(b"x")
    other = temporary / temporary_prefix(os.getpid() * 10 + 1)
    other.mkdir()
    remove_temporary(os.getpid())
    assert sorted(temporary.iterdir()) == sorted([squatted, other])


def test_folders_of_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the right name that belongs to somebody else is left alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / f"{temporary_prefix(7)}abc"
    folder.mkdir()
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    remove_temporary(7)
    assert folder.exists()


def test_cache_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache is where the user's caches are, XDG_CACHE_HOME included."""
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_root() == "/home/me/.cache/powerlab/models"
    monkeypatch.setenv("XDG_CACHE_HOME", "/big")
    assert cache_root() == "/big/powerlab/models"


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOSPC, "board-disk-full"), (errno.EACCES, "board-storage")]
)
def test_storage_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    """A full or forbidden disk is told apart, and leaves no half of a set."""

    def fail(*_arguments: Any, **_options: Any) -> None:
        raise OSError(number, os.strerror(number))

    cache = ModelCache(str(tmp_path))
    monkeypatch.setattr(models, "open", fail, raising=False)
    with pytest.raises(AgentError) as caught:
        cache.put(DIGEST, "model.xml", b"")
    assert caught.value.code == code
    assert list(tmp_path.iterdir()) == []
