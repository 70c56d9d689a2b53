"""Which form the points ask for: AICc proposes, the F-test prefers the simpler one.

A term too small to be seen is not a term that is zero. The uncertainty therefore comes from
the widest form that the points allow and do not exclude, together with its difference to the
chosen one: intervals of the chosen form alone would cover far less than they say.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from powerlab.analysis.calibration.fitting import (
    PointArrays,
    TooFewPoints,
    fit_form,
    form_of,
    point_arrays,
)
from powerlab.analysis.calibration.forms import contains, parameter_count
from powerlab.records.calibration import CalibrationPoint
from powerlab.records.correction import (
    Candidate,
    CommonError,
    Correction,
    CorrectionFit,
    CorrectionModel,
    Span,
)

SIGNIFICANT = 0.05
"""Probability of the F-test below which the further terms are no chance."""

EXCLUDED = 10.0
"""AICc above another form's from which a form has no support (Burnham and Anderson 2002)."""


@dataclass(frozen=True, slots=True)
class _Weighed:
    """A fit with its AICc."""

    fit: CorrectionFit
    aicc: float

    @property
    def count(self) -> int:
        return len(self.fit.parameters)


def choose_correction(
    points: Sequence[CalibrationPoint],
    common: CommonError,
    *,
    certificate: str,
    knots: Sequence[float] = (),
) -> Correction:
    """Fit every form that the points support and choose one.

    All points are of one quantity and were read against one range of one reference, whose
    ``common`` error is kept beside the fit, as is the name of this calibration's own
    ``certificate``. ``knots`` are the readings at which the meter switches range by itself. Of
    the forms that the one of lowest AICc contains, the simplest is chosen that an F-test does
    not reject against it. Raises TooFewPoints where not even a zero is supported, ValueError
    for points of several quantities.
    """
    arrays = point_arrays(points)
    fits, refused = _fits(arrays, knots)
    if not fits:
        raise TooFewPoints("a correction", f"there are only {len(points)} points")
    weighed = _weighed(fits, arrays)
    best = min(weighed, key=lambda item: item.aicc)
    chosen = _simplest(weighed, best)
    tried = [
        Candidate(
            model=item.fit.form.model,
            temperature=item.fit.form.temperature,
            parameters=item.count,
            chi_squared=item.fit.chi_squared,
            dof=item.fit.dof,
            aicc=item.aicc,
            f_probability=_f_probability(item, best),
        )
        for item in weighed
    ]
    return Correction(
        quantity=points[0].quantity,
        chosen=chosen.fit,
        wider=_widest(_weighed([*fits, *_unproven(arrays, knots, refused)], arrays), chosen).fit,
        common=common,
        spans=tuple(_spans(arrays)),
        candidates=(*tried, *refused),
        certificate=certificate,
    )


def _fits(
    arrays: PointArrays, knots: Sequence[float]
) -> tuple[list[CorrectionFit], list[Candidate]]:
    """Fit all that can be fitted; list the rest with the reason."""
    fits: list[CorrectionFit] = []
    refused: list[Candidate] = []
    ranges = len(np.unique(arrays.full_scale))
    for model, temperature in itertools.product(CorrectionModel, (False, True)):
        try:
            form = form_of(model, arrays, temperature=temperature, knots=knots)
            fits.append(fit_form(form, arrays))
        except TooFewPoints as error:
            count = parameter_count(model, temperature=temperature, ranges=ranges, knots=len(knots))
            refused.append(Candidate(model, temperature, count, reason=error.reason))
    return fits, refused


def _unproven(
    arrays: PointArrays, knots: Sequence[float], refused: Iterable[Candidate]
) -> Iterable[CorrectionFit]:
    """Yield the forms that points fix but do not prove: never chosen, but they may be true."""
    for item in refused:
        try:
            form = form_of(
                item.model, arrays, temperature=item.temperature, knots=knots, proven=False
            )
            yield fit_form(form, arrays)
        except TooFewPoints:
            continue


def _weighed(fits: Sequence[CorrectionFit], arrays: PointArrays) -> list[_Weighed]:
    largest = max(fits, key=lambda fit: len(fit.parameters))
    excess = max(1.0, largest.chi_squared / largest.dof)
    return [_Weighed(fit, _aicc(fit, arrays, excess)) for fit in fits]


def _aicc(fit: CorrectionFit, arrays: PointArrays, excess: float) -> float:
    """Get ``-2 ln L + 2 k + 2 k (k + 1) / (n - k - 1)`` up to a constant.

    With stated uncertainties ``-2 ln L`` is chi-squared, over the ``excess`` that even the
    largest form leaves (quasi-AICc); else ``n ln(chi² / n)``, and the variance counts in k.
    """
    count, total = len(fit.parameters), len(arrays.reading)
    if arrays.stated:
        likelihood = fit.chi_squared / excess
    else:
        tiny = np.finfo(np.float64).tiny
        likelihood, count = total * math.log(max(fit.chi_squared, tiny) / total), count + 1
    left = total - count - 1
    return likelihood + 2 * count + (2 * count * (count + 1) / left if left > 0 else math.inf)


def _f_probability(small: _Weighed, large: _Weighed) -> float:
    """Get the chance that the large form fits better by luck, NaN where it is no special case."""
    more = large.count - small.count
    if more < 1 or not contains(large.fit.form, small.fit.form):
        return math.nan
    gain = max(0.0, small.fit.chi_squared - large.fit.chi_squared) / more
    left = large.fit.chi_squared / large.fit.dof
    if left == 0:
        return 1.0 if gain == 0 else 0.0
    return float(special.fdtrc(more, large.fit.dof, gain / left))


def _simplest(weighed: Iterable[_Weighed], best: _Weighed) -> _Weighed:
    """Get the form of fewest parameters that the F-test does not reject, else the best itself."""
    good = [item for item in weighed if _f_probability(item, best) >= SIGNIFICANT]
    return min([*good, best], key=lambda item: (item.count, item.aicc))


def _widest(weighed: Iterable[_Weighed], chosen: _Weighed) -> _Weighed:
    """Get the form of most parameters that may be true if the chosen one is not, else that one.

    It contains the chosen one, or it is another kind of form that the points do not exclude.
    """
    rivals = [
        item
        for item in weighed
        if item.fit is not chosen.fit
        and item.count >= chosen.count
        and (contains(item.fit.form, chosen.fit.form) or item.aicc < chosen.aicc + EXCLUDED)
    ]
    return max(rivals, key=lambda item: (item.count, -item.aicc), default=chosen)


def _spans(arrays: PointArrays) -> Iterable[Span]:
    for item in np.unique(arrays.full_scale):
        on = arrays.full_scale == item
        warmth = arrays.temperature_c[on]
        yield Span(
            full_scale=float(item),
            low=float(arrays.reading[on].min()),
            high=float(arrays.reading[on].max()),
            coldest_c=float(warmth.min()),
            warmest_c=float(warmth.max()),
        )
