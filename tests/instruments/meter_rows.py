"""Every driver of a meter with the profile, board and wire on which its contract is tried."""

from __future__ import annotations

from dataclasses import dataclass, field

from powerlab.instruments.contract import MeterRequest

SCPI, LINES, ANSWERS, STREAM, PACKETS = "scpi", "lines", "answers", "stream", "packets"

SMALL_BOARD = {
    "idle_w": 0.02,
    "active_w": 0.06,
    "supply_voltage_v": 3.0,
    "cable_ohm": 0.0,
    "u_cable_ohm": 0.0,
    "source_ohm": 0.0,
}
"""A board that an LPM01A can supply; drivers elsewhere get an idle EdgeBoard: 3 W, then 8.4 W."""

USUAL = MeterRequest(expected_peak_a=0.9, expected_peak_v=13.0)
SMALL = MeterRequest(expected_peak_a=0.03)


@dataclass(frozen=True, slots=True)
class MeterRow:
    """One driver on one profile.

    ``wire`` is SCPI or LINES (of text over TCP, which loses no byte), ANSWERS (a frame for each
    request) or STREAM (bytes unasked) on a serial port, or PACKETS. ``late_s`` is longer than it
    waits for an answer. ``whole_when_torn`` says that what comes in pieces is put together again.
    ``board`` changes the emulated board. Of a noisy meter the means of ``mean_of`` samples are
    looked at, of each ``good`` samples are waited for at a time; ``slow`` is one that takes too
    long to be tried on all damages each time.
    """

    driver: str
    profile: str
    wire: str
    late_s: float
    whole_when_torn: bool = True
    request: MeterRequest = USUAL
    board: dict[str, float] = field(default_factory=dict)
    mean_of: int = 1
    good: int = 3
    slow: bool = False


ROWS = (
    MeterRow("keithley_dmm6500", "keithley-dmm6500", SCPI, 2.5),
    MeterRow("keithley_dmm6500", "keithley-dmm6500-digitize", SCPI, 2.5),
    MeterRow("keysight_truevolt", "keysight-34465a-digitize", SCPI, 2.5),
    MeterRow("keysight_n6705c", "keysight-n6705c-n6781a", SCPI, 2.5),
    MeterRow("rohde_schwarz_ngu", "rohde-schwarz-ngu201", SCPI, 2.5),
    MeterRow("yokogawa_wt310e", "yokogawa-wt310e", SCPI, 2.5),
    MeterRow("yokogawa_wt310e", "gw-instek-gpm-8310", SCPI, 2.5),
    MeterRow("scpi-meter", "keysight-34465a", SCPI, 2.5),
    MeterRow("otii", "qoitech-otii-ace", LINES, 2.5),
    MeterRow("rdtech_tc66", "rdtech-tc66c", ANSWERS, 0.7, good=1),
    MeterRow("rdtech_um25c", "rdtech-um25c", ANSWERS, 1.3, good=1, slow=True),
    MeterRow("nordic_ppk2", "nordic-ppk2", STREAM, 0.7),
    MeterRow("st_lpm01a", "st-lpm01a", STREAM, 0.7, request=SMALL, board=SMALL_BOARD),
    MeterRow("st_lpm01a", "st-lpm01a-current", STREAM, 0.7, request=SMALL, board=SMALL_BOARD),
    MeterRow("powersensor3", "powersensor3", STREAM, 0.7, mean_of=500),
    MeterRow("power_z_km003c", "power-z-km003c", PACKETS, 0.3, whole_when_torn=False),
    MeterRow("avhzy_ct3", "avhzy-ct3", PACKETS, 0.3),
    MeterRow("fnirsi_fnb", "fnirsi-fnb58", PACKETS, 0.3, whole_when_torn=False),
    MeterRow("kingmeter", "kingmeter-kt", PACKETS, 0.3, whole_when_torn=False),
)

ELSEWHERE = {
    "board_counters": ("test_board_counters.py", "test_a_counter_of_energy_until_it_is_gone"),
    "joulescope": ("test_joulescope.py", "test_silence_ends_the_stream"),
}
"""Drivers whose wire is not theirs: the agent's line, the vendor's package. Their own tests."""

MEMORIES = {
    "keithley-dmm6500": ("test_keithley_dmm6500.py", "test_a_full_buffer_ends_the_stream"),
    "keithley-dmm6500-digitize": (
        "test_dmm6500_digitizer.py",
        "test_what_was_overwritten_is_lost_and_has_its_time",
    ),
    "keysight-34465a-digitize": (
        "test_keysight_truevolt.py",
        "test_a_memory_that_ran_over_ends_the_measurement",
    ),
    "keysight-n6705c-n6781a": ("test_keysight_n6705c.py", "test_a_reader_that_is_too_late_is_told"),
    "rohde-schwarz-ngu201": ("test_rohde_schwarz_ngu.py", "test_skipped_chunks_are_lost_rows"),
    "nordic-ppk2": ("test_nordic_ppk2.py", "test_a_host_that_does_not_read_overruns_the_device"),
}
"""Where a memory that runs over for want of a reader is tried, in virtual time: it takes long.

Of the others half a second without a reader is enough, which all have to stand.
"""
