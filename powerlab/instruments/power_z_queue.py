"""The sample queue of a POWER-Z meter: polls in, blocks of samples with lost ones marked out.

What a poll brings is one reply of up to 63 samples; the meter throws away what comes beyond
them. No I/O here: the session asks, this makes sense of what came.
"""

from __future__ import annotations

import numpy as np

from powerlab.errors import InstrumentProtocolError
from powerlab.instruments.km003c_frames import (
    ADC_QUEUE,
    MOST_QUEUED,
    decode_blocks,
    decode_queue,
)
from powerlab.instruments.km003c_ticks import NS_PER_TICK, TickClock
from powerlab.instruments.rows import Rows, over_range, with_lost
from powerlab.records import FloatArray, SampleBlock

_COLUMNS = {"voltage": "vbus_uv", "current": "ibus_ua"}


class QueueReader:
    """Makes blocks of one graph's replies, which come in order.

    ``limits`` are the largest magnitudes of ``channels`` [V, A]. ``lost`` counts the samples
    that never came, ``dropped`` those that came twice or out of order, ``damaged`` the replies
    that could not be read.
    """

    def __init__(self, channels: tuple[str, ...], limits: FloatArray, interval_ticks: int) -> None:
        self._channels = channels
        self._limits = limits
        self._interval_ns = interval_ticks * NS_PER_TICK
        self._clock = TickClock()
        self._last_ns: int | None = None
        self._emptied_ns = 0
        self.delivered = self.lost = self.dropped = self.damaged = 0
        self.full = False
        """Whether the last reply was as long as one can be: more may be waiting, or lost."""

    def take(self, packet: bytes | None, sent_ns: int, received_ns: int) -> SampleBlock | None:
        """Get the samples of a reply, None where it brings none.

        A full reply does not say that the next sample was still to come when it was asked for:
        that is known of the last poll before it that emptied the queue.
        """
        queued = self._queued(packet)
        if queued is None:
            return None
        self.full = len(queued) >= MOST_QUEUED
        self._emptied_ns = self._emptied_ns or sent_ns
        if not self.full:
            self._emptied_ns = sent_ns
        placed = self._clock.place(queued["sequence"], received_ns)
        if placed is None:
            self.damaged += 1
            return None
        ticks, fresh = placed
        self.dropped += int(np.count_nonzero(~fresh))
        if not fresh.any():
            return None
        rows = self._rows(queued[fresh], ticks[fresh] * NS_PER_TICK)
        self.delivered += len(rows.flags)
        return SampleBlock(
            values=rows.values,
            device_ns=rows.device_ns,
            flags=rows.flags,
            sent_ns=self._emptied_ns,
            received_ns=received_ns,
            completed=self.delivered,
        )

    def _queued(self, packet: bytes | None) -> np.ndarray | None:
        """Get the samples in a reply; None where there was none or it is damaged."""
        if packet is None:
            return None
        try:
            blocks = [item for item in decode_blocks(packet) if item.attribute == ADC_QUEUE]
            return decode_queue(b"".join(item.payload for item in blocks))
        except InstrumentProtocolError:
            self.damaged += 1
            return None

    def _rows(self, queued: np.ndarray, device_ns: np.ndarray) -> Rows:
        values = np.stack([queued[_COLUMNS[name]] for name in self._channels], axis=1) / 1e6
        taken = Rows(values, over_range(values, self._limits), device_ns)
        rows = with_lost(taken, self._last_ns, self._interval_ns)
        self.lost += len(rows.flags) - len(taken.flags)
        self._last_ns = int(device_ns[-1])
        return rows
