"""Between which accuracies the published sources put the same networks, along a cost. Pure."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.frontier import Cost
from analysis.published import CELL

Array = NDArray[np.float64]


def shared_cells(cells: pd.DataFrame) -> pd.DataFrame:
    """The rows of the networks that two sources or more have trained; a source has a row for each."""
    return cells.loc[cells.duplicated(list(CELL), keep=False)]


def source_range(cells: pd.DataFrame, cost: Cost) -> Array:
    """The closed outline (2, k), cost and top-1 in percent, between two step lines along the same networks.

    One is the frontier if each network is as good as in the source that has it best, the other one as in that which has
    it worst. Empty where fewer than two networks are in several sources.

    Args:
        cells: networks as rows, with `source`, `top1` and the cost.
        cost: its column.
    """
    shared = shared_cells(cells)
    top1s = shared.groupby(list(CELL))["top1"]
    by_cost = np.stack([shared[cost], top1s.transform("min"), top1s.transform("max")]).astype(float)
    costs, low, high = by_cost[:, np.argsort(by_cost[0])]
    last = np.flatnonzero(np.diff(costs, append=np.inf))  # of networks of one cost
    if len(last) < 2:
        return np.empty((2, 0))
    there = np.repeat(costs[last], 2)[1:]
    low, high = (np.repeat(np.maximum.accumulate(each)[last], 2)[:-1] for each in (low, high))
    return np.array([np.r_[there, there[::-1]], np.r_[high, low[::-1]]])
