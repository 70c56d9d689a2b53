"""The DMM6500's digitizer: current or volts at up to 1 MS/s, fetched while the buffer fills.

Protocol: DMM6500 reference manual DMM6500-901-01; public programs for the forms of the digitize
and trigger block commands. An endless count (``INF``) of a measure block is from memory. Never
tried on hardware: checked against the emulator. Quirks that shape this driver:

- The buffer is a ring. It is read several times before it turns; where that fails, the indices
  of its oldest and newest reading say how many were overwritten, which become lost rows.
- In binary an element is 8 bytes (``REAL``); in 4 (``SREAL``) a time would be known to only
  8 µs after two minutes. Byte order and format are set and read back.
- ``REL`` counts from an entry of the ring: see ``dmm6500_ring.RelativeTime``.
- The digitizer has no autozero and no filter: its offset is that of its calibration.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import numpy as np

from powerlab.catalog.instrument_profile import InstrumentProfile, Range
from powerlab.errors import ConfigError, InstrumentError
from powerlab.instruments.contract import (
    MeterRequest,
    VoltageReader,
    accuracy_of,
    burden_of,
    check_channels,
    range_or_error,
)
from powerlab.instruments.dmm6500_ring import RelativeTime, Ring, decode_pairs
from powerlab.instruments.scpi import broken, decode_count, decode_number
from powerlab.instruments.scpi_block import ask_block
from powerlab.instruments.scpi_session import check_errors, confirm
from powerlab.instruments.scpi_stream import ask_again, judged, polls
from powerlab.records import Averaging, MeterIdentity, MeterSetup, SampleBlock, SampleFlag
from powerlab.transport.visa import BlockLink
from powerlab.units import NS_PER_S, nanoseconds, now_ns

FUNCTIONS = {"current": "CURR", "voltage": "VOLT"}
BUFFER = "powerlab"
LONGEST_INTERVAL_S = 1e-3
"""The digitizer takes 1,000 readings a second at least."""

CHUNK_READINGS = 25_000
POLL_S = 0.2
BLOCK_LIMIT_S = 4.0
MARGIN_S = 0.5
"""How long before they are overwritten readings are given up, since fetching takes time."""

LOOKS = 2
"""How often indices that cannot be are asked for."""

SILENCE_LIMIT_S = 5.0
SETTLING_LIMIT_S = 10.0
ACTUAL = f':TRAC:ACT:END? "{BUFFER}";:TRAC:ACT:STAR? "{BUFFER}"'


class Dmm6500Digitizer:
    """One DMM6500 that digitizes; satisfies ``contract.Meter`` and ``contract.VoltageReader``.

    ``plain`` is the same meter as a multimeter, which reads single volts.
    """

    def __init__(
        self,
        link: BlockLink,
        profile: InstrumentProfile,
        plain: VoltageReader,
        identity: MeterIdentity,
    ) -> None:
        self._link = link
        self._profile = profile
        self._plain = plain
        self.identity = identity
        self._interval_s = profile.sampling.interval_s
        self._capacity = profile.sampling.memory_readings or 1_000_000

    def configure(self, request: MeterRequest) -> MeterSetup:
        """Set range, rate, aperture, buffer and binary format; read back what decides a figure.

        ``ConfigError`` where the request names more than one channel, or one that is not there.
        """
        quantity = self._quantity(request)
        function = FUNCTIONS[quantity]
        peak = request.expected_peak_v if quantity == "voltage" else request.expected_peak_a
        chosen = range_or_error(self._profile, quantity, peak)
        rate_hz = round(1 / self._interval_s)
        for command in (
            ":ABOR",
            f':TRAC:DEL "{BUFFER}"',
            f':SENS:DIG:FUNC "{function}"',
            f":SENS:DIG:{function}:REL:STAT 0",
            f":CALC:DIG:{function}:MATH:STAT 0",
            "*CLS",  # and with it what was not there to be deleted
            f":SENS:DIG:{function}:RANG {chosen.full_scale:g}",
            f":SENS:DIG:{function}:SRAT {rate_hz}",
            f":SENS:DIG:{function}:APER AUTO",
            ":FORM:DATA REAL",
            ":FORM:BORD SWAP",
            f':TRAC:MAKE "{BUFFER}",{self._capacity}',
            f':TRAC:FILL:MODE CONT,"{BUFFER}"',
            ':TRIG:LOAD "EMPTY"',
            f':TRIG:BLOC:BUFF:CLE 1,"{BUFFER}"',
            f':TRIG:BLOC:MDIG 2,"{BUFFER}",INF',
            ":TRIG:BLOC:WAIT 3,COMM",
        ):
            self._link.write(command)
        check_errors(self._link, "DMM6500", SETTLING_LIMIT_S)
        self._confirm_word(":SENS:DIG:FUNC?", function)
        self._confirm_word(":FORM:DATA?", "REAL")
        self._confirm_word(":FORM:BORD?", "SWAP")
        self._confirm_word(f':TRAC:FILL:MODE? "{BUFFER}"', "CONT")
        confirm(self._link, "DMM6500", f":SENS:DIG:{function}:REL:STAT?", 0)
        confirm(self._link, "DMM6500", f":SENS:DIG:{function}:RANG?", chosen.full_scale)
        confirm(self._link, "DMM6500", f":SENS:DIG:{function}:SRAT?", rate_hz)
        confirm(self._link, "DMM6500", f':TRAC:POIN? "{BUFFER}"', self._capacity)
        return self._setup(chosen, self._aperture(f":SENS:DIG:{function}:APER?"))

    def stream(self, stop: threading.Event) -> Iterator[SampleBlock]:
        """Start the digitizer and get what each poll brings, until ``stop`` and once after."""
        begun_ns = now_ns()
        self._link.write(":INIT")
        ring, times = Ring(self._capacity), RelativeTime(self._interval_s)
        delivered, news_ns = 0, now_ns()
        fetched_ns, looked_ns = news_ns, (begun_ns, news_ns)
        for _ in polls(POLL_S, stop):
            ring, looked_ns = self._look(ring, looked_ns)
            sent_ns, received_ns = looked_ns
            if ring.total > delivered:
                elapsed_s = (received_ns - fetched_ns) / NS_PER_S
                yield self._fetch(ring, delivered, times, elapsed_s, (sent_ns, received_ns))
                delivered, news_ns, fetched_ns = ring.total, received_ns, received_ns
            elif sent_ns - news_ns > nanoseconds(SILENCE_LIMIT_S):
                raise InstrumentError(
                    f"the DMM6500 has taken no reading for {SILENCE_LIMIT_S:g} s",
                    hint="its trigger model was stopped, perhaps at the front panel; measure again",
                )

    def read_voltage(self, readings: int = 10) -> tuple[float, float]:
        """Measure volts as a multimeter does: mean and its standard uncertainty."""
        return self._plain.read_voltage(readings)

    def close(self) -> None:
        """Stop the digitizer, free the buffer, go back to text, disconnect; never raises."""
        with contextlib.suppress(Exception):
            self._link.write(":ABOR")
            self._link.write(f':TRAC:DEL "{BUFFER}"')
            self._link.write(":FORM:DATA ASC")
        self._link.close()

    def _quantity(self, request: MeterRequest) -> str:
        check_channels(request, tuple(FUNCTIONS), self._profile.name)
        wanted = request.channels or self._profile.channels
        if len(wanted) != 1:
            raise ConfigError(
                f"{self._profile.name} cannot stream {' and '.join(wanted)} at once",
                hint="stream one of them, and the other in a pass of its own",
            )
        return wanted[0]

    def _aperture(self, command: str) -> float:
        """Get the aperture [s], which AUTO makes as long as the interval allows."""
        told = self._link.query(command)
        if told.strip('"').upper() == "AUTO":
            return self._interval_s
        aperture_s = decode_number(command, told)
        if not 0 < aperture_s <= self._interval_s * (1 + 1e-3):
            raise broken(command, told, "is no aperture for this rate")
        return aperture_s

    def _setup(self, chosen: Range, aperture_s: float) -> MeterSetup:
        """Get the facts of a set-up on one range."""
        sampling = self._profile.sampling
        burden_ohm, burden_limit_ohm = burden_of(chosen)
        whole = aperture_s > 0.99 * self._interval_s
        return MeterSetup(
            channels=(chosen.quantity,),
            accuracy=(accuracy_of(chosen),),
            averaging=Averaging.BOXCAR if whole else Averaging.GATED,
            aperture_s=aperture_s,
            interval_s=self._interval_s,
            timestamp=sampling.timestamp,
            latency_s=sampling.latency_s,
            latency_limit_s=sampling.latency_limit_s,
            clock_limit_ppm=sampling.clock_limit_ppm,
            burden_ohm=burden_ohm,
            burden_limit_ohm=burden_limit_ohm,
            settings={
                "function": f"digitize {FUNCTIONS[chosen.quantity]}",
                "range": chosen.full_scale,
                "rate_hz": round(1 / self._interval_s),
                "aperture_s": aperture_s,
                "format": "REAL, SWAP",
                "buffer_readings": self._capacity,
            },
        )

    def _look(self, ring: Ring, looked_ns: tuple[int, int]) -> tuple[Ring, tuple[int, int]]:
        """Get the ring as it is, and when that was asked for and told.

        ``looked_ns`` is the same of ``ring``. What cannot be is asked for once more: a byte
        that another program left unread may stand before the answer.
        """
        newest = 0
        for _ in range(LOOKS):
            (newest, oldest), sent_ns, received_ns = ask_again(self._indices)
            most, expected = (
                (received_ns - since_ns) / NS_PER_S / self._interval_s for since_ns in looked_ns
            )
            grown = ring.grown(newest, oldest, expected, most)
            if grown is not None:
                return grown, (sent_ns, received_ns)
        raise InstrumentError(
            f"the DMM6500's buffer was cleared: its newest reading is now number {newest}, "
            f"{ring.total} had come before",
            hint="that was the front panel or another program; measure again",
        )

    def _indices(self) -> tuple[int, int]:
        """Ask for the indices of the newest reading and, a little later, of the oldest."""
        reply = self._link.query(ACTUAL)
        parts = reply.split(";")
        if len(parts) != 2:
            raise broken(ACTUAL, reply, "does not hold two indices")
        newest, oldest = (decode_count(ACTUAL, part) for part in parts)
        if max(newest, oldest) > self._capacity or (newest and not oldest):
            raise broken(ACTUAL, reply, "holds an index that the buffer has not")
        return newest, oldest

    def _fetch(
        self,
        ring: Ring,
        delivered: int,
        times: RelativeTime,
        elapsed_s: float,
        polled_ns: tuple[int, int],
    ) -> SampleBlock:
        """Get the readings from number ``delivered`` on, those overwritten as lost rows."""
        margin = min(round(MARGIN_S / self._interval_s), self._capacity // 8)
        lost = ring.lost_after(delivered, margin)
        values, device_ns = [np.full(lost, np.nan)], [times.lost(lost)]
        for span in ring.spans(delivered + lost, ring.total - 1, CHUNK_READINGS):
            told, seconds = self._pairs(*span)
            values.append(told)
            device_ns.append(times.place(seconds, elapsed_s))
        rows, flags = judged(np.concatenate(values).reshape(-1, 1))
        flags[:lost] = SampleFlag.LOST
        return SampleBlock(
            values=rows,
            device_ns=np.concatenate(device_ns),
            flags=flags,
            sent_ns=polled_ns[0],
            received_ns=polled_ns[1],
            completed=ring.total,
        )

    def _pairs(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        command = f':TRAC:DATA? {first},{last},"{BUFFER}",READ,REL'
        payload, _, _ = ask_again(lambda: ask_block(self._link, command, BLOCK_LIMIT_S))
        return decode_pairs(command, payload, last - first + 1)

    def _confirm_word(self, command: str, wanted: str) -> None:
        told = self._link.query(command).strip('"').upper()
        if not told or not told.startswith(wanted[:4]):
            raise broken(command, told, f"is not {wanted}, which was set")
