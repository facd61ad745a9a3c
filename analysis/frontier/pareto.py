"""The Pareto frontier of points that cost something and are worth something. Knows nothing of networks or tables."""

from bisect import bisect_left, bisect_right
from itertools import pairwise

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


def joint_pareto_mask(costs: ArrayLike, other_costs: ArrayLike, values: ArrayLike) -> NDArray[np.bool_]:
    """`pareto_mask` for two costs at once: both are minimised; all (n,), O(n log n) and the moves within a list.

    Every point comes after all that beat it in the order of its cost, its other cost, and its value downwards; so it is
    beaten if the best value so far, among those whose other cost is as low, is as high.
    """
    cost, other, value = (np.asarray(each, dtype=float) for each in (costs, other_costs, values))
    mask = np.zeros(len(cost), dtype=bool)
    known = np.flatnonzero(~(np.isnan(cost) | np.isnan(other) | np.isnan(value)))
    order = known[np.lexsort((-value[known], other[known], cost[known]))]
    front_costs, front_values = list[float](), list[float]()  # of the other cost; both ascending
    last, last_fate = None, False
    for i, point in zip(order, zip(*(each[order].tolist() for each in (cost, other, value)), strict=True), strict=True):
        if point != last:
            last, last_fate = point, _put_on_front(front_costs, front_values, point[1], point[2])
        mask[i] = last_fate
    return mask


def _put_on_front(costs: list[float], values: list[float], cost: float, value: float) -> bool:
    """Put a point on a frontier, both ascending, in the place of those that it beats, unless one is as good."""
    cheaper = bisect_right(costs, cost)
    if cheaper and values[cheaper - 1] >= value:
        return False
    start, end = bisect_left(costs, cost), bisect_right(values, value)
    costs[start:end], values[start:end] = [cost], [value]
    return True


def step_line(costs: ArrayLike, values: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The corners (k,), (k,) of the line that shows the best value within each cost, from the cheapest point on.

    It runs level to the next point of the frontier, then up to it; k is 2 m - 1 for m distinct points on the
    frontier, and 0 where there is none.
    """
    mask = pareto_mask(costs, values)
    points = np.unique(np.stack([np.asarray(costs, dtype=float)[mask], np.asarray(values, dtype=float)[mask]]), axis=1)
    return np.repeat(points[0], 2)[1:], np.repeat(points[1], 2)[:-1]


def hypervolume_over_time(costs: ArrayLike, values: ArrayLike, reference: tuple[float, float]) -> NDArray[np.float64]:
    """The area between the frontier of the first 1, 2, ... n points and a reference (cost, value); (n,), never falling.

    That is the area of what at least one of them is as cheap and as good as. Points that are dearer or worse than the
    reference, or have a NaN, add nothing.

    Each point adds what it is the first to reach: O(n log n) and the moves within a list as long as the frontier.
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
    """Put a point on a frontier, both ascending, in the place of those that it beats; the area that this adds."""
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
    """`pareto_mask` of n >= 1 points in order of cost: those best of their cost and better than all cheaper."""
    starts = np.flatnonzero(np.r_[True, cost[1:] != cost[:-1]])
    best_of_cost = np.maximum.reduceat(value, starts)
    best_so_far = np.maximum.accumulate(best_of_cost)
    improves = np.r_[True, best_of_cost[1:] > best_so_far[:-1]]
    group = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(cost)]))
    return improves[group] & (value == best_of_cost[group])
