"""What is known of a workload beside its energy: accuracy, scenario, what the roofs allow."""

from __future__ import annotations

from collections.abc import Iterator

from powerlab.analysis.accuracy import wilson
from powerlab.analysis.roofline import bound
from powerlab.report.numbers import significant, tidy
from powerlab.report.subject import Subject


def expectation_facts(subject: Subject) -> Iterator[tuple[str, str]]:
    """Yield facts by their key, those that there are."""
    yield from _accuracy(subject)
    yield from _scenario(subject)
    yield from _roof(subject)


def _accuracy(subject: Subject) -> Iterator[tuple[str, str]]:
    """Yield the shares of pictures that the profile states, with Wilson's interval."""
    lines = []
    for stated in subject.workload.accuracy:
        first, five = (wilson(hits, stated.count) for hits in (stated.top1, stated.top5))
        lines.append(
            subject.texts.say(
                "fact_text.accuracy",
                top1=f"{100 * first.value:.1f}",
                low1=f"{100 * first.low:.1f}",
                high1=f"{100 * first.high:.1f}",
                top5=f"{100 * five.value:.1f}",
                pictures=stated.pictures,
            )
        )
    if lines:
        yield "accuracy", "; ".join(lines)


def _scenario(subject: Subject) -> Iterator[tuple[str, str]]:
    figures, texts = subject.result.scenario, subject.texts
    if figures is None:
        return
    text = texts.say(
        "fact_text.scenario",
        name=texts.say(f"scenario.{figures.scenario.name}"),
        timed=texts.say(f"timed.{figures.scenario.timed}"),
        queries=tidy(str(figures.queries)),
        rate=significant(figures.queries_per_s, 4),
    )
    if figures.latency_s is not None:
        text += texts.say(
            "fact_text.scenario_latency",
            percent=f"{figures.percent:g}",
            latency=significant(1e3 * figures.latency_s, 4),
        )
    yield "scenario", text


def _roof(subject: Subject) -> Iterator[tuple[str, str]]:
    """Yield the most that the roofs allow; nothing where the speed is not the device's own."""
    work, roofs = subject.capture.work, subject.capture.roofs
    if work is None or roofs is None:
        return
    allowed = bound(work, roofs)
    if not (allowed.least_time_s and allowed.bound_by):
        return
    yield (
        "roof",
        subject.texts.say(
            "fact_text.roof",
            rate=significant(1 / allowed.least_time_s, 3),
            by=subject.texts.say(f"roof_by.{allowed.bound_by}"),
        ),
    )
