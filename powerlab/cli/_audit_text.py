"""An audit as one page of text: published, by its rule, by powerlab's, and what is wrong."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from powerlab.cli._style import columns, folded
from powerlab.cli._summary import counted
from powerlab.errors import ConfigError, InvalidMeasurement
from powerlab.evidence.audit import Audit
from powerlab.evidence.contract import Claim
from powerlab.findings import Finding, Severity
from powerlab.units import NS_PER_S, with_uncertainty

MOST_CLAIMS = 12
BUDGET_LINES = 4

_AS_PUBLISHED = frozenset({"mJ", "uJ", "kWh", "W min"})
"""Units that are given no prefix: the figure stands in the published one."""

_ORDER = {Severity.BLOCKING: 0, Severity.WARNING: 1, Severity.INFO: 2}


def audit_text(done: Audit) -> str:
    """Get the page of one audit, folded to the terminal's width."""
    blocks = ["\n".join(part) for part in (_head(done), _figures(done), _budget(done))]
    blocks.append("\n".join(_findings(done)))
    return folded("\n\n".join(block for block in blocks if block), columns())


def table_text(audits: Sequence[Audit]) -> str:
    """Get one block per audit, and a line on all of them."""
    blocks = []
    for done in audits:
        lines = [done.evidence.title, *(f"  {line}" for line in _figures(done, most=1))]
        counts = Counter(each.severity.value for each in done.findings)
        worst = [each for each in _sorted(done) if each.severity is not Severity.INFO][:3]
        told = ", ".join(f"{count} {level}" for level, count in counts.items()) or "none"
        lines.append(f"  findings: {told}")
        lines += [f"    {each.severity.value}: {each.message}" for each in worst]
        blocks.append("\n".join(lines))
    first = [each.evidence.claims[0] for each in audits if each.evidence.claims]
    published = [claim for claim in first if claim.published is not None]
    agreeing = sum(bool(claim.agrees) for claim in published)
    invalid = sum(not done.valid for done in audits)
    blocks.append(
        f"{counted(len(audits), 'run')}: {agreeing} of {len(published)} published figures "
        f"agree with their own rule; {invalid} not valid."
    )
    return folded("\n\n".join(blocks), columns())


def check_read(failed: Sequence[ConfigError]) -> None:
    """Raise ConfigError where a run of a folder could not be used; the others were told."""
    if failed:
        first, *others = failed
        if others:
            first.add_note(f"{len(others)} more cannot be used: {others[0].message}")
        raise first


def check_audits(audits: Sequence[Audit]) -> None:
    """Raise InvalidMeasurement where a blocking finding forbids the use of evidence."""
    for done in audits:
        blocking = [each for each in done.findings if each.severity is Severity.BLOCKING]
        if blocking:
            raise InvalidMeasurement(
                f"{done.evidence.path}: the evidence is not valid: "
                f"{'; '.join(each.message for each in blocking)}",
                hint=blocking[0].hint,
            )


def _head(done: Audit) -> Iterator[str]:
    evidence = done.evidence
    yield f"{evidence.title} ({evidence.format}: {evidence.path})"
    if not done.valid:
        yield "NOT VALID: a blocking finding below forbids the use of this evidence."
    meter = evidence.meter
    serial = f" no. {meter.serial}" if meter.serial else ""
    yield f"meter      {meter.model or 'not named'}{serial}; {meter.source}"
    yield f"boundary   {evidence.boundary.value}"
    yield f"time       {evidence.timebase}"
    for text in evidence.assumptions:
        yield f"assumed    {text}"
    if evidence.windows:
        seconds = float(done.reckoned.duration_s.sum())
        counted = sum(span.inferences for span in evidence.windows)
        what = f", {counted:,.0f} inferences" if counted else ""
        number = len(evidence.windows)
        yield f"windows    {number}{what}, {seconds:.4g} s in all"
    for trace in evidence.traces:
        count = len(trace.power.power_w)
        yield f"samples    {trace.name}: {count}, one in {trace.interval_ns / NS_PER_S:.4g} s"


def _figures(done: Audit, most: int = MOST_CLAIMS) -> Iterator[str]:
    claims = done.evidence.claims
    for claim in claims[:most]:
        yield _claim_text(claim)
    rest = [claim for claim in claims[most:] if claim.published is not None]
    if rest:
        agreeing = sum(bool(claim.agrees) for claim in rest)
        yield f"{agreeing} of {len(rest)} further published figures agree"
    item = done.recomputed
    if item is not None:
        what = claims[0].quantity if claims else item.name.replace("_", " ")
        text = f"by powerlab's method: {what} "
        if item.unit in _AS_PUBLISHED:
            text += f"{with_uncertainty(item.value, item.expanded, '')} {item.unit}"
        else:
            text += with_uncertainty(item.value, item.expanded, item.unit)
        if claims and math.isfinite(claims[0].value) and item.value:
            off = claims[0].value / item.value - 1
            inside = abs(claims[0].value - item.value) <= item.expanded
            text += f"; the published rule differs by {off:+.3%}, "
            text += "inside" if inside else "OUTSIDE"
            text += " the 95 % interval"
        yield text


def _claim_text(claim: Claim) -> str:
    text = f"{claim.quantity}: by its own rule {claim.value:.12g} {claim.unit}"
    if claim.published is None:
        return f"{text}; nothing published is at hand"
    if claim.agrees:
        return f"{text}, published {claim.published:.12g}: agrees"
    relative = claim.difference / claim.published if claim.published else math.nan
    return f"{text}, published {claim.published:.12g}: DIFFERS by {relative:+.3%}"


def _budget(done: Audit) -> Iterator[str]:
    if done.recomputed is None or not done.recomputed.budget:
        return
    yield "Where the uncertainty comes from:"
    for line in done.recomputed.budget[:BUDGET_LINES]:
        yield f"  {line.share:5.1%}  {line.name}"


def _sorted(done: Audit) -> list[Finding]:
    return sorted(done.findings, key=lambda each: _ORDER[each.severity])


def _findings(done: Audit) -> Iterator[str]:
    if done.findings:
        yield "Findings:"
    for finding in _sorted(done):
        yield f"  {finding.severity.value}: {finding.message}"
        if finding.hint and finding.severity is not Severity.INFO:
            yield f"    {finding.hint}"
