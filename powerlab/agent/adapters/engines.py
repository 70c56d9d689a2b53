"""Engines that TensorRT built on this board, kept: building one may take minutes.

``~/.cache/powerlab/engines/<sha256>.engine``, named after all that an engine depends on; the
latest few stay. Whether one still suits the board only TensorRT can tell.
"""

import contextlib
import hashlib
import os
from typing import List, Optional

from powerlab.agent.models import cache_root

MOST_KEPT = 8


def place_of(model: bytes, circumstances: List[str]) -> str:
    """Get where the engine of a model is kept, built in these circumstances."""
    digest = hashlib.sha256(model)
    for one in circumstances:
        digest.update(b"\0" + one.encode("utf-8"))
    return os.path.join(_folder(), digest.hexdigest() + ".engine")


def read(place: str) -> Optional[bytes]:
    """Get an engine that was kept, None where there is none."""
    try:
        with open(place, "rb") as stream:
            content = stream.read()
        os.utime(place, None)
    except OSError:
        return None
    return content


def keep(place: str, content: bytes) -> None:
    """Keep an engine, whole or not at all; a disk that takes none is no error."""
    draft = f"{place}.{os.getpid()}"
    try:
        os.makedirs(_folder(), mode=0o700, exist_ok=True)
        with open(draft, "wb") as stream:
            stream.write(content)
        os.replace(draft, place)
        _evict()
    except OSError:
        forget(draft)


def forget(place: str) -> None:
    """Remove an engine that does not suit the board any more."""
    with contextlib.suppress(OSError):
        os.unlink(place)


def _folder() -> str:
    return os.path.join(os.path.dirname(cache_root()), "engines")


def _evict() -> None:
    paths = [os.path.join(_folder(), name) for name in os.listdir(_folder())]
    for path in sorted(paths, key=os.path.getmtime)[:-MOST_KEPT]:
        forget(path)
