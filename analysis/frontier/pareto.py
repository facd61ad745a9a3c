"""Pareto frontier of costs against values. Knows nothing of networks or tables."""

from bisect import bisect_left, bisect_right
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray


def pareto_mask(costs: ArrayLike, values: ArrayLike) -> NDArray[np.bool_]:
    """Return which points no other point beats, minimising cost and maximising value; both (n,), O(n log n).

    A point is on the frontier if no other point has a cost as low and a value as high, one of the two strictly better.
    Exact duplicates are all on the frontier or all off. A point with a NaN is never on the frontier and beats no point.
    """
    cost, value = np.asarray(costs, dtype=float), np.asarray(values, dtype=float)
    assert cost.shape == value.shape == (cost.size,), (cost.shape, value.shape)
    mask = np.zeros(len(cost), dtype=bool)
    known = np.flatnonzero(~(np.isnan(cost) | np.isnan(value)))
    if len(known):
        order = known[np.argsort(cost[known])]
        mask[order] = _sorted_mask(cost[order], value[order])
    return mask


def joint_pareto_mask(costs: ArrayLike, other_costs: ArrayLike, values: ArrayLike) -> NDArray[np.bool_]:
    """Return which points no other point beats in two costs and a value; all (n,), O(n log n) and moves in a list.

    Sorted by cost, other cost and falling value, every point follows all points that beat it. A point is beaten if
    an earlier point has an other cost as low and a value as high.
    """
    cost, other, value = (np.asarray(column, dtype=float) for column in (costs, other_costs, values))
    mask = np.zeros(len(cost), dtype=bool)
    known = np.flatnonzero(~(np.isnan(cost) | np.isnan(other) | np.isnan(value)))
    order = known[np.lexsort((-value[known], other[known], cost[known]))]
    front_costs, front_values = list[float](), list[float]()  # of the other cost; both ascending
    last, last_fate = None, False
    for i, point in zip(
        order, zip(*(column[order].tolist() for column in (cost, other, value)), strict=True), strict=True
    ):
        if point != last:
            last, last_fate = point, _put_on_front(front_costs, front_values, point[1], point[2])
        mask[i] = last_fate
    return mask


def _put_on_front(costs: list[float], values: list[float], cost: float, value: float) -> bool:
    """Put a point on a frontier, replacing the points that it beats; return False if an old point is as good."""
    cheaper = bisect_right(costs, cost)
    if cheaper and values[cheaper - 1] >= value:
        return False
    start, end = bisect_left(costs, cost), bisect_right(values, value)
    costs[start:end], values[start:end] = [cost], [value]
    return True


def step_line(costs: ArrayLike, values: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the corners (k,), (k,) of the line of the best value within column cost, from the cheapest point on.

    The line runs level to the next point of the frontier, then up; k is 2 m - 1 for m distinct points on the
    frontier, and 0 where there is none.
    """
    mask = pareto_mask(costs, values)
    points = np.unique(np.stack([np.asarray(costs, dtype=float)[mask], np.asarray(values, dtype=float)[mask]]), axis=1)
    return np.repeat(points[0], 2)[1:], np.repeat(points[1], 2)[:-1]


def hypervolume_over_time(costs: ArrayLike, values: ArrayLike, reference: tuple[float, float]) -> NDArray[np.float64]:
    """Return the area between the frontier of the first 1, 2, ... n points and a reference (cost, value); (n,).

    The area never falls. Points that are dearer or worse than the reference, or have a NaN, add nothing.

    Each point adds the area that no earlier point reaches: O(n log n) and moves in a list as long as the frontier.
    """
    cost, value = np.asarray(costs, dtype=float), np.asarray(values, dtype=float)
    front_costs, front_values = list[float](), list[float]()  # both ascending
    gains = np.zeros(len(cost))
    for i in np.flatnonzero((cost <= reference[0]) & (value >= reference[1])):
        gains[i] = _add_to_front(front_costs, front_values, float(cost[i]), float(value[i]), reference)
    return gains.cumsum()


def _add_to_front(
    costs: list[float], values: list[float], cost: float, value: float, reference: tuple[float, float]
) -> float:
    """Put a point on a frontier, replacing the points that it beats; return the area that the point adds."""
    cheaper = bisect_right(costs, cost)
    level = values[cheaper - 1] if cheaper else reference[1]
    if value <= level:
        return 0.0
    end = bisect_right(values, value)  # what costs at least as much, from here on, is better
    dearer = costs[end] if end < len(costs) else reference[0]
    edges = [cost, *costs[cheaper:end], dearer]
    heights = [level, *values[cheaper:end]]
    _put_on_front(costs, values, cost, value)
    return sum(
        (right - left) * (value - height) for (left, right), height in zip(pairwise(edges), heights, strict=True)
    )


def _sorted_mask(cost: NDArray[np.float64], value: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return the Pareto mask of n >= 1 points sorted by cost: best of their cost and better than all cheaper points."""
    starts = np.flatnonzero(np.r_[True, cost[1:] != cost[:-1]])
    best_of_cost = np.maximum.reduceat(value, starts)
    best_so_far = np.maximum.accumulate(best_of_cost)
    improves = np.r_[True, best_of_cost[1:] > best_so_far[:-1]]
    group = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(cost)]))
    return improves[group] & (value == best_of_cost[group])
