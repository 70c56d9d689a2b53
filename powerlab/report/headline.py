"""The first page's words: what was measured, the key figures, how far to trust them."""

from __future__ import annotations

from datetime import UTC, datetime

from powerlab.findings import Severity
from powerlab.report.elements import Fact, Figure, FindingLine, Tile
from powerlab.report.expectations import expectation_facts
from powerlab.report.numbers import given, significant, tidy, typeset, with_unit
from powerlab.report.subject import Subject

ABSENT = "\u2013"
TIMES = "\u00d7"
CLOSED = ".!?\u3002\uff01\uff1f"


def title(subject: Subject) -> str:
    """Get the title: the device."""
    return subject.device.name


def subtitle(subject: Subject) -> str:
    """Get the line under the title: the workload and how it ran."""
    request = subject.result.request
    return subject.texts.say(
        "head.subtitle",
        workload=subject.workload_name,
        runtime=_runtime_name(subject),
        precision=subject.workload.precision,
        batch=request.batch,
        threads=subject.texts.count("count.thread", request.threads),
    )


def document_title(subject: Subject) -> str:
    """Get the title of the file, as a reader's window shows it."""
    return subject.texts.say(
        "head.document_title", device=subject.device.name, workload=subject.workload_name
    )


def summary(subject: Subject) -> str:
    """Get the one sentence that says the result."""
    texts, energy = subject.texts, subject.shown("energy_per_inference")
    if energy is None:
        return texts.say("head.summary_missing", workload=subject.workload_name)
    told = texts.say(
        f"head.summary_{'emulated' if subject.emulated else 'measured'}",
        energy=energy.text,
        workload=subject.workload_name,
        device=subject.device.name,
        boundary=texts.say(f"boundary.{subject.result.boundary}"),
    )
    power, rate = subject.shown("power_active"), subject.shown("throughput")
    if power is None or rate is None:
        return told
    return told + texts.say("head.summary_speed", power=power.text, throughput=rate.bare)


def banner(subject: Subject) -> str:
    """Get the explanation beside EMULATED: what speed and power describe. Empty if measured."""
    if not subject.emulated:
        return ""
    texts, runtime = subject.texts, subject.runtime
    stand_in = ""
    if runtime is not None and runtime.stands_in_for:
        stand_in = texts.say(
            "banner.stand_in", native=texts.known("runtime", runtime.stands_in_for)
        )
    levels = ""
    if subject.device.emulation is not None:
        levels = texts.say(
            "banner.levels",
            idle=given(subject.device.emulation.idle_w, "W"),
            active=given(subject.device.emulation.active_w, "W"),
        )
    return texts.say(
        "banner.text",
        device=subject.device.name,
        cpu=subject.capture.target.cpu or subject.capture.target.machine,
        runtime=_runtime_name(subject),
        version=subject.capture.target.runtime_version,
        stand_in=stand_in,
        levels=levels,
    )


def verdict(subject: Subject) -> str:
    """Get the line that says whether the figures may be used, and what weighs on them."""
    texts, findings = subject.texts, subject.result.findings
    counts = {
        severity: sum(finding.severity is severity for finding in findings) for severity in Severity
    }
    lead = "verdict.valid" if subject.result.valid else "verdict.invalid"
    return texts.say(
        lead,
        blocking=texts.count("count.blocking", counts[Severity.BLOCKING]),
        warnings=texts.count("count.warning", counts[Severity.WARNING]),
        notes=texts.count("count.note", counts[Severity.INFO]),
    )


def finding_lines(subject: Subject) -> tuple[FindingLine, ...]:
    """Get all findings in the report's language, the gravest first."""
    order = [Severity.BLOCKING, Severity.WARNING, Severity.INFO]
    ranked = sorted(subject.result.findings, key=lambda item: order.index(item.severity))
    lines = []
    for finding in ranked:
        message, hint = subject.texts.finding(finding)
        label = subject.texts.say(f"severity.{finding.severity}")
        lines.append(FindingLine(str(finding.severity), label, sentence(message), sentence(hint)))
    return tuple(lines)


def key_notes(subject: Subject) -> tuple[str, ...]:
    """Get the small lines under the key figure: interval, k, degrees of freedom, scope."""
    quantity = subject.quantity("energy_per_inference")
    if quantity is None:
        return ()
    return (
        subject.texts.say(
            "key.interval",
            p=significant(quantity.p * 100, 2),
            interval=subject.interval(quantity),
            unit=subject.figure(quantity).unit,
        ),
        subject.texts.say("key.factor", k=significant(quantity.k, 3), dof=dof_text(quantity.dof)),
        subject.texts.say("key.scope"),
    )


def dof_text(dof: float | None) -> str:
    """Get degrees of freedom as text, the infinite ones as ∞."""
    if dof is None or dof > 9999:
        return "∞"
    return significant(dof, 2) if dof < 100 else tidy(f"{dof:.0f}")


