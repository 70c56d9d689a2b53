"""Which update of its readings a meter is at, from polls that only tell "new since the last".

The meter renews its readings at a fixed interval by its own clock and keeps one bit: an update
has ended since the bit was last read. A poll answered "new" puts the update before its answer,
one answered "nothing" puts the next one after its question. Between these two bounds the
updates are counted, so that one that was missed has its number and its place in time.
"""

from __future__ import annotations

DRIFT = 2e-4
"""By how much the two clocks may disagree, and the updates vary about their interval."""

JITTER = 0.1
"""Of an interval, by how much one update may come early or late."""

OVERDUE = 0.5
"""Of an interval, after which an update that did not come counts as lost."""


class UpdateCount:
    """Counts a meter's updates from the first one seen, which is number 0.

    ``completed`` is how many have ended, missed ones included. Instants are int ns of the host.
    """

    def __init__(self, interval_ns: int) -> None:
        self.completed = 0
        self._interval_ns = interval_ns
        # When update 0 ended at the earliest and at the latest, by the bounds so far.
        self._first_ns = self._last_ns = 0.0
        self._at_ns = 0
        # How many ended at least, where a reading could not be given its number.
        self._unplaced: int | None = None

    def nothing(self, sent_ns: int) -> int:
        """Take in a poll that found nothing new; get how many updates are overdue, hence lost."""
        if not self.completed:
            self._first_ns = sent_ns
            return 0
        self._widen(sent_ns)
        late = (sent_ns - self._last_ns) / self._interval_ns - self.completed
        if late > OVERDUE:
            lost = int(late - OVERDUE) + 1
            self.completed += lost
            return lost
        if self._unplaced is None:
            earliest_ns = sent_ns - self.completed * self._interval_ns
            self._first_ns = max(self._first_ns, earliest_ns)
        return 0

    def new(self, sent_ns: int, received_ns: int) -> int | None:
        """Take in a poll that found a new reading; get how many updates before it were missed.

        None says that the reading may be of either of two updates, because the poll came late
        and just then: it has no place in time, and later polls count it among those lost.
        """
        if not self.completed:
            self.completed, self._at_ns, self._last_ns = 1, sent_ns, received_ns
            self._first_ns = max(self._first_ns, received_ns - self._interval_ns)
            return 0
        self._widen(sent_ns)
        certain = (sent_ns - self._last_ns) / self._interval_ns - JITTER
        possible = (received_ns - self._first_ns) / self._interval_ns + JITTER
        fewest = max(self.completed, self._unplaced or 0, int(certain)) + 1
        if int(possible) + 1 > fewest:
            self._unplaced = fewest
            return None
        self._unplaced = None
        missed, self.completed = fewest - self.completed - 1, fewest
        bound_ns = received_ns - (fewest - 1) * self._interval_ns
        # Bounds that cross: the update came late, and the newest evidence counts.
        late = self._first_ns > self._last_ns
        self._last_ns = bound_ns if late else min(self._last_ns, bound_ns)
        self._first_ns = min(self._first_ns, self._last_ns)
        return missed

    def _widen(self, at_ns: int) -> None:
        """Let the bounds drift apart with the time since they were last looked at."""
        drift_ns = DRIFT * max(0, at_ns - self._at_ns)
        self._first_ns -= drift_ns
        self._last_ns += drift_ns
        self._at_ns = max(at_ns, self._at_ns)
