"""Between which accuracies the published sources put the same networks, along a cost. Pure."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.frontier.quantities import Cost
from analysis.published.tables import CELL


@dataclass(frozen=True, kw_only=True)
class SourceRange:
    """The area between two step lines along the same networks.

    One is the frontier if each network is as good as in the source that has it best, the other one as in that which has
    it worst.
    """

    outline: NDArray[np.float64]
    """Closed, (2, k): cost and top-1 in percent."""
    num_sources: int
    """How many have one of these networks."""


def source_range(cells: pd.DataFrame, cost: Cost) -> SourceRange | None:
    """The range over the networks that two sources or more have; None where these have fewer than two costs.

    Args:
        cells: networks as rows, one for each source, with `source`, `top1` and the cost.
        cost: its column.
    """
    shared = cells.loc[cells.duplicated(list(CELL), keep=False)]
    top1s = shared.groupby(list(CELL))["top1"]
    by_cost = np.stack([shared[cost], top1s.transform("min"), top1s.transform("max")]).astype(float)
    costs, low, high = by_cost[:, np.argsort(by_cost[0])]
    last = np.flatnonzero(np.diff(costs, append=np.inf))  # of networks of one cost
    if len(last) < 2:
        return None
    there = np.repeat(costs[last], 2)[1:]
    low, high = (np.repeat(np.maximum.accumulate(each)[last], 2)[:-1] for each in (low, high))
    outline = np.array([np.r_[there, there[::-1]], np.r_[high, low[::-1]]])
    return SourceRange(outline=outline, num_sources=len(set(shared["source"])))
