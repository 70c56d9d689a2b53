"""No reference vector stays unread: each is named by a test, or by a vector that a test reads."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def test_every_vector_is_read_by_a_test(shared) -> None:
    """A test names a vector's file, or its name without suffix in quotes, or reads its index.

    Recorded data stand beside a JSON file that names them: who reads that reads them.
    """
    folder = shared("vectors")
    files = [path for path in folder.rglob("*") if path.is_file() and path.parent != folder]
    assert files
    sources = [path for path in TESTS.rglob("*.py") if path != Path(__file__)]
    texts = [text for path in sources if "vectors" in (text := path.read_text(encoding="utf-8"))]

    def is_named(path: Path) -> bool:
        place = path.parent.name
        return any(
            f"vectors/{place}" in text
            and (path.name in text or f'"{path.name.rpartition(".")[0]}"' in text)
            for text in texts
        )

    named = {path for path in files if is_named(path)}
    indexes = [path.read_text(encoding="utf-8") for path in named if path.suffix == ".json"]
    unread = {
        str(path.relative_to(folder))
        for path in set(files) - named
        if not any(path.name in index for index in indexes)
    }
    assert unread == set()
