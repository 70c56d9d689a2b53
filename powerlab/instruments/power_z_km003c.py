"""ChargerLAB POWER-Z KM003C and KM002C: 1000 volts and amperes a second, on the meter's own clock.

Protocol: ``km003c_frames`` and ``km003c_memory``, over USB bulk transfers. Never tried on
hardware; checked against captured sessions and the emulator. Quirks that shape this driver:

- The meter keeps 63 samples for a reply and forgets the rest, so it is asked every 20 ms. What
  is missing is seen in the sequence numbers and becomes rows marked lost.
- The sample queue opens only to who proves to know the meter's hardware id. Where that is
  refused the present reading is polled instead, without a clock, and the settings say so.
- Current is positive from the female to the male connector: its sign is kept.
- After a program that did not stop the meter, the first reply may be cut: what answers no
  request is passed over.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.errors import InstrumentError, InstrumentProtocolError
from powerlab.instruments import km003c_memory as memory
from powerlab.instruments.contract import MeterRequest, largest_magnitude
from powerlab.instruments.km003c_frames import (
    ADC,
    ADC_QUEUE,
    CONNECT,
    DISCONNECT,
    GET_DATA,
    RATES_HZ,
    START_GRAPH,
    STOP_GRAPH,
    AdcReading,
    decode_adc,
    decode_blocks,
)
from powerlab.instruments.packet_meters import largest_magnitudes, packet_identity
from powerlab.instruments.polling import Poll, polled_blocks, polled_setup
from powerlab.instruments.power_z_dialogue import PowerZDialogue
from powerlab.instruments.power_z_queue import QueueReader
from powerlab.records import Averaging, MeterIdentity, MeterSetup, SampleBlock, SampleFlag
from powerlab.transport.packets import PacketLink, drain, open_packets
from powerlab.units import NS_PER_S, nanoseconds, now_ns

RATE_INDEX = RATES_HZ.index(1000)
POLL_S = 0.02
"""Less than a third of the 63 ms that the meter's queue holds."""

POLL_LIMIT_S = 0.1
"""In captured sessions a reply takes 1.4 ms at most."""

ADC_POLL_S = 0.02
ADC_LATENCY_S = 0.02
"""How old a polled reading may be: how often the meter renews it is not known."""

QUIET_S = 0.05
GIVE_UP_S = 12.0


