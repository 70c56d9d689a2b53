"""Foreign files, read with care: bounded, decoded, and every failure named by file and line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from powerlab.errors import ConfigError

HEAD_BYTES = 4096

MOST_TEXT_BYTES = 512 << 20
"""Text beyond this is refused: a log of a run is never as long."""

MOST_JSON_BYTES = 256 << 20

_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}


def damaged(path: Path, what: str, *, line: int | None = None, hint: str = "") -> ConfigError:
    """Get the error of a file that cannot be used, for the caller to raise."""
    where = f"{path}:{line}" if line else str(path)
    return ConfigError(
        f"{where}: {what}", hint=hint or "get the file anew from where it was published"
    )


def head(path: Path) -> bytes:
    """Get the first bytes of a file as UTF-8, empty where it cannot be read or is none."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            content = file.read(HEAD_BYTES)
    except OSError:
        return b""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content[: len(content) // 2 * 2].decode("utf-16", "ignore").encode()
    return content.removeprefix(b"\xef\xbb\xbf")


def read_bytes(path: Path, most: int = MOST_TEXT_BYTES) -> bytes:
    """Read a file whole. Raises ConfigError where it is too long, or cannot be read."""
    try:
        size = path.stat().st_size
        if size > most:
            raise damaged(path, f"{size} bytes, and {most} are the most that is read of one")
        return path.read_bytes()
    except OSError as error:
        raise damaged(path, f"cannot be read: {error.strerror}", hint="check its path") from error


def read_text(path: Path, most: int = MOST_TEXT_BYTES) -> str:
    """Read a text of UTF-8, or of UTF-16 with its mark. Raises ConfigError with the line."""
    content = read_bytes(path, most)
    coding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        return content.decode(coding)
    except UnicodeDecodeError as error:
        raise damaged(
            path,
            f"is not {coding} text (byte {error.start})",
            line=content.count(b"\n", 0, error.start) + 1,
            hint="convert it to UTF-8, or name its format with --format",
        ) from error


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield ``(number, line)`` of a text, without line ends and empty lines."""
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if line.strip():
            yield number, line


def read_json(path: Path) -> Any:
    """Read a JSON document. Raises ConfigError with the line of what is wrong."""
    text = read_text(path, MOST_JSON_BYTES)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise damaged(path, f"is not JSON: {error.msg}", line=error.lineno) from error
    except (RecursionError, ValueError) as error:
        raise damaged(path, f"is not JSON that can be read: {error}") from error


def number(text: str, path: Path, line: int, what: str) -> float:
    """Read a number, ``nan`` included. Raises ConfigError naming the line."""
    try:
        return float(text)
    except ValueError as error:
        raise damaged(path, f"{what} is {text[:40]!r}, not a number", line=line) from error


def sha256(path: Path) -> str:
    """Get the sha256 of a file. Raises ConfigError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise damaged(path, f"cannot be read: {error.strerror}") from error


def upwards(path: Path, name: str, levels: int) -> Path | None:
    """Get the nearest file of a name beside a path or up to so many folders above it."""
    place = path if path.is_dir() else path.parent
    for _ in range(levels):
        found = place / name
        if found.is_file():
            return found
        if place == place.parent:
            break
        place = place.parent
    return None
