"""What is on the frontiers of a results table, and how surely. Only COMPLETE rows can be; each dataset has its own."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.frontier.pareto import joint_pareto_mask, pareto_mask
from analysis.frontier.quantities import Cost
from analysis.results.settings import pooled_deviation

NUM_RESAMPLES = 1000
"""How often seeds are drawn again: a probability's standard error is at most 1.6 points, for a second or two at 10,000
settings."""


def _each_dataset(table: pd.DataFrame, costs: Sequence[Cost]) -> Iterator[NDArray[np.intp]]:
    """The rows of each dataset that can be on a frontier: COMPLETE ones whose `costs` are known."""
    complete = ((table["state"] == "COMPLETE") & table[list(costs)].notna().all(axis=1)).to_numpy(dtype=bool)
    for dataset in table["dataset"].unique():
        yield np.flatnonzero(complete & (table["dataset"] == dataset).to_numpy(dtype=bool))


def frontier_mask(table: pd.DataFrame, cost: Cost, metric: str = "top1") -> NDArray[np.bool_]:
    """Which rows of a results table are on the frontier of `cost` against `metric` of their dataset; (rows,).

    The metric is a column that is the better the higher. A row whose cost is NaN is on no frontier.
    """
    mask = np.zeros(len(table), dtype=bool)
    for rows in _each_dataset(table, [cost]):
        mask[rows] = pareto_mask(table[cost].to_numpy(dtype=float)[rows], table[metric].to_numpy(dtype=float)[rows])
    return mask


def _joint_frontier_mask(table: pd.DataFrame) -> NDArray[np.bool_]:
    mask = np.zeros(len(table), dtype=bool)
    columns = [table[name].to_numpy(dtype=float) for name in ("macs", "num_params", "top1")]
    for rows in _each_dataset(table, ["macs", "num_params"]):
        mask[rows] = joint_pareto_mask(*(column[rows] for column in columns))
    return mask


def frontier_probability(table: pd.DataFrame, cost: Cost, *, num_resamples: int = NUM_RESAMPLES) -> NDArray[np.float64]:
    """How probable it is that each row of `by_setting`'s table is on the frontier of `cost`, were it trained again.

    By a parametric bootstrap: every mean is drawn again with normal noise, of the deviation that the replicated
    settings of its dataset share over the root of its number of seeds, and the frontier is found; a probability is the
    share of `num_resamples` such draws. (To draw two or three seeds again with replacement would make too little of
    their noise.) Same table, same answer.

    Returns:
        (rows,), from 0 to 1; NaN for rows that are not COMPLETE, and in datasets where no setting has several seeds.
    """
    chances = np.full(len(table), np.nan)
    for rows in _each_dataset(table, [cost]):
        deviation = pooled_deviation(table.iloc[rows])
        if not np.isnan(deviation):
            chances[rows] = _share_on_frontier(table.iloc[rows], cost, deviation, num_resamples)
    return chances


def _share_on_frontier(table: pd.DataFrame, cost: Cost, deviation: float, num_resamples: int) -> NDArray[np.float64]:
    generator = np.random.default_rng(0)
    costs, means = table[cost].to_numpy(dtype=float), table["top1"].to_numpy(dtype=float)
    noise = deviation / np.sqrt(table["num_seeds"].to_numpy(dtype=float))
    found = np.zeros(len(table))
    for _ in range(num_resamples):
        found += pareto_mask(costs, means + noise * generator.standard_normal(len(table)))
    return found / num_resamples


def add_frontiers(table: pd.DataFrame) -> pd.DataFrame:
    """A copy of `by_setting`'s table with `on_frontier` (MACs), `on_params_frontier` (parameters),
    `on_joint_frontier` (nothing is as good in both costs at once) and `frontier_probability` (of the MACs frontier)."""
    return table.assign(
        on_frontier=frontier_mask(table, "macs"),
        on_params_frontier=frontier_mask(table, "num_params"),
        on_joint_frontier=_joint_frontier_mask(table),
        frontier_probability=frontier_probability(table, "macs"),
    )


def frontier_points(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `add_frontiers`' table on the MACs frontier, dataset by dataset, cheapest first."""
    return table.loc[table["on_frontier"]].sort_values(["dataset", "macs"], kind="stable").reset_index(drop=True)


def family_frontiers(table: pd.DataFrame) -> str:
    """How many COMPLETE networks of each family are on the MACs frontier of that family alone, as a sentence."""
    complete = table.loc[table["state"] == "COMPLETE"]
    said = [
        f"{frontier_mask(rows, 'macs').sum()} of {len(rows)} {family}"
        for family, rows in complete.groupby("model", sort=True)
    ]
    return f"Within its own family, no cheaper network beats {', '.join(said)}." if said else ""
