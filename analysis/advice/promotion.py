"""Settings of a sweep that are worth training with several seeds: the frontiers and their neighbours. Pure."""

import numpy as np
import pandas as pd

from analysis.frontier.frontier import frontier_mask
from analysis.results.chance import LEARNED_NOTHING, candidates
from trainers.errors import ConfigError


def worth_promoting(table: pd.DataFrame, margin: float) -> pd.DataFrame:
    """Return the rows of `by_setting`'s table on the frontier of MACs or of parameters, or at most `margin` below.

    Args:
        table: table of `by_setting`.
        margin: percent points of top-1.

    Raises:
        ConfigError: no row is COMPLETE, or none has learned anything.
    """
    if "COMPLETE" not in set(table["state"]):
        raise ConfigError("the sweep has no complete point yet, so there is nothing to promote")
    useful = candidates(table)
    if not useful.any():
        raise ConfigError(f"no network is worth promoting: each is {LEARNED_NOTHING}; train them longer")
    near = np.zeros(len(table), dtype=bool)
    for cost in ("macs", "num_params"):
        frontier = table.loc[frontier_mask(table, cost)]
        for i, (dataset, spent, top1) in enumerate(zip(table["dataset"], table[cost], table["top1"], strict=True)):
            cheaper = frontier.loc[(frontier["dataset"] == dataset) & (frontier[cost] <= spent), "top1"]
            near[i] |= bool(useful[i]) and top1 >= cheaper.max() - margin
    return table.loc[near].sort_values("macs", kind="stable").reset_index(drop=True)
