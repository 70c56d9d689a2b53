"""The POWER-Z KM003C on the wire: requests in, replies out, a sample queue that overflows.

Its real link is USB bulk; here a socket that keeps packets whole. Layout by public descriptions
of the protocol, compared with captured packets; nothing here is shared with the driver.
"""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from powerlab.emulation.faults import GAP_S, OVERRANGE_S, FaultWatch
from powerlab.emulation.packet_link import PacketServer
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.sampling import Readings
from powerlab.emulation.site import profile_of, site_of
from powerlab.units import nanoseconds, now_ns

HEAD_START_S = 1.0
QUEUE_SAMPLES = 63
"""What a reply's count of 6 bits can say. Samples taken while so many wait are lost."""

FULL_UA = 6_400_000
"""What an overload shows: an estimate."""

_MEMORY_KEY, _STREAM_KEY = b"Lh2yfB7n6X7d9a5Z", b"Fa0b4tA25f4R038a"
_MEMORY = struct.Struct("<4I")
_STEPS = (500, 100, 20, 1)
_NO_TEMPERATURE = -32768
_MARKER = 0x3C


class PowerZ:
    """One instrument: its queue, and whether somebody may read it."""

    reply_delay_s = (0.0002, 0.0012)
    """From the request to the reply in captured sessions."""
    tick_s = 0.02

    def __init__(self, context: EmulatorContext, watch: FaultWatch) -> None:
        profile = profile_of(context)
        self._site = site_of(context)
        self._watch = watch
        self._meter = self._site.meter(
            profile,
            origin_ns=now_ns() - nanoseconds(HEAD_START_S),
            channels=("voltage", "current"),
        )
        self._model = profile.name.rsplit(" ", 1)[-1]
        drawn = blake2b(b"power-z %d" % context.seed, digest_size=14).digest()
        self._hardware_id, self._offset = drawn[:12], int.from_bytes(drawn[12:], "little")
        self._queue: deque[tuple[int, int, int]] = deque()
        self._step = 0  # in readings; 0 while no graph runs
        self._granted = self._cut = False
        self._taken = 0
        self._newest = (0, 0)

    def connect(self) -> None:
        """Begin anew; after a host that left the graph running, the first reply is cut."""
        self._cut = bool(self._step)
        self._step, self._granted = 0, False

    def push(self) -> Sequence[bytes]:
        """Send nothing unasked."""
        self._follow()
        return ()

    def take(self, packet: bytes) -> Sequence[bytes]:
        """Carry out one request."""
        if len(packet) < 4:
            return ()
        self._follow()
        replies = self._answer(packet[0] & 0x7F, packet[1], packet)
        if self._cut and replies:
            self._cut = False
            return (replies[0][:2],)
        return replies

    def _answer(self, kind: int, identifier: int, packet: bytes) -> Sequence[bytes]:
        parameter = int.from_bytes(packet[2:4], "little") >> 1
        if kind == 0x0C:
            return (self._data(identifier, parameter),)
        if kind == 0x44 and len(packet) == 36:
            return self._memory(packet)
        if kind == 0x4C and len(packet) == 36:
            return (self._leave(packet),)
        if kind == 0x0E:
            self._step = _STEPS[min(parameter, 3)]
            self._queue.clear()
        elif kind == 0x0F:
            self._step = 0
        elif kind not in (0x02, 0x03, 0x10, 0x11):
            return (bytes([0x06, identifier, 0, 0]),)
        return (bytes([0x05, identifier, 0, 0]),)

    def _data(self, identifier: int, mask: int) -> bytes:
        blocks: list[tuple[int, int, int, bytes]] = []
        if mask & 1:
            blocks.append((1, 0, 44, self._adc()))
        if mask & 2 and self._granted and self._queue:
            samples = [
                struct.pack("<HHii4H", number, _MARKER, microvolts, microamperes, 75, 163, 12, 0)
                for number, microvolts, microamperes in self._queue
            ]
            self._queue.clear()
            blocks.append((2, len(samples), 20, b"".join(samples)))
        return put_data(identifier, blocks)

    def _adc(self) -> bytes:
        """Get the newest reading; at 1000 samples a second the meter tells no temperature."""
        temperature = _NO_TEMPERATURE if self._step == 1 else 25 * 128
        plain = (*self._newest, *self._newest, *self._newest, temperature)
        return struct.pack("<6ih5HBB3H", *plain, 661, 32371, 0, 1, 32379, 0, 128, 3236, 0, 0)

    def _memory(self, packet: bytes) -> Sequence[bytes]:
        asked = _aes(_MEMORY_KEY, packet[4:], encrypt=False)
        address, size, _, check = _MEMORY.unpack_from(asked)
        if check != zlib.crc32(asked[:12]) or size > 64:
            return (bytes([0x06, packet[1], 0, 0]),)
        model = self._model.encode().ljust(12, b"\0")
        held = {
            0x420: bytes(16) + model + b"2.1".ljust(12, b"\0"),
            0x4420: bytes(16) + model + b"1.9.9".ljust(12, b"\0"),
            0x4001_0450: self._hardware_id,
        }
        # Where a real meter has its serial number, this one has erased memory.
        plain = held.get(address, b"").ljust(-(-size // 16) * 16, b"\xff")
        confirmed = bytes([0xC4, packet[1], 0x01, 0x01]) + asked[:16]
        return (confirmed, _aes(_MEMORY_KEY, plain[: -(-size // 16) * 16], encrypt=True))

    def _leave(self, packet: bytes) -> bytes:
        self._granted = _aes(_STREAM_KEY, packet[4:], encrypt=False)[8:20] == self._hardware_id
        told = 0x0203 if self._granted else 0x0201
        return struct.pack("<BBH", 0x4C, 0, told) + _aes(_STREAM_KEY, packet[4:], encrypt=True)

    def _follow(self) -> None:
        """Take every reading that has become available."""
        self._watch.arm(self._site.follow())
        ready = int(self._meter.clock.completed(np.array(now_ns(), dtype=np.int64)))
        if ready > self._taken:
            self._take_in(self._meter.sample(self._taken, ready - self._taken), self._taken)
            self._taken = ready

    def _take_in(self, readings: Readings, first: int) -> None:
        gaps = self._watch.windows("gap", GAP_S)
        over = self._watch.windows("overrange", OVERRANGE_S)
        for index, (volts, amperes) in enumerate(readings.values.tolist()):
            at_ns = int(readings.start_ns[index])
            if _within(gaps, at_ns):
                continue
            microamperes = FULL_UA if _within(over, at_ns) else _micro(amperes)
            self._newest = (_micro(volts), microamperes)
            number = first + index + self._offset
            if self._step and number % self._step == 0 and len(self._queue) < QUEUE_SAMPLES:
                self._queue.append((number & 0xFFFF, *self._newest))


def put_data(identifier: int, blocks: Sequence[tuple[int, int, int, bytes]]) -> bytes:
    """Build a reply with data of blocks: attribute, count, size as told, bytes."""
    body = b""
    for number, (attribute, count, size, payload) in enumerate(blocks, start=1):
        follows = number < len(blocks)
        body += struct.pack("<I", attribute | follows << 15 | count << 16 | size << 22) + payload
    words = max(0, (len(body) + 4) // 4 - 3) if blocks else 0
    reserved = 2  # in every captured reply
    return struct.pack("<BBH", 0x41, identifier, (words & 0x3FF) << 6 | reserved) + body


def serve(context: EmulatorContext) -> None:
    """Serve one POWER-Z meter on a socket of packets until the parent wants an end."""
    watch = FaultWatch(context.faults)
    server = PacketServer(PowerZ(context, watch), watch, context.directory, context.seed)
    context.ready({"resource": f"packets:{server.path}", "serial": ""})
    server.serve()


def _within(windows: tuple[tuple[int, int], ...], at_ns: int) -> bool:
    return any(start <= at_ns < stop for start, stop in windows)


def _micro(value: float) -> int:
    """Get a field's integer; what is out of range shows the field's end."""
    return FULL_UA if value != value else round(value * 1_000_000)  # noqa: PLR0124 - NaN


def _aes(key: bytes, data: bytes, *, encrypt: bool) -> bytes:
    cipher = Cipher(algorithms.AES128(key), modes.ECB())  # noqa: S305
    return (cipher.encryptor() if encrypt else cipher.decryptor()).update(data)