class PowerZ:
    """One KM003C or KM002C on a packet link; satisfies ``contract.Meter``.

    ``label`` is the serial number of the bench, for a meter that tells none.
    """

    def __init__(self, link: PacketLink, profile: InstrumentProfile, label: str = "") -> None:
        self._link = link
        self._profile = profile
        self._dialogue = PowerZDialogue(link)
        self._graph = False
        drain(link, QUIET_S)
        self._command(CONNECT, 0, "connect")
        self._dialogue.ask(STOP_GRAPH)  # one may still run, and where none does it may refuse
        self.identity = self._identify(label)
        self._granted = self._ask_leave()

    def configure(self, request: MeterRequest) -> MeterSetup:
        """Check that the meter can carry the load; get the facts of its queue, or of its polls."""
        if self._granted:
            setup = polled_setup(self._profile, request, "AdcQueue")
            settings: dict[str, str | float] = {
                "source": "sample queue",
                "sample_rate_hz": RATES_HZ[RATE_INDEX],
                "poll_interval_s": POLL_S,
            }
            return replace(setup, settings=settings)
        setup = polled_setup(self._profile, request, "ADC")
        return replace(
            setup,
            averaging=Averaging.POINT,
            interval_s=ADC_POLL_S,
            timestamp="arrival",
            latency_s=ADC_LATENCY_S / 2,
            latency_limit_s=ADC_LATENCY_S / 2,
            settings={
                "source": "polled readings: the meter refused its sample queue",
                "poll_interval_s": ADC_POLL_S,
            },
        )

    def stream(self, stop: threading.Event) -> Iterator[SampleBlock]:
        """Get blocks of samples until ``stop`` and once after.

        ``InstrumentError`` where no sample came for ``GIVE_UP_S`` or the meter is gone.
        """
        if self._granted:
            return self._queue(stop)
        polls = self._adc_polls(stop)
        return polled_blocks(polls, self._profile.channels, _values, self._judge)

    def close(self) -> None:
        """Stop the graph, read away what is left, let the meter go; never raises."""
        self._stop_graph()
        with contextlib.suppress(Exception):
            self._dialogue.ask(DISCONNECT)
        self._link.close()

    def _queue(self, stop: threading.Event) -> Iterator[SampleBlock]:
        reader = QueueReader(
            self._profile.channels,
            largest_magnitudes(self._profile),
            round(1000 / RATES_HZ[RATE_INDEX]),
        )
        self._graph = True
        self._command(START_GRAPH, RATE_INDEX, "start its graph")
        try:
            next_ns = heard_ns = now_ns()
            while True:
                stopping = stop.wait(max(0.0, (next_ns - now_ns()) / NS_PER_S))
                sent_ns = now_ns()
                packet = self._dialogue.ask(GET_DATA, ADC_QUEUE, POLL_LIMIT_S)
                block = reader.take(packet, sent_ns, now_ns())
                if block is not None:
                    heard_ns = block.received_ns
                    yield block
                if stopping:
                    return
                if now_ns() - heard_ns > nanoseconds(GIVE_UP_S):
                    raise self._silent(reader.damaged)
                # Behind a full reply more may be waiting: it is not left to overflow.
                next_ns = now_ns() if reader.full else max(next_ns + nanoseconds(POLL_S), now_ns())
        finally:
            self._stop_graph()

    def _adc_polls(self, stop: threading.Event) -> Iterator[Poll[AdcReading]]:
        next_ns = heard_ns = now_ns()
        previous: tuple[int, int] | None = None
        while not stop.wait(max(0.0, (next_ns - now_ns()) / NS_PER_S)):
            sent_ns = now_ns()
            reading = self._adc()
            received_ns = now_ns()
            if reading is not None:
                here, heard_ns = (reading.vbus_uv, reading.ibus_ua), received_ns
                yield Poll(reading, here == previous, sent_ns, received_ns)
                previous = here
            elif received_ns - heard_ns > nanoseconds(GIVE_UP_S):
                raise self._silent(0)
            else:
                yield Poll(None, repeated=False, sent_ns=sent_ns, received_ns=received_ns)
            next_ns = max(next_ns + nanoseconds(ADC_POLL_S), received_ns)

    def _adc(self) -> AdcReading | None:
        packet = self._dialogue.ask(GET_DATA, ADC, POLL_LIMIT_S)
        try:
            blocks = () if packet is None else decode_blocks(packet)
            found = [item.payload for item in blocks if item.attribute == ADC]
            return decode_adc(found[0]) if found else None
        except InstrumentProtocolError:
            return None

    def _identify(self, label: str) -> MeterIdentity:
        """Read who the meter is; ``InstrumentError`` where it is another model than the bench's."""
        device = self._dialogue.read_memory(memory.DEVICE) or b""
        firmware = self._dialogue.read_memory(memory.FIRMWARE) or b""
        calibration = self._dialogue.read_memory(memory.CALIBRATION) or b""
        model = memory.decode_text(device, 16, 12)
        if model and model.lower() not in self._profile.name.lower():
            raise InstrumentError(
                f"{self._link.resource} is a {model}, not a {self._profile.name}",
                hint="correct the meter's resource or model in the bench",
            )
        return packet_identity(
            self._link,
            self._profile,
            memory.decode_text(calibration, 0, 7) or self._link.serial or label,
            model=model,
            firmware=memory.decode_text(firmware, 28, 12),
        )

    def _ask_leave(self) -> bool:
        hardware_id = self._dialogue.read_memory(memory.HARDWARE_ID)
        return hardware_id is not None and self._dialogue.may_stream(hardware_id)

    def _command(self, kind: int, attribute: int, what: str) -> None:
        if not self._dialogue.command(kind, attribute, what):
            raise InstrumentError(
                f"the meter on {self._link.resource} refuses to {what}",
                hint="leave its menus, close the vendor's application, plug the meter in again",
            )

    def _stop_graph(self) -> None:
        if self._graph:
            self._graph = False
            with contextlib.suppress(Exception):  # it may be unplugged
                self._dialogue.ask(STOP_GRAPH)
                drain(self._link, QUIET_S)

    def _judge(self, reading: AdcReading) -> SampleFlag:
        told = _values(reading).items()
        beyond = [abs(value) > largest_magnitude(self._profile, name) for name, value in told]
        return SampleFlag.OVERRANGE if any(beyond) else SampleFlag.GOOD

    def _silent(self, damaged: int) -> InstrumentError:
        return InstrumentError(
            f"the meter on {self._link.resource} has delivered no sample for {GIVE_UP_S:g} s"
            + (f" ({damaged} replies could not be read)" if damaged else ""),
            hint="leave its menus, connect it without a hub, plug it in again and measure again",
        )


def _values(reading: AdcReading) -> dict[str, float]:
    return {"voltage": reading.voltage_v, "current": reading.current_a}


def open_session(profile: InstrumentProfile, bench_meter: BenchMeter) -> PowerZ:
    """Open the meter of a bench; ``InstrumentError`` where it is not there or is another."""
    link = open_packets(bench_meter.resource)
    try:
        return PowerZ(link, profile, bench_meter.serial)
    except BaseException:
        link.close()
        raise
