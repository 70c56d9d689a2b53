r"""The frames between host and board, shared by the host, the agent and the emulated board.

A frame on the byte stream is::

    b"\x01PL1" | u32be json length | u32be blob length | JSON (UTF-8 object) | blob

What stands before a frame's magic is noise (a login banner, a library that prints) and is
skipped, but kept for diagnostics.

**Instants.** A JSON key that ends in ``_board_ns`` holds an instant, or a list of instants,
on the board's CLOCK_MONOTONIC_RAW. No other key uses that suffix.

Host to agent, each with an ``id`` that its answer repeats::

    {"do": "ping"}
    {"do": "hello"}
    {"do": "have", "sha256": digest of the file set, "files": [names]}
    {"do": "put", "sha256": …, "name": …}                      + blob, one file of the set
    {"do": "load", "runtime": …, "sha256": …, "main": …, "threads": 1, "batch": 1, "seed": 0}
    {"do": "warm", "limit_s": 5.0}
    {"do": "run", "index": 0, "passes": 5000, "deadline_s": 30.0, "guard_s": 0.5}
    {"do": "idle", "index": 0, "seconds": 5.0}
    {"do": "draw", "chips": [1, 1, 0, …], "chip_s": 0.02}
    {"do": "telemetry"}
    {"do": "line", "spec": "gpiochip0:17"}
    {"do": "check"}                            the facts of ``powerlab.agent.check``
    {"do": "classify", "top": 5}               + blob, prepared pictures
    {"do": "bye"}

load has an empty ``main``, no digest, and a ``command`` with ``argv`` and ``limit_s`` where the
runtime is a program on the board (``powerlab.agent.program``). load, warm, run and draw take a
``slot``, 0 without: as many models stay loaded as slots are used, and a load frees its slot's
former model first. load takes ``queries``, how they come (``powerlab.agent.queries``). A run
takes ``dither_s`` and ``dither_every``: a pause uniform on 0 to ``dither_s`` after every
``dither_every`` passes (1 without) but the last. classify takes a ``slot`` too and answers as
``powerlab.agent.accuracy`` says.

Agent to host::

    {"ready": true, "protocol": 1, "pid": …}                   once, as the first frame
    {"id": …, "t2_board_ns": …, "t3_board_ns": …}              the answer to a ping
    {"id": …, "ok": true, …}
    {"id": …, "ok": false, "error": code, "message": …, "hint": …, "detail": …}

A pass is one inference of a whole batch. warm, run, idle and draw answer after their window
with ``start_board_ns``, ``stop_board_ns``, ``passes`` and ``done_board_ns``, the end of each
pass (of a draw: its edges, to busy and to idle by turns). Nothing travels in either direction
during a window. A run sleeps ``guard_s`` before its busy edge and after its idle edge, and
answers after that, also with ``guard_start_board_ns`` and ``guard_stop_board_ns``: where the
guard before begins and the guard after ends. warm and run add ``cpu_s``, the processor time
that the agent's process, all threads, had between the edges; a run with pauses adds
``begun_board_ns``, the begin of each pass. A program that tells only some instants adds
``counts``: how many passes each instant of ``done_board_ns`` ends.

telemetry answers ``at_board_ns``, ``temperature_c``, ``frequency_hz``, ``load``,
``memory_free_bytes``, ``governor``, each null where the board does not tell, and ``throttled``,
a list of reasons for which the clock is held down now or was since the answer before. After
line the trigger line of that name is high while the board is busy, markers included.
"""

import hashlib
import json
import struct
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

Message = Dict[str, Any]
Frame = Tuple[Message, bytes]

PROTOCOL = 1
"""Version of the messages; the agent tells it in its first frame."""

MAGIC = b"\x01PL1"
HEADER = struct.Struct(">4sII")
MAX_JSON = 64 * 1024 * 1024
MAX_BLOB = 1024 * 1024 * 1024
NOISE_KEPT = 4096

