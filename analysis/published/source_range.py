"""Range of the accuracies that published sources report for the networks they share, along a cost. Pure."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.frontier.costs import Cost
from analysis.published.tables import CELL


@dataclass(frozen=True, kw_only=True)
class SourceRange:
    """Area between two step lines along the networks of several sources.

    The upper line is the frontier of each network at its best source, the lower line at its worst source.
    """

    outline: NDArray[np.float64]
    """Closed, (2, k): cost and top-1 in percent."""
    num_sources: int
    """Number of sources with one of the networks."""


def source_range(cells: pd.DataFrame, cost: Cost) -> SourceRange | None:
    """Return the range over the networks of two sources or more; None where fewer than two costs differ.

    Args:
        cells: a row per network and source, with `source`, `top1` and the cost.
        cost: name of the column with the cost.
    """
    shared = cells.loc[cells.duplicated(list(CELL), keep=False)]
    top1s = shared.groupby(list(CELL))["top1"]
    by_cost = np.stack([shared[cost], top1s.transform("min"), top1s.transform("max")]).astype(float)
    costs, low, high = by_cost[:, np.argsort(by_cost[0])]
    last = np.flatnonzero(np.diff(costs, append=np.inf))  # of networks of one cost
    if len(last) < 2:
        return None
    corners = np.repeat(costs[last], 2)[1:]
    low, high = (np.repeat(np.maximum.accumulate(bound)[last], 2)[:-1] for bound in (low, high))
    outline = np.array([np.r_[corners, corners[::-1]], np.r_[high, low[::-1]]])
    return SourceRange(outline=outline, num_sources=len(set(shared["source"])))
