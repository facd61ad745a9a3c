"""The Pareto frontier of points that cost something and are worth something. Knows nothing of networks or tables."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def pareto_mask(costs: ArrayLike, values: ArrayLike) -> NDArray[np.bool_]:
    """Which points no other point beats, minimising cost and maximising value; both (n,), O(n log n).

    A point is on the frontier if no other has a cost as low and a value as high, one of them strictly better. Exact
    duplicates are all on it or all off it. A point with a NaN cost or value is never on it and beats nobody.
    """
    cost, value = np.asarray(costs, dtype=float), np.asarray(values, dtype=float)
    assert cost.shape == value.shape == (cost.size,), (cost.shape, value.shape)
    mask = np.zeros(len(cost), dtype=bool)
    known = np.flatnonzero(~(np.isnan(cost) | np.isnan(value)))
    if len(known):
        order = known[np.argsort(cost[known])]
        mask[order] = _sorted_mask(cost[order], value[order])
    return mask


def step_line(costs: ArrayLike, values: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The corners (k,), (k,) of the line that shows the best value within each cost, from the cheapest point on.

    It runs level to the next point of the frontier, then up to it; k is 2 m - 1 for m distinct points on the
    frontier, and 0 where there is none.
    """
    mask = pareto_mask(costs, values)
    points = np.unique(np.stack([np.asarray(costs, dtype=float)[mask], np.asarray(values, dtype=float)[mask]]), axis=1)
    return np.repeat(points[0], 2)[1:], np.repeat(points[1], 2)[:-1]


def _sorted_mask(cost: NDArray[np.float64], value: NDArray[np.float64]) -> NDArray[np.bool_]:
    """`pareto_mask` of n >= 1 points in order of cost: those best of their cost and better than all cheaper."""
    starts = np.flatnonzero(np.r_[True, cost[1:] != cost[:-1]])
    best_of_cost = np.maximum.reduceat(value, starts)
    best_so_far = np.maximum.accumulate(best_of_cost)
    improves = np.r_[True, best_of_cost[1:] > best_so_far[:-1]]
    group = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(cost)]))
    return improves[group] & (value == best_of_cost[group])
