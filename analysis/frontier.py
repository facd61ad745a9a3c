"""Which points of a results table are on its frontiers. Only COMPLETE points can be; each dataset has its own."""

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.pareto import pareto_mask

Cost = Literal["macs", "num_params"]


def frontier_mask(table: pd.DataFrame, cost: Cost) -> NDArray[np.bool_]:
    """Which rows of a results table are on the frontier of `cost` against top-1 of their dataset; (rows,)."""
    mask = np.zeros(len(table), dtype=bool)
    complete = (table["state"] == "COMPLETE").to_numpy(dtype=bool)
    for dataset in table["dataset"].unique():
        rows = np.flatnonzero(complete & (table["dataset"] == dataset).to_numpy(dtype=bool))
        mask[rows] = pareto_mask(table[cost].to_numpy(dtype=float)[rows], table["top1"].to_numpy(dtype=float)[rows])
    return mask


def add_frontiers(table: pd.DataFrame) -> pd.DataFrame:
    """A copy of a results table with the columns `on_frontier` (MACs) and `on_params_frontier` (parameters)."""
    return table.assign(on_frontier=frontier_mask(table, "macs"), on_params_frontier=frontier_mask(table, "num_params"))


def frontier_points(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `add_frontiers`' table on the MACs frontier, dataset by dataset, cheapest first."""
    return table.loc[table["on_frontier"]].sort_values(["dataset", "macs"], kind="stable").reset_index(drop=True)
