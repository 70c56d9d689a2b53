"""Amperes of one meter and volts of another: brought to the same samples, by time and current."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from powerlab.analysis.joined import joined
from powerlab.records import MeterTrace, SampleFlag
from tests.analysis.factories import IDENTITY, accuracy, capture, setup

LEVEL_V, OHM = 5.1, 0.2
VOLTMETER = replace(IDENTITY, model="voltmeter", serial="2")


def voltmeter_of(ammeter: MeterTrace, *, every: int = 25, ohm: float = OHM) -> MeterTrace:
    """Get a voltmeter that averages over as many samples of the current, in step with them."""
    count = len(ammeter.values) // every
    current = ammeter.values[: count * every, 0].reshape(count, every).mean(axis=1)
    assert ammeter.device_ns is not None
    stop = ammeter.device_ns[every - 1 :: every][:count]
    polls = ammeter.device_ns[every:]
    return MeterTrace(
        identity=VOLTMETER,
        setup=setup(
            channels=("voltage",),
            accuracy=(accuracy("voltage"),),
            aperture_s=every * 0.02,
            interval_s=every * 0.02,
        ),
        values=(LEVEL_V - ohm * current)[:, np.newaxis],
        device_ns=stop,
        flags=np.zeros(count, dtype=np.uint8),
        poll_sent_ns=polls,
        poll_received_ns=polls + 100_000,
        poll_completed=np.searchsorted(stop, polls, side="right").astype(np.int64),
    )


def test_volts_follow_the_current_of_each_sample():
    """A slow voltmeter tells the volts of every fast sample, where they are a line in it."""
    made = capture()
    full = joined(replace(made, voltmeter=voltmeter_of(made.trace)))
    volts, amperes = full.trace.values.T
    assert full.trace.setup.channels == ("voltage", "current")
    seen = np.isfinite(volts)
    assert seen.mean() > 0.95
    assert_allclose(volts[seen], (LEVEL_V - OHM * amperes)[seen], atol=5e-3)
    assert full.trace.setup.joined is not None
    assert full.trace.setup.joined.identity.model == "voltmeter"
    assert full.trace.setup.joined.source_ohm == pytest.approx(OHM, rel=0.03)


def test_steady_volts_are_told_as_they_are():
    """Where volts and current are not related, no slope is invented."""
    made = capture()
    full = joined(replace(made, voltmeter=voltmeter_of(made.trace, ohm=0.0)))
    volts = full.trace.values[:, 0]
    assert_allclose(volts[np.isfinite(volts)], LEVEL_V, rtol=1e-12)


def test_no_volts_no_sample():
    """Readings that were lost leave the samples around them without volts, and they say so."""
    made = capture()
    volts = voltmeter_of(made.trace)
    flags = volts.flags.copy()
    flags[4:8] = SampleFlag.LOST
    full = joined(replace(made, voltmeter=replace(volts, flags=flags)))
    missing = (full.trace.flags & SampleFlag.NOT_AVAILABLE) != 0
    assert 4 * 25 <= missing.sum() < 0.5 * len(missing)
    assert np.isnan(full.trace.values[missing, 0]).all()


def test_joining_again_changes_nothing():
    """What is joined stays as it is, and what has no voltmeter too."""
    made = capture()
    assert joined(made) is made
    full = joined(replace(made, voltmeter=voltmeter_of(made.trace)))
    assert joined(full) is full


def test_a_voltmeter_without_a_reading_leaves_nothing_usable():
    """A meter that told nothing is no reason to take its volts for anything."""
    made = capture()
    volts = voltmeter_of(made.trace)
    lost = np.full(len(volts.flags), SampleFlag.LOST, dtype=np.uint8)
    full = joined(replace(made, voltmeter=replace(volts, flags=lost)))
    assert (full.trace.flags & SampleFlag.NOT_AVAILABLE).all()


def test_volts_of_short_runs_are_as_unsure_as_the_line_that_tells_them():
    """Runs shorter than the voltmeter's interval have their volts from the line: its u counts."""
    made = capture(runs=6, run_s=0.2)
    noise = np.random.default_rng(4)
    errors, stated = [], []
    for _ in range(100):
        volts = voltmeter_of(made.trace, every=50)
        noisy = volts.values + 0.004 * noise.standard_normal(volts.values.shape)
        full = joined(replace(made, voltmeter=replace(volts, values=noisy)))
        told, amperes = full.trace.values.T
        loaded = (amperes > 0.7) & np.isfinite(told)
        errors.append(float(np.mean(told[loaded] - (LEVEL_V - OHM * amperes[loaded]))))
        stated.append(full.trace.setup.joined.u_v)
    rms = float(np.sqrt(np.mean(np.square(errors))))
    assert 0.7 * rms < np.mean(stated) < 3 * rms


def test_a_voltmeter_that_read_at_another_time_leaves_nothing_usable():
    """Volts of before the first current belong to no sample."""
    made = capture()
    volts = voltmeter_of(made.trace)
    early = 10**12
    moved = replace(
        volts,
        device_ns=volts.device_ns,
        poll_sent_ns=volts.poll_sent_ns - early,
        poll_received_ns=volts.poll_received_ns - early,
    )
    full = joined(replace(made, voltmeter=moved))
    assert (full.trace.flags & SampleFlag.NOT_AVAILABLE).all()