def tiles(subject: Subject) -> tuple[Tile, ...]:
    """Get the small key figures of the first page, always the same ones in the same order."""
    texts = subject.texts
    latency = tuple(
        Figure(name, figure)
        for name in ("p50", "p90", "p99")
        if (figure := subject.shown(f"latency_{name}")) is not None
    )
    return (
        _tile(subject, "power_active", texts.say("tile.power_active_note", **_idle(subject))),
        _tile(subject, "throughput", texts.count("tile.batch_note", subject.result.request.batch)),
        Tile(texts.say("tile.latency"), latency, _latency_note(subject)),
        _tile(subject, "performance_per_watt", texts.say("tile.performance_per_watt_note")),
        _tile(subject, "performance_per_cost", _cost_note(subject)),
    )


def _tile(subject: Subject, name: str, note: str) -> Tile:
    figure = subject.shown(name)
    figures = () if figure is None else (Figure("", figure),)
    return Tile(subject.texts.say(f"tile.{name}"), figures, note)


def _latency_note(subject: Subject) -> str:
    batch = subject.result.request.batch
    kind = "one" if batch == 1 else "batch"
    if not subject.capture.target.passes_timed:
        kind = "untimed"
    return subject.texts.say(f"tile.latency_note_{kind}", batch=batch)


def _idle(subject: Subject) -> dict[str, str]:
    idle = subject.shown("power_idle")
    return {"idle": ABSENT if idle is None else idle.text}


def _cost_note(subject: Subject) -> str:
    price = subject.result.price
    if price is None:
        return subject.texts.say("tile.no_price_note")
    return subject.texts.say(
        "tile.performance_per_cost_note",
        amount=tidy(str(price.money.amount)),
        currency=price.money.currency,
        years=subject.texts.say("unit.years", years=f"{price.life_years:g}"),
    )


def facts(subject: Subject) -> tuple[Fact, ...]:
    """Get what was measured, how, with what, where and when."""
    texts, result, target = subject.texts, subject.result, subject.capture.target
    identity, shape = subject.capture.trace.identity, subject.workload.input_shape
    rows = {
        "device": f"{subject.device.name}, {subject.device.manufacturer}; {subject.device.soc}",
        "workload": texts.say(
            "fact_text.workload",
            name=subject.workload_name,
            precision=subject.workload.precision,
            parameters=tidy(str(subject.workload.parameters)),
            macs=with_unit(float(subject.workload.macs), "MAC"),
            shape=TIMES.join(str(side) for side in shape[1:]),
        ),
        **dict(expectation_facts(subject)),
        "runtime": texts.say(
            "fact_text.runtime",
            module=target.runtime_module,
            version=target.runtime_version,
            batch=result.request.batch,
            threads=texts.count("count.thread", target.threads),
        ),
        "target": f"{target.cpu or target.machine}; {target.system}; Python {target.python}",
        "protocol": texts.say(
            "fact_text.protocol",
            name=subject.protocol.name,
            runs=len(result.runs),
            run_s=f"{subject.protocol.run_s:g}",
            idle_s=f"{subject.protocol.idle_s:g}",
        ),
        "meter": f"{identity.manufacturer} {identity.name}".strip(),
        "serial": identity.serial or texts.say("fact_text.no_serial"),
        "calibration": _calibration(subject),
        "boundary": texts.say(f"boundary_long.{result.boundary}"),
        "date": _to_the_minute(subject.created),
        "evidence": texts.say(f"evidence.{result.evidence}"),
    }
    return tuple(Fact(texts.say(f"fact.{key}"), text) for key, text in rows.items())


def _calibration(subject: Subject) -> str:
    """Get which calibrations corrected the meter, or that none did."""
    texts, used = subject.texts, subject.result.meter.calibrations
    by_certificate = {item.certificate: item for item in used}
    lines = [
        texts.say(
            "fact_text.calibrated",
            certificate=certificate,
            performed=item.performed,
            due=item.due,
            channels=texts.say("fact_text.and").join(
                texts.known("channel", other.channel)
                for other in used
                if other.certificate == certificate
            ),
        )
        for certificate, item in by_certificate.items()
    ]
    return "; ".join(lines) or texts.say("fact_text.not_calibrated")


def _to_the_minute(instant: str) -> str:
    """Get an ISO instant as date and minute in UTC; what is no instant, as it stands."""
    try:
        return datetime.fromisoformat(instant).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    except ValueError:
        return instant


def _runtime_name(subject: Subject) -> str:
    return subject.texts.known("runtime", subject.result.request.runtime)


def sentence(text: str) -> str:
    """Get a text with a capital first letter and a full stop, as a printed sentence has."""
    text = typeset(text.strip())
    if not text:
        return ""
    closed = text if text[-1] in CLOSED else text + ("。" if _is_chinese(text) else ".")
    return closed[0].upper() + closed[1:]


def _is_chinese(text: str) -> bool:
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)