BOARD_INSTANT_SUFFIX = "_board_ns"

# Made once: a pong is packed between its last stamp and its way out.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def pack(message: Message, blob: bytes = b"") -> bytes:
    """Get the bytes of one frame from a JSON-serialisable dict and an optional blob.

    Raises ValueError where either is larger than a frame may hold.
    """
    text = _encode(message).encode("utf-8")
    if len(text) > MAX_JSON or len(blob) > MAX_BLOB:
        raise ValueError(f"a frame of {len(text)} + {len(blob)} bytes is larger than allowed")
    return HEADER.pack(MAGIC, len(text), len(blob)) + text + bytes(blob)


class Unpacker:
    """Turns a byte stream, in pieces of any size, back into messages.

    ``noise`` holds the last bytes (at most 4096) that were no frame; a frame whose sizes
    are out of bounds or whose JSON is no object counts as noise.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._noise = bytearray()

    @property
    def noise(self) -> bytes:
        """Get the tail of what was skipped, bytes."""
        return bytes(self._noise)

    def feed(self, data: bytes) -> List[Frame]:
        """Take the next piece of the stream; return a list of complete (message, blob)."""
        self._buffer += data
        complete: List[Frame] = []
        while self._align():
            frame = self._take()
            if frame is None:
                break
            complete.extend(frame)
        return complete

    def _align(self) -> bool:
        """Drop noise up to the next magic; return whether a whole header is there."""
        at = self._buffer.find(MAGIC)
        if at < 0:
            at = _magic_prefix_start(self._buffer)
        self._skip(at)
        return len(self._buffer) >= HEADER.size

    def _take(self) -> Optional[List[Frame]]:
        """Take one frame off the buffer: None while incomplete, a list of at most one else."""
        _, json_length, blob_length = HEADER.unpack_from(self._buffer)
        no_object = bytes(self._buffer[HEADER.size : HEADER.size + 1]) not in (b"", b"{")
        if json_length > MAX_JSON or blob_length > MAX_BLOB or no_object:
            self._skip(len(MAGIC))
            return []
        text_end = HEADER.size + json_length
        end = text_end + blob_length
        if len(self._buffer) < end:
            return None
        message = _parse(bytes(self._buffer[HEADER.size : text_end]))
        if message is None:
            self._skip(len(MAGIC))
            return []
        blob = bytes(self._buffer[text_end:end])
        del self._buffer[:end]
        return [(message, blob)]

    def _skip(self, count: int) -> None:
        self._noise += self._buffer[:count]
        del self._noise[:-NOISE_KEPT]
        del self._buffer[:count]


def _magic_prefix_start(buffer: bytearray) -> int:
    """Get where a magic cut off by the end of the buffer starts, else the buffer's length."""
    for length in range(min(len(MAGIC) - 1, len(buffer)), 0, -1):
        if buffer.endswith(MAGIC[:length]):
            return len(buffer) - length
    return len(buffer)


def _parse(text: bytes) -> Optional[Message]:
    try:
        message = json.loads(text.decode("utf-8"))
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def digest_of(files: Iterable[Tuple[str, Iterable[bytes]]]) -> str:
    """Get the SHA-256 of a set of files, hex, from (name, bytes-yielding iterable) pairs.

    The set's digest covers every name and content, whatever the order: it is the SHA-256
    of the sorted lines "<sha256 of the content>  <name>".
    """
    lines = []
    for name, chunks in files:
        content = hashlib.sha256()
        for chunk in chunks:
            content.update(chunk)
        lines.append(f"{content.hexdigest()}  {name}\n")
    return hashlib.sha256("".join(sorted(lines)).encode("utf-8")).hexdigest()


def read_chunks(path: str, size: int = 1 << 20) -> Iterator[bytes]:
    """Yield the bytes of a file in pieces."""
    with open(path, "rb") as stream:
        piece = stream.read(size)
        while piece:
            yield piece
            piece = stream.read(size)
