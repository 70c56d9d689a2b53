"""The samples of an AVHzY meter as blocks, by its own microseconds; no I/O here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from powerlab.instruments.avhzy_frames import CtSample
from powerlab.instruments.rows import Rows, over_range, with_lost
from powerlab.records import FloatArray, SampleBlock, SampleFlag

NS_PER_US = 1000
SLACK_NS = 3_000_000_000
"""By how much a sample's time may differ from what passed on the host since the last one."""

_FIELDS = {"voltage": "voltage_v", "current": "current_a"}


class SampleJoiner:
    """Makes blocks of one stream's samples, which come in order.

    A frame whose XOR is right by chance would be a sample of nonsense: one of another length, or
    of a time that no clock explains, is none and counted in ``damaged``; ``lost`` counts the
    samples that never came.
    """

    def __init__(self, channels: tuple[str, ...], limits: FloatArray, interval_ns: int) -> None:
        self._fields = tuple(_FIELDS[name] for name in channels)
        self._limits = limits
        self._interval_ns = interval_ns
        self._length = 0
        self._last_ns: int | None = None
        self._delivered_ns: int | None = None
        self._host_ns = 0
        self.delivered = self.lost = self.damaged = 0

    def take(
        self, samples: Sequence[CtSample], sent_ns: int, received_ns: int
    ) -> SampleBlock | None:
        """Get the block of what had come by ``received_ns``, None where nothing is new.

        At ``sent_ns`` the sample after the last of these had not come.
        """
        fresh = [sample for sample in samples if self._is_next(sample, received_ns)]
        self.damaged += len(samples) - len(fresh)
        if not fresh:
            return None
        values = np.array(
            [[getattr(sample, name) for name in self._fields] for sample in fresh], dtype=np.float64
        )
        device_ns = np.array([sample.device_us for sample in fresh], dtype=np.int64) * NS_PER_US
        known = np.isfinite(values).all(axis=1)
        flags = over_range(np.nan_to_num(values), self._limits)
        flags[~known] = SampleFlag.NOT_AVAILABLE
        rows = with_lost(Rows(values, flags, device_ns), self._delivered_ns, self._interval_ns)
        self._delivered_ns = int(device_ns[-1])
        self.lost += len(rows.flags) - len(fresh)
        self.delivered += len(rows.flags)
        return SampleBlock(
            values=rows.values,
            device_ns=rows.device_ns,
            flags=rows.flags,
            sent_ns=sent_ns,
            received_ns=received_ns,
            completed=self.delivered,
        )

    def _is_next(self, sample: CtSample, received_ns: int) -> bool:
        """Tell whether a sample goes on from those before it, and remember it then."""
        device_ns = sample.device_us * NS_PER_US
        self._length = self._length or sample.length
        if sample.length != self._length:
            return False
        if self._last_ns is not None:
            step_ns = device_ns - self._last_ns
            if step_ns <= 0 or step_ns - (received_ns - self._host_ns) > SLACK_NS:
                return False
        self._last_ns, self._host_ns = device_ns, received_ns
        return True
