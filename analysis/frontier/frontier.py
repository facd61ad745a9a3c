"""Frontiers of a results table, and their probabilities, for each dataset.

Only COMPLETE rows that have learned something count, the `candidates`.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.frontier.costs import Cost
from analysis.frontier.pareto import joint_pareto_mask, pareto_mask
from analysis.frontier.posterior import draw_means
from analysis.results.chance import candidates
from analysis.results.settings import pooled_deviation, pooled_freedom

NUM_DRAWS = 1000
"""Draws of a frontier's probabilities, whose standard error is then at most 1.6 points; 10,000 settings take a few
seconds."""


def _rows_by_dataset(table: pd.DataFrame, costs: Sequence[Cost]) -> Iterator[NDArray[np.intp]]:
    """Yield the row numbers of each dataset that can be on a frontier: candidates whose `costs` are known."""
    known = candidates(table) & ~table[list(costs)].isna().to_numpy(dtype=bool).any(axis=1)
    for dataset in table["dataset"].unique():
        yield np.flatnonzero(known & (table["dataset"] == dataset).to_numpy(dtype=bool))


def frontier_mask(table: pd.DataFrame, cost: Cost, metric: str = "top1") -> NDArray[np.bool_]:
    """Return which rows of a results table are on the frontier of `cost` against `metric` of their dataset; (rows,).

    A higher metric is better. A row whose cost is NaN is on no frontier.
    """
    mask = np.zeros(len(table), dtype=bool)
    for rows in _rows_by_dataset(table, [cost]):
        mask[rows] = pareto_mask(table[cost].to_numpy(dtype=float)[rows], table[metric].to_numpy(dtype=float)[rows])
    return mask


def _joint_frontier_mask(table: pd.DataFrame) -> NDArray[np.bool_]:
    mask = np.zeros(len(table), dtype=bool)
    columns = [table[name].to_numpy(dtype=float) for name in ("macs", "num_params", "top1")]
    for rows in _rows_by_dataset(table, ["macs", "num_params"]):
        mask[rows] = joint_pareto_mask(*(column[rows] for column in columns))
    return mask


def frontier_probability(table: pd.DataFrame, cost: Cost, *, num_draws: int = NUM_DRAWS) -> NDArray[np.float64]:
    """Return how probable it is that each row of `by_setting`'s table is on the frontier of `cost` over endless seeds.

    The probability is the share of draws of all true means, as `draw_means` makes them, in which the row is on the
    frontier: their noise is Student's t, and a mean that luck may have raised is drawn towards the trend of its cost.
    Equal tables get equal probabilities. Seeds are assumed to deviate alike in all settings of a dataset, and settings
    to scatter normally around a smooth trend.

    Returns:
        (rows,), from 0 to 1; NaN for rows that are no candidates, and in datasets where no setting has several seeds.
    """
    chances = np.full(len(table), np.nan)
    for rows in _rows_by_dataset(table, [cost]):
        settings = table.iloc[rows]
        deviation = pooled_deviation(settings)
        if deviation == 0:
            chances[rows] = frontier_mask(settings, cost)
        elif not np.isnan(deviation):
            chances[rows] = _share_on_frontier(settings, cost, deviation, num_draws)
    return chances


def _share_on_frontier(table: pd.DataFrame, cost: Cost, deviation: float, num_draws: int) -> NDArray[np.float64]:
    costs, means, num_seeds = (table[name].to_numpy(dtype=float) for name in (cost, "top1", "num_seeds"))
    freedom = pooled_freedom(table)
    draws = draw_means(costs, means, num_seeds, deviation=deviation, freedom=freedom, num_draws=num_draws)
    return np.sum([pareto_mask(costs, draw) for draw in draws], axis=0) / num_draws


def add_frontiers(table: pd.DataFrame) -> pd.DataFrame:
    """Return a copy of `by_setting`'s table with `on_frontier` (MACs), `on_params_frontier` (parameters),
    `on_joint_frontier` (nothing is as good in both costs at once) and `frontier_probability` (of the MACs frontier)."""
    return table.assign(
        on_frontier=frontier_mask(table, "macs"),
        on_params_frontier=frontier_mask(table, "num_params"),
        on_joint_frontier=_joint_frontier_mask(table),
        frontier_probability=frontier_probability(table, "macs"),
    )


def frontier_points(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `add_frontiers`' table on the MACs frontier, dataset by dataset, cheapest first."""
    return table.loc[table["on_frontier"]].sort_values(["dataset", "macs"], kind="stable").reset_index(drop=True)


def family_frontiers(table: pd.DataFrame) -> str:
    """Write a sentence with the number of networks on the MACs frontier of each family alone."""
    complete = table.loc[candidates(table)]
    counts = [
        f"{frontier_mask(rows, 'macs').sum()} of {len(rows)} {family}"
        for family, rows in complete.groupby("model", sort=True)
    ]
    return f"Within its own family, no cheaper network beats {', '.join(counts)}." if counts else ""
