"""How often procurement decisions are right, over simulated ones with known truth.

Each world draws two to five options, a load and prices, which are the truth; what the plan
states of them is the truth with errors of the sizes and distributions that it states, the
meter's gain and the exchange rate in common. A decision is right where the recommended option
has the lowest true present value of those that may win.

    python benchmarks/decisions.py [--decisions 2000] [--kind KIND]... [--first-seed N]

``varied`` options differ as products on the market do; ``alike`` ones cost the same within
some percent, where a tie is the honest answer; ``declared`` ones rest on data sheets. Only
``varied`` and ``declared`` have a bar: 95 % of those stated with 95 %. The printed intervals take
all cases for independent, which the pairs of one decision are not. Without ``--first-seed`` the
seeds are drawn from the operating system. Exits with 1 below the bar.
"""

from __future__ import annotations

import argparse
import math
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from decision_worlds import KINDS, Kind, world
from scipy import special

from powerlab.analysis.cost.decide import decide
from powerlab.analysis.cost.statement import statement
from powerlab.records.decision import Conforms, Decision, Outcome
from powerlab.records.procurement import Plan

BAR = 0.95
DRAWS = 10_000


@dataclass(frozen=True, slots=True)
class Score:
    """What one decision said, and what was so."""

    stated: bool
    right: bool
    probability: float
    intervals: tuple[bool, ...]
    sure: tuple[bool, ...]
    accepted: tuple[bool, ...]


def score(seed: int, kind: Kind) -> Score | None:
    """Decide one world and hold the answer to the truth; None where nothing may win."""
    truth, stated = world(seed, kind)
    decision = decide(stated, DRAWS)
    if decision.recommended is None:
        return None
    costs = {option.id: float(statement(truth, option).present_value) for option in truth.options}
    admitted = [name for name, each in decision.standings.items() if not each.bars]
    return Score(
        stated=decision.outcome is Outcome.RECOMMENDED and len(admitted) > 1,
        right=decision.recommended == min(admitted, key=costs.__getitem__),
        probability=decision.probability if len(admitted) > 1 else math.nan,
        intervals=tuple(
            pair.saving.low <= costs[pair.second] - costs[pair.first] <= pair.saving.high
            for pair in decision.pairs
        ),
        sure=tuple(costs[pair.first] < costs[pair.second] for pair in decision.pairs if pair.sure),
        accepted=_accepted(decision, truth),
    )


def _accepted(decision: Decision, truth: Plan) -> tuple[bool, ...]:
    """Tell of each requirement said to be met whether it is."""
    found = []
    for each in decision.conformities:
        if each.conforms is Conforms.MEETS:
            option = truth.option(each.option)
            power = option.energy_per_inference_j.value * option.throughput_per_s.value
            found.append(power <= each.requirement.limit)
    return tuple(found)


def told(name: str, good: Sequence[bool]) -> str:
    """Get a share with its 95 % interval (Clopper and Pearson)."""
    n, k = len(good), sum(good)
    if not n:
        return f"  {name:34s} none"
    low = float(special.betaincinv(k, n - k + 1, 0.025)) if k else 0.0
    high = float(special.betaincinv(k + 1, n - k, 0.975)) if k < n else 1.0
    return f"  {name:34s} {k / n:7.2%}  ({low:.2%} to {high:.2%}) of {n}"


def report(name: str, scores: Sequence[Score]) -> float:
    """Print what a kind of world gave; get the share of stated decisions that are right."""
    stated = [each for each in scores if each.stated]
    print(f"{name}: {len(scores)} decisions")
    print(told("stated with 95 %, right", [each.right for each in stated]))
    print(told("stated at all", [each.stated for each in scores]))
    for low, high in ((0.3, 0.5), (0.5, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 0.95), (0.95, 1.01)):
        inside = [each for each in scores if low <= each.probability < high]
        print(
            told(f"probability {low:.2f} to {min(high, 1):.2f}, right", [x.right for x in inside])
        )
    print(told("saving's 95 % interval holds", [each for x in scores for each in x.intervals]))
    print(told("pairs said to be sure, right", [each for x in scores for each in x.sure]))
    print(told("requirement said to be met, is", [each for x in scores for each in x.accepted]))
    return sum(each.right for each in stated) / len(stated) if stated else 1.0


def main() -> None:
    """Decide the worlds of each kind, print what came of them, exit with 1 below the bar."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--decisions", type=int, default=2000)
    parser.add_argument("--first-seed", type=int, default=None)
    parser.add_argument("--kind", dest="kinds", action="append", choices=list(KINDS))
    options = parser.parse_args()
    first = secrets.randbelow(2**31) if options.first_seed is None else options.first_seed
    print(f"{options.decisions} decisions of each kind from seed {first}, {DRAWS} draws each")
    held = True
    for name in options.kinds or KINDS:
        started = time.perf_counter()
        found = [score(first + number, KINDS[name]) for number in range(options.decisions)]
        right = report(name, [each for each in found if each is not None])
        held &= right >= BAR or not KINDS[name].bar
        print(f"{name} took {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
