"""The model cache on the board: sets of files, each known by the SHA-256 of the whole set.

``~/.cache/powerlab/models/<sha256>/`` holds complete sets only: an upload goes into a
folder of its own and is renamed when its digest is right. The least recently used sets
make room. Where the home directory cannot be written, a temporary folder serves for the
life of the process.
"""

import contextlib
import errno
import os
import re
import shutil
import tempfile
import time
from typing import List, Optional, Set

from powerlab.agent.faults import AgentError
from powerlab.agent.protocol import digest_of, read_chunks

LIMIT_BYTES = 2 * 1024 * 1024 * 1024
STALE_UPLOAD_S = 24 * 3600

_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}\Z")


def cache_root() -> str:
    """Get where this user's models are kept."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "powerlab", "models")


def temporary_prefix(pid: int) -> str:
    """Get how the name of a folder begins that stands in for the cache of process ``pid``.

    Its end is random: a name that can be guessed could be taken before, by somebody else.
    """
    return f"powerlab-models-{pid}-"


def remove_temporary(pid: int) -> None:
    """Remove what stood in for the cache of process ``pid``, where it is this user's."""
    base = tempfile.gettempdir()
    with contextlib.suppress(OSError):
        for name in os.listdir(base):
            path = os.path.join(base, name)
            if name.startswith(temporary_prefix(pid)) and os.lstat(path).st_uid == os.getuid():
                shutil.rmtree(path, ignore_errors=True)


class ModelCache:
    """The sets of model files of one user on this board."""

    def __init__(self, root: Optional[str] = None, limit_bytes: int = LIMIT_BYTES) -> None:
        self.root = _writable(root or cache_root())
        self.limit_bytes = limit_bytes
        self._verified: Set[str] = set()

    def missing(self, digest: str, names: List[str]) -> List[str]:
        """Get which of a set's files must be sent: none, or all where anything is amiss."""
        folder = self._folder(digest)
        if os.path.isdir(folder):
            if _digest_of_folder(folder) == digest:
                self._verified.add(digest)
                return []
            shutil.rmtree(folder, ignore_errors=True)
        return [_checked_name(name) for name in names]

    def put(self, digest: str, name: str, content: bytes) -> None:
        """Store one file of a set that is being sent."""
        upload = self._upload(digest)
        try:
            os.makedirs(upload, exist_ok=True)
            with open(os.path.join(upload, _checked_name(name)), "wb") as stream:
                stream.write(content)
        except OSError as error:
            shutil.rmtree(upload, ignore_errors=True)
            raise _store_error(error, self.root) from error

    def locate(self, digest: str, main: str) -> str:
        """Get the path of a set's main file, its content verified in this process.

        Raises AgentError "model-corrupt" where the content is not what the digest says.
        """
        folder, upload = self._folder(digest), self._upload(digest)
        if os.path.isdir(upload):
            self._accept(digest, upload, folder)
        elif digest not in self._verified:
            self.missing(digest, [])
        path = os.path.join(folder, _checked_name(main))
        if not os.path.isfile(path):
            raise AgentError(
                "model-missing",
                f"the board's cache holds no {main} of the model {digest[:12]}",
                "send the model's files before loading it",
            )
        with contextlib.suppress(OSError):  # another agent may be tidying, too
            os.utime(folder, None)
            self._evict(keep=folder)
        return path

    def _accept(self, digest: str, upload: str, folder: str) -> None:
        found = _digest_of_folder(upload)
        if found != digest:
            shutil.rmtree(upload, ignore_errors=True)
            raise AgentError(
                "model-corrupt",
                f"the model arrived on the board with the digest {found[:12]}, not {digest[:12]}",
                "measure again; if it persists, check the board's storage and memory",
            )
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(upload, folder)
        self._verified.add(digest)

    def _evict(self, keep: str) -> None:
        """Remove abandoned uploads, then the least recently used sets above the limit."""
        sets = []
        for name in os.listdir(self.root):
            path = os.path.join(self.root, name)
            age_s = time.time() - os.stat(path).st_mtime
            if name.startswith(".") and age_s > STALE_UPLOAD_S:
                shutil.rmtree(path, ignore_errors=True)
            elif _DIGEST.match(name):
                sets.append((age_s, _size_of(path), path))
        total = sum(size for _, size, _ in sets)
        for _, size, path in sorted(sets, reverse=True):
            if total <= self.limit_bytes or path == keep:
                break
            shutil.rmtree(path, ignore_errors=True)
            total -= size

    def _folder(self, digest: str) -> str:
        if not _DIGEST.match(digest):
            raise AgentError("bad-request", "a model's digest is 64 hex digits", "send a SHA-256")
        return os.path.join(self.root, digest)

    def _upload(self, digest: str) -> str:
        return os.path.join(self.root, f".{os.path.basename(self._folder(digest))}.{os.getpid()}")


def _writable(root: str) -> str:
    try:
        os.makedirs(root, mode=0o700, exist_ok=True)
        if os.access(root, os.W_OK | os.X_OK):
            return root
    except OSError:
        pass
    try:
        return tempfile.mkdtemp(prefix=temporary_prefix(os.getpid()))  # new, and mode 0700
    except OSError as error:
        raise _store_error(error, tempfile.gettempdir()) from error


def _checked_name(name: str) -> str:
    if not _NAME.match(name):
        raise AgentError(
            "bad-request",
            f"{name!r} cannot be a model file's name",
            "use letters, digits, dots, dashes and underscores",
        )
    return name


def _digest_of_folder(folder: str) -> str:
    names = sorted(os.listdir(folder))
    return digest_of((name, read_chunks(os.path.join(folder, name))) for name in names)


def _size_of(folder: str) -> int:
    return sum(os.stat(os.path.join(folder, name)).st_size for name in os.listdir(folder))


def _store_error(error: OSError, root: str) -> AgentError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return AgentError(
            "board-disk-full",
            f"the board has no space left for the model in {root}",
            "free some space on the board, or point XDG_CACHE_HOME to a larger disk",
            str(error),
        )
    return AgentError(
        "board-storage",
        f"the board cannot store the model in {root}: {error.strerror}",
        "check that the user of the ssh login may write there",
        str(error),
    )
