"""From energy and prices to money, and from money to a decision (method section 5).

One set of formulas serves two arithmetics: Decimal for the statement figures of the best
estimates, float64 arrays for random draws.
"""

from powerlab.analysis.cost.per_price import performance_per_cost

__all__ = ["performance_per_cost"]
