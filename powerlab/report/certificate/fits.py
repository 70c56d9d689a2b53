"""Which form was fitted and why, as a certificate tells it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from powerlab.analysis.calibration.forms import physical
from powerlab.records.correction import Candidate, Correction, CorrectionForm
from powerlab.report.certificate.elements import FitSection
from powerlab.report.certificate.subject import ABSENT, QUANTITY_UNITS, Subject
from powerlab.report.elements import Table
from powerlab.report.numbers import fixed, shown, significant, typeset, with_unit


def fit_section(subject: Subject, correction: Correction) -> FitSection:
    """Get one correction: its equation, the choice and its reason, parameters, the others."""
    texts, chosen = subject.texts, correction.chosen
    equation = texts.say(f"certificate_equation.{chosen.form.model}")
    if chosen.form.temperature:
        equation = texts.say("certificate_equation.temperature", inner=equation)
    spans = ", ".join(
        subject.range_name(correction.quantity, item.full_scale) for item in correction.spans
    )
    return FitSection(
        title=spans,
        equation=equation,
        sentences=(
            _choice(subject, correction),
            _scatter(subject, correction),
            _uncertainty(subject, correction),
        ),
        parameters=_parameters(subject, correction),
        candidates=_candidates(subject, correction),
        refused=_refused(subject, correction.candidates),
    )


def _choice(subject: Subject, correction: Correction) -> str:
    """Say why this form: the lowest AICc, or what the F-test prefers to that."""
    texts, form = subject.texts, correction.chosen.form
    weighed = _weighed(correction.candidates)
    name = subject.form_name(form)
    own = next((item for item in weighed if _is(item, form)), None)
    best = weighed[0] if weighed else None
    if own is None or best is None or own is best:
        return texts.say("certificate_fit.lowest", form=name, forms=len(weighed))
    return texts.say(
        "certificate_fit.simpler",
        form=name,
        best=subject.model_name(str(best.model), temperature=best.temperature),
        p=_probability(own.f_probability),
    )


def _scatter(subject: Subject, correction: Correction) -> str:
    fit, unit = correction.chosen, QUANTITY_UNITS[correction.quantity]
    return subject.texts.say(
        f"certificate_fit.{'stated' if fit.stated else 'scatter'}",
        chi_squared=significant(fit.chi_squared, 3),
        dof=fit.dof,
        spread=with_unit(fit.residual_sd, unit, 2),
    )


def _uncertainty(subject: Subject, correction: Correction) -> str:
    wider = correction.wider.form
    key = "own" if wider == correction.chosen.form else "wider"
    return subject.texts.say(f"certificate_fit.{key}", form=subject.form_name(wider))


def _parameters(subject: Subject, correction: Correction) -> Table:
    """Get the parameters as they are read, each with the standard uncertainty of the fit."""
    texts, unit = subject.texts, QUANTITY_UNITS[correction.quantity]
    names, estimates = physical(correction.chosen)
    rows = []
    for name, value, u in zip(names, estimates.values.tolist(), estimates.u.tolist(), strict=True):
        figure = shown(value, u, _parameter_unit(name, unit))
        label = texts.known("certificate_parameter", name)
        rows.append((label, figure.value, figure.plus_minus or ABSENT, figure.unit))
    columns = ("name", "value", "u", "unit")
    return Table(
        tuple(texts.say(f"certificate_parameters.column_{key}") for key in columns),
        ("left", "right", "right", "left"),
        tuple(rows),
    )


def _parameter_unit(name: str, unit: str) -> str:
    if name.startswith("offset"):
        return unit
    return {"curvature": f"1/{unit}", "alpha": "1/K"}.get(name, "")


def _candidates(subject: Subject, correction: Correction) -> Table:
    """Get the forms that the points support, the lowest AICc first."""
    texts = subject.texts
    weighed = _weighed(correction.candidates)
    rows = []
    for item in weighed:
        if _is(item, correction.chosen.form):
            role = texts.say("certificate_candidates.chosen")
        elif _is(item, correction.wider.form):
            role = texts.say("certificate_candidates.wider")
        else:
            role = ""
        rows.append(
            (
                subject.model_name(str(item.model), temperature=item.temperature),
                str(item.parameters),
                significant(item.chi_squared, 3),
                str(item.dof),
                fixed(item.aicc - weighed[0].aicc, 1),
                _probability(item.f_probability),
                role,
            )
        )
    columns = ("form", "parameters", "chi_squared", "dof", "aicc", "f", "role")
    return Table(
        tuple(texts.say(f"certificate_candidates.column_{key}") for key in columns),
        ("left", "right", "right", "right", "right", "right", "left"),
        tuple(rows),
    )


def _refused(subject: Subject, candidates: Sequence[Candidate]) -> str:
    """Say which forms the points do not support, by reason; "" where they support all."""
    texts = subject.texts
    reasons: dict[str, list[str]] = {}
    for item in candidates:
        if item.reason:
            name = subject.model_name(str(item.model), temperature=item.temperature)
            reasons.setdefault(item.reason, []).append(name)
    parts = [
        texts.say(
            "certificate_fit.refused_form",
            forms=texts.say("certificate_text.comma").join(names),
            reason=typeset(texts.known("certificate_reason", reason)),
        )
        for reason, names in reasons.items()
    ]
    if not parts:
        return ""
    return texts.say(
        "certificate_fit.refused", forms=texts.say("certificate_text.semicolon").join(parts)
    )


def _weighed(candidates: Sequence[Candidate]) -> list[Candidate]:
    return sorted((item for item in candidates if not item.reason), key=lambda item: item.aicc)


def _is(candidate: Candidate, form: CorrectionForm) -> bool:
    return candidate.model is form.model and candidate.temperature == form.temperature


def _probability(p: float) -> str:
    if not math.isfinite(p):
        return ABSENT
    return "< 0.001" if p < 0.001 else fixed(p, 3)
