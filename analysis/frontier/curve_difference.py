"""Difference of two accuracy-cost curves: points of top-1 at equal cost, and cost saved at equal top-1. Pure.

Between neighbours on a frontier, top-1 is taken to be linear in the logarithm of the cost, and the difference is
averaged over the range that both curves share, as Bjontegaard's deltas do for video codecs (VCEG-M33), with straight
lines in place of polynomials.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.frontier.costs import Cost
from analysis.frontier.pareto import pareto_mask

Line = NDArray[np.float64]
"""Abscissas and values of a line, (2, n), both ascending."""


@dataclass(frozen=True, kw_only=True)
class CurveDifference:
    """Difference of our curve from another; NaN where the curves share no range."""

    top1: float
    """Mean difference at equal cost, percent points."""
    saved: float
    """Mean share of the cost that our curve saves at equal top-1; below 0 where our curve costs more."""


def curve_difference(ours: pd.DataFrame, theirs: pd.DataFrame, cost: Cost) -> CurveDifference:
    """Compare the frontiers of two tables, both with the columns `cost` and `top1`."""
    own, other = _frontier(ours, cost), _frontier(theirs, cost)
    return CurveDifference(
        top1=_mean_difference(own, other), saved=1 - float(np.exp(_mean_difference(own[::-1], other[::-1])))
    )


def _frontier(table: pd.DataFrame, cost: Cost) -> Line:
    costs, top1 = table[cost].to_numpy(dtype=float), table["top1"].to_numpy(dtype=float)
    mask = pareto_mask(costs, top1)
    return np.unique(np.stack([np.log(costs[mask]), top1[mask]]), axis=1)


def _mean_difference(own: Line, other: Line) -> float:
    """Return the exact mean of own minus other over the shared abscissas of two piecewise linear lines."""
    knots = np.union1d(own[0], other[0])
    low = max(own[0].min(initial=np.inf), other[0].min(initial=np.inf))
    high = min(own[0].max(initial=-np.inf), other[0].max(initial=-np.inf))
    knots = knots[(knots >= low) & (knots <= high)]
    if len(knots) < 2:
        return float("nan")
    return float(np.trapezoid(np.interp(knots, *own) - np.interp(knots, *other), knots) / (knots[-1] - knots[0]))
