"""Requests to a POWER-Z meter and their replies, told apart by their id."""

from __future__ import annotations

from collections.abc import Callable

from powerlab.errors import InstrumentError, InstrumentProtocolError
from powerlab.instruments.km003c_frames import (
    ACCEPT,
    PUT_DATA,
    REJECT,
    decode_header,
    encode_request,
)
from powerlab.instruments.km003c_memory import (
    Place,
    confirms,
    decode_memory,
    encode_memory_read,
    encode_streaming,
    streaming_granted,
)
from powerlab.transport.packets import PacketLink
from powerlab.units import NS_PER_S, nanoseconds, now_ns

REPLY_LIMIT_S = 0.5
ATTEMPTS = 3

_REPLIES = (ACCEPT, REJECT, PUT_DATA)


class PowerZDialogue:
    """One meter on a packet link.

    A reply to an earlier request, or one that is no packet at all (an unclean end before leaves
    such), is passed over and counted in ``passed_over``.
    """

    def __init__(self, link: PacketLink) -> None:
        self.link = link
        self.passed_over = 0
        self._identifier = 0

    def ask(self, kind: int, attribute: int = 0, limit_s: float = REPLY_LIMIT_S) -> bytes | None:
        """Send a request and get its reply, None where it did not come in time."""
        identifier = self._next()
        self.link.write(encode_request(kind, identifier, attribute))
        return self._reply(lambda packet: _answers(packet, identifier), limit_s)

    def command(self, kind: int, attribute: int, what: str) -> bool:
        """Give a command and tell whether it is accepted; ``InstrumentError`` without an answer."""
        for _ in range(ATTEMPTS):
            packet = self.ask(kind, attribute)
            told = decode_header(packet).kind if packet else None
            if told in (ACCEPT, REJECT):
                return told == ACCEPT
        raise InstrumentError(
            f"the meter on {self.link.resource} does not answer when told to {what}",
            hint="check that it is a POWER-Z KM003C or KM002C, close the vendor's application, "
            "plug the meter in again",
        )

    def read_memory(self, place: Place) -> bytes | None:
        """Get the bytes of a place, None where the meter does not tell them."""
        identifier = self._next()
        self.link.write(encode_memory_read(identifier, place))
        if self._reply(lambda packet: confirms(packet, identifier, place)) is None:
            return None
        packet = self.link.read(REPLY_LIMIT_S)
        try:
            return None if packet is None else decode_memory(packet, place)
        except InstrumentProtocolError:
            self.passed_over += 1
            return None

    def may_stream(self, hardware_id: bytes) -> bool:
        """Ask for leave to read the sample queue; False where it is refused or not answered."""
        self.link.write(encode_streaming(self._next(), hardware_id))
        packet = self._reply(lambda packet: streaming_granted(packet) is not None)
        return bool(packet and streaming_granted(packet))

    def _next(self) -> int:
        self._identifier = self._identifier % 255 + 1  # 0 is the id of replies without one
        return self._identifier

    def _reply(
        self, wanted: Callable[[bytes], bool], limit_s: float = REPLY_LIMIT_S
    ) -> bytes | None:
        deadline_ns = now_ns() + nanoseconds(limit_s)
        while True:
            packet = self.link.read(max(0.0, (deadline_ns - now_ns()) / NS_PER_S))
            if packet is None or wanted(packet):
                return packet
            self.passed_over += 1
            if now_ns() > deadline_ns:
                return None


def _answers(packet: bytes, identifier: int) -> bool:
    return len(packet) >= 4 and packet[0] & 0x7F in _REPLIES and packet[1] == identifier
